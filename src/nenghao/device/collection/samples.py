"""Raw samples (原始采样) of the last days: how they are kept, exactly and in little room.

A poll is appended to a journal in one row, all points together; once an hour the journal is sorted
into one deflated blob per point and hour. Two samples of one point at one millisecond are one
sample, and the one that came later counts. What is older than the days to keep is forgotten, save
the last hour of every point (a gap begins there), and a point takes nothing any more from before
what it has forgotten: its ticks there could only be made worse.

Times are milliseconds since 2000-01-01 00:00 China Standard Time. A value is kept to 18 digits.
Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise

import msgspec
from msgspec import Struct

from nenghao.device.aggregation import EXACT
from nenghao.device.collection.counters import HOUR
from nenghao.device.collection.signals import Series
from nenghao.standard import periods

DAY = 24 * HOUR
_MILLISECOND = timedelta(milliseconds=1)
_MOST = 10**18
_SMALLEST = -60
LARGEST = Decimal(10) ** 30
"""Beyond this lies nothing that was measured."""


def milliseconds(time: datetime) -> int:
    """Milliseconds since 2000-01-01; what is finer is cut off."""
    return (time - periods.EPOCH) // _MILLISECOND


def moment(time: int) -> datetime:
    """The inverse of `milliseconds`."""
    return periods.EPOCH + timedelta(milliseconds=time)


class Raw(Struct, frozen=True):
    """A sample as it is kept: the value is mantissa × 10^exponent."""

    point: int
    time: int
    mantissa: int
    exponent: int
    good: bool

    @property
    def value(self) -> Decimal:
        return Decimal(self.mantissa).scaleb(self.exponent)


def raw(point: int, time: int, value: Decimal, good: bool) -> Raw | None:
    """A sample to be kept; None for what is no finite number or beyond all measure."""
    if not value.is_finite() or abs(value) >= LARGEST:
        return None
    written = value.as_tuple().exponent
    exponent = max(written, _SMALLEST) if isinstance(written, int) else 0
    mantissa = _mantissa(value, exponent)
    while abs(mantissa) >= _MOST:
        exponent += 1
        mantissa = _mantissa(value, exponent)
    return Raw(point, time, mantissa, exponent, good)


def _mantissa(value: Decimal, exponent: int) -> int:
    return int(EXACT.to_integral_value(EXACT.scaleb(value, -exponent)))


class Column:
    """One point's samples as they were found, compactly; `series` puts them in order."""

    def __init__(self) -> None:
        self.times = array("q")
        self._mantissas = array("q")
        self._exponents = array("b")
        self._good = bytearray()

    def add(self, time: int, mantissa: int, exponent: int, good: bool) -> None:
        """Take in a sample; one that comes later replaces an earlier of the same time."""
        self.times.append(time)
        self._mantissas.append(mantissa)
        self._exponents.append(exponent)
        self._good.append(good)

    def rows(self) -> list[tuple[int, int, int, bool]]:
        """The samples in order of time, each time once."""
        listed = list(
            zip(self.times, self._mantissas, self._exponents, map(bool, self._good), strict=True)
        )
        if all(one[0] < other[0] for one, other in pairwise(listed)):
            return listed
        return sorted({row[0]: row for row in listed}.values())

    def series(self) -> Series:
        """The good samples."""
        good = [row for row in self.rows() if row[3]]
        return Series([row[0] for row in good], [Decimal(row[1]).scaleb(row[2]) for row in good])


# --- points --------------------------------------------------------------------------------------


class Point(Struct):
    """A point as the database knows it."""

    id: int
    own_time: bool
    closed: int
    """Samples from before this hour are not taken any more."""


def point(connection: sqlite3.Connection, source: str, name: str) -> Point:
    """The point of a source, made if there is none yet."""
    connection.execute("INSERT OR IGNORE INTO point (source, name) VALUES (?, ?)", (source, name))
    number, own, closed = connection.execute(
        "SELECT id, own_time, closed FROM point WHERE source = ? AND name = ?", (source, name)
    ).fetchone()
    return Point(number, bool(own), closed)


def note_own_time(connection: sqlite3.Connection, number: int, own: bool) -> None:
    """Remember whether a point's samples bear the source's time or ours."""
    connection.execute("UPDATE point SET own_time = ? WHERE id = ?", (own, number))


# --- the journal ---------------------------------------------------------------------------------


class _Block(Struct, array_like=True):
    points: list[int]
    times: list[int]
    """One for all, or one each; since the first."""
    mantissas: list[int]
    exponents: list[int]
    bad: list[int]


