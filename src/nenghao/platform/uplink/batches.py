"""Makes batches of a unit's marked values (上送组批): uploadEnergyData with what we add to it.

The values are read as they are now, so whatever is sent is the present state with its uploadDate:
the same rule decides upstairs and an older value never overwrites a newer one. Records are written
by column, in the shape that a receiver reads fastest (`bulk`): every record laid out alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import msgspec
import numpy as np
from sqlalchemy import Connection, select

from nenghao.platform import packing
from nenghao.platform.packing import Key
from nenghao.platform.store.frames_columns import FrameColumns
from nenghao.platform.store.frames_series import Bools, Int64s
from nenghao.platform.store.schema import frame as table
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.marks import Held
from nenghao.standard import periods
from nenghao.standard.periods import StatType

RECORDS = 90_000
"""Records of a batch: 100,000 are allowed, and these are just under 16 MB."""
BYTES = 15_900_000
FRAMES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Values:
    """Values of a unit, and the marks that all values of are among them."""

    covered: list[Held]
    keys: list[Key]
    columns: FrameColumns

    def __len__(self) -> int:
        return int(self.columns.starts[-1]) if len(self.columns) else 0


def load(conn: Connection, unit_id: int, wanted: Sequence[Held], most: int = RECORDS) -> Values:
    """The present values of the first of the marks: about `most`, and of one mark at least.

    Raises DatabaseFault for a damaged stored frame.
    """
    covered: list[Held] = []
    keys: list[Key] = []
    parts: list[FrameColumns] = []
    count = 0
    while len(covered) < len(wanted) and count < most:
        some = _next(wanted, len(covered), count, most)
        rows = _rows(conn, unit_id, some)
        if rows:
            columns = _chosen(packing.opened_columns(rows), rows, some)
            full = bool(covered) and count + int(columns.starts[-1]) > most
            if full and (len(some) == 1 or count > most // 2):
                break
            keys += [key for key, _ in rows]
            parts.append(columns)
            count += int(columns.starts[-1])
        covered += some
    return Values(covered, keys, _joined(parts))


def _next(wanted: Sequence[Held], done: int, count: int, most: int) -> Sequence[Held]:
    """As many marks of one statType as probably fit, by what those before had."""
    room = (most - count) // max(count // done, 1) if done else 1
    some = wanted[done : done + max(1, min(room, FRAMES_AT_ONCE))]
    return [mark for mark in some if mark.kind == some[0].kind]


def _rows(conn: Connection, unit_id: int, some: Sequence[Held]) -> list[tuple[Key, bytes]]:
    query = (
        select(table.c.stat_type, table.c.frame, table.c.data_code, table.c.source, table.c.planes)
        .where(
            table.c.unit_id == unit_id,
            table.c.stat_type == some[0].kind,
            table.c.frame.in_([mark.number for mark in some]),
        )
        .order_by(table.c.frame, table.c.data_code, table.c.source)
    )
    return [(Key(*key), planes) for *key, planes in conn.execute(query)]


def _chosen(
    columns: FrameColumns, rows: Sequence[tuple[Key, bytes]], some: Sequence[Held]
) -> FrameColumns:
    """The marked values of the frames."""
    asked = {mark.number: mark.slots for mark in some}
    if all(slots == marks.ALL for slots in asked.values()):
        return columns
    slots_of = np.array([asked[key.frame] for key, _ in rows], np.int64)
    realtime = np.full(len(columns.slot), rows[0][0].stat_type == StatType.REALTIME)
    bits = marks.bits(realtime, columns.slot)
    return kept(columns, (slots_of[columns.frame_of_value()] >> bits & 1).astype(np.bool_))


def kept(columns: FrameColumns, stay: Bools) -> FrameColumns:
    """These of the values; frames may be left without any."""
    if stay.all():
        return columns
    counts = np.bincount(columns.frame_of_value()[stay], minlength=len(columns))
    planes = (
        getattr(columns, name)[stay]
        for name in (
            *("slot", "value", "valid", "upload_date", "rank", "input_type", "scope", "findings"),
        )
    )
    return FrameColumns(columns.slots, np.concatenate(([0], np.cumsum(counts))), *planes)


def _joined(parts: Sequence[FrameColumns]) -> FrameColumns:
    if not parts:
        none = np.zeros(0, np.int64)
        empty = np.zeros(0, np.uint8)
        starts = np.zeros(1, np.int64)
        return FrameColumns(none, starts, none, np.zeros(0), empty, none, none, empty, empty, none)
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.followed_by(part)
    return whole


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one message: the JSON array's inside, and what caps their uploadDates."""

    records: int
    array: bytes
    received_at: int
    """Seconds since 2000-01-01."""

    def body(self, device_id: str, enterprise_code: str, order: int) -> bytes:
        """The whole message (`messages.uplink.DataUp`)."""
        received_at = periods.format_time(periods.from_seconds(self.received_at))
        head = (
            f'{{"deviceId":{msgspec.json.encode(device_id).decode()},'
            f'"enterpriseCode":"{enterprise_code}","receivedAt":"{received_at}",'
            f'"order":{order},"data":['
        )
        return b"".join((head.encode(), self.array, b"]}"))


