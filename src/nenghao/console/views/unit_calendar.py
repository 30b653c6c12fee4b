"""How complete a unit's data are, day by day (完整性日历).

Of every day the share of values that are there among those that the configuration in force
expects: 96 ticks of a real-time item, one value of a daily item. An item that names no frequency is
expected once a day, and in ticks from the first day of the year on which it sent some. Values of
items that are not configured do not count. Days before the registration, and today, are not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection, func, select

from nenghao.platform import packing
from nenghao.platform.configuration import ANY_STAT_TYPE
from nenghao.platform.packing import ONLINE, REPORT, Key
from nenghao.platform.store.schema import configured_item, frame
from nenghao.standard import periods
from nenghao.standard.periods import StatType
from nenghao.standard.sources import InputType

KINDS: Final = {"realtime": StatType.REALTIME, "day": StatType.DAY}
_TICKS: Final = 96
_HEADER: Final = 7
"""Bytes of a stored frame that tell how many values it holds (`frames_codec`)."""
_COUNT: Final = 6


@dataclass(frozen=True)
class Day:
    """How complete one day is."""

    day: date
    present: int
    expected: int

    @property
    def share(self) -> float:
        """Percent."""
        return round(100 * self.present / self.expected, 1) if self.expected else 0.0


@dataclass(frozen=True)
class Calendar:
    """The judged days of a year."""

    year: int
    items: int
    """Items that are expected."""
    days: list[Day]

    @property
    def whole(self) -> int:
        """Days on which nothing is missing."""
        return sum(day.present >= day.expected for day in self.days)

    @property
    def share(self) -> float | None:
        """Percent of all days; None where nothing is expected."""
        expected = sum(day.expected for day in self.days)
        return (
            round(100 * sum(day.present for day in self.days) / expected, 2) if expected else None
        )


Item = tuple[str, int]
"""Data code and source."""


def calendar(
    conn: Connection,
    unit_id: int,
    kind: StatType,
    year: int,
    registered_at: datetime,
    now: datetime,
    data_code: str = "",
) -> Calendar:
    """The year's days, of all items that are expected or of one; `kind` REALTIME or DAY."""
    told, untold = expected(conn, unit_id, kind, data_code)
    since = dict.fromkeys(told, date.min)
    if kind is StatType.REALTIME:
        by_item = _ticks(conn, unit_id, year, data_code)
        since |= {item: min(by_item[item]) for item in untold & by_item.keys()}
        each, present = _TICKS, _added(by_item, since.keys())
    else:
        since |= dict.fromkeys(untold, date.min)
        each, present = 1, _days(conn, unit_id, since.keys(), year)
    first = max(date(year, 1, 1), registered_at.date(), min(since.values(), default=date.max))
    last = min(date(year, 12, 31), now.date() - timedelta(days=1))
    days = [
        Day(day, present.get(day, 0), each * sum(begin <= day for begin in since.values()))
        for day in _from_to(first, last)
    ]
    return Calendar(year, len(since), days)


def expected(
    conn: Connection, unit_id: int, kind: StatType, data_code: str = ""
) -> tuple[set[Item], set[Item]]:
    """The items configured for values of that kind, and those configured for no kind by name."""
    table = configured_item
    query = select(table.c.data_code, table.c.stat_type, table.c.input_type).where(
        table.c.unit_id == unit_id,
        table.c.retired_at.is_(None),
        table.c.stat_type.in_((int(kind), ANY_STAT_TYPE)),
    )
    if data_code:
        query = query.where(table.c.data_code == data_code)
    told: set[Item] = set()
    untold: set[Item] = set()
    for row in conn.execute(query):
        source = REPORT if row.input_type == InputType.MANUAL else ONLINE
        named = untold if row.stat_type == ANY_STAT_TYPE else told
        named.add((row.data_code, source))
    return told, untold - told


def _ticks(
    conn: Connection, unit_id: int, year: int, data_code: str
) -> dict[Item, dict[date, int]]:
    """How many ticks each item has on each day; only the head of a stored frame is read."""
    head = func.substr(frame.c.planes, 1, _HEADER)
    query = select(frame.c.frame, frame.c.data_code, frame.c.source, head).where(
        frame.c.unit_id == unit_id,
        frame.c.stat_type == int(StatType.REALTIME),
        frame.c.frame.between(
            periods.day_number(date(year, 1, 1)), periods.day_number(date(year, 12, 31))
        ),
    )
    if data_code:
        query = query.where(frame.c.data_code == data_code)
    found: defaultdict[Item, dict[date, int]] = defaultdict(dict)
    for number, code, source, begin in conn.execute(query):
        found[code, source][periods.day_of(number)] = bytes(begin)[_COUNT]
    return dict(found)


def _added(by_item: dict[Item, dict[date, int]], items: Set[Item]) -> dict[date, int]:
    days: defaultdict[date, int] = defaultdict(int)
    for item in by_item.keys() & items:
        for day, count in by_item[item].items():
            days[day] += count
    return days


def _days(conn: Connection, unit_id: int, items: Set[Item], year: int) -> dict[date, int]:
    """How many daily values each day has."""
    month = periods.month_number(date(year, 1, 1))
    columns = (frame.c.stat_type, frame.c.frame, frame.c.data_code, frame.c.source)
    query = select(*columns, frame.c.planes).where(
        frame.c.unit_id == unit_id,
        frame.c.stat_type == int(StatType.DAY),
        frame.c.frame.between(month, month + 11),
    )
    rows = [
        (Key(*key), planes) for *key, planes in conn.execute(query) if (key[2], key[3]) in items
    ]
    if not rows:
        return {}
    columns_of = packing.opened_columns(rows)
    begins = np.array([periods.day_number(periods.month_of(key.frame)) for key, _ in rows])
    numbers, counts = np.unique(
        begins[columns_of.frame_of_value()] + columns_of.slot, return_counts=True
    )
    return {
        periods.day_of(number): count
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
    }


def _from_to(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
