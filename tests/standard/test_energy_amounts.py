"""Which values count, and wholes made of parts (docs/decisions 7)."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.standard.energy import USAGES as TABLE_B5
from nenghao.standard.energy_amounts import (
    OUTPUT_VALUE_CODE,
    SCALE,
    USAGES,
    Kind,
    Measured,
    Period,
    Reading,
    Role,
    amount,
    code_of,
    gather,
    reads,
)
from tests.standard.energy_examples import COKE, POWER, RAW_COAL, code, kind, own, period

POWER_KIND = kind(POWER)


def test_an_amount_of_energy_is_read_by_type_and_usage() -> None:
    assert reads("00-00-0000-023300-11") == Reading(Role.AMOUNT, Kind("02", "3300"), 11)


@pytest.mark.parametrize("place", ["01-00-0000", "00-01-0000", "00-00-0100", "00-00-0001"])
def test_only_the_whole_plant_counts(place: str) -> None:
    assert reads(f"{place}-023300-11") is None
    assert reads(f"{place}-063300-11") is None


@pytest.mark.clause("B.3.1-1")
@pytest.mark.parametrize("energy_class", [f"{number:02d}" for number in range(13)])
def test_only_primary_and_secondary_energy_and_their_coefficients_count(energy_class: str) -> None:
    reading = reads(f"00-00-0000-{energy_class}1500-11")
    roles = {"01": Role.AMOUNT, "02": Role.AMOUNT, "05": Role.MEASURED, "06": Role.MEASURED}
    assert (reading.role if reading else None) == roles.get(energy_class)


def test_categories_run_from_01_to_39_since_40_is_itself_a_total() -> None:
    counted = [n for n in range(100) if reads(f"00-00-0000-02{n:02d}00-20")]
    assert counted == list(range(1, 40))


def test_a_code_in_two_classes_is_two_types() -> None:
    made = period({"011500": {20: 1}, "021500": {20: 2}})
    assert made.amounts == {Kind("01", "1500"): {20: SCALE}, Kind("02", "1500"): {20: 2 * SCALE}}


@pytest.mark.clause("B.4-1")
def test_every_usage_counts_or_is_checked_but_indicators_and_other() -> None:
    assert {f"{usage:02d}" for usage in USAGES} == TABLE_B5.keys() - {"71", "72", "80"}
    assert reads(code(POWER, 80)) is None


def test_a_coefficient_is_read_for_the_type_that_it_measures() -> None:
    assert reads(code("050104", 80)) == Reading(Role.MEASURED, Kind("01", "0104"), 80)
    assert reads(code("063300", 0)) == Reading(Role.MEASURED, Kind("02", "3300"), 0)


def test_output_value_is_read_from_one_code_only() -> None:
    assert reads(OUTPUT_VALUE_CODE) == Reading(Role.OUTPUT_VALUE, None, 80)
    assert reads(OUTPUT_VALUE_CODE, code("090200", 80)) is None
    assert reads(code("090200", 80), code("090200", 80)) == Reading(Role.OUTPUT_VALUE, None, 80)


def test_what_is_no_data_code_is_nothing() -> None:
    assert reads("00-00-0000-023300") is None
    assert reads("", "") is None


def test_the_code_of_an_amount_leads_back_to_it() -> None:
    for usage in USAGES:
        assert reads(code_of(POWER_KIND, usage)) == Reading(Role.AMOUNT, POWER_KIND, usage)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.000317, 3_170_000),
        (0.1 + 0.2, 3_000_000_000),
        (-1.5, -15_000_000_000),
        (-0.0, 0),
        (5e-11, 1),
        (-5e-11, -1),
        (4.9e-11, 0),
        (1.00000000005, 10_000_000_001),
        (1e22, 10**32),
        (1e300, 10**310),
        (7, 7 * SCALE),
    ],
)
def test_an_amount_is_exact_to_ten_decimals_and_rounds_half_away(
    value: float, expected: int
) -> None:
    assert amount(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_amount_is_the_shortest_decimal_of_the_double(value: float) -> None:
    exact = Fraction(repr(value)) * SCALE
    assert abs(amount(value) - exact) <= Fraction(1, 2)
    assert amount(-value) == -amount(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_amount_is_finite(value: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        amount(value)


# Wholes from parts.


def days(*amounts: float | None, usage: int = 20, type_: str = POWER) -> list[Period]:
    """A period per day, empty where None."""
    return [Period() if one is None else period({type_: {usage: one}}) for one in amounts]


def test_a_month_without_a_value_is_the_sum_of_its_days() -> None:
    made = period({}, days(1, 2, 3))
    assert made.amounts == {POWER_KIND: {20: 6 * SCALE}}
    assert made.summed == {(POWER_KIND, 20)}
    assert made.missing == {}


def test_how_many_days_are_missing_is_reported() -> None:
    made = period({}, days(1, None, 3, None))
    assert made.amounts == {POWER_KIND: {20: 4 * SCALE}}
    assert made.missing == {POWER_KIND: {20: 2}}


def test_a_year_of_months_that_lack_days_is_not_complete() -> None:
    months = [period({}, days(1, None)), period({}, days(1, 1)), Period(), period({POWER: {20: 5}})]
    year = period({}, months)
    assert year.amounts == {POWER_KIND: {20: 8 * SCALE}}
    assert year.missing == {POWER_KIND: {20: 2}}


def test_a_value_of_its_own_comes_before_the_sum() -> None:
    made = period({POWER: {20: 7}}, days(1, 2, None))
    assert made.amounts == {POWER_KIND: {20: 7 * SCALE}}
    assert made.summed == set()
    assert made.missing == {}


def test_own_or_sum_is_decided_usage_by_usage() -> None:
    parts = [period({POWER: {20: 1, 22: 1}}), period({POWER: {20: 1, 22: 2}})]
    made = period({POWER: {20: 7}}, parts)
    assert made.amounts == {POWER_KIND: {20: 7 * SCALE, 22: 3 * SCALE}}
    assert made.summed == {(POWER_KIND, 22)}


def test_the_opening_stock_is_the_first_and_the_closing_stock_the_last() -> None:
    for usage, expected in ((51, 4), (52, 6)):
        made = period({}, days(4, 5, 6, usage=usage, type_=RAW_COAL))
        assert made.amounts == {kind(RAW_COAL): {usage: expected * SCALE}}
        assert made.missing == {}


def test_days_passed_over_for_a_stock_are_reported() -> None:
    first = period({}, days(None, None, 5, 6, None, usage=51, type_=COKE))
    assert (first.amounts[kind(COKE)][51], first.missing[kind(COKE)][51]) == (5 * SCALE, 2)
    last = period({}, days(None, None, 5, 6, None, usage=52, type_=COKE))
    assert (last.amounts[kind(COKE)][52], last.missing[kind(COKE)][52]) == (6 * SCALE, 1)
    assert period({}, [first, Period()]).missing == {kind(COKE): {51: 1}}


def test_the_sum_of_the_days_is_kept_where_it_is_not_the_month() -> None:
    made = period({POWER: {20: 7}}, days(1, 2))
    assert made.disagreements == {(POWER_KIND, 20): (7 * SCALE, 3 * SCALE)}
    assert period({POWER: {20: 3}}, days(1, 2)).disagreements == {}
    assert period({POWER: {20: 7}}, days(1, None)).disagreements == {}
    assert period({POWER: {51: 7}}, days(1, 2, usage=51)).disagreements == {}


def test_output_value_is_summed_the_same_way() -> None:
    parts = [gather({OUTPUT_VALUE_CODE: 3}), Period(), gather({OUTPUT_VALUE_CODE: 4})]
    made = gather({}, parts)
    assert (made.output_value, made.output_missing, made.output_summed) == (7, 1, True)
    year = gather({}, [made, gather({OUTPUT_VALUE_CODE: 1})])
    assert (year.output_value, year.output_missing) == (8, 1)
    sent = gather({OUTPUT_VALUE_CODE: 9}, parts)
    assert (sent.output_value, sent.output_missing, sent.output_summed) == (9, 0, False)
    assert gather({}, [Period()]).output_value is None


def test_other_values_are_no_amounts() -> None:
    made = gather({code("033300", 20): 1, "01-00-0000-023300-20": 1, code(POWER, 72): 1})
    assert made == Period()
    assert not made
    assert gather({OUTPUT_VALUE_CODE: 0})


# Measured coefficients.


def test_a_measured_coefficient_of_the_period_comes_before_those_that_contain_it() -> None:
    day, month, year = (own({"050104": {80: value}}) for value in (0.61, 0.62, 0.63))
    coal = kind(RAW_COAL)
    measured = code("050104", 80)
    assert gather(day, (), (month, year)).measured == {coal: Measured(amount(0.61), measured, 0)}
    assert gather({}, (), (month, year)).measured == {coal: Measured(amount(0.62), measured, 1)}
    assert gather({}, (), ({}, year)).measured == {coal: Measured(amount(0.63), measured, 2)}


def test_a_measured_coefficient_is_never_made_of_parts() -> None:
    assert gather({}, [gather(own({"050104": {80: 0.6}}))]).measured == {}


def test_of_several_usages_of_a_coefficient_the_lowest_decides() -> None:
    for usages in ({80: 0.6, 20: 0.7}, {20: 0.7, 80: 0.6}):
        made = gather(own({"050104": usages}))
        assert made.measured[kind(RAW_COAL)].value == amount(0.7)
