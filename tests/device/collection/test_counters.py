"""What a register did: counted, overflowed, was reset, replaced, disturbed, or caught up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.collection.counters import HOUR, CounterRule, Drop, Track, track

MINUTE = 60_000


def course(readings: Sequence[tuple[int, object]], **rule: Any) -> Track:
    """The track of readings at minutes."""
    for key in ("modulus", "max_rate"):
        if key in rule:
            rule[key] = Decimal(str(rule[key]))
    return track(
        [minute * MINUTE for minute, _ in readings],
        [Decimal(str(value)) for _, value in readings],
        CounterRule(**({"max_gap": 15 * MINUTE} | rule)),
    )


def counted(readings: Sequence[tuple[int, object]], **rule: Any) -> list[Decimal]:
    return course(readings, **rule).counted


def kinds(readings: Sequence[tuple[int, object]], **rule: Any) -> list[Drop]:
    return [event.kind for event in course(readings, **rule).events]


def test_an_overflow_goes_on_counting_over_the_end_of_the_display() -> None:
    readings = [(0, "9998.5"), (1, "9999.5"), (2, "0.5"), (3, "1.5")]
    assert counted(readings, modulus=10000) == [1, 1, 1]
    assert kinds(readings, modulus=10000) == [Drop.OVERFLOW]


def test_a_drop_that_cannot_be_an_overflow_is_none() -> None:
    readings = [(0, 5000), (1, 4000), (2, 4001)]
    assert kinds(readings, modulus=10000) == [Drop.REPLACED]
    assert counted(readings, modulus=10000) == [0, 1]


def test_a_reset_counts_from_zero_when_that_can_have_been_counted() -> None:
    readings = [(0, 5000), (1, 3), (2, 5)]
    assert counted(readings, max_rate=300) == [3, 2]
    assert kinds(readings, max_rate=300) == [Drop.RESET]


def test_of_another_meter_only_the_counting_from_its_first_reading_is_known() -> None:
    readings = [(0, 5000), (1, 321), (2, 323)]
    assert counted(readings, max_rate=300) == [0, 2]
    assert kinds(readings, max_rate=300) == [Drop.REPLACED]
    assert counted(readings) == [0, 2]


@pytest.mark.parametrize("low", [0, 1, 17])
def test_a_meter_that_shows_nonsense_for_a_while_did_not_start_over(low: int) -> None:
    readings = [(0, 1000), (1, 1001), (2, low), (5, low), (9, 1009), (10, 1010)]
    assert sum(counted(readings)) == 10
    assert kinds(readings) == [Drop.GARBAGE]


def test_a_meter_that_shows_too_much_for_a_while_did_not_count_it() -> None:
    readings = [(0, 1000), (1, 1001), (2, 99999999), (3, 99999999), (4, 1004), (5, 1005)]
    assert sum(counted(readings)) == 5
    assert kinds(readings) == [Drop.GARBAGE]
    assert sum(counted(readings, modulus=100_000_000)) == 5


def test_a_small_register_that_was_reset_and_soon_passes_its_old_reading_was_reset() -> None:
    readings = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 0.5), (5, 1.5), (6, 2.5), (7, 3.5)]
    assert kinds(readings, max_rate=100) == [Drop.RESET]
    assert sum(counted(readings, max_rate=100)) == Decimal("6.5")


def test_a_spike_is_counted_and_flagged() -> None:
    made = course([(0, 0), (10, 1), (20, 500), (30, 501)], max_rate=60)
    assert made.counted == [1, 499, 1]
    assert made.suspect == [False, True, False]
    assert [event.kind for event in made.events] == [Drop.SPIKE]


def test_a_spike_after_a_standstill_is_spread_over_it() -> None:
    readings = [(0, 0), (10, 10), *((minute, 10) for minute in range(20, 120, 10)), (120, 120)]
    flagged = course(readings, max_rate=100)
    assert flagged.suspect == [False] * 11 + [True]
    spread = course(readings, max_rate=100, on_spike="spread")
    assert [time // MINUTE for time in spread.times] == [0, 10, 120]
    assert spread.counted == [10, 110]
    assert spread.suspect == [False, False]
    assert spread.known(65 * MINUTE) == 1
    assert spread.position(1, 65 * MINUTE) == 65


def test_a_register_that_is_brought_up_to_date_every_few_minutes_makes_no_spikes() -> None:
    readings = [(minute, minute // 5 * 5) for minute in range(61)]
    made = course(readings, max_rate=70)
    assert made.events == []
    assert sum(made.counted) == 60


def test_one_step_of_a_coarse_register_is_no_spike() -> None:
    assert kinds([(0, 10), (1, 10), (2, 11), (3, 11)], max_rate=1) == []


def test_between_two_readings_it_counts_evenly_and_over_a_long_gap_nothing_is_known() -> None:
    made = course([(0, 0), (10, 10), (40, 40)])
    assert made.known(5 * MINUTE) == 0
    assert made.position(0, 5 * MINUTE) == 5
    assert made.known(20 * MINUTE) is None
    assert made.known(40 * MINUTE) == 2
    assert made.known(41 * MINUTE) is None
    assert made.known(-1) is None


def test_a_register_told_by_its_changes_counts_at_the_change() -> None:
    made = course([(0, 0), (10, 10)], step=True)
    assert made.position(0, 9 * MINUTE) == 0


@given(
    st.lists(st.tuples(st.integers(1, 60), st.decimals(0, 10**6, places=2)), min_size=1),
    st.sampled_from([None, "1000", "1000000"]),
    st.sampled_from([None, "50", "100000"]),
    st.sampled_from(["flag", "spread"]),
)
def test_whatever_it_shows_nothing_negative_is_ever_counted(
    steps: list[tuple[int, Decimal]], modulus: str | None, rate: str | None, spike: Any
) -> None:
    times, values, time = [], [], 0
    for pause, value in steps:
        time += pause * MINUTE
        times.append(time)
        values.append(value)
    rule = CounterRule(
        HOUR,
        Decimal(modulus) if modulus else None,
        Decimal(rate) if rate else None,
        spike,
    )
    made = track(times, values, rule)
    assert all(amount >= 0 for amount in made.counted)
    assert len(made.counted) == len(made.suspect) == len(made.bridged) == len(made.times) - 1
    assert all(earlier < later for earlier, later in pairwise(made.times))


@given(st.lists(st.decimals(0, 100, places=2), min_size=2), st.integers(1, 30))
def test_a_register_that_only_rises_counts_its_difference(rises: list[Decimal], pause: int) -> None:
    value, readings = Decimal(0), []
    for number, rise in enumerate(rises):
        value += rise
        readings.append((number * pause, value))
    assert sum(counted(readings), Decimal(0)) == readings[-1][1] - readings[0][1]
