"""Whether units' data come in (用能单位状态): online, late or silent, told in SQL for many at once.

A device uploads once a day at its upload time (6.2.1). A unit is *online* (在线) when energy data
of one of its devices were accepted on the day on which they were last due, or later; *late* (迟报)
when the last ones are older than that and not older than `SILENT_AFTER`; *silent* (静默) after that
and where none ever came. What an operator or a unit's user fills in does not count.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, DateTime, Select, case, func, literal, select
from sqlalchemy.sql.selectable import ScalarSelect

from nenghao.platform import journal
from nenghao.platform.store.schema import device, receipt, unit

GRACE: Final = timedelta(hours=2)
"""So long after its upload time a unit is not yet late."""
SILENT_AFTER: Final = timedelta(days=7)


class UnitState(StrEnum):
    """The three states."""

    ONLINE = "online"
    LATE = "late"
    SILENT = "silent"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _LABELS[self]

    @property
    def badge(self) -> Literal["good", "warn", "bad"]:
        """The colour that goes with the word."""
        return _BADGES[self]


_LABELS = {UnitState.ONLINE: "在线", UnitState.LATE: "迟报", UnitState.SILENT: "静默"}
_BADGES: Final[dict[UnitState, Literal["good", "warn", "bad"]]] = {
    UnitState.ONLINE: "good",
    UnitState.LATE: "warn",
    UnitState.SILENT: "bad",
}

EXPLANATION: Final = (
    f"在线：最近一次应报日内已收到数据（上报时间点后 {GRACE.seconds // 3600} 小时内不算迟）；"
    f"迟报：此后未收到；静默：{SILENT_AFTER.days} 天以上没有数据，或从未上报。"
)


def last_upload() -> ScalarSelect[Any]:
    """When the unit's devices last sent energy data that were accepted; for a query of `unit`."""
    return (
        select(receipt.c.received_at)
        .where(
            receipt.c.unit_id == unit.c.id,
            receipt.c.kind == journal.ENERGY,
            receipt.c.device_number > 0,
        )
        .order_by(receipt.c.sequence.desc())
        .limit(1)
        .correlate(unit)
        .scalar_subquery()
    )


def upload_time() -> ScalarSelect[Any]:
    """The first upload time of the unit's devices, `HH:MM:SS`; for a query of `unit`."""
    return (
        select(func.min(device.c.upload_time))
        .where(device.c.unit_id == unit.c.id)
        .correlate(unit)
        .scalar_subquery()
    )


def state_of(
    last: ColumnElement[Any], due_at: ColumnElement[Any], now: datetime
) -> ColumnElement[str]:
    """The state of a unit as SQL, from columns as `last_upload` and `upload_time` give them."""
    waited = now - GRACE
    today = datetime(waited.year, waited.month, waited.day)
    since = case(
        (due_at <= f"{waited:%H:%M:%S}", literal(today, DateTime)),
        else_=literal(today - timedelta(days=1), DateTime),
    )
    return case(
        (last.is_(None), UnitState.SILENT.value),
        (last >= since, UnitState.ONLINE.value),
        (last >= now - SILENT_AFTER, UnitState.LATE.value),
        else_=UnitState.SILENT.value,
    )


def states(now: datetime) -> Select[Any]:
    """Of every unit its id, last upload, upload time and state."""
    inner = select(
        unit.c.id.label("unit_id"),
        last_upload().label("last_upload"),
        upload_time().label("upload_time"),
    ).subquery()
    state = state_of(inner.c.last_upload, inner.c.upload_time, now).label("state")
    return select(inner, state)
