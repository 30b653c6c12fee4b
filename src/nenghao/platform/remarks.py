"""What is odd about the values of an energy upload (数据提示): membership, range, time.

Sets the bits of what it finds in the batch's frames and says it once per kind and data code.
Membership is advice: none of this refuses an upload, unless a strict setting makes it
(docs/decisions 1; `intake`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from math import inf
from typing import NamedTuple, Protocol

import numpy as np

from nenghao.platform.packing import Batch
from nenghao.platform.store.frames_series import Bools, Int64s
from nenghao.standard import data_code, periods
from nenghao.standard.data_code import DataCode, Scope
from nenghao.standard.findings import Advice, AdviceKind, quote
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType

_FORESEEABLE = timedelta(days=1)
"""A period that begins later than this after the receipt is remarked (docs/decisions 4)."""


class Dictionary(Protocol):
    """The codes that the platform's base data know (`dictionary.Vocabulary`)."""

    def knows_energy(self, class_code: str, type_code: str) -> bool: ...

    def knows_usage(self, code: str) -> bool: ...

    def knows_process(self, industry_code: str, code: str) -> bool: ...


class Item(Protocol):
    """A configured item (采集数据项配置), as far as it bounds the values."""

    @property
    def value_min(self) -> float | None: ...

    @property
    def value_max(self) -> float | None: ...


@dataclass(frozen=True)
class Context:
    """What an upload is held against."""

    dictionary: Dictionary
    items: Mapping[tuple[str, int], Sequence[Item]]
    """The unit's configured items by data code and statType."""
    industry_code: str
    now: datetime
    filled_in: bool = False
    """Whether the operator filled the values in on the platform: no device has them configured."""


@dataclass(slots=True)
class Remark:
    """One kind of oddity of one data code, and the records of the batch that have it."""

    kind: AdviceKind
    data_code: str
    detail: str
    field: str
    """The field that is odd, empty for the record as a whole."""
    _parts: list[Int64s]

    @property
    def records(self) -> list[int]:
        """The records, frame by frame."""
        return [record for part in self._parts for record in part.tolist()]

    def __len__(self) -> int:
        """How many records have it."""
        return sum(map(len, self._parts))

    def add(self, records: Int64s) -> None:
        """Some more records have it."""
        self._parts.append(records)

    def advice(self) -> Advice:
        """The remark said once, at its first record."""
        more = f"（同批共 {len(self)} 处）" if len(self) > 1 else ""
        first = min(int(part.min()) for part in self._parts)
        return Advice(self.kind, self._path(first), self.data_code, self.detail + more)

    def advices(self, records: Sequence[EnergyRecord]) -> Iterator[Advice]:
        """The remark said for every record, with what was received."""
        for index in sorted(self.records):
            received = quote(_received(records[index], self.field)) if self.field else None
            yield Advice(self.kind, self._path(index), self.data_code, self.detail, received)

    def _path(self, index: int) -> str:
        return f"data[{index}].{self.field}" if self.field else f"data[{index}]"


class Remarks:
    """The remarks of a batch as they are made, one per kind, data code and detail."""

    def __init__(self) -> None:
        self._made: dict[tuple[AdviceKind, str, str], Remark] = {}

    def add(self, kind: AdviceKind, code: str, detail: str, field: str, records: Int64s) -> None:
        """Remark on `records` of the batch, at least one."""
        remark = self._made.get((kind, code, detail))
        if remark is None:
            remark = self._made[kind, code, detail] = Remark(kind, code, detail, field, [])
        remark.add(records)

    def __iter__(self) -> Iterator[Remark]:
        return iter(self._made.values())

    def counts(self) -> dict[AdviceKind, int]:
        """How many records each kind was found in."""
        counts: dict[AdviceKind, int] = {}
        for remark in self:
            counts[remark.kind] = counts.get(remark.kind, 0) + len(remark)
        return counts


def remark(batch: Batch, records: Sequence[EnergyRecord], context: Context) -> Remarks:
    """Everything odd about a batch, before it meets what is stored; sets the frames' bits."""
    remarks = Remarks()
    for earlier, _ in batch.replaced:
        detail = "同一批次内同一数据出现多次且不同，以最后一条为准"
        replaced = np.array([earlier], np.int64)
        remarks.add(AdviceKind.DUPLICATE, records[earlier].data_code, detail, "", replaced)
    pen = _Pen(batch, remarks)
    codes = _Codes(context)
    configured = [context.items.get((key.data_code, key.stat_type), ()) for key in batch.keys]
    ranges = [_range(items) for items in configured]
    values = _Values(batch, ranges, [codes[key.data_code].scope for key in batch.keys])
    early = _early(batch, context.now)
    for number, key in enumerate(batch.keys):
        for kind, detail in codes[key.data_code].strange:
            pen.mark(number, kind, detail, "dataCode")
        if not configured[number] and not context.filled_in:
            detail = f"{StatType(key.stat_type).label}数据项未在本单位配置中"
            pen.mark(number, AdviceKind.NOT_CONFIGURED, detail, "dataCode")
        if values.outside_frames[number]:
            low, high = ranges[number]
            detail = f"应在配置范围 {_bound(low)} 至 {_bound(high)} 内"
            pen.mark(number, AdviceKind.OUT_OF_RANGE, detail, "dataValue", values.outside)
        if values.negative_frames[number]:
            pen.mark(number, AdviceKind.NEGATIVE, "数值为负", "dataValue", values.negative)
        if values.other_scope_frames[number]:
            implied = codes[key.data_code].scope
            detail = f"与数据项编码不符，编码所示为 {implied.value}（{implied.label}）"
            pen.mark(number, AdviceKind.SCOPE_MISMATCH, detail, "scope", values.other_scope)
        if early is not None:
            detail = "统计周期在接收时刻一天以后才开始"
            pen.mark(number, AdviceKind.FUTURE_PERIOD, detail, "statDate", early)
    if batch.replaced:
        later = np.isin(batch.records, [later for _, later in batch.replaced])
        batch.columns.findings[later] |= AdviceKind.DUPLICATE.bit
    return remarks