def batches(values: Values, limit: int = BYTES, most: int = RECORDS) -> Iterator[Batch]:
    """The values in messages that are small enough; one for each different cap of uploadDate.

    A value whose uploadDate was later than its receipt ranks by the receipt, so it goes with just
    this time; all others share one.
    """
    columns = values.columns
    if not len(values):
        return
    capped = columns.rank < columns.upload_date
    if not capped.any():
        yield from _of(values.keys, columns, _latest(values, columns), limit, most)
        return
    if not capped.all():
        rest = kept(columns, ~capped)
        yield from _of(values.keys, rest, _latest(values, rest), limit, most)
    for rank in np.unique(columns.rank[capped]).tolist():
        some = kept(columns, capped & (columns.rank == rank))
        yield from _of(values.keys, some, rank, limit, most)


def _latest(values: Values, columns: FrameColumns) -> int:
    """A time of receipt that caps none of them."""
    last = max(mark.received_at for mark in values.covered)
    return max(periods.seconds(last), int(columns.rank.max()))


def _of(
    keys: Sequence[Key], columns: FrameColumns, received_at: int, limit: int, most: int
) -> Iterator[Batch]:
    pieces = _pieces(keys, columns)
    waiting = [
        (start, min(start + most, len(columns.slot))) for start in range(0, len(columns.slot), most)
    ][::-1]
    while waiting:
        first, last = waiting.pop()
        array = b"".join(pieces[3 * first : 3 * last])[:-1]
        if len(array) > limit and last - first > 1:
            middle = (first + last) // 2
            waiting += [(middle, last), (first, middle)]
            continue
        yield Batch(last - first, array, received_at)


def _pieces(keys: Sequence[Key], columns: FrameColumns) -> list[bytes]:
    """Of each value what stands before it, itself, and what stands after it."""
    count = len(columns.slot)
    pieces: list[bytes] = [b""] * (3 * count)
    before = (f'{{"dataCode":"{key.data_code}","dataValue":'.encode() for key in keys)
    counts = columns.counts.tolist()
    pieces[0::3] = chain.from_iterable(map(repeat, before, counts))
    pieces[1::3] = msgspec.json.encode(columns.value.tolist())[1:-1].split(b",")
    after, which = _afters(keys, columns)
    pieces[2::3] = map(after.__getitem__, which.tolist())
    return pieces


def _afters(keys: Sequence[Key], columns: FrameColumns) -> tuple[list[bytes], Int64s]:
    """The different ends of records, and of each value which one is its own."""
    frames: dict[tuple[int, int], int] = {}
    frame_of = np.array([frames.setdefault(key[:2], len(frames)) for key in keys], np.int64)
    dates, date_of = _numbered(columns.upload_date)
    small = columns.input_type.astype(np.int64) * 16 + columns.scope * 2 + columns.valid
    ends = ((frame_of[columns.frame_of_value()] * 256 + columns.slot) * 256 + small) * len(dates)
    distinct, which = _numbered(ends + date_of)
    named = list(frames)
    texts = [periods.format_time(periods.from_seconds(date)) for date in dates]
    after = []
    for end in distinct:
        rest, date = divmod(end, len(dates))
        rest, small_of = divmod(rest, 256)
        number, slot = divmod(rest, 256)
        stat_type, frame = named[number]
        stat_date = periods.format_time(periods.time_of(StatType(stat_type), frame, slot))
        valid = "true" if small_of & 1 else "false"
        after.append(
            f',"inputType":{small_of >> 4},"statType":{stat_type},"statDate":"{stat_date}",'
            f'"uploadDate":"{texts[date]}","scope":{small_of >> 1 & 7},"valid":{valid}}},'.encode()
        )
    return after, which


def _numbered(numbers: Int64s) -> tuple[list[int], Int64s]:
    """The distinct numbers, and of each number its place among them."""
    first = numbers[0]
    if (numbers == first).all():
        return [int(first)], np.zeros(len(numbers), np.int64)
    distinct, which = np.unique(numbers, return_inverse=True)
    return distinct.tolist(), which
