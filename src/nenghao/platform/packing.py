"""Packs the records of an energy upload into frames, and unpacks them (装帧): pure, no database.

Here it is decided which row and slot a record belongs to and which of two records of one batch
stands (docs/decisions 4 and 6). What is odd about the values is `remarks`' business, what happens
to frames that are stored already `intake`'s, which of them a download shows `download`'s.

A batch is packed by column: each distinct date and code is looked at once, each value never.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nenghao.platform.store import frames, frames_codec
from nenghao.platform.store.frames import Frame, FrameCorrupt
from nenghao.platform.store.frames_columns import MOST_SLOTS, FrameColumns
from nenghao.platform.store.frames_series import Bools, Int64s
from nenghao.standard import periods
from nenghao.standard.findings import Finding, quote
from nenghao.standard.messages.energy_columns import Columns
from nenghao.standard.messages.energy_data import EnergyRecord, columns_of
from nenghao.standard.periods import OffGrid, StatType
from nenghao.standard.replies import DatabaseFault, IllegalFormat

ONLINE: Final = 0
REPORT: Final = 1
"""The source of a value: collected online (在线), or filled in (填报), which is inputType 5."""

_FILLED_IN = 5
_ROOM = 8
"""How many times larger than a batch a table may be that spares sorting it."""

REALTIME_LABELS: Final[dict[str, int]] = {
    "end": 0,
    "start:15": 15,
    "start:30": 30,
    "start:60": 60,
}
"""What the unit's setting `realtime_label` may say, and the minutes from label to END."""


class Key(NamedTuple):
    """Which row of the unit a frame is; the order is that of the table's key."""

    stat_type: int
    frame: int
    data_code: str
    source: int


class Labels:
    """What a unit's real-time ticks label, by date: the END, or the start of its interval."""

    def __init__(self, settings: Iterable[tuple[datetime, str]] = ()) -> None:
        """`settings` are (valid_from, value) of `realtime_label`; before the first: "end"."""
        self._dated = sorted((since, REALTIME_LABELS[value]) for since, value in settings)

    def end_of(self, label: datetime) -> datetime:
        """The END of the interval that `label` names, by the setting that holds at `label`."""
        index = bisect_right(self._dated, label, key=lambda dated: dated[0])
        if not index:
            return label
        return label + timedelta(minutes=self._dated[index - 1][1])


@dataclass(slots=True)
class Packed:
    """One frame of a batch, and which record of the batch stands in each present slot."""

    frame: Frame
    records: list[int]


@dataclass(slots=True)
class Batch:
    """A whole upload in frames, in the order in which its records first named them."""

    keys: list[Key]
    columns: FrameColumns
    records: Int64s
    """Of each value, the record of the batch that stands there."""
    repeated: int
    """Records that say again what another of the batch said, ignored."""
    replaced: list[tuple[int, int]]
    """Pairs (record, later record) of one key that differ: the later one stands."""

    @property
    def frames(self) -> dict[Key, Packed]:
        """The frames one by one, as they are now: for whoever wants few of them."""
        ends = self.columns.starts.tolist()
        records = self.records.tolist()
        return {
            key: Packed(frame, records[ends[number] : ends[number + 1]])
            for number, (key, frame) in enumerate(
                zip(self.keys, frames.frames_of(self.columns), strict=True)
            )
        }


def pack(records: Sequence[EnergyRecord], labels: Labels, now: datetime) -> Batch:
    """The batch in frames; `now` is the receipt, beyond which no uploadDate ranks.

    The records have the form of A.5, their statDate is on the grid of its statType. Raises
    IllegalFormat for a tick that the unit's label moves out of the years that data may bear.
    """
    columns = columns_of(records)
    places = _places(columns, labels)
    keys, frame_of = _frames(columns, places)
    sent = _Sent(columns)
    order, stands, repeated, replaced = _standing(sent, frame_of, places.slots)
    chosen = order[stands] if len(stands) < len(order) else order
    upload_date = sent.upload_dates[sent.upload_date[chosen]]
    counts = np.bincount(frame_of[chosen], minlength=len(keys))
    packed = FrameColumns(
        slots=np.array([periods.slots(StatType(key.stat_type)) for key in keys], np.int64),
        starts=np.concatenate(([0], np.cumsum(counts))),
        slot=places.slots[chosen],
        value=sent.value[chosen],
        valid=sent.valid[chosen],
        upload_date=upload_date,
        rank=np.minimum(upload_date, periods.seconds(now)),
        input_type=sent.input_type[chosen],
        scope=sent.scope[chosen],
        findings=np.zeros(len(chosen), np.int64),
    )
    return Batch(keys, packed, chosen, repeated, replaced)


