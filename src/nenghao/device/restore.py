"""A lost or replaced device (端设备恢复): its history and configuration from the platform.

What comes back is what the platform has (downloadConfigData, downloadEnergyData; docs/decisions 6):
ticks, totals, what was filled in by hand. It is written without being marked for upload, since it
is there already, and beside what this device has read itself: a tick that is here stays. A day of
which the platform has only the total keeps that; so months and years add up again.

Downloading is the client's business; functions here take a connection and records.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from nenghao.device import history, manual
from nenghao.device.aggregation import TICKS_OF_DAY, Rule, Total, expected_slots
from nenghao.device.batches import MANUAL_ENTRY
from nenghao.device.collection import gaps
from nenghao.device.history import DayRow, Item
from nenghao.device.manual import Entry
from nenghao.standard import periods
from nenghao.standard.messages.config_data import ConfigDownloadAnswer
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType


class Restored(Struct):
    """What was restored: counts of ticks, days and entries by hand."""

    items: int = 0
    ticks: int = 0
    days: int = 0
    entries: int = 0

    def add(self, other: Restored) -> None:
        """Count another part in."""
        self.ticks += other.ticks
        self.days += other.days
        self.entries += other.entries


def configuration_file(answer: ConfigDownloadAnswer) -> bytes | None:
    """config.json as the platform has it; None when it has none."""
    value: dict[str, Any] = msgspec.to_builtins(answer)
    rest = {key: part for key, part in value.items() if not key.startswith("response")}
    if not rest.get("collectItemConfig") or not rest.get("enterprise"):
        return None
    kept = {key: part for key, part in rest.items() if part is not None}
    return (json.dumps(kept, ensure_ascii=False, indent=2) + "\n").encode()


def put(
    connection: sqlite3.Connection,
    records: Iterable[EnergyRecord],
    names: Mapping[str, str],
    now: datetime,
) -> Restored:
    """Keep downloaded records of ticks, days, and what was filled in by hand."""
    restored = Restored()
    ticks: dict[str, dict[date, dict[int, EnergyRecord]]] = {}
    days: dict[str, dict[date, EnergyRecord]] = {}
    sources: dict[str, int] = {}
    for record in records:
        time = periods.parse_time(record.stat_date)
        if record.input_type == MANUAL_ENTRY:
            restored.entries += _entry(connection, record, time)
            continue
        sources[record.data_code] = record.input_type
        if record.stat_type == StatType.REALTIME:
            frame, slot = periods.place(StatType.REALTIME, time)
            day = periods.day_of(frame)
            ticks.setdefault(record.data_code, {}).setdefault(day, {})[slot] = record
        elif record.stat_type == StatType.DAY:
            days.setdefault(record.data_code, {})[time.date()] = record
    for code in sorted(ticks.keys() | days.keys()):
        mine = ticks.get(code, {})
        item = history.ensure_item(
            connection,
            code,
            interval=_interval(connection, code, mine.values()),
            input_type=sources[code],
            name=names.get(code, ""),
        )
        for day in sorted(mine.keys() | days.get(code, {}).keys()):
            total = days.get(code, {}).get(day)
            added, fresh = _day(connection, item, day, mine.get(day, {}), total, now)
            restored.ticks += added
            restored.days += fresh
    return restored


def _value(record: EnergyRecord) -> Decimal:
    return Decimal(repr(record.data_value))


def _interval(
    connection: sqlite3.Connection, code: str, days: Iterable[dict[int, EnergyRecord]]
) -> int:
    """Minutes between ticks: the coarsest grid that has them all."""
    known = history.find_item(connection, code)
    minutes = [(slot + 1) * 15 for day in days for slot in day]
    if not minutes:
        return known.interval if known else 15
    return math.gcd(60, *minutes)


def _day(
    connection: sqlite3.Connection,
    item: Item,
    day: date,
    given: dict[int, EnergyRecord],
    total: EnergyRecord | None,
    now: datetime,
) -> tuple[int, bool]:
    """Merge a day into what is here; how many ticks were added, and whether anything was."""
    row = history.day_row(connection, item, day)
    if row is not None and row.ticks is None and row.total is not None:
        return 0, False
    ticks: list[Decimal | None] = [None] * TICKS_OF_DAY
    if row is not None and row.ticks is not None:
        ticks = list(row.ticks)
    suspect = set(row.suspect) if row else set()
    added = 0
    for slot, record in given.items():
        if ticks[slot] is None:
            ticks[slot] = _value(record)
            if not record.valid:
                suspect.add(slot)
            added += 1
    if added:
        fresh = DayRow(day, item.interval, tuple(ticks), None, frozenset(suspect))
        history.write_day(connection, item, fresh, now)
        if total is not None and total.valid:
            _fill(connection, item, fresh, _value(total))
        return added, True
    if row is None and not given and total is not None:
        only = DayRow(day, item.interval, None, Total(_value(total), total.valid))
        history.write_day(connection, item, only, now)
        return 0, True
    return 0, False


def _fill(connection: sqlite3.Connection, item: Item, row: DayRow, total: Decimal) -> None:
    """A valid total that its ticks do not make came from the register: keep the difference."""
    assert row.ticks is not None  # noqa: S101 - just written
    step = timedelta(minutes=row.interval)
    midnight = datetime(row.day.year, row.day.month, row.day.day)
    slots = expected_slots(row.interval)
    known = sum((tick for slot in slots if (tick := row.ticks[slot]) is not None), Decimal(0))
    rest = total - known
    absent = [number for number, slot in enumerate(slots) if row.ticks[slot] is None]
    if item.rule is not Rule.SUM or not absent or not rest:
        return
    for _, run in groupby(enumerate(absent), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        begin, end = midnight + step * numbers[0], midnight + step * (numbers[-1] + 1)
        gaps.put(connection, item, begin, end, rest)
        rest = Decimal(0)  # how it lies within the day nobody knows any more


def _entry(connection: sqlite3.Connection, record: EnergyRecord, time: datetime) -> bool:
    """Keep what was filled in by hand, unless there is an entry here already."""
    stat_type = StatType(record.stat_type)
    if stat_type is StatType.REALTIME:
        return False
    known = manual.entries(connection, time, time + timedelta(days=1))
    if any((one.data_code, one.stat_type) == (record.data_code, stat_type) for one in known):
        return False
    entered = periods.parse_time(record.upload_date)
    value = _value(record)
    manual.keep(
        connection,
        Entry(record.data_code, stat_type, time, value, record.valid, entered, waiting=False),
    )
    return True


def windows(begin: date, end: date, days: int) -> Sequence[tuple[date, date]]:
    """[begin, end) in parts of so many days at most."""
    found = []
    while begin < end:
        upto = min(end, begin + timedelta(days=days))
        found.append((begin, upto))
        begin = upto
    return found