class _Pen:
    """Marks values of a batch and remarks on their records."""

    def __init__(self, batch: Batch, remarks: Remarks) -> None:
        self._batch = batch
        self._remarks = remarks
        self._starts = batch.columns.starts.tolist()

    def mark(
        self, number: int, kind: AdviceKind, detail: str, field: str, where: Bools | None = None
    ) -> None:
        """Mark the values of a frame: all, or those of them that are true in `where`, if any."""
        frame = slice(self._starts[number], self._starts[number + 1])
        records = self._batch.records[frame]
        if where is None:
            self._batch.columns.findings[frame] |= kind.bit
        else:
            self._batch.columns.findings[frame][where[frame]] |= kind.bit
            records = records[where[frame]]
        if len(records):
            self._remarks.add(kind, self._batch.keys[number].data_code, detail, field, records)


class _Values:
    """What is odd about values and scopes, and which frames have any of it."""

    def __init__(
        self,
        batch: Batch,
        ranges: Sequence[tuple[float | None, float | None]],
        scopes: Sequence[Scope],
    ) -> None:
        columns = batch.columns
        starts, counts = columns.starts[:-1], columns.counts
        lows = np.array([-inf if low is None else low for low, _ in ranges])
        highs = np.array([inf if high is None else high for _, high in ranges])
        least = np.minimum.reduceat(columns.value, starts)
        self.outside_frames = (least < lows) | (np.maximum.reduceat(columns.value, starts) > highs)
        self.negative_frames = least < 0
        self.outside = self.negative = np.zeros(0, np.bool_)
        if self.outside_frames.any():
            low, high = np.repeat(lows, counts), np.repeat(highs, counts)
            self.outside = (columns.value < low) | (columns.value > high)
        if self.negative_frames.any():
            self.negative = columns.value < 0
        self.other_scope = columns.scope != np.repeat(np.array(scopes, np.uint8), counts)
        self.other_scope_frames = np.logical_or.reduceat(self.other_scope, starts)


_parsed = lru_cache(maxsize=65_536)(data_code.parse)


class _Code(NamedTuple):
    """What there is to know about a data code."""

    scope: Scope
    """The scope that it implies."""
    strange: list[tuple[AdviceKind, str]]
    """What the dictionary has against it."""


class _Codes(dict[str, _Code]):
    """What there is to know about each data code, asked once per code."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def __missing__(self, text: str) -> _Code:
        code = _parsed(text)
        found = self[text] = _Code(code.scope, list(_strangers(code, self._context)))
        return found


def _strangers(code: DataCode, context: Context) -> Iterator[tuple[AdviceKind, str]]:
    dictionary = context.dictionary
    if not dictionary.knows_process(context.industry_code, code.process):
        yield AdviceKind.UNKNOWN_PROCESS, f"生产工序编码 {code.process} 未收录"
    if not dictionary.knows_energy(code.energy_class, code.energy_type):
        named = f"{code.energy_class}{code.energy_type}"
        yield AdviceKind.UNKNOWN_ENERGY_TYPE, f"能源分类与品种编码 {named} 未收录"
    if not dictionary.knows_usage(code.usage):
        yield AdviceKind.UNKNOWN_USAGE, f"用途编码 {code.usage} 未收录"


def _range(items: Sequence[Item]) -> tuple[float | None, float | None]:
    """The values that any device of the unit allows; one that gives no bound allows all."""
    lows = [item.value_min for item in items if item.value_min is not None]
    highs = [item.value_max for item in items if item.value_max is not None]
    return (
        min(lows) if items and len(lows) == len(items) else None,
        max(highs) if items and len(highs) == len(items) else None,
    )


def _bound(bound: float | None) -> str:
    return "不限" if bound is None else f"{bound:g}"


def _early(batch: Batch, now: datetime) -> Bools | None:
    """Of each value whether its period begins too long after the receipt; None if none does."""
    latest = now + _FORESEEABLE
    firsts: dict[tuple[int, int], int] = {}
    for stat_type, frame in {key[:2] for key in batch.keys}:
        kind = StatType(stat_type)
        slots = range(periods.slots_in(kind, frame))
        firsts[stat_type, frame] = bisect_right(slots, latest, key=partial(_begins, kind, frame))
    first = np.array([firsts[key[:2]] for key in batch.keys], np.int64)
    early = batch.columns.slot >= np.repeat(first, batch.columns.counts)
    return early if early.any() else None


def _begins(kind: StatType, frame: int, slot: int) -> datetime:
    return periods.period_start(kind, periods.time_of(kind, frame, slot))


_ATTRIBUTES = {
    "dataCode": "data_code",
    "dataValue": "data_value",
    "scope": "scope",
    "statDate": "stat_date",
    "uploadDate": "upload_date",
}


def _received(record: EnergyRecord, field: str) -> object:
    return getattr(record, _ATTRIBUTES[field])
