"""What the device has read (历史数据): ticks of six months, day totals for ever, what is dirty.

A row holds one item's day as 96 decimals in (deflated) text, so that 3.17 kWh × 0.0001 stays
0.000317 for ever. Putting a reading that was not there, or another value, marks its day, month and
year dirty: late readings re-open what was already sent, the same readings again change nothing.
`batches` turns what is dirty into batches; where readings come from is `sources`' business.

Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from nenghao.device.aggregation import (
    EXACT,
    INTERVALS,
    TICKS_OF_DAY,
    Rule,
    Total,
    day_total,
    rule_of,
)
from nenghao.standard import data_code, periods
from nenghao.standard.periods import StatType

LARGEST = Decimal(10) ** 15
"""Beyond this no energy of one interval lies; it keeps a mistyped column out."""


class HistoryError(ValueError):
    """Readings that cannot be kept; the text says why, in Chinese."""


class Reading(Struct, frozen=True):
    """One tick: `time` is the END of the interval (00:15 … next day's 00:00), `value` exact.

    `suspect`: as measured, but no meter can have counted it; it goes up with `valid` false.
    """

    time: datetime
    value: Decimal
    suspect: bool = False


class Item(Struct, frozen=True):
    """A collected item (采集数据项): its data code, name, source (B.1) and minutes per tick."""

    id: int
    data_code: str
    name: str
    input_type: int
    interval: int

    @property
    def rule(self) -> Rule:
        """How its totals are made."""
        return rule_of(data_code.parse(self.data_code))


class PutResult(Struct, frozen=True):
    """What putting readings did: counts of ticks, and the days that are to be sent (again)."""

    added: int
    changed: int
    same: int
    days: tuple[date, ...]


class DayRow(Struct, frozen=True):
    """One item's day as kept: `ticks` has 96 slots, and is None once forgotten."""

    day: date
    interval: int
    ticks: tuple[Decimal | None, ...] | None
    total: Total | None
    suspect: frozenset[int] = frozenset()
    """The slots whose tick is doubtful."""


def ensure_item(
    connection: sqlite3.Connection,
    code: str,
    *,
    interval: int,
    input_type: int | None = None,
    name: str = "",
    coarser: bool = False,
) -> Item:
    """The item of a data code, made or brought up to date.

    A known item keeps its finer interval, since a file with a few ticks may look coarser than the
    meter is, unless `coarser` says that the interval is meant. `input_type` None keeps what is
    known (new items: 4, a meter on site). HistoryError for an ill-formed code or interval.
    """
    try:
        data_code.parse(code)
    except ValueError as error:
        raise HistoryError(str(error)) from None
    if interval not in INTERVALS:
        raise HistoryError(f"采集间隔应为 15、30 或 60 分钟，收到 {interval}")
    known = find_item(connection, code)
    if known is None:
        connection.execute(
            "INSERT INTO item (data_code, name, input_type, interval) VALUES (?, ?, ?, ?)",
            (code, name, 4 if input_type is None else input_type, interval),
        )
    else:
        connection.execute(
            "UPDATE item SET name = ?, input_type = ?, interval = ? WHERE id = ?",
            (
                name or known.name,
                known.input_type if input_type is None else input_type,
                interval if coarser else min(interval, known.interval),
                known.id,
            ),
        )
    item = find_item(connection, code)
    assert item is not None  # noqa: S101 - just written
    return item


_ITEM = "SELECT id, data_code, name, input_type, interval FROM item"


def find_item(connection: sqlite3.Connection, code: str) -> Item | None:
    """The item of a data code, if there is one."""
    row = connection.execute(f"{_ITEM} WHERE data_code = ?", (code,)).fetchone()
    return None if row is None else Item(*row)


def items(connection: sqlite3.Connection) -> list[Item]:
    """All items, by data code."""
    return [Item(*row) for row in connection.execute(f"{_ITEM} ORDER BY data_code")]


def put(
    connection: sqlite3.Connection, item: Item, readings: Iterable[Reading], now: datetime
) -> PutResult:
    """Keep readings of an item; what is new or different marks its day, month and year dirty.

    HistoryError, with nothing kept if the caller rolls back, for a time off the grid, a value
    that is no finite number, or a part of a day whose ticks are forgotten already.
    """
    days: dict[date, dict[int, Reading]] = {}
    for reading in readings:
        day, slot = _place(reading)
        days.setdefault(day, {})[slot] = reading
    added = changed = same = 0
    dirty: list[date] = []
    for day in sorted(days):
        new, other, equal = _put_day(connection, item, day, days[day], now)
        added, changed, same = added + new, changed + other, same + equal
        if new or other:
            dirty.append(day)
            mark_dirty(connection, item, day)
    return PutResult(added, changed, same, tuple(dirty))


def _place(reading: Reading) -> tuple[date, int]:
    try:
        frame, slot = periods.place(StatType.REALTIME, reading.time)
    except periods.OffGrid as error:
        raise HistoryError(f"时间 {periods.format_time(reading.time)} {error}") from None
    if not reading.value.is_finite() or abs(reading.value) >= LARGEST:
        raise HistoryError(f"{periods.format_time(reading.time)} 的数值 {reading.value} 不可用")
    return periods.day_of(frame), slot


def _put_day(
    connection: sqlite3.Connection,
    item: Item,
    day: date,
    slots: dict[int, Reading],
    now: datetime,
) -> tuple[int, int, int]:
    """Merge one day; how many ticks were new, different, the same."""
    row = connection.execute(
        "SELECT interval, ticks, digest, suspect FROM day WHERE item_id = ? AND day = ?",
        (item.id, day.isoformat()),
    ).fetchone()
    interval = item.interval
    ticks: list[Decimal | None] = [None] * TICKS_OF_DAY
    suspect: set[int] = set()
    if row is not None and row[1] is None:
        fresh = [slots[slot].value if slot in slots else None for slot in range(TICKS_OF_DAY)]
        if _digest(fresh) == row[2]:
            return 0, 0, len(slots)
        if len(slots) < TICKS_OF_DAY * 15 // row[0]:
            raise HistoryError(
                f"{day} 的读数已超过保存期限，只能整日重新导入（{TICKS_OF_DAY * 15 // row[0]} 个）"
            )
    elif row is not None:
        ticks, suspect = _read_ticks(row[1]), set(_slots(row[3]))
    if row is not None:
        interval = min(interval, row[0])
    added = changed = same = 0
    for slot, reading in slots.items():
        before = ticks[slot]
        equal = before == reading.value and (slot in suspect) == reading.suspect
        added += before is None
        changed += before is not None and not equal
        same += before is not None and equal
        ticks[slot] = reading.value
        (suspect.add if reading.suspect else suspect.discard)(slot)
    if added or changed:
        write_day(
            connection, item, DayRow(day, interval, tuple(ticks), None, frozenset(suspect)), now
        )
    return added, changed, same


def write_day(connection: sqlite3.Connection, item: Item, row: DayRow, now: datetime) -> None:
    """Write one day as it is, without marking it dirty; its total is made anew from its ticks.

    A row without ticks keeps the total that it brings: a day of which only that is known.
    """
    if row.ticks is None:
        ticks, digest, made = None, "", row.total
    else:
        ticks, digest = _write_ticks(row.ticks), _digest(row.ticks)
        made = day_total(item.rule, row.interval, row.ticks, row.suspect)
    connection.execute(
        "INSERT OR REPLACE INTO day (item_id, day, interval, ticks, digest, total, complete,"
        " changed_at, suspect) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(item.id, row.day.isoformat(), row.interval, ticks, digest),
            None if made is None else plain(made.value),
            made is not None and made.complete,
            periods.format_time(now),
            _mask(row.suspect),
        ),
    )


