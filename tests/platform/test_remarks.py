"""What is odd about values is said once per kind and item, and marked in each slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from nenghao.platform.packing import Batch, Labels, pack
from nenghao.platform.remarks import Context, Remarks, remark
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages.energy_data import EnergyRecord
from tests.platform.energy import COAL, ELECTRICITY, NOW, day, record


@dataclass(frozen=True)
class Bounds:
    """A configured item."""

    value_min: float | None = None
    value_max: float | None = None


@dataclass(frozen=True)
class Words:
    """A dictionary that knows everything but these."""

    energies: frozenset[str] = frozenset()
    usages: frozenset[str] = frozenset()
    processes: frozenset[tuple[str, str]] = frozenset()

    def knows_energy(self, class_code: str, type_code: str) -> bool:
        return class_code + type_code not in self.energies

    def knows_usage(self, code: str) -> bool:
        return code not in self.usages

    def knows_process(self, industry_code: str, code: str) -> bool:
        return (industry_code, code) not in self.processes


EVERY_TYPE = {(ELECTRICITY, kind): [Bounds()] for kind in range(4)}


@dataclass
class Found:
    """A batch and what was remarked about it."""

    batch: Batch
    remarks: Remarks
    records: Sequence[EnergyRecord] = field(default_factory=list)

    @property
    def counts(self) -> dict[AdviceKind, int]:
        return self.remarks.counts()

    def bits(self) -> list[tuple[AdviceKind, ...]]:
        """The kinds marked at each record that stands, in the order of the batch."""
        marked = {
            index: AdviceKind.from_bits(packed.frame.findings[at])
            for packed in self.batch.frames.values()
            for at, index in enumerate(packed.records)
        }
        return [marked[index] for index in sorted(marked)]


def find(
    records: Sequence[EnergyRecord],
    *,
    words: Words | None = None,
    items: Mapping[tuple[str, int], Sequence[Bounds]] | None = None,
    industry: str = "C31",
    now: datetime = NOW,
) -> Found:
    batch = pack(records, Labels(), now)
    known = EVERY_TYPE if items is None else items
    context = Context(words or Words(), known, industry, now)
    return Found(batch, remark(batch, records, context), records)


def test_an_ordinary_batch_has_no_remarks() -> None:
    found = find([*day(), record(0), record(1, "2026-01-01 00:00:00", stat_type=3)])
    assert found.counts == {}
    assert set(found.bits()) == {()}


def test_codes_that_the_dictionary_does_not_know_are_remarked() -> None:
    code = "07-02-0000-023300-99"
    words = Words(frozenset({"023300"}), frozenset({"99"}), frozenset({("C31", "07")}))
    found = find([record(1, code=code, scope=3)], words=words, items={(code, 1): [Bounds()]})
    kinds = (AdviceKind.UNKNOWN_PROCESS, AdviceKind.UNKNOWN_ENERGY_TYPE, AdviceKind.UNKNOWN_USAGE)
    assert found.bits() == [kinds]
    said = [made.advice() for made in found.remarks]
    assert [(one.kind, one.path, one.subject) for one in said] == [
        (kind, "data[0].dataCode", code) for kind in kinds
    ]


def test_an_item_that_is_not_configured_is_said_once_however_many_values_it_has() -> None:
    found = find(day(codes=(COAL, ELECTRICITY)), items={(COAL, 0): [Bounds()]})
    (only,) = found.remarks
    assert (only.kind, only.data_code) == (AdviceKind.NOT_CONFIGURED, ELECTRICITY)
    assert only.advice().detail == "实时数据项未在本单位配置中（同批共 96 处）"
    assert only.advice().path == "data[96].dataCode"
    assert found.counts == {AdviceKind.NOT_CONFIGURED: 96}
    assert found.bits() == [()] * 96 + [(AdviceKind.NOT_CONFIGURED,)] * 96


def test_an_item_configured_for_another_stat_type_is_not_configured_for_this_one() -> None:
    assert find([record()], items={(ELECTRICITY, 0): [Bounds()]}).counts == {
        AdviceKind.NOT_CONFIGURED: 1
    }


def test_values_outside_the_configured_range_are_marked_and_its_bounds_are_inside() -> None:
    records = [
        record(value, f"2026-11-{at + 1:02d} 00:00:00")
        for at, value in enumerate([1.0, 0.99, 5.0, 5.01, 3.0])
    ]
    found = find(records, items={(ELECTRICITY, 1): [Bounds(1, 5)]})
    outside = (AdviceKind.OUT_OF_RANGE,)
    assert found.bits() == [(), outside, (), outside, ()]
    (only,) = found.remarks
    assert only.detail == "应在配置范围 1 至 5 内"


@pytest.mark.parametrize(
    ("bounds", "value", "odd"),
    [
        (Bounds(None, 5), -100.0, False),
        (Bounds(None, 5), 6.0, True),
        (Bounds(1, None), 10**9, False),
        (Bounds(1, None), 0.5, True),
    ],
)
def test_a_bound_that_is_not_given_does_not_bind(bounds: Bounds, value: float, odd: bool) -> None:
    counts = find([record(value)], items={(ELECTRICITY, 1): [bounds]}).counts
    assert (AdviceKind.OUT_OF_RANGE in counts) is odd


def test_a_value_is_in_range_when_any_device_of_the_unit_allows_it() -> None:
    items = {(ELECTRICITY, 1): [Bounds(0, 5), Bounds(10, 20)]}
    assert find([record(15)], items=items).counts == {}
    assert find([record(25)], items=items).counts == {AdviceKind.OUT_OF_RANGE: 1}


def test_a_device_that_gives_no_bound_allows_everything() -> None:
    items = {(ELECTRICITY, 1): [Bounds(0, 5), Bounds()]}
    assert find([record(25)], items=items).counts == {}


def test_a_negative_value_is_remarked_and_zero_is_not() -> None:
    found = find(
        [record(-0.001, "2026-11-01 00:00:00"), record(0), record(-0.0, "2026-11-02 00:00:00")]
    )
    assert found.bits() == [(AdviceKind.NEGATIVE,), (), ()]


@pytest.mark.parametrize(
    ("code", "implied"),
    [
        ("00-00-0000-023300-11", 1),
        ("07-00-0000-023300-11", 2),
        ("07-02-0000-023300-11", 3),
        ("07-02-1001-023300-11", 4),
    ],
)
def test_a_scope_that_disagrees_with_its_code_is_remarked(code: str, implied: int) -> None:
    for scope in range(1, 5):
        counts = find([record(scope=scope, code=code)], items={(code, 1): [Bounds()]}).counts
        assert counts == ({} if scope == implied else {AdviceKind.SCOPE_MISMATCH: 1})


@pytest.mark.parametrize(
    ("stat_type", "stat_date", "future"),
    [
        (0, "2026-11-23 01:45:00", False),  # begins 01:30, one day after the receipt
        (0, "2026-11-23 02:00:00", True),
        (1, "2026-11-23 00:00:00", False),
        (1, "2026-11-24 00:00:00", True),
        (2, "2026-12-01 00:00:00", True),
        (3, "2026-01-01 00:00:00", False),
        (3, "2027-01-01 00:00:00", True),
    ],
)
def test_a_period_that_begins_more_than_a_day_after_the_receipt_is_remarked(
    stat_type: int, stat_date: str, future: bool
) -> None:
    found = find([record(1, stat_date, stat_type=stat_type)])
    assert found.counts == ({AdviceKind.FUTURE_PERIOD: 1} if future else {})


def test_only_the_future_slots_of_a_frame_are_marked() -> None:
    found = find(day(NOW.date().replace(day=23)))
    marked = [bool(kinds) for kinds in found.bits()]
    assert marked == [False] * 7 + [True] * 89


def test_a_record_that_the_same_batch_replaces_is_remarked_and_its_successor_marked() -> None:
    found = find([record(1), record(1), record(2)])
    (only,) = found.remarks
    assert (only.kind, only.records, only.advice().path) == (AdviceKind.DUPLICATE, [0], "data[0]")
    assert found.bits() == [(AdviceKind.DUPLICATE,)]


def test_a_remark_can_be_said_for_every_record_with_what_was_received() -> None:
    records = [record(-1, "2026-11-01 00:00:00"), record(1), record(-2, "2026-11-02 00:00:00")]
    (only,) = find(records).remarks
    assert [(one.path, one.received) for one in only.advices(records)] == [
        ("data[0].dataValue", "-1"),
        ("data[2].dataValue", "-2"),
    ]
