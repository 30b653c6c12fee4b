"""From what is dirty to batches in the queue (打包, 6.2.5): which records go with which day.

The batch that is sent on day D+1 carries day D: its ticks 00:15 … 24:00 and its daily values. The
one sent on the first of a month carries the month's values too, the one sent on 1 January the
year's (6.2.5-2, docs/decisions 5), and every batch what was filled in by hand since the last. Late
readings re-open their day, and the month and the year that were already sent with it. Only items
that changed are sent again.

Building is one transaction: the batches are in the queue and their days clean, or neither. The
form is checked before queuing, with the same code that the platform's side uses, a few thousand
records at a time: no day is ever in memory whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache

import msgspec
from msgspec import Raw, Struct

from nenghao.device import history, manual, outbox, totals, validity
from nenghao.device.aggregation import Total, expected_slots, rounded
from nenghao.device.history import Item
from nenghao.device.manual import Entry
from nenghao.device.packing import Packer, pieces
from nenghao.device.settings import IncompletePolicy
from nenghao.device.validity import AllBounds
from nenghao.standard import data_code, periods, replies
from nenghao.standard.messages import energy_data
from nenghao.standard.periods import StatType

MANUAL_ENTRY = 5
"""inputType of what is filled in by hand (手工填报): the only kind without ticks (6.2.5-4)."""

_ENVELOPE = 200
"""Bytes kept free for what stands around the records."""

_PLACEHOLDER = "0" * 32
"""Stands for the device id while the form is checked: it is written at sending."""

_CHECKED_TOGETHER = 2_000
"""Records whose form is checked in one go: enough that a date is looked at once for many."""


class Limits(Struct, frozen=True):
    """How large a batch may be."""

    records: int = 100_000
    size: int = 16_000_000
    """Bytes of the request."""


class _Record(Struct, rename="camel"):
    """A record of A.5 whose number is text already, so that it stands on the wire exactly."""

    data_code: str
    data_value: Raw
    input_type: int
    stat_type: int
    stat_date: str
    upload_date: str
    scope: int
    valid: bool


class _Due(Struct):
    """What goes into the batch of one day: items by what is due of them."""

    days: list[Item] = msgspec.field(default_factory=list)
    months: list[tuple[Item, date]] = msgspec.field(default_factory=list)
    years: list[tuple[Item, date]] = msgspec.field(default_factory=list)
    entries: list[Entry] = msgspec.field(default_factory=list)


def build(
    connection: sqlite3.Connection,
    *,
    enterprise_code: str,
    before: date,
    now: datetime,
    limits: Limits,
    incomplete: IncompletePolicy = "invalid",
    bounds: AllBounds | None = None,
) -> tuple[int, ...]:
    """Queue everything that is due: days before `before`, months and years that ended by then.

    The ids of the new batches, oldest day first. A batch that fails the form is put aside as
    refused, with the finding, since no platform would take it.
    """
    made: list[int] = []
    judge = _Judge(bounds or {}, incomplete)
    for day, due in sorted(_due(connection, before).items()):
        stamp = _stamp(connection, day, now)
        day_batches = _DayBatches(connection, day, stamp, enterprise_code, limits, now)
        for record in _records(connection, day, due, stamp, judge):
            day_batches.add(msgspec.json.encode(record))
        made += day_batches.finish()
    _clean(connection, before)
    return tuple(made)


def wire_number(value: Decimal) -> str:
    """`value` as dataValue stands on the wire: no exponent, at most ten decimals.

    >>> wire_number(Decimal("3.78") * Decimal("0.0001"))
    '0.000378'
    """
    return history.plain(rounded(value))


def _ended(before: date) -> list[tuple[StatType, date]]:
    """Per stat type, the first period start that is not over when `before` begins."""
    return [
        (StatType.DAY, before),
        (StatType.MONTH, before.replace(day=1)),
        (StatType.YEAR, before.replace(month=1, day=1)),
    ]


def _due(connection: sqlite3.Connection, before: date) -> dict[date, _Due]:
    """What is dirty and over, by the day whose batch it goes with."""
    items = {item.id: item for item in history.items(connection)}
    rows: dict[StatType, list[tuple[date, Item]]] = {}
    for stat_type, open_from in _ended(before):
        found = connection.execute(
            "SELECT start, item_id FROM dirty WHERE stat_type = ? AND start < ? ORDER BY start",
            (int(stat_type), open_from.isoformat()),
        )
        rows[stat_type] = [(date.fromisoformat(start), items[number]) for start, number in found]
    due: dict[date, _Due] = {}
    for day, item in rows[StatType.DAY]:
        due.setdefault(day, _Due()).days.append(item)
    dirty_days = sorted(due)
    for start, item in rows[StatType.MONTH]:
        day = _carrier(dirty_days, StatType.MONTH, start)
        due.setdefault(day, _Due()).months.append((item, start))
    for start, item in rows[StatType.YEAR]:
        day = _carrier(dirty_days, StatType.YEAR, start)
        due.setdefault(day, _Due()).years.append((item, start))
    if entries := manual.waiting(connection):
        due.setdefault(before - timedelta(days=1), _Due()).entries = entries
    return due


def _carrier(dirty_days: Sequence[date], stat_type: StatType, start: date) -> date:
    """The day whose batch carries a period's total: the last dirty one in it, else its last."""
    end = _period_end(stat_type, start)
    inside = [day for day in dirty_days if start <= day < end]
    return inside[-1] if inside else end - timedelta(days=1)


def _period_end(stat_type: StatType, start: date) -> date:
    return periods.period_end(stat_type, datetime(start.year, start.month, start.day)).date()


def _clean(connection: sqlite3.Connection, before: date) -> None:
    for stat_type, open_from in _ended(before):
        connection.execute(
            "DELETE FROM dirty WHERE stat_type = ? AND start < ?",
            (int(stat_type), open_from.isoformat()),
        )
    manual.packed(connection)


