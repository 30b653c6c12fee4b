"""What is filled in by hand (手工填报, inputType 5): values of days, months or years.

Kept apart from the meters' history, as the platform keeps it: a report never takes the place of a
measured value. An entry goes up with the next batch and again when it is changed. It is checked
when it is made, with whoever makes it still there: period, number, and the limits of the
configuration, beyond which it is only taken knowingly and goes up with `valid` false.

Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from nenghao.device import validity
from nenghao.device.aggregation import rounded
from nenghao.device.history import LARGEST, plain
from nenghao.device.validity import AllBounds
from nenghao.standard import data_code, periods
from nenghao.standard.periods import StatType


class ManualError(ValueError):
    """An entry that cannot be taken; the text says why, in Chinese."""


class OutOfBounds(ManualError):
    """The value lies outside the configured limits; it can be entered knowingly."""


class Entry(Struct, frozen=True):
    """A value filled in by hand: of the day, month or year that begins at `start`."""

    data_code: str
    stat_type: StatType
    start: datetime
    value: Decimal
    valid: bool = True
    entered_at: datetime | None = None
    waiting: bool = True
    """Not in a batch yet."""


def period(text: str) -> tuple[StatType, datetime]:
    """The period that `2026-03-01` (a day), `2026-03` or `2026` names; ManualError.

    >>> period("2026-03")
    (<StatType.MONTH: 2>, datetime.datetime(2026, 3, 1, 0, 0))
    """
    forms = {10: (StatType.DAY, "%Y-%m-%d"), 7: (StatType.MONTH, "%Y-%m"), 4: (StatType.YEAR, "%Y")}
    stat_type, form = forms.get(len(text), (None, ""))
    try:
        if stat_type is None or not text.isascii():
            raise ValueError
        start = datetime.strptime(text, form)
    except ValueError:
        raise ManualError(
            f"日期应为 YYYY-MM-DD（日）、YYYY-MM（月）或 YYYY（年），收到 {text}"
        ) from None
    return stat_type, start


def number(text: str) -> Decimal:
    """The value in a text; ManualError."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ManualError(f"数值应为十进制数，收到 {text}") from None
    if not value.is_finite() or abs(value) >= LARGEST:
        raise ManualError(f"数值 {text} 不可用")
    if rounded(value) != value:
        raise ManualError(f"数值 {text} 的小数超过 10 位")
    return value


def enter(
    connection: sqlite3.Connection,
    entry: Entry,
    now: datetime,
    *,
    limits: AllBounds,
    accept_outside: bool = False,
) -> Entry:
    """Take an entry, in place of an earlier one for the same period; as it was taken.

    ManualError for an ill-formed code, a period that has not begun, a statType of ticks;
    OutOfBounds for a value outside its limits unless `accept_outside`, which makes it invalid.
    """
    if not data_code.is_form(entry.data_code):
        raise ManualError(f"数据项编码应为 {data_code.SHAPE}，收到 {entry.data_code}")
    if entry.stat_type is StatType.REALTIME:
        raise ManualError("手工填报只有日、月、年数据")
    periods.place(entry.stat_type, entry.start)
    if not periods.in_years(entry.start) or entry.start > now:
        raise ManualError(f"{entry.start:%Y-%m-%d} 开始的时段还没有到，不能填报")
    bounds = validity.bounds(limits, entry.data_code, entry.stat_type)
    inside = bounds.hold(entry.value)
    if not inside and not accept_outside:
        raise OutOfBounds(f"数值 {plain(entry.value)} 超出配置的范围（{bounds}）")
    known = _find(connection, entry)
    taken = Entry(entry.data_code, entry.stat_type, entry.start, entry.value, inside, now)
    if known is not None and (known.value, known.valid) == (taken.value, taken.valid):
        return known
    keep(connection, taken)
    return taken


def keep(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write an entry as it is, such as one that came back from the platform."""
    connection.execute(
        "INSERT OR REPLACE INTO manual VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(entry.data_code, int(entry.stat_type), entry.start.date().isoformat()),
            *(plain(entry.value), entry.valid),
            periods.format_time(entry.entered_at or entry.start),
            entry.waiting,
        ),
    )


_ENTRY = "SELECT data_code, stat_type, start, value, valid, entered_at, dirty FROM manual"


def _find(connection: sqlite3.Connection, entry: Entry) -> Entry | None:
    row = connection.execute(
        f"{_ENTRY} WHERE data_code = ? AND stat_type = ? AND start = ?",
        (entry.data_code, int(entry.stat_type), entry.start.date().isoformat()),
    ).fetchone()
    return None if row is None else _entry(row)


def entries(connection: sqlite3.Connection, begin: datetime, end: datetime) -> list[Entry]:
    """The entries whose period begins from `begin` to before `end`."""
    rows = connection.execute(
        f"{_ENTRY} WHERE start >= ? AND start < ? ORDER BY start, stat_type, data_code",
        (begin.date().isoformat(), end.date().isoformat()),
    )
    return [_entry(row) for row in rows]


def waiting(connection: sqlite3.Connection) -> list[Entry]:
    """What goes up with the next batch."""
    rows = connection.execute(f"{_ENTRY} WHERE dirty ORDER BY start, stat_type, data_code")
    return [_entry(row) for row in rows]


def packed(connection: sqlite3.Connection) -> None:
    """Everything that waited is in a batch."""
    connection.execute("UPDATE manual SET dirty = 0 WHERE dirty")


def again(connection: sqlite3.Connection, begin: datetime, end: datetime) -> int:
    """Let the entries of periods that begin in [begin, end) go up again; how many."""
    return connection.execute(
        "UPDATE manual SET dirty = 1 WHERE start >= ? AND start < ?",
        (begin.date().isoformat(), end.date().isoformat()),
    ).rowcount


def _entry(row: tuple[str, int, str, str, int, str, int]) -> Entry:
    code, stat_type, start, value, valid, entered_at, dirty = row
    return Entry(
        code,
        StatType(stat_type),
        datetime.fromisoformat(start),
        Decimal(value),
        bool(valid),
        periods.parse_time(entered_at),
        bool(dirty),
    )
