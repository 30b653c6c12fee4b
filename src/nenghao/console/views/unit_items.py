"""The items of a unit (数据项): what it configured and what it sent, named as A.4 names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct, field
from sqlalchemy import Connection, RowMapping, func, select

from nenghao.platform import dictionary
from nenghao.platform.configuration import ANY_STAT_TYPE
from nenghao.platform.store.schema import configuration, configured_item, frame
from nenghao.standard import data_code
from nenghao.standard.data_code import Scope
from nenghao.standard.item_names import ItemNames
from nenghao.standard.periods import StatType
from nenghao.standard.sources import NAMES

ALL_SENT = "各频率"
"""The frequency of an item that named none: it stands for every one."""


@dataclass(frozen=True)
class Item:
    """One data code of a unit."""

    data_code: str
    name: str
    """Composed: 全厂-二次能源-电力-购进已消费."""
    own_name: str
    """As the unit uploaded it, "" where it is the same or it told none."""
    energy: str
    """The energy type or indicator alone."""
    unit: str
    frequencies: str
    input_types: str
    limits: str
    """What values should lie between, by frequency where it differs; "" where nothing is said."""
    scope: str
    devices: str
    retired_at: datetime | None
    """Since when no device has it configured any more; None: it is in force."""
    configured: bool
    """Whether a device ever had it configured; else its values came without."""


@dataclass(frozen=True)
class Words:
    """What is needed to name a unit's data codes."""

    names: ItemNames
    industry: str
    process_units: dict[tuple[str, str], str]

    def name(self, code: str) -> str:
        """A data code in words."""
        return self.names.of(data_code.parse(code), self.industry, self.process_units)

    def unit(self, code: str) -> str:
        """The unit of its values, "" when unknown."""
        return self.names.unit(data_code.parse(code))


class _ProcessUnit(Struct, rename="camel"):
    code: str = ""
    name: str = ""
    process_code: str = ""


class _Enterprise(Struct, rename="camel"):
    industry_code: str = ""


class _Message(Struct, rename="camel"):
    enterprise: _Enterprise = field(default_factory=_Enterprise)
    process_unit: list[_ProcessUnit] | None = None


_decoder = msgspec.json.Decoder(_Message)


def words(conn: Connection, unit_id: int) -> Words:
    """What names the unit's data codes, by its last configuration and the base data in force."""
    query = (
        select(configuration.c.message)
        .where(configuration.c.unit_id == unit_id)
        .order_by(configuration.c.sequence.desc())
        .limit(1)
    )
    text = conn.execute(query).scalar()
    told = _Message() if text is None else _decoder.decode(text)
    own = {(one.process_code, one.code): one.name for one in told.process_unit or []}
    return Words(dictionary.item_names(conn), told.enterprise.industry_code, own)


def items(conn: Connection, unit_id: int) -> list[Item]:
    """All items in force and retired, and codes whose values came without being configured."""
    naming = words(conn, unit_id)
    table = configured_item
    query = select(table).where(table.c.unit_id == unit_id)
    rows = defaultdict(list)
    for row in conn.execute(query.order_by(table.c.device_number, table.c.stat_type)).mappings():
        rows[row["data_code"]].append(row)
    found = [_item(code, list(mine), naming) for code, mine in rows.items()]
    sent = set[str]().union(*sent_lately(conn, unit_id).values())
    found += [_item(code, [], naming) for code in sent - rows.keys()]
    return sorted(found, key=lambda item: (item.retired_at is not None, item.data_code))


def sent_lately(conn: Connection, unit_id: int) -> dict[StatType, set[str]]:
    """The data codes that have values in the latest day, month, year … with any."""
    codes: dict[StatType, set[str]] = {}
    for kind in StatType:
        mine = (frame.c.unit_id == unit_id) & (frame.c.stat_type == int(kind))
        latest = conn.execute(select(func.max(frame.c.frame)).where(mine)).scalar()
        if latest is not None:
            query = select(frame.c.data_code).where(mine, frame.c.frame == latest)
            codes[kind] = set(conn.execute(query.distinct()).scalars())
    return codes


def _item(code: str, rows: list[RowMapping], naming: Words) -> Item:
    live = [row for row in rows if row["retired_at"] is None]
    shown = live or rows
    parsed = data_code.parse(code)
    name = naming.name(code)
    own = next((row["name"] for row in shown if row["name"]), "")
    retired = [row["retired_at"] for row in rows if row["retired_at"] is not None]
    scopes = sorted({row["scope"] for row in shown} or {int(parsed.scope)})
    return Item(
        data_code=code,
        name=name,
        own_name=own if own != name else "",
        energy=naming.names.energy(parsed),
        unit=naming.unit(code),
        frequencies=_joined(_frequency(row["stat_type"]) for row in shown),
        input_types=_joined(NAMES.get(str(row["input_type"]), "") for row in shown),
        limits=_limits(shown),
        scope="、".join(Scope(scope).label for scope in scopes),
        devices=_joined(str(row["device_number"]) for row in shown),
        retired_at=max(retired) if retired and not live else None,
        configured=bool(rows),
    )


def _limits(rows: list[RowMapping]) -> str:
    """`0～900`, or `实时 0～60；日 0～900` where the frequencies differ."""
    told = {
        _frequency(row["stat_type"]): f"{_number(row['value_min'])}～{_number(row['value_max'])}"
        for row in rows
    }
    said = {name: span for name, span in told.items() if span != "～"}
    if len(set(told.values())) <= 1:
        return next(iter(said.values()), "")
    return "；".join(f"{name} {span}" for name, span in said.items())


def _number(value: float | None) -> str:
    return "" if value is None else plain(value)


def plain(value: float) -> str:
    """A value without exponent, all its digits."""
    return format(Decimal(repr(value)).normalize(), "f")


def _frequency(stat_type: int) -> str:
    return ALL_SENT if stat_type == ANY_STAT_TYPE else StatType(stat_type).label


def _joined(texts: Iterable[str]) -> str:
    return "、".join(dict.fromkeys(text for text in texts if text))
