"""Dated settings of single units (单位设置), given by the operator.

There is one so far, `realtime_label`: what a unit's real-time ticks label (docs/decisions 4). What
follows from it is `packing`'s business.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from nenghao.platform import audit
from nenghao.platform.in_force import REALTIME_LABEL
from nenghao.platform.packing import REALTIME_LABELS
from nenghao.platform.registry import unit_id_of
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import unit, unit_setting


class UnitSettingError(Exception):
    """No such unit, or a value that the setting cannot have; the text is Chinese."""


def set_realtime_label(
    conn: Connection, credit_code: str, value: str, valid_from: datetime, now: datetime
) -> None:
    """From `valid_from` on, the ticks of the unit label what `value` says.

    Data that were taken already stay as they are. Raises UnitSettingError.
    """
    if value not in REALTIME_LABELS:
        expected = "、".join(REALTIME_LABELS)
        raise UnitSettingError(f"realtime_label 应为 {expected} 之一，收到 {value!r}")
    unit_id = unit_id_of(conn, credit_code)
    if unit_id is None:
        raise UnitSettingError(f"没有注册过的用能单位 {credit_code}")
    row = {
        "unit_id": unit_id,
        "name": REALTIME_LABEL,
        "valid_from": valid_from,
        "value": value,
    }
    upsert(conn, unit_setting, [row])
    detail = f"{REALTIME_LABEL} = {value}，自 {valid_from} 起"
    audit.record(conn, now, audit.OPERATOR, "", "unit.set", credit_code, detail=detail)


def listing(conn: Connection) -> list[RowMapping]:
    """All dated settings: code, name, valid_from, value; the oldest of a unit first."""
    query = (
        select(unit.c.code, unit_setting.c.name, unit_setting.c.valid_from, unit_setting.c.value)
        .join_from(unit_setting, unit, unit_setting.c.unit_id == unit.c.id)
        .order_by(unit.c.code, unit_setting.c.name, unit_setting.c.valid_from)
    )
    return list(conn.execute(query).mappings())
