"""A simulated factory's counters tell its process exactly, and fail as they are told."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.conformance.factory import faults
from nenghao.conformance.factory.clock import FastClock
from nenghao.conformance.factory.faults import Fault, FaultKind
from nenghao.conformance.factory.kinds import KINDS, unit_of
from nenghao.conformance.factory.loads import FleetLoad, ReplayLoad
from nenghao.conformance.factory.plant import (
    DIGITS,
    Character,
    Meter,
    Plant,
    counter_of,
    fleet_plant,
    origin_of,
    rolling,
)
from nenghao.conformance.fleet import ticks

BEGIN = datetime(2026, 3, 1)
QUARTER = timedelta(minutes=15)
STEEL = unit_of("steel")
POWER = FleetLoad(STEEL, STEEL.items[0], origin_of(BEGIN))
GAS = FleetLoad(STEEL, STEEL.items[1], origin_of(BEGIN))

moments = st.integers(0, 40 * 86400 * 1000).map(lambda n: BEGIN + timedelta(milliseconds=n))


def meter(load: ReplayLoad | FleetLoad, digits: int = DIGITS, start: int = 0) -> Meter:
    return Meter(1, "00-00-0000-023300-11", "电力", "kWh", 2, -4, load, digits, start)


def steady(per_quarter: int = 900, quarters: int = 4000) -> ReplayLoad:
    """So many counts in every quarter hour from `BEGIN` on: one a second by default."""
    ends = [(BEGIN + (n + 1) * QUARTER, per_quarter) for n in range(quarters)]
    return ReplayLoad(ends, QUARTER)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_unit_of_the_fleet_with_a_meter_for_each_item(kind: str) -> None:
    unit = unit_of(kind)
    plant = fleet_plant(unit, BEGIN)
    assert [one.code for one in plant.meters] == [item.code for item in unit.items]
    assert [one.number for one in plant.meters] == list(range(1, len(unit.items) + 1))


def test_kinds_are_told_apart_by_what_they_are() -> None:
    assert unit_of("steel").industry.startswith("C31")
    assert unit_of("refinery").industry.startswith("C25")
    assert unit_of("heating").industry == "D4430"
    with pytest.raises(KeyError):
        unit_of("casino")


@pytest.mark.parametrize("kind", ["steel", "refinery", "heating"])
def test_between_two_ticks_a_counter_rises_by_exactly_what_the_fleet_says(kind: str) -> None:
    unit = unit_of(kind)
    plant = fleet_plant(unit, BEGIN)
    for item, one in zip(unit.items, plant.meters, strict=True):
        stands = [plant.shown(one, BEGIN + n * QUARTER).counter for n in range(2 * 96 + 1)]
        risen = [Decimal(late - early) * one.step for early, late in pairwise(stands)]
        wanted = ticks(unit, item, date(2026, 3, 1)) + ticks(unit, item, date(2026, 3, 2))
        assert [value.scaleb(one.exponent) for value in risen] == wanted


@given(moments, moments)
def test_a_counter_without_faults_never_falls(one: datetime, other: datetime) -> None:
    early, late = sorted((one, other))
    assert POWER.counts(early) <= POWER.counts(late)


@given(moments)
def test_the_rate_is_what_flows_within_the_quarter(moment: datetime) -> None:
    tick = BEGIN + (moment - BEGIN) // QUARTER * QUARTER
    assert GAS.per_hour(moment) == 4 * (GAS.counts(tick + QUARTER) - GAS.counts(tick))


def test_a_plant_that_is_started_again_shows_what_it_would_have_shown() -> None:
    later = datetime(2026, 3, 20, 7, 31, 12)
    first, second = fleet_plant(STEEL, BEGIN), fleet_plant(STEEL, later)
    for one, other in zip(first.meters, second.meters, strict=True):
        assert first.shown(one, later).counter == second.shown(other, later).counter


def test_other_seeds_make_other_readings_and_the_same_seed_the_same() -> None:
    noon = datetime(2026, 3, 5, 12)
    shown = []
    for seed in (1, 1, 2):
        plant = fleet_plant(unit_of("steel", seed), BEGIN, character=Character(seed, noise=0.02))
        shown.append([plant.shown(one, noon) for one in plant.meters])
    assert shown[0] == shown[1] != shown[2]


# --- playing back ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(0, 899_999))
def test_a_replayed_counter_rises_by_exactly_what_was_read(amounts: list[int], offset: int) -> None:
    readings = [(BEGIN + (n + 1) * QUARTER, Decimal(a).scaleb(-2)) for n, a in enumerate(amounts)]
    load, decimals = ReplayLoad.of(readings, QUARTER)
    step = Decimal(1).scaleb(-decimals)
    assert load.begin == BEGIN
    stands = [load.counts(BEGIN + n * QUARTER) * step for n in range(len(amounts) + 1)]
    assert [late - early for early, late in pairwise(stands)] == [a for _, a in readings]
    between = load.counts(BEGIN + timedelta(milliseconds=offset)) * step
    assert stands[0] <= between <= stands[1]
    assert load.counts(load.end + timedelta(days=9)) * step == stands[-1]


def test_a_replay_stands_still_where_readings_are_missing() -> None:
    load = ReplayLoad([(BEGIN + QUARTER, 5), (BEGIN + 3 * QUARTER, 7)], QUARTER)
    for minutes in (15, 20, 30):
        assert load.counts(BEGIN + timedelta(minutes=minutes)) == 5
        assert load.per_hour(BEGIN + timedelta(minutes=20)) == 0.0
    assert load.counts(BEGIN + 3 * QUARTER) == 12


@pytest.mark.parametrize(
    "amounts", [[], [(BEGIN, -1)], [(BEGIN, 1), (BEGIN, 1)]], ids=["none", "negative", "twice"]
)
def test_what_no_counter_can_show_is_not_played_back(amounts: list[tuple[datetime, int]]) -> None:
    with pytest.raises(ValueError, match=r"amounts|负|rise"):
        ReplayLoad(amounts, QUARTER)


# --- faults ---------------------------------------------------------------------------------------


def fault(kind: FaultKind, first: int, last: int = 10**6) -> Fault:
    return Fault(kind, 1, BEGIN + timedelta(seconds=first), BEGIN + timedelta(seconds=last))


def stand(told: list[Fault], second: int, start: int = 0) -> int:
    return counter_of(meter(steady(), start=start), told, BEGIN + timedelta(seconds=second))


def test_a_dead_meter_loses_what_flows_and_goes_on_from_where_it_stood() -> None:
    told = [fault(FaultKind.DEAD, 100, 160)]
    assert [stand(told, second) for second in (99, 100, 130, 160, 200)] == [99, 100, 100, 100, 140]


def test_a_stuck_meter_stands_and_then_jumps_to_what_it_counted() -> None:
    told = [fault(FaultKind.STUCK, 100, 160)]
    assert [stand(told, second) for second in (99, 130, 159, 160)] == [99, 100, 100, 160]


def test_a_new_meter_begins_at_zero() -> None:
    told = [fault(FaultKind.REPLACED, 100)]
    assert [stand(told, second, 5000) for second in (99, 100, 103)] == [5099, 0, 3]


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 2000))
def test_dead_time_is_what_is_missing_in_the_end(begin: int, length: int, second: int) -> None:
    told = [fault(FaultKind.DEAD, begin, begin + length)]
    dead = max(0, min(second, begin + length) - begin)
    assert stand(told, second) == second - dead


def test_the_counter_begins_again_at_zero_at_the_moment_that_was_asked_for() -> None:
    at = BEGIN + timedelta(hours=2)
    one = rolling(meter(steady(), digits=6), at)
    before, after = (counter_of(one, [], at + timedelta(seconds=n)) for n in (-1, 0))
    assert (before, after) == (10**6 - 1, 0)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_differences_across_the_rollover_are_right_modulo_the_digits(one: int, two: int) -> None:
    rolled = rolling(meter(steady(), digits=4), BEGIN + timedelta(minutes=45))
    early, late = sorted((one, two))
    stands = [counter_of(rolled, [], BEGIN + timedelta(seconds=n)) for n in (early, late)]
    assert (stands[1] - stands[0]) % 10**4 == (late - early) % 10**4


def test_status_and_answer_follow_the_fault_and_a_dead_meter_shows_no_rate() -> None:
    one = meter(steady())
    told = [
        fault(FaultKind.DEAD, 0, 10),
        fault(FaultKind.STUCK, 20, 30),
        fault(FaultKind.SILENT, 40, 50),
    ]  # fmt: skip
    plant = Plant([one], told)
    shown = [plant.shown(one, BEGIN + timedelta(seconds=n)) for n in (5, 15, 25, 45)]
    assert [s.good for s in shown] == [False, True, False, False]
    assert [s.answers for s in shown] == [True, True, True, False]
    assert [s.rate for s in shown] == [0.0, 36.0, 36.0, 36.0]


def test_faults_of_meters_that_are_not_there_or_overlap_are_refused() -> None:
    one = meter(steady())
    with pytest.raises(ValueError, match="没有 1 号表"):
        Plant([], [fault(FaultKind.DEAD, 0, 1)])
    with pytest.raises(ValueError, match="重叠"):
        Plant([one], [fault(FaultKind.DEAD, 0, 10), fault(FaultKind.DEAD, 9, 12)])


def test_faults_are_told_in_minutes_after_the_beginning() -> None:
    told = faults.parse("stuck:3:60:90", BEGIN)
    assert told == Fault(
        FaultKind.STUCK, 3, BEGIN + timedelta(hours=1), BEGIN + timedelta(minutes=90)
    )
    assert faults.parse("replaced:2:5", BEGIN).covers(datetime(2099, 1, 1))


@pytest.mark.parametrize(
    "text", ["", "dead", "dead:1", "dead:1:5", "dead:x:1:2", "dead:1:9:3", "dead:0:1:2",
             "hot:1:2:3", "replaced:1:2:3", "dead:１:1:2"]
)  # fmt: skip
def test_an_ill_told_fault_is_refused_in_chinese(text: str) -> None:
    with pytest.raises(ValueError, match="故障"):
        faults.parse(text, BEGIN)


# --- character ------------------------------------------------------------------------------------


def test_noise_moves_the_rate_and_never_the_counter() -> None:
    one = meter(steady(quarters=20))
    quiet, noisy = Plant([one]), Plant([one], character=Character(7, noise=0.05))
    seconds = [BEGIN + timedelta(seconds=n) for n in range(2000)]
    assert all(quiet.shown(one, now).counter == noisy.shown(one, now).counter for now in seconds)
    rates = [noisy.shown(one, now).rate / 36.0 - 1.0 for now in seconds]
    spread = (sum(rate**2 for rate in rates) / len(rates)) ** 0.5
    assert 0.04 < spread < 0.06
    assert abs(sum(rates) / len(rates)) < 0.005


def test_glitches_come_about_as_often_as_asked_and_pass() -> None:
    one = meter(steady(quarters=20))
    plain, odd = Plant([one]), Plant([one], character=Character(7, glitches=0.02))
    seconds = [BEGIN + timedelta(seconds=n) for n in range(1, 3000)]
    wrong = sum(plain.shown(one, n).counter != odd.shown(one, n).counter for n in seconds)
    assert 30 < wrong < 90


def test_the_meters_clock_drifts_by_so_many_seconds_a_day() -> None:
    plant = Plant([meter(steady())], character=Character(drift=-20, begin=BEGIN))
    assert plant.meter_clock(BEGIN) == BEGIN
    days = BEGIN + timedelta(days=3)
    assert plant.meter_clock(days) == days - timedelta(seconds=60)


def test_a_fast_clock_runs_so_many_times_as_fast() -> None:
    wall = iter([50.0, 50.0, 51.0, 60.0])
    clock = FastClock(BEGIN, 60, lambda: next(wall))
    assert [clock() - BEGIN for _ in range(3)] == [
        timedelta(0), timedelta(minutes=1), timedelta(minutes=10)
    ]  # fmt: skip
