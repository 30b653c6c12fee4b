"""Packs the records of an energy upload into frames, and unpacks them (装帧): pure, no database.

Here it is decided which row and slot a record belongs to and which of two records of one batch
stands (docs/decisions 4 and 6). What is odd about the values is `remarks`' business, what happens
to frames that are stored already `intake`'s, which of them a download shows `download`'s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from nenghao.platform.store import frames
from nenghao.platform.store.frames import Frame, FrameCorrupt
from nenghao.standard import periods
from nenghao.standard.findings import Finding, quote
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import OffGrid, StatType
from nenghao.standard.replies import DatabaseFault, IllegalFormat

ONLINE: Final = 0
REPORT: Final = 1
"""The source of a value: collected online (在线), or filled in (填报), which is inputType 5."""

_FILLED_IN = 5

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
    """A whole upload in frames."""

    frames: dict[Key, Packed]
    repeated: int = 0
    """Records that say again what another of the batch said, ignored."""
    replaced: list[tuple[int, int]] = field(default_factory=list)
    """Pairs (record, later record) of one key that differ: the later one stands."""


def pack(records: Sequence[EnergyRecord], labels: Labels, now: datetime) -> Batch:
    """The batch in frames; `now` is the receipt, beyond which no uploadDate ranks.

    The records have the form of A.5, their statDate is on the grid of its statType. Raises
    IllegalFormat for a tick that the unit's label moves out of the years that data may bear.
    """
    batch = Batch({})
    rows = _rows(records, labels, batch)
    dates = _Seconds()
    receipt = periods.seconds(now)
    for key, row in rows.items():
        batch.frames[key] = _packed(key, row, records, dates, receipt)
    return batch


def _rows(
    records: Sequence[EnergyRecord], labels: Labels, batch: Batch
) -> dict[Key, dict[int, int]]:
    """For every frame its slots, and the record that stands in each."""
    rows: dict[Key, dict[int, int]] = {}
    places: dict[tuple[int, str], tuple[int, int]] = {}
    for index, record in enumerate(records):
        stat_type, stat_date = record.stat_type, record.stat_date
        place = places.get((stat_type, stat_date))
        if place is None:
            place = places[stat_type, stat_date] = _place(index, record, labels)
        source = REPORT if record.input_type == _FILLED_IN else ONLINE
        # A bare tuple finds its Key, and is made several times faster.
        row = rows.get((stat_type, place[0], record.data_code, source))  # type: ignore[call-overload]
        if row is None:
            rows[Key(stat_type, place[0], record.data_code, source)] = {place[1]: index}
            continue
        earlier = row.setdefault(place[1], index)
        if earlier != index:
            if records[earlier] == record:
                batch.repeated += 1
            else:
                batch.replaced.append((earlier, index))
                row[place[1]] = index
    return rows


def _place(index: int, record: EnergyRecord, labels: Labels) -> tuple[int, int]:
    kind = StatType(record.stat_type)
    time = periods.parse_time(record.stat_date)
    try:
        return periods.place(kind, labels.end_of(time) if kind is StatType.REALTIME else time)
    except OffGrid as error:
        path = f"data[{index}].statDate"
        raise IllegalFormat([Finding(path, str(error), quote(record.stat_date))]) from error


def _packed(
    key: Key, row: dict[int, int], records: Sequence[EnergyRecord], dates: _Seconds, receipt: int
) -> Packed:
    slots = sorted(row)
    indexes = [row[slot] for slot in slots]
    chosen = [records[index] for index in indexes]
    upload_date = [dates[record.upload_date] for record in chosen]
    if max(upload_date) <= receipt:
        rank = upload_date
    else:
        rank = [min(sent, receipt) for sent in upload_date]
    whole = periods.slots(StatType(key.stat_type))
    full = len(slots) == whole
    frame = Frame(
        slots=whole,
        presence=(1 << whole) - 1 if full else sum(1 << slot for slot in slots),
        value=[float(record.data_value) for record in chosen],
        valid=[int(record.valid) for record in chosen],
        upload_date=upload_date,
        rank=rank,
        input_type=[record.input_type for record in chosen],
        scope=[record.scope for record in chosen],
        findings=[0] * len(chosen),
    )
    return Packed(frame, indexes)


def opened(key: Key, data: bytes) -> Frame:
    """The stored frame in `data`; DatabaseFault (E1002) when it is damaged."""
    try:
        return frames.decode(data)
    except FrameCorrupt as error:
        raise DatabaseFault(f"{key.data_code} 的已存数据损坏") from error


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


class _Seconds(dict[str, int]):
    """The seconds of each distinct time text, worked out once."""

    def __missing__(self, text: str) -> int:
        number = self[text] = periods.seconds(periods.parse_time(text))
        return number