def append(connection: sqlite3.Connection, samples: Collection[Raw], now: int) -> None:
    """Keep samples as they came."""
    if not samples:
        return
    first = min(sample.time for sample in samples)
    last = max(sample.time for sample in samples)
    block = _Block(
        [sample.point for sample in samples],
        [0] if first == last else [sample.time - first for sample in samples],
        [sample.mantissa for sample in samples],
        [sample.exponent for sample in samples],
        [index for index, sample in enumerate(samples) if not sample.good],
    )
    data = zlib.compress(msgspec.msgpack.encode(block), 1)
    connection.execute(
        "INSERT INTO raw_journal (first, last, samples, written, data) VALUES (?, ?, ?, ?, ?)",
        (first, last, len(samples), now // HOUR, data),
    )


def journal_size(connection: sqlite3.Connection) -> int:
    """How many samples the journal holds."""
    (number,) = connection.execute("SELECT sum(samples) FROM raw_journal").fetchone()
    return int(number or 0)


def _read_journal(
    rows: Iterable[tuple[int, bytes]],
    columns: dict[int, Column],
    wanted: Collection[int] | None,
    begin: int,
    end: int,
) -> None:
    for first, data in rows:
        block = msgspec.msgpack.decode(zlib.decompress(data), type=_Block)
        times = block.times if len(block.times) == len(block.points) else None
        bad = set(block.bad)
        same = first + block.times[0]
        for index, number in enumerate(block.points):
            time = same if times is None else first + times[index]
            if begin <= time <= end and (wanted is None or number in wanted):
                column = columns.get(number)
                if column is None:
                    column = columns[number] = Column()
                column.add(time, block.mantissas[index], block.exponents[index], index not in bad)


# --- hours ---------------------------------------------------------------------------------------


class _Hour(Struct, array_like=True):
    times: list[int]
    """Differences, the first since the hour."""
    mantissas: list[int]
    """Differences too."""
    exponents: list[int]
    """One for all, or one each."""
    bad: list[int]


def _pack(hour: int, rows: list[tuple[int, int, int, bool]]) -> bytes:
    times = [hour * HOUR, *(row[0] for row in rows)]
    mantissas = [0, *(row[1] for row in rows)]
    exponents = [row[2] for row in rows]
    packed = _Hour(
        [later - earlier for earlier, later in pairwise(times)],
        [later - earlier for earlier, later in pairwise(mantissas)],
        exponents[:1] if len(set(exponents)) == 1 else exponents,
        [index for index, row in enumerate(rows) if not row[3]],
    )
    return zlib.compress(msgspec.msgpack.encode(packed), 6)


def _unpack(hour: int, data: bytes, column: Column, begin: int, end: int) -> None:
    packed = msgspec.msgpack.decode(zlib.decompress(data), type=_Hour)
    bad = set(packed.bad)
    times = accumulate(packed.times, initial=hour * HOUR)
    mantissas = accumulate(packed.mantissas)
    next(times)
    single = len(packed.exponents) == 1
    for index, (time, mantissa) in enumerate(zip(times, mantissas, strict=True)):
        if begin <= time <= end:
            exponent = packed.exponents[0 if single else index]
            column.add(time, mantissa, exponent, index not in bad)


def compact(connection: sqlite3.Connection, now: int) -> None:
    """Sort the journal into the hours of its points."""
    columns: dict[int, Column] = {}
    rows = connection.execute("SELECT first, data FROM raw_journal ORDER BY id")
    _read_journal(rows, columns, None, -(10**18), 10**18)
    for number, column in columns.items():
        hours: dict[int, list[tuple[int, int, int, bool]]] = {}
        for row in column.rows():
            hours.setdefault(row[0] // HOUR, []).append(row)
        for hour, fresh in hours.items():
            _merge_hour(connection, number, hour, fresh, now)
    connection.execute("DELETE FROM raw_journal")


def _merge_hour(
    connection: sqlite3.Connection,
    number: int,
    hour: int,
    fresh: list[tuple[int, int, int, bool]],
    now: int,
) -> None:
    merged = Column()
    known = connection.execute(
        "SELECT data FROM raw WHERE point_id = ? AND hour = ?", (number, hour)
    ).fetchone()
    if known is not None:
        _unpack(hour, known[0], merged, -(10**18), 10**18)
    for row in fresh:
        merged.add(*row)
    connection.execute(
        "INSERT INTO raw (hour, point_id, written, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (point_id, hour) DO UPDATE SET written = excluded.written,"
        " data = excluded.data",
        (hour, number, now // HOUR, _pack(hour, merged.rows())),
    )


def read(
    connection: sqlite3.Connection, wanted: Collection[int], begin: int, end: int
) -> dict[int, Column]:
    """The samples of points from `begin` to `end`, both included; by point."""
    columns: dict[int, Column] = {}
    marks = ",".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT point_id, hour, data FROM raw WHERE point_id IN ({marks})"  # noqa: S608
        " AND hour BETWEEN ? AND ?",
        (*wanted, begin // HOUR, end // HOUR),
    )
    for number, hour, data in rows:
        _unpack(hour, data, columns.setdefault(number, Column()), begin, end)
    journal = connection.execute(
        "SELECT first, data FROM raw_journal WHERE last >= ? AND first <= ? ORDER BY id",
        (begin, end),
    )
    _read_journal(journal, columns, frozenset(wanted), begin, end)
    return columns


def newest(connection: sqlite3.Connection, wanted: Collection[int]) -> dict[int, Raw]:
    """The last good sample of each point that has one.

    Mostly that is in the last row of the journal, so a start costs no sorting of an hour's samples.
    """
    journal = _newest_of_journal(connection, wanted)
    found: dict[int, Raw] = {}
    for number in wanted:
        known = journal.get(number, {})
        best = max((raw for raw in known.values() if raw.good), key=_time_of, default=None)
        least = -(10**18) if best is None else best.time // HOUR
        rows = connection.execute(
            "SELECT hour, data FROM raw WHERE point_id = ? AND hour >= ? ORDER BY hour DESC",
            (number, least),
        )
        for hour, data in rows:
            column = Column()
            _unpack(hour, data, column, -(10**18), 10**18)
            # at one time the journal's sample counts: it came later
            good = [row for row in column.rows() if row[3] and row[0] not in known]
            if good:
                last = Raw(number, *good[-1])
                best = last if best is None or last.time > best.time else best
                break
        if best is not None:
            found[number] = best
    return found


def _time_of(raw: Raw) -> int:
    return raw.time


def _newest_of_journal(
    connection: sqlite3.Connection, wanted: Collection[int]
) -> dict[int, dict[int, Raw]]:
    """Samples of the journal by point and time, from the latest back to a good one of each point.

    Of several at one time the one that came last, good or bad.
    """
    known: dict[int, dict[int, tuple[int, Raw]]] = {number: {} for number in wanted}
    best = dict.fromkeys(wanted, -(10**18))
    """When the latest good one was, by point."""
    rows = connection.execute("SELECT id, last, first, data FROM raw_journal ORDER BY last DESC")
    for row, last, first, data in rows:
        sought = {number for number, time in best.items() if time <= last}
        if not sought:
            break
        block = msgspec.msgpack.decode(zlib.decompress(data), type=_Block)
        single, bad = len(block.times) == 1, set(block.bad)
        for index, number in enumerate(block.points):
            if number not in sought:
                continue
            time, good = first + block.times[0 if single else index], index not in bad
            of_point = known[number]
            if time in of_point and of_point[time][0] > row:
                continue
            raw = Raw(number, time, block.mantissas[index], block.exponents[index], good)
            of_point[time] = row, raw
            if good:
                best[number] = max(best[number], time)
            elif time == best[number]:  # it replaces the best one
                times = [at for at, (_, one) in of_point.items() if one.good]
                best[number] = max(times, default=-(10**18))
    return {
        number: {time: raw for time, (_, raw) in of_point.items()}
        for number, of_point in known.items()
    }


def forget(connection: sqlite3.Connection, now: int, keep_days: float) -> int:
    """Drop the hours long past; how many. The last hour of every point stays."""
    limit = (now - round(keep_days * DAY)) // HOUR
    old = (
        "hour < ? AND written < ? AND hour < (SELECT max(hour) FROM raw AS later"
        " WHERE later.point_id = raw.point_id)"
    )
    connection.execute(
        f"UPDATE point SET closed = max(closed, 1 + coalesce((SELECT max(hour) FROM raw"  # noqa: S608
        f" WHERE point_id = point.id AND {old}), -1))",
        (limit, limit),
    )
    return connection.execute(
        f"DELETE FROM raw WHERE {old}",  # noqa: S608
        (limit, limit),
    ).rowcount


def cut(connection: sqlite3.Connection, wanted: Collection[int], after: int, now: int) -> None:
    """Drop what points have from later than `after`: the samples of a clock that was ahead."""
    compact(connection, now)
    for number in wanted:
        hour = after // HOUR
        row = connection.execute(
            "SELECT data FROM raw WHERE point_id = ? AND hour = ?", (number, hour)
        ).fetchone()
        connection.execute("DELETE FROM raw WHERE point_id = ? AND hour >= ?", (number, hour))
        if row is None:
            continue
        column = Column()
        _unpack(hour, row[0], column, -(10**18), after)
        if column.rows():
            _merge_hour(connection, number, hour, column.rows(), now)