def _stamp(connection: sqlite3.Connection, day: date, now: datetime) -> str:
    """The batch's uploadDate: now, but never before an earlier batch of the same year.

    The later uploadDate wins on the platform, so a clock that was set back must not make a
    correction lose against what it corrects.
    """
    stamp = periods.format_time(now)
    return max(stamp, outbox.latest_upload_date(connection, day.year) or stamp)


class _Judge(Struct, frozen=True):
    """What makes a value valid."""

    bounds: AllBounds
    incomplete: IncompletePolicy

    def tick(self, item: Item, value: Decimal, suspect: bool) -> bool:
        bounds = validity.bounds(self.bounds, item.data_code, StatType.REALTIME)
        return not suspect and bounds.hold(value)

    def total(self, item: Item, stat_type: StatType, made: Total) -> bool:
        number = len(expected_slots(item.interval))
        bounds = validity.bounds(
            self.bounds, item.data_code, stat_type, rule=item.rule, ticks=number
        )
        whole = made.complete or self.incomplete == "valid"
        return whole and not made.suspect and bounds.hold(made.value)


def _records(
    connection: sqlite3.Connection, day: date, due: _Due, stamp: str, judge: _Judge
) -> Iterator[_Record]:
    for item in sorted(due.days, key=lambda one: one.data_code):
        row = history.day_row(connection, item, day)
        if row is None:
            continue
        if item.input_type != MANUAL_ENTRY and row.ticks is not None:
            ticks = zip(periods.day_ticks(day), row.ticks, strict=True)
            for slot, (time, value) in enumerate(ticks):
                if value is not None:
                    valid = judge.tick(item, value, slot in row.suspect)
                    yield _record(item, StatType.REALTIME, time, value, valid, stamp)
        made = totals.of_day(connection, item, day, row.total)
        yield from _total(item, StatType.DAY, day, made, stamp, judge)
    for item, start in due.months:
        made = totals.of_month(connection, item, start)
        yield from _total(item, StatType.MONTH, start, made, stamp, judge)
    for item, start in due.years:
        made = totals.of_year(connection, item, start.year)
        yield from _total(item, StatType.YEAR, start, made, stamp, judge)
    for entry in due.entries:
        yield _entered(entry, stamp)


def _total(
    item: Item,
    stat_type: StatType,
    start: date,
    made: Total | None,
    stamp: str,
    judge: _Judge,
) -> Iterator[_Record]:
    if made is None or (not made.complete and judge.incomplete == "omit"):
        return
    time = datetime(start.year, start.month, start.day)
    valid = judge.total(item, stat_type, made)
    yield _record(item, stat_type, time, made.value, valid, stamp)


def _entered(entry: Entry, stamp: str) -> _Record:
    return _Record(
        data_code=entry.data_code,
        data_value=Raw(wire_number(entry.value).encode()),
        input_type=MANUAL_ENTRY,
        stat_type=int(entry.stat_type),
        stat_date=periods.format_time(entry.start),
        upload_date=stamp,
        scope=_scope(entry.data_code),
        valid=entry.valid,
    )


def _record(
    item: Item, stat_type: StatType, time: datetime, value: Decimal, valid: bool, stamp: str
) -> _Record:
    return _Record(
        data_code=item.data_code,
        data_value=Raw(wire_number(value).encode()),
        input_type=item.input_type,
        stat_type=int(stat_type),
        stat_date=periods.format_time(time),
        upload_date=stamp,
        scope=_scope(item.data_code),
        valid=valid,
    )


@cache
def _scope(code: str) -> int:
    return int(data_code.parse(code).scope)


class _DayBatches:
    """The batches of one day: a record goes in as it comes, is checked, packed, and let go of."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        day: date,
        stamp: str,
        enterprise_code: str,
        limits: Limits,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._day = day
        self._stamp = stamp
        self._enterprise_code = enterprise_code
        self._limits = limits
        self._now = now
        self._made: list[int] = []
        self._packer = Packer()
        self._unchecked: list[bytes] = []
        self._is_sound = True

    def add(self, record: bytes) -> None:
        """Append a record; another batch begins where this one would grow over a limit."""
        count, size = self._packer.records, self._packer.size + len(record) + 1
        if count and (count >= self._limits.records or _ENVELOPE + size > self._limits.size):
            self._close()
        self._packer.add(record)
        self._unchecked.append(record)
        if len(self._unchecked) >= _CHECKED_TOGETHER:
            self._check()

    def finish(self) -> list[int]:
        """The ids of the batches, in order."""
        if self._packer.records:
            self._close()
        return self._made

    def _check(self) -> None:
        part, self._unchecked = self._unchecked, []
        if self._is_sound and part:
            self._is_sound = not self._form_fault(b"[%b]" % b",".join(part))

    def _close(self) -> None:
        self._check()
        packed, self._packer = self._packer.finish(), Packer()
        fault = ""
        if not self._is_sound or packed.records > energy_data.RECORD_LIMIT:
            whole = b"".join(pieces(packed.data))  # so that places count from its start
            fault = self._form_fault(whole)
        self._is_sound = True
        new = outbox.NewBatch(self._day, packed, self._stamp, refused=fault)
        self._made.append(outbox.add(self._connection, new, self._enterprise_code, self._now))

    def _form_fault(self, array: bytes) -> str:
        """Why a platform would refuse records by their form; empty if it would not."""
        head = outbox.head(_PLACEHOLDER, self._enterprise_code)
        try:
            energy_data.read_upload(b"".join((head, array, outbox.TAIL)))
        except replies.Refusal as refusal:
            return f"本机检查未通过：{refusal.text}"
        return ""