def withdraw(
    connection: sqlite3.Connection, item: Item, times: Iterable[datetime], now: datetime
) -> tuple[date, ...]:
    """Make ticks absent again, such as those of a clock that was ahead; the days concerned.

    What was sent already stays with the platform until another value replaces it.
    """
    days: dict[date, set[int]] = {}
    for time in times:
        day, slot = _place(Reading(time, Decimal(0)))
        days.setdefault(day, set()).add(slot)
    changed = []
    for day, slots in sorted(days.items()):
        row = day_row(connection, item, day)
        if (
            row is None
            or row.ticks is None
            or not any(row.ticks[slot] is not None for slot in slots)
        ):
            continue
        ticks = tuple(None if slot in slots else tick for slot, tick in enumerate(row.ticks))
        write_day(
            connection, item, DayRow(day, row.interval, ticks, None, row.suspect - slots), now
        )
        mark_dirty(connection, item, day)
        changed.append(day)
    return tuple(changed)


def mark_dirty(connection: sqlite3.Connection, item: Item, day: date) -> None:
    """Let a day, its month and its year go up (again)."""
    starts = (
        (StatType.DAY, day),
        (StatType.MONTH, day.replace(day=1)),
        (StatType.YEAR, day.replace(month=1, day=1)),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO dirty VALUES (?, ?, ?)",
        [(int(stat_type), start.isoformat(), item.id) for stat_type, start in starts],
    )