@dataclass(slots=True)
class _Places:
    """Where the records belong."""

    kinds: list[tuple[int, int]]
    """statType and frame number, each pair once."""
    kind: Int64s
    """Of each record, the place of its pair in `kinds`."""
    slots: Int64s
    """Of each record, its slot."""


def _places(columns: Columns, labels: Labels) -> _Places:
    """Where each record belongs; every distinct pair of statType and statDate is asked once."""
    texts = columns.stat_date.distinct
    stat_type = np.frombuffer(columns.stat_type, np.uint8)
    pair = stat_type * np.int64(len(texts)) + np.frombuffer(columns.stat_date.numbers, np.intc)
    came = np.flatnonzero(np.bincount(pair))
    kinds: dict[tuple[int, int], int] = {}
    kind_of = np.zeros(len(StatType) * len(texts), np.int64)
    slot_of = np.zeros_like(kind_of)
    for number in came.tolist():
        stat_type_of, text = divmod(number, len(texts))
        frame, slot = _place(StatType(stat_type_of), texts[text], pair, number, labels)
        kind_of[number] = kinds.setdefault((stat_type_of, frame), len(kinds))
        slot_of[number] = slot
    return _Places(list(kinds), kind_of[pair], slot_of[pair])


def _place(kind: StatType, text: str, pair: Int64s, number: int, labels: Labels) -> tuple[int, int]:
    time = periods.parse_time(text)
    try:
        return periods.place(kind, labels.end_of(time) if kind is StatType.REALTIME else time)
    except OffGrid as error:
        path = f"data[{int(np.argmax(pair == number))}].statDate"
        raise IllegalFormat([Finding(path, str(error), quote(text))]) from error


def _frames(columns: Columns, places: _Places) -> tuple[list[Key], Int64s]:
    """The keys of the batch's frames as they first appear, and of each record its frame."""
    codes = columns.data_code.distinct
    code = np.frombuffer(columns.data_code.numbers, np.intc).astype(np.int64)
    filled_in = np.frombuffer(columns.input_type, np.uint8) == _FILLED_IN
    combined = (code * len(places.kinds) + places.kind) * 2 + filled_in
    came, frame_of = _as_they_appear(combined, 2 * len(codes) * len(places.kinds))
    keys = []
    for number in came.tolist():
        number, source = divmod(number, 2)
        code_of, kind = divmod(number, len(places.kinds))
        stat_type, frame = places.kinds[kind]
        keys.append(Key(stat_type, frame, codes[code_of], source))
    return keys, frame_of


def _as_they_appear(numbers: Int64s, bound: int) -> tuple[Int64s, Int64s]:
    """Each distinct number by first appearance, and of each number its place among them.

    The numbers lie below `bound`.
    """
    changes = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    runs = numbers[changes]
    if (runs[1:] > runs[:-1]).all():  # grouped, as most senders write them
        return runs, np.cumsum(changes) - 1
    if bound > _ROOM * len(numbers):
        distinct, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    else:  # room for a table of all numbers there could be: several times faster than sorting
        table = np.full(bound, len(numbers))
        table[numbers[::-1]] = np.arange(len(numbers))[::-1]  # of several the last one stays
        distinct = np.flatnonzero(table < len(numbers))
        first = table[distinct]
        table[distinct] = np.arange(len(distinct))
        inverse = table[numbers]
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return distinct[order], place[inverse]


