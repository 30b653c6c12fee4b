"""What a register counted while its ticks were missing (缺口电量), for totals from the register.

A gap lies between two boundaries at which the register's course is known; the ticks in it stay
absent for ever, but what was counted over all of it is exact. With `day_from = "register"` a day
or month is what its ticks and the gaps inside it come to, if they cover it from end to end.

Functions over a connection of `DeviceStore`, inside the caller's transaction. Times are
milliseconds since 2000-01-01 outside and text in the table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from nenghao.device import history
from nenghao.device.aggregation import EXACT, Rule, Total, expected_slots
from nenghao.device.collection.samples import milliseconds, moment
from nenghao.device.collection.ticks import Span
from nenghao.device.history import Item
from nenghao.standard import periods


def _text(milliseconds_: int) -> str:
    return periods.format_time(moment(milliseconds_))


def earliest(connection: sqlite3.Connection, item: Item, begin: int) -> int:
    """`begin`, or the beginning of the gap that it lies in."""
    row = connection.execute(
        'SELECT begin FROM gap WHERE item_id = ? AND begin < ? AND "end" > ?',
        (item.id, _text(begin), _text(begin)),
    ).fetchone()
    return begin if row is None else milliseconds(periods.parse_time(row[0]))


def replace(
    connection: sqlite3.Connection, item: Item, begin: int, end: int, found: Sequence[Span]
) -> tuple[date, ...]:
    """Put the gaps found in [begin, end] in place of those that were; the days concerned."""
    end = min(end, milliseconds(periods.END))
    known = {
        (row[0], row[1]): (row[2], bool(row[3]))
        for row in connection.execute(
            'SELECT begin, "end", amount, suspect FROM gap WHERE item_id = ? AND begin >= ?'
            " AND begin < ?",
            (item.id, _text(begin), _text(end)),
        )
    }
    fresh = {
        (_text(span.begin), _text(span.end)): (history.plain(span.amount), span.suspect)
        for span in found
    }
    if fresh == known:
        return ()
    connection.execute(
        "DELETE FROM gap WHERE item_id = ? AND begin >= ? AND begin < ?",
        (item.id, _text(begin), _text(end)),
    )
    connection.executemany(
        "INSERT INTO gap VALUES (?, ?, ?, ?, ?)",
        [(item.id, *place, amount, suspect) for place, (amount, suspect) in fresh.items()],
    )
    days: set[date] = set()
    for first, last in known.keys() ^ fresh.keys():
        day = periods.parse_time(first).date()
        while datetime.combine(day, time()) < periods.parse_time(last):
            days.add(day)
            day += timedelta(days=1)
    return tuple(sorted(days))


def put(
    connection: sqlite3.Connection, item: Item, begin: datetime, end: datetime, amount: Decimal
) -> None:
    """Keep what a register counted from `begin` to `end`."""
    connection.execute(
        "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, 0)",
        (
            *(item.id, periods.format_time(begin), periods.format_time(end)),
            history.plain(amount),
        ),
    )


def register_total(
    connection: sqlite3.Connection, item: Item, begin: date, end: date
) -> Total | None:
    """What the register counted from the midnight of `begin` to that of `end`, if it is known.

    None without gaps in that time (the ticks say it all), where something is not covered, or
    where the amounts are none to be summed.
    """
    if item.rule is not Rule.SUM:
        return None
    first, last = datetime.combine(begin, time()), datetime.combine(end, time())
    rows = connection.execute(
        'SELECT begin, "end", amount, suspect FROM gap WHERE item_id = ? AND begin >= ?'
        ' AND "end" <= ? ORDER BY begin',
        (item.id, periods.format_time(first), periods.format_time(last)),
    ).fetchall()
    if not rows:
        return None
    value, covered, suspect = Decimal(0), timedelta(0), False
    for start, stop, amount, doubtful in rows:
        value = EXACT.add(value, Decimal(amount))
        covered += periods.parse_time(stop) - periods.parse_time(start)
        suspect = suspect or bool(doubtful)
    for row in history.day_rows(connection, item, begin, end):
        if row.total is None:
            continue
        value = EXACT.add(value, row.total.value)
        suspect = suspect or row.total.suspect
        if row.total.complete or row.ticks is None:
            covered += timedelta(days=1) if row.total.complete else timedelta(0)
            continue
        present = sum(row.ticks[slot] is not None for slot in expected_slots(row.interval))
        covered += present * timedelta(minutes=row.interval)
    return Total(value, True, suspect) if covered == last - first else None
