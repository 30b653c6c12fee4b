"""What is odd about the values of an energy upload (数据提示): membership, range, time.

Sets the bits of what it finds in the batch's frames and says it once per kind and data code.
Membership is advice: none of this refuses an upload, unless a strict setting makes it
(docs/decisions 1; `intake`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from nenghao.platform.packing import Batch, Key, Packed
from nenghao.standard import data_code, periods
from nenghao.standard.data_code import DataCode
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


@dataclass(slots=True)
class Remark:
    """One kind of oddity of one data code, and the records of the batch that have it."""

    kind: AdviceKind
    data_code: str
    detail: str
    field: str
    """The field that is odd, empty for the record as a whole."""
    records: list[int]

    def advice(self) -> Advice:
        """The remark said once, at its first record."""
        more = f"（同批共 {len(self.records)} 处）" if len(self.records) > 1 else ""
        return Advice(self.kind, self._path(min(self.records)), self.data_code, self.detail + more)

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

    def add(
        self, kind: AdviceKind, code: str, detail: str, field: str, records: Sequence[int]
    ) -> None:
        """Remark on `records` of the batch."""
        remark = self._made.get((kind, code, detail))
        if remark is None:
            self._made[kind, code, detail] = Remark(kind, code, detail, field, list(records))
        else:
            remark.records.extend(records)

    def __iter__(self) -> Iterator[Remark]:
        return iter(self._made.values())

    def counts(self) -> dict[AdviceKind, int]:
        """How many records each kind was found in."""
        counts: dict[AdviceKind, int] = {}
        for remark in self:
            counts[remark.kind] = counts.get(remark.kind, 0) + len(remark.records)
        return counts


def remark(batch: Batch, records: Sequence[EnergyRecord], context: Context) -> Remarks:
    """Everything odd about a batch, before it meets what is stored; sets the frames' bits."""
    remarks = Remarks()
    replacing = {later for _, later in batch.replaced}
    for earlier, _ in batch.replaced:
        detail = "同一批次内同一数据出现多次且不同，以最后一条为准"
        remarks.add(AdviceKind.DUPLICATE, records[earlier].data_code, detail, "", [earlier])
    codes = _Codes(context)
    for key, packed in batch.frames.items():
        for kind, detail in codes[key.data_code]:
            _mark(remarks, key, packed, kind, detail, "dataCode", range(len(packed.records)))
        _remark_configuration(remarks, key, packed, context)
        _remark_values(remarks, key, packed)
        _remark_scopes(remarks, key, packed)
        _remark_future(remarks, key, packed, context.now)
        if replacing:
            _set_duplicate(packed, replacing)
    return remarks


class _Codes(dict[str, list[tuple[AdviceKind, str]]]):
    """What the dictionary has against each data code, asked once per code."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def __missing__(self, text: str) -> list[tuple[AdviceKind, str]]:
        found = self[text] = list(_strangers(data_code.parse(text), self._context))
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


def _remark_configuration(remarks: Remarks, key: Key, packed: Packed, context: Context) -> None:
    items = context.items.get((key.data_code, key.stat_type))
    every = range(len(packed.records))
    if not items:
        detail = f"{StatType(key.stat_type).label}数据项未在本单位配置中"
        _mark(remarks, key, packed, AdviceKind.NOT_CONFIGURED, detail, "dataCode", every)
        return
    lows = [item.value_min for item in items if item.value_min is not None]
    highs = [item.value_max for item in items if item.value_max is not None]
    # Any device of the unit may allow a value; one that gives no bound allows all.
    low = min(lows) if len(lows) == len(items) else None
    high = max(highs) if len(highs) == len(items) else None
    values = packed.frame.value
    below = low is not None and min(values) < low
    above = high is not None and max(values) > high
    if below or above:
        outside = [
            at
            for at in every
            if (low is not None and values[at] < low) or (high is not None and values[at] > high)
        ]
        detail = f"应在配置范围 {_bound(low)} 至 {_bound(high)} 内"
        _mark(remarks, key, packed, AdviceKind.OUT_OF_RANGE, detail, "dataValue", outside)


def _bound(bound: float | None) -> str:
    return "不限" if bound is None else f"{bound:g}"


def _remark_values(remarks: Remarks, key: Key, packed: Packed) -> None:
    values = packed.frame.value
    if min(values) < 0:
        negative = [at for at, value in enumerate(values) if value < 0]
        _mark(remarks, key, packed, AdviceKind.NEGATIVE, "数值为负", "dataValue", negative)


def _remark_scopes(remarks: Remarks, key: Key, packed: Packed) -> None:
    scopes = packed.frame.scope
    implied = data_code.parse(key.data_code).scope
    if scopes.count(implied) < len(scopes):
        other = [at for at, scope in enumerate(scopes) if scope != implied]
        detail = f"与数据项编码不符，编码所示为 {implied.value}（{implied.label}）"
        _mark(remarks, key, packed, AdviceKind.SCOPE_MISMATCH, detail, "scope", other)


def _remark_future(remarks: Remarks, key: Key, packed: Packed, now: datetime) -> None:
    kind, latest = StatType(key.stat_type), now + _FORESEEABLE
    slots = packed.frame.positions()
    if _begins(kind, key.frame, slots[-1]) <= latest:
        return
    early = [at for at, slot in enumerate(slots) if _begins(kind, key.frame, slot) > latest]
    detail = "统计周期在接收时刻一天以后才开始"
    _mark(remarks, key, packed, AdviceKind.FUTURE_PERIOD, detail, "statDate", early)


def _begins(kind: StatType, frame: int, slot: int) -> datetime:
    return periods.period_start(kind, periods.time_of(kind, frame, slot))


def _set_duplicate(packed: Packed, replacing: set[int]) -> None:
    for at, index in enumerate(packed.records):
        if index in replacing:
            packed.frame.findings[at] |= AdviceKind.DUPLICATE.bit


def _mark(
    remarks: Remarks,
    key: Key,
    packed: Packed,
    kind: AdviceKind,
    detail: str,
    field: str,
    places: Sequence[int],
) -> None:
    findings = packed.frame.findings
    for at in places:
        findings[at] |= kind.bit
    indexes = [packed.records[at] for at in places]
    remarks.add(kind, key.data_code, detail, field, indexes)


_ATTRIBUTES = {
    "dataCode": "data_code",
    "dataValue": "data_value",
    "scope": "scope",
    "statDate": "stat_date",
    "uploadDate": "upload_date",
}


def _received(record: EnergyRecord, field: str) -> object:
    return getattr(record, _ATTRIBUTES[field])