def day_row(connection: sqlite3.Connection, item: Item, day: date) -> DayRow | None:
    """One item's day, if anything was read in it."""
    rows = day_rows(connection, item, day, day + timedelta(days=1))
    return rows[0] if rows else None


def day_rows(connection: sqlite3.Connection, item: Item, begin: date, end: date) -> list[DayRow]:
    """An item's days from `begin` to before `end`, in order; days without a tick are not there."""
    rows = connection.execute(
        "SELECT day, interval, ticks, total, complete, suspect FROM day"
        " WHERE item_id = ? AND day >= ? AND day < ? ORDER BY day",
        (item.id, begin.isoformat(), end.isoformat()),
    )
    return [
        DayRow(
            date.fromisoformat(day),
            interval,
            None if ticks is None else tuple(_read_ticks(ticks)),
            _total(total, complete, suspect),
            _slots(suspect),
        )
        for day, interval, ticks, total, complete, suspect in rows
    ]


def day_totals(
    connection: sqlite3.Connection, item: Item, begin: date, end: date
) -> dict[date, Total | None]:
    """The totals of an item's days from `begin` to before `end`, without reading their ticks."""
    rows = connection.execute(
        "SELECT day, total, complete, suspect FROM day WHERE item_id = ? AND day >= ? AND day < ?",
        (item.id, begin.isoformat(), end.isoformat()),
    )
    return {
        date.fromisoformat(day): _total(total, complete, suspect)
        for day, total, complete, suspect in rows
    }


def _total(total: str | None, complete: int, suspect: str) -> Total | None:
    return None if total is None else Total(Decimal(total), bool(complete), bool(suspect))


def span(connection: sqlite3.Connection, item: Item) -> tuple[date, date] | None:
    """The first and the last day with a reading."""
    first, last = connection.execute(
        "SELECT min(day), max(day) FROM day WHERE item_id = ?", (item.id,)
    ).fetchone()
    return None if first is None else (date.fromisoformat(first), date.fromisoformat(last))


def dirty_days(connection: sqlite3.Connection) -> int:
    """How many days changed since they were last put in a batch."""
    row = connection.execute("SELECT count(DISTINCT start) FROM dirty WHERE stat_type = 1")
    return int(row.fetchone()[0])


def forget(connection: sqlite3.Connection, now: datetime, keep_days: int) -> int:
    """Drop the ticks of days long past; how many item days. Totals stay.

    A day goes only when both it and its last writing are more than `keep_days` old and nothing of
    it waits to be sent: dirty days and days with a batch that is not accepted stay whole.
    """
    limit = now - timedelta(days=keep_days)
    return connection.execute(
        "UPDATE day SET ticks = NULL WHERE ticks IS NOT NULL AND day < ? AND changed_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM dirty WHERE dirty.stat_type = 1"
        "   AND dirty.start = day.day AND dirty.item_id = day.item_id)"
        " AND NOT EXISTS (SELECT 1 FROM batch WHERE batch.day = day.day"
        "   AND batch.state IN ('queued', 'refused'))",
        (limit.date().isoformat(), periods.format_time(limit)),
    ).rowcount


def plain(value: Decimal) -> str:
    """A decimal without exponent and without zeros at its end: `0.000317`, `0`, `1200`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def scaled(value: Decimal, scale: Decimal) -> Decimal:
    """`value` × `scale`, exactly: 3.78 × 0.0001 is 0.000378."""
    return EXACT.multiply(value, scale)


def _text(ticks: Sequence[Decimal | None]) -> str:
    return ",".join("" if tick is None else plain(tick) for tick in ticks)


def _write_ticks(ticks: Sequence[Decimal | None]) -> bytes:
    return zlib.compress(_text(ticks).encode())


def _read_ticks(stored: bytes | str) -> list[Decimal | None]:
    """Deflated, or plain text as the first version wrote it."""
    text = stored if isinstance(stored, str) else zlib.decompress(stored).decode()
    return [Decimal(part) if part else None for part in text.split(",")]


def _mask(slots: Iterable[int]) -> str:
    bits = sum(1 << slot for slot in slots)
    return f"{bits:x}" if bits else ""


def _slots(mask: str) -> frozenset[int]:
    bits = int(mask or "0", 16)
    return frozenset(slot for slot in range(TICKS_OF_DAY) if bits >> slot & 1)


def _digest(ticks: Sequence[Decimal | None]) -> str:
    return hashlib.sha256(_text(ticks).encode()).hexdigest()