class _Sent:
    """What the records say, as columns of numbers."""

    def __init__(self, columns: Columns) -> None:
        self.value: NDArray[np.float64] = np.array(columns.data_value, np.float64)
        self.valid = np.frombuffer(columns.valid, np.uint8)
        self.input_type = np.frombuffer(columns.input_type, np.uint8)
        self.scope = np.frombuffer(columns.scope, np.uint8)
        self.stat_date = np.frombuffer(columns.stat_date.numbers, np.intc)
        self.upload_date = np.frombuffer(columns.upload_date.numbers, np.intc)
        self.upload_dates = np.array(
            [periods.seconds(periods.parse_time(text)) for text in columns.upload_date.distinct],
            np.int64,
        )

    def equal(self, some: Int64s, others: Int64s) -> Bools:
        """Of records of one frame and slot: whether each is equal to the other, field by field."""
        same: Bools = self.value[some] == self.value[others]
        for column in (
            self.valid,
            self.input_type,
            self.scope,
            self.stat_date,
            self.upload_date,
        ):
            same &= column[some] == column[others]
        return same


def _standing(
    sent: _Sent, frame_of: Int64s, slots: Int64s
) -> tuple[Int64s, Int64s, int, list[tuple[int, int]]]:
    """The records by frame and slot; which of these places stand; what was repeated, replaced."""
    keys = frame_of * (MOST_SLOTS + 1) + slots
    order = _order(keys)
    keys = keys[order]
    again = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    if not len(again):
        return order, order, 0, []
    # Of records that are equal and follow one another the first stands; of others the last.
    equal = sent.equal(order[again], order[again - 1])
    begins = np.ones(len(keys), np.bool_)
    begins[again[equal]] = False
    runs = np.flatnonzero(begins)
    replacing = np.flatnonzero(np.isin(runs[1:], again)) + 1
    replaced = np.stack((order[runs[replacing - 1]], order[runs[replacing]]), axis=1)
    stands = np.delete(runs, replacing - 1)
    pairs = sorted(map(tuple, replaced.tolist()), key=lambda pair: pair[1])
    return order, stands, int(equal.sum()), pairs


def _order(keys: Int64s) -> Int64s:
    """The places of the keys from the least to the greatest, equal ones as they come."""
    if (keys[1:] > keys[:-1]).all():
        return np.arange(len(keys))
    bound = int(keys.max()) + 1
    if bound <= _ROOM * len(keys):
        table = np.full(bound, -1)
        table[keys] = np.arange(len(keys))
        order = table[table >= 0]
        if len(order) == len(keys):  # no two are equal
            return order
    return np.argsort(keys, kind="stable")


def opened(key: Key, data: bytes) -> Frame:
    """The stored frame in `data`; DatabaseFault (E1002) when it is damaged."""
    return next(opened_frames([(key, data)]))


def opened_frames(rows: Sequence[tuple[Key, bytes]]) -> Iterator[Frame]:
    """The stored frames, decoded in one go; DatabaseFault (E1002) when one is damaged."""
    return frames.frames_of(opened_columns(rows))


def opened_columns(rows: Sequence[tuple[Key, bytes]]) -> FrameColumns:
    """The stored frames as columns; DatabaseFault (E1002) when one is damaged."""
    try:
        return frames_codec.decode([data for _, data in rows])
    except FrameCorrupt as error:
        raise damaged(rows[error.number][0]) from error


def damaged(key: Key) -> DatabaseFault:
    """What to raise where the stored frame of `key` cannot be read."""
    return DatabaseFault(f"{key.data_code} 的已存数据损坏")


def unpack(key: Key, frame: Frame) -> list[tuple[int, EnergyRecord]]:
    """The records of a frame by slot, as they were sent; ticks are labelled with the END."""
    stat_dates = _stat_dates(StatType(key.stat_type), key.frame)
    return [
        (
            slot,
            EnergyRecord(
                data_code=key.data_code,
                data_value=frame.value[at],
                input_type=frame.input_type[at],
                stat_type=key.stat_type,
                stat_date=stat_dates[slot],
                upload_date=_time_text(frame.upload_date[at]),
                scope=frame.scope[at],
                valid=bool(frame.valid[at]),
            ),
        )
        for at, slot in enumerate(frame.positions())
    ]


@lru_cache(maxsize=512)
def _stat_dates(kind: StatType, frame: int) -> tuple[str, ...]:
    """The statDate of every slot of a frame: the same for all of a unit's items."""
    slots = range(periods.slots_in(kind, frame))
    return tuple(periods.format_time(periods.time_of(kind, frame, slot)) for slot in slots)


@lru_cache(maxsize=4096)
def _time_text(seconds: int) -> str:
    return periods.format_time(periods.from_seconds(seconds))
