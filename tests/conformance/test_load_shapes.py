"""Every load shape looks like what it is named after."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from nenghao.conformance.load_shapes import (
    SHAPES,
    SLOTS,
    Dice,
    is_heating_season,
    is_holiday,
    is_maintenance_day,
    is_vacation,
    overhaul,
    spring_festival,
    temperature,
)

PLANT = Dice("tests", "plant")
YEAR = [date(2026, 1, 1) + timedelta(days) for days in range(365)]


def dice(day: date) -> Dice:
    return Dice("tests", "item", day.isoformat())


def profile(name: str, day: date) -> list[float]:
    weights = SHAPES[name].profile(day, dice(day))
    total = sum(weights)
    return [weight / total for weight in weights]


def day_factor(name: str, day: date) -> float:
    return SHAPES[name].day_factor(day, dice(day), PLANT)


@pytest.mark.parametrize("name", SHAPES)
def test_a_profile_has_96_weights_none_negative_not_all_zero(name: str) -> None:
    for day in YEAR[::9]:
        weights = SHAPES[name].profile(day, dice(day))
        assert len(weights) == SLOTS
        assert min(weights) >= 0.0
        assert sum(weights) > 0.0


@pytest.mark.parametrize("name", SHAPES)
def test_no_slot_exceeds_the_peak_that_the_shape_declares(name: str) -> None:
    most = max(day_factor(name, day) * max(profile(name, day)) * SLOTS for day in YEAR[::3])
    assert most <= SHAPES[name].peak


@pytest.mark.parametrize("name", SHAPES)
def test_a_day_is_never_negative_and_rarely_above_a_full_one(name: str) -> None:
    factors = [day_factor(name, day) for day in YEAR]
    assert min(factors) >= 0.0
    assert max(factors) < 1.5
    assert any(factors)


def test_draws_repeat_and_differ_by_name_and_label() -> None:
    assert Dice("a", 1).uniforms(5) == Dice("a", 1).uniforms(5)
    assert Dice("a", 1).uniforms(5) != Dice("a", 2).uniforms(5)
    assert Dice("a", 1).uniforms(5) != Dice("a", 1).uniforms(5, "other")


def test_normals_have_mean_zero_and_deviation_one() -> None:
    draws = Dice("normals").normals(4000)
    mean = sum(draws) / len(draws)
    variance = sum((draw - mean) ** 2 for draw in draws) / len(draws)
    assert mean == pytest.approx(0.0, abs=0.05)
    assert variance == pytest.approx(1.0, abs=0.06)


def test_the_spring_festival_closes_offices_and_lies_in_the_vacation() -> None:
    assert spring_festival(2026) == date(2026, 2, 17)
    assert spring_festival(2077) == date(2077, 2, 5)
    for offset in range(7):
        assert is_holiday(date(2026, 2, 17) + timedelta(offset))
        assert is_vacation(date(2026, 2, 17) + timedelta(offset))
    assert not is_holiday(date(2026, 2, 25))


def test_winter_is_cold_and_summer_is_warm() -> None:
    january = [temperature(date(2026, 1, day), PLANT) for day in range(1, 32)]
    july = [temperature(date(2026, 7, day), PLANT) for day in range(1, 32)]
    assert max(january) < 2.0
    assert min(july) > 18.0


def test_the_overhaul_lies_between_april_and_september_and_stops_continuous_plants() -> None:
    first, last = overhaul(2026, PLANT)
    assert date(2026, 4, 1) <= first < last <= date(2026, 9, 15)
    assert day_factor("continuous", first) < 0.2
    assert day_factor("continuous", last + timedelta(1)) > 0.9


def test_furnace_heats_swing_within_the_hour_and_stop_for_maintenance() -> None:
    working = next(day for day in YEAR if not is_maintenance_day(dice(day)))
    resting = next(day for day in YEAR if is_maintenance_day(dice(day)))
    weights = profile("furnace", working)
    assert max(weights) > 2.5 * min(weights)
    still = profile("furnace", resting)
    assert max(still[32:64]) < min(max(still[:32]), max(still[64:])) / 5


def test_kilns_rest_in_the_heating_season_and_mills_prefer_the_night() -> None:
    for day in YEAR:
        assert (day_factor("kiln", day) == 0.0) == is_heating_season(day)
    weights = profile("mill", date(2026, 6, 10))
    assert min(weights[:24]) > max(weights[32:44])


def test_shift_changes_and_nights_show() -> None:
    three = profile("three_shifts", date(2026, 6, 10))
    assert max(three[31], three[32]) < sum(three) / SLOTS
    two = profile("two_shifts", date(2026, 6, 10))
    assert max(two[:23]) < min(two[28:84]) / 2
    assert day_factor("three_shifts", date(2026, 6, 14)) < day_factor(
        "three_shifts", date(2026, 6, 15)
    )


def test_beer_is_brewed_for_the_summer() -> None:
    assert day_factor("summer_product", date(2026, 7, 15)) > 1.7 * day_factor(
        "summer_product", date(2026, 1, 14)
    )


def test_campuses_sleep_at_night_and_in_the_vacation() -> None:
    term, vacation = date(2026, 4, 15), date(2026, 8, 12)
    weights = profile("campus", term)
    assert max(weights[8:20]) < min(weights[36:44])
    assert day_factor("campus", vacation) < 0.75 * day_factor("campus", term)


def test_clinics_are_busiest_in_the_morning_of_working_days() -> None:
    weights = profile("hospital", date(2026, 4, 15))
    assert 34 <= weights.index(max(weights)) <= 46
    assert day_factor("hospital", date(2026, 4, 18)) < day_factor("hospital", date(2026, 4, 15))


def test_heat_follows_the_cold_and_ends_in_march() -> None:
    assert day_factor("heating", date(2026, 1, 15)) > day_factor("heating", date(2026, 3, 25))
    assert day_factor("heating", date(2026, 7, 1)) == 0.0
    assert 0.0 < day_factor("pumps", date(2026, 7, 1)) < 0.1
    weights = profile("heating", date(2026, 1, 15))
    assert sum(weights[16:28]) > sum(weights[60:72])


def test_the_sun_shines_by_day_and_longer_in_june() -> None:
    june, december = profile("sun", date(2026, 6, 21)), profile("sun", date(2026, 12, 21))
    assert june[0] == december[0] == 0.0
    assert sum(weight > 0 for weight in june) > 1.4 * sum(weight > 0 for weight in december)


def test_computers_draw_evenly_and_ships_do_not() -> None:
    even, uneven = profile("cooled", date(2026, 1, 14)), profile("quay", date(2026, 1, 14))
    assert max(even) < 1.15 * min(even)
    assert max(uneven) > 2 * min(uneven)


def test_generators_are_tested_one_hour_on_one_day_a_month() -> None:
    tested = [day for day in YEAR if day_factor("standby", day)]
    assert len(tested) == 12
    assert sum(weight > 0 for weight in profile("standby", tested[0])) == 4


def test_kitchens_burn_gas_at_meals() -> None:
    weights = profile("kitchen", date(2026, 4, 15))
    assert 42 <= weights.index(max(weights)) <= 47
