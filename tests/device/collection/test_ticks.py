"""Properties of aggregation: exact, on the grid, whatever the order, with gaps that stay gaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nenghao.device.collection import ticks
from nenghao.device.collection.recorder import Recorder
from nenghao.device.collection.samples import milliseconds, moment
from nenghao.device.collection.signals import Series
from nenghao.device.sources.base import Sample
from nenghao.device.store import DeviceStore
from tests.device.collection.factory import (
    MORNING,
    QUARTER,
    every,
    fake_source,
    grid,
    item,
    line,
    planned,
    readings_of,
    sample,
)

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spans_of(samples: list[Sample], *, units: bool = False, **keys: Any) -> list[ticks.Span]:
    """What the program of one item over gate.total makes of samples."""
    program = planned(item(**keys), units=units).items[0].program
    known = {milliseconds(one.time): one.value for one in samples if one.good}
    times = sorted(known)
    series = {"gate.total": Series(times, [known[time] for time in times])}
    interval = keys.get("interval_minutes", 15) * 60_000
    boundaries = ticks.grid(times[0] - interval, times[-1] + interval, interval)
    return ticks.spans(program, series, boundaries)


def singles(found: list[ticks.Span]) -> dict[datetime, Decimal]:
    return {moment(span.end): span.amount for span in found if not span.gap}


increments = st.lists(
    st.tuples(
        st.integers(1, 400_000),  # milliseconds since the sample before
        st.decimals(0, 50, places=3),
    ),
    min_size=3,
    max_size=120,
)


def samples_of(steps: list[tuple[int, Decimal]], start: Decimal = Decimal(0)) -> list[Sample]:
    time, value, found = MORNING + timedelta(minutes=3), start, []
    for pause, more in steps:
        time += timedelta(milliseconds=pause)
        value += more
        found.append(sample(time, value))
    return found


@given(increments)
@FAST
def test_a_tick_is_the_difference_of_the_straight_lines_at_its_ends(
    steps: list[tuple[int, Decimal]],
) -> None:
    samples = samples_of(steps)
    known = {one.time: one.value for one in samples}
    found = singles(spans_of(samples))
    gap = timedelta(minutes=15)
    for begin, end in pairwise(grid(samples)):
        left, right = line(known, begin, gap), line(known, end, gap)
        if left is None or right is None:
            assert end not in found
        else:
            assert abs(Fraction(found[end]) - (right - left)) <= Fraction(1, 10**10)


@given(increments, st.integers(0, 119), st.decimals(0, 5, places=3))
@FAST
def test_ticks_add_up_to_the_difference_of_the_counter_across_resets(
    steps: list[tuple[int, Decimal]], place: int, low: Decimal
) -> None:
    samples = samples_of(steps, Decimal(5000))
    reset = place % len(samples)
    fall = samples[reset].value - low if reset else Decimal(0)
    samples = [
        sample(one.time, one.value - (fall if number >= reset else 0))
        for number, one in enumerate(samples)
    ]
    # all that the register counted: its rises; what it counted while it fell nobody knows
    counted = {samples[0].time: Decimal(0)}
    for earlier, later in pairwise(samples):
        rise = max(Decimal(0), later.value - earlier.value)
        counted[later.time] = counted[earlier.time] + rise
    found = spans_of(samples)
    assert all(span.amount >= 0 for span in found)
    assert all(one.end == other.begin for one, other in pairwise(found))
    if found:
        gap = timedelta(minutes=15)
        first = line(counted, moment(found[0].begin), gap)
        last = line(counted, moment(found[-1].end), gap)
        assert first is not None
        assert last is not None
        total = sum((Fraction(span.amount) for span in found), Fraction(0))
        assert abs(total - (last - first)) <= Fraction(2, 10**10)


@given(st.integers(1, 20), st.integers(0, 20), st.integers(5, 290))
@FAST
def test_a_gap_of_k_ticks_leaves_exactly_k_absent(k: int, offset: int, pause: int) -> None:
    begin = MORNING
    hole = (begin + QUARTER * (4 + offset), begin + QUARTER * (4 + offset + k))
    samples = [
        one
        for one in every(pause, begin, begin + QUARTER * (10 + offset + k), lambda past: int(past))
        if not hole[0] < one.time < hole[1]
    ] + [sample(edge, int((edge - begin).total_seconds())) for edge in hole]
    for kind in ("counter", "instant"):
        found = singles(spans_of(samples, kind=kind, max_gap_minutes=14.9))
        boundaries = [begin + QUARTER * number for number in range(1, 10 + offset + k)]
        absent = [time for time in boundaries if time not in found]
        assert absent == [hole[0] + QUARTER * number for number in range(1, k + 1)]


@given(increments)
@FAST
def test_the_mean_of_an_instantaneous_value_is_its_integral(
    steps: list[tuple[int, Decimal]],
) -> None:
    samples = samples_of(steps)
    known = {one.time: one.value for one in samples}
    found = singles(spans_of(samples, kind="instant"))
    gap = timedelta(minutes=15)
    for end, value in found.items():
        begin = end - QUARTER
        inner = [begin, *(time for time in sorted(known) if begin < time < end), end]
        area = Fraction(0)
        for left, right in pairwise(inner):
            one, other = line(known, left, gap), line(known, right, gap)
            assert one is not None
            assert other is not None
            area += (one + other) / 2 * Fraction((right - left) / timedelta(milliseconds=1))
        assert abs(area / 900_000 - Fraction(value)) <= Fraction(1, 10**10)


def test_power_becomes_energy_and_the_dictionarys_unit() -> None:
    sources = [fake_source(P="kW")]
    planned_ = planned(item(kind="instant", value="gate.P"), sources=sources, units=True).items[0]
    samples = every(10, MORNING, MORNING + QUARTER * 2, lambda past: 360, "P")
    series = {
        "gate.P": Series(
            [milliseconds(one.time) for one in samples], [one.value for one in samples]
        )
    }
    boundaries = ticks.grid(milliseconds(MORNING), milliseconds(MORNING + QUARTER), 900_000)
    (span,) = ticks.spans(planned_.program, series, boundaries)
    assert planned_.unit == "万千瓦时"
    assert span.amount == Decimal("0.009")  # 360 kW for a quarter of an hour: 90 kWh


def test_a_value_that_holds_until_the_next_is_weighted_by_how_long_it_held() -> None:
    samples = [
        sample(MORNING, 10),
        sample(MORNING + timedelta(minutes=5), 40),
        sample(MORNING + QUARTER, 0),
    ]
    (value,) = singles(spans_of(samples, kind="instant", interpolate="step")).values()
    assert value == 30


def test_interval_amounts_are_added_up_and_a_missing_one_leaves_no_tick() -> None:
    amounts = [sample(MORNING + timedelta(minutes=5 * number), number) for number in range(1, 7)]
    keys: dict[str, Any] = {"kind": "interval", "sample_minutes": 5}
    assert singles(spans_of(amounts, **keys)) == {
        MORNING + QUARTER: Decimal(6),
        MORNING + QUARTER * 2: Decimal(15),
    }
    assert list(singles(spans_of(amounts[:4] + amounts[5:], **keys))) == [MORNING + QUARTER]


@pytest.mark.parametrize(("label", "shift"), [("end", 0), ("start", -15), ("polled", 7)])
def test_the_label_of_an_interval_says_which_it_is(label: str, shift: int) -> None:
    time = MORNING + QUARTER + timedelta(minutes=shift)
    samples = [sample(time, 5), sample(time + QUARTER, 6)]
    assert singles(spans_of(samples, kind="interval", label=label)) == {
        MORNING + QUARTER: Decimal(5),
        MORNING + QUARTER * 2: Decimal(6),
    }


def test_a_product_of_instantaneous_values_is_averaged_as_a_product() -> None:
    sources = [fake_source(U="", I="")]
    planned_ = planned(item(kind="instant", value="gate.U * gate.I"), sources=sources).items[0]
    begin = milliseconds(MORNING)
    rising = Series([begin, begin + 450_000, begin + 900_000], [Decimal(0), Decimal(1), Decimal(2)])
    spans = ticks.spans(
        planned_.program, {"gate.U": rising, "gate.I": rising}, [begin, begin + 900_000]
    )
    # trapezoids over the moments of reading: (0+1)/2·½ + (1+4)/2·½; a product of means gives 1
    assert [span.amount for span in spans] == [Decimal("1.5")]


def test_where_one_of_two_points_is_missing_there_is_no_tick() -> None:
    sources = [fake_source(U="", I="")]
    planned_ = planned(item(kind="instant", value="gate.U * gate.I"), sources=sources).items[0]
    samples = every(60, MORNING, MORNING + QUARTER * 4, lambda past: 2)
    whole = Series([milliseconds(one.time) for one in samples], [one.value for one in samples])
    broken = [
        time
        for time in whole.times
        if not milliseconds(MORNING + QUARTER * 1.1) < time < milliseconds(MORNING + QUARTER * 2.5)
    ]
    part = Series(broken, [Decimal(3)] * len(broken))
    spans = ticks.spans(
        planned_.program,
        {"gate.U": whole, "gate.I": part},
        ticks.grid(whole.times[0], whole.times[-1], 900_000),
    )
    assert [moment(span.end) for span in spans] == [MORNING + QUARTER, MORNING + QUARTER * 4]
    assert {span.amount for span in spans} == {Decimal(6)}


# --- the recorder: any order, any number of times ------------------------------------------------


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_permutation_and_duplication_of_samples_change_nothing(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = data.draw(st.sampled_from(["counter", "instant", "interval"]), "kind")
    steps = data.draw(increments, "steps")
    samples = samples_of(steps, Decimal(100))
    if kind == "interval":
        samples = [
            sample(MORNING + QUARTER * number, more) for number, (_, more) in enumerate(steps)
        ]
    drop = data.draw(st.integers(0, len(samples) - 1), "drop")
    if kind == "counter":
        samples = samples[:drop] + [sample(one.time, one.value / 2) for one in samples[drop:]]
    shuffled = data.draw(st.permutations(samples), "order")
    again = data.draw(st.lists(st.sampled_from(samples), max_size=20), "again")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=6), "cuts"))
    now = samples[-1].time + timedelta(hours=1)
    made = planned(item(kind=kind))
    folder: Path = tmp_path_factory.mktemp("permutation")

    def run(name: str, chunks: list[list[Sample]]) -> dict[datetime, tuple[Decimal, bool]]:
        with DeviceStore.create(folder / name) as store:
            recorder = Recorder(store, made, now)
            for chunk in chunks:
                recorder.take("gate", chunk, now)
            return readings_of(store)

    edges = [0, *cuts, len(shuffled)]
    chunks = [shuffled[left:right] for left, right in pairwise(edges)]
    in_order = run("a.db", [[one] for one in samples])
    assert run("b.db", [samples]) == in_order
    assert run("c.db", [*chunks, again]) == in_order
