"""Indicators (table B.6): every rule of docs/decisions 7 with an example computed by hand.

The coefficients are the package's: raw coal 一般烟煤 0.7143, cleaned coal 洗精煤 0.9, coke 焦炭
0.9714, coke oven gas 焦炉煤气 6.143, LNG 1.7572, power 电力 1.229, heat 热力 0.0341.
"""

from decimal import Decimal

import pytest

from nenghao.standard.coefficients import Coefficient, Coefficients
from nenghao.standard.energy_amounts import Kind, gather
from nenghao.standard.indicators import (
    INDICATORS,
    NOTHING,
    UNITS,
    Options,
    compute,
    group_of,
    rounded,
)
from nenghao.standard.periods import StatType
from tests.standard import facts
from tests.standard.energy_examples import (
    CLEANED_COAL,
    COKE,
    COKE_OVEN_GAS,
    HEAT,
    LNG,
    POWER,
    RAW_COAL,
    SHOPS,
    STEEL,
    coal,
    code,
    decimals,
    origins,
    own,
    period,
    totals,
)


@pytest.mark.clause("B.5-1")
def test_the_indicators_are_table_b6() -> None:
    assert facts.table("B.6") == INDICATORS


@pytest.mark.clause("B.5-1")
def test_the_ten_codes_stand_in_the_order_of_the_table() -> None:
    codes = "nyxfzl zhnyxfl coal coke elec oil gas hot gyzcz other"
    assert " ".join(INDICATORS) == codes
    assert list(UNITS) == list(INDICATORS)


@pytest.mark.clause("B.5-1")
def test_all_ten_are_always_there() -> None:
    assert totals({}) == dict.fromkeys(INDICATORS, NOTHING)
    assert list(totals({POWER: {20: 1}})) == list(INDICATORS)


def test_ticks_never_enter() -> None:
    with pytest.raises(ValueError, match="实时数据不参与统计"):
        compute(period({POWER: {11: 1}}), StatType.REALTIME, lambda kind: None, Options(), STEEL)


# Route (a): what was consumed.


def test_a_consumption_sent_as_a_whole_counts_as_it_is() -> None:
    made = totals({POWER: {20: 100}})
    assert coal(made, "nyxfzl", "zhnyxfl", "elec") == decimals("122.9", "122.9", "122.9")
    assert origins(made, "nyxfzl", "zhnyxfl", "elec") == decimals("122.9", "122.9", "100")


def test_a_consumption_is_the_industrial_and_the_other_when_the_whole_is_absent() -> None:
    made = totals({RAW_COAL: {21: 80, 22: 20}})
    assert coal(made, "nyxfzl", "zhnyxfl", "coal") == decimals("71.43", "57.144", "71.43")
    assert origins(made, "coal") == decimals("100")


def test_a_industrial_consumption_is_the_whole_less_the_other_when_absent() -> None:
    made = totals({RAW_COAL: {20: 100, 22: 15}})
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("71.43", "60.7155")


def test_a_other_consumption_alone_is_no_industrial_consumption() -> None:
    made = totals({RAW_COAL: {22: 15}})
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("10.7145", "0")


def test_a_the_parts_are_not_added_to_the_whole_that_was_sent() -> None:
    made = totals({RAW_COAL: {20: 100, 21: 90, 22: 10}})
    assert coal(made, "nyxfzl", "zhnyxfl", "coal") == decimals("71.43", "64.287", "71.43")


@pytest.mark.parametrize("part", [23, 81, *range(90, 99)])
def test_a_what_consumption_was_for_is_not_added_to_it(part: int) -> None:
    assert totals({RAW_COAL: {20: 100, 21: 90, part: 40}}) == totals({RAW_COAL: {20: 100, 21: 90}})


def test_a_what_was_produced_and_recovered_is_taken_away() -> None:
    """A coking plant: coal in, coke out, gas out of which some is burnt.

    1000 × 0.9 − 700 × 0.9714 + (15 − 40) × 6.143 = 900 − 679.98 − 153.575."""
    made = totals({CLEANED_COAL: {21: 1000}, COKE: {30: 700}, COKE_OVEN_GAS: {21: 15, 30: 40}})
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("66.445", "66.445")
    assert coal(made, "coal", "coke", "gas") == decimals("900", "0", "92.145")
    assert origins(made, "coal", "coke", "gas") == decimals("1000", "0", "15")


def test_a_recovery_is_taken_away_in_both_classes() -> None:
    made = totals({COKE_OVEN_GAS: {20: 300, 40: 280}, RAW_COAL: {20: 10, 40: 4}})
    assert coal(made, "nyxfzl") == decimals(str(Decimal("122.86") + Decimal("4.2858")))


def test_a_output_is_for_industry_and_for_others_when_the_whole_is_absent() -> None:
    made = totals({HEAT: {20: 1000, 31: 200, 32: 100}})
    assert coal(made, "nyxfzl", "hot") == decimals("23.87", "34.1")
    assert totals({HEAT: {20: 1000, 30: 300, 31: 200, 32: 100}}) == made


def test_a_winning_primary_energy_is_no_conversion() -> None:
    """A coal mine that burns 50 t of its 10,000."""
    made = totals({RAW_COAL: {20: 50, 30: 10_000}}, "B0610")
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("35.715", "35.715")


def test_a_what_was_supplied_to_others_is_ignored() -> None:
    assert totals({POWER: {20: 100, 60: 30}}) == totals({POWER: {20: 100}})


def test_a_output_without_purchases_is_enough_for_it() -> None:
    made = totals({COKE: {31: 30, 60: 10, 51: 5, 52: 7}})
    assert coal(made, "nyxfzl", "coke") == decimals("-29.142", "0")
    assert coal(totals({COKE: {40: 30, 12: 99}}), "nyxfzl") == decimals("-29.142")


# Route (b): stocks and purchases.


def test_b_stocks_and_purchases_less_what_was_supplied() -> None:
    """500 + 1200 − 450 − 50 = 1200 t."""
    made = totals({RAW_COAL: {51: 500, 10: 1200, 52: 450, 60: 50}})
    assert coal(made, "nyxfzl", "zhnyxfl", "coal") == decimals("857.16", "857.16", "857.16")
    assert origins(made, "coal") == decimals("1200")


def test_b_purchases_are_the_consumed_and_the_stored_when_the_whole_is_absent() -> None:
    made = totals({RAW_COAL: {51: 500, 11: 1000, 12: 200, 52: 450, 60: 50}})
    assert origins(made, "coal") == decimals("1200")
    assert totals({RAW_COAL: {51: 500, 10: 1200, 11: 1000, 12: 200, 52: 450, 60: 50}}) == made


def test_b_produced_and_recovered_count_as_consumed_in_the_group_only() -> None:
    """Net 100 + 500 − 150 = 450 t; consumed 450 + 30 + 20."""
    made = totals({COKE: {51: 100, 10: 500, 52: 150, 30: 30, 40: 20}})
    assert coal(made, "nyxfzl", "zhnyxfl", "coke") == decimals("437.13", "437.13", "485.7")
    assert origins(made, "coke") == decimals("500")


def test_b_primary_production_is_not_consumed() -> None:
    made = totals({RAW_COAL: {51: 100, 10: 500, 52: 150, 30: 30, 40: 20}})
    assert origins(made, "coal") == decimals("470")


def test_b_needs_both_stocks_and_all_purchases() -> None:
    for usages in ({51: 500, 11: 70}, {52: 500, 11: 70}, {51: 9, 52: 7, 11: 70}, {51: 9, 52: 7}):
        made = totals({RAW_COAL: usages})
        assert origins(made, "coal") == decimals("70" if 11 in usages else "0")


def test_b_is_the_way_of_months_and_years_but_not_of_days() -> None:
    usages = {RAW_COAL: {51: 500, 10: 1200, 52: 450}}
    assert origins(totals(usages, stat_type=StatType.YEAR), "coal") == decimals("1250")
    assert origins(totals(usages, stat_type=StatType.DAY), "coal") == decimals("1200")


# Route (c): bought and used.


def test_c_bought_and_used_less_what_was_supplied() -> None:
    made = totals({RAW_COAL: {11: 70, 60: 5}})
    assert coal(made, "nyxfzl", "zhnyxfl", "coal") == decimals("46.4295", "46.4295", "46.4295")


def test_c_bought_and_used_is_bought_less_unused_when_absent() -> None:
    assert origins(totals({RAW_COAL: {10: 100, 12: 30}}), "coal") == decimals("70")
    assert origins(totals({RAW_COAL: {10: 100}}), "coal") == decimals("100")
    assert origins(totals({RAW_COAL: {12: 30}}), "coal") == decimals("0")


def test_c_the_parts_of_purchases_are_not_added_to_them() -> None:
    assert origins(totals({RAW_COAL: {10: 100, 11: 70, 12: 30}}), "coal") == decimals("70")


def test_c_produced_and_recovered_do_not_count() -> None:
    assert totals({COKE: {11: 70, 30: 9, 40: 9}}) == totals({COKE: {11: 70}})


def test_the_route_is_chosen_type_by_type() -> None:
    made = totals({RAW_COAL: {51: 5, 10: 10, 52: 5}, POWER: {20: 100, 22: 10}, COKE: {11: 1}})
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("131.0144", "118.7244")


# The indicators.


@pytest.mark.parametrize("industry", ["B0610", "C3120", "C", "D4411"])
def test_industry_counts_its_industrial_consumption(industry: str) -> None:
    assert coal(totals({POWER: {20: 100, 22: 10}}, industry), "zhnyxfl") == decimals("110.61")


@pytest.mark.parametrize("industry", ["A0111", "E4710", "F5211", "", None])
def test_outside_industry_the_whole_consumption_counts(industry: str | None) -> None:
    made = totals({POWER: {20: 100, 22: 10, 30: 5}}, industry)
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("116.755", "116.755")


def test_the_groups_go_by_category() -> None:
    groups = {category: group_of(Kind("02", f"{category:02d}00")) for category in range(1, 40)}
    assert [category for category, group in groups.items() if group == "coal"] == [*range(1, 9)]
    assert [category for category, group in groups.items() if group == "coke"] == [9]
    assert [category for category, group in groups.items() if group == "gas"] == [*range(11, 18)]
    assert [category for category, group in groups.items() if group == "oil"] == [*range(18, 32)]
    assert [category for category, group in groups.items() if group == "hot"] == [32]
    assert [category for category, group in groups.items() if group == "elec"] == [33]
    assert [c for c, group in groups.items() if group == "other"] == [10, *range(34, 40)]


def test_the_items_of_one_group_are_added_up() -> None:
    made = totals({RAW_COAL: {20: 10}, "010100": {20: 20}, CLEANED_COAL: {20: 30}})
    assert origins(made, "coal") == decimals("60")
    assert coal(made, "coal") == decimals("48.429")


def test_a_group_never_falls_below_nothing() -> None:
    """Type by type: the coke that was resold does not eat up the coke that was burnt."""
    made = totals({RAW_COAL: {11: 5, 60: 8}, CLEANED_COAL: {11: 10}})
    assert coal(made, "nyxfzl", "coal") == decimals("6.8571", "9")
    assert origins(made, "coal") == decimals("10")


def test_origin_values_of_other_energy_and_of_the_totals_are_standard_coal() -> None:
    made = totals({"021000": {20: 10}, "023900": {20: 3}})
    assert origins(made, "other", "nyxfzl") == coal(made, "other", "nyxfzl") == decimals("16", "16")
    assert UNITS["other"] == UNITS["nyxfzl"] == UNITS["zhnyxfl"] == "吨标准煤"


def test_liquefied_gas_is_gas_in_its_own_measure() -> None:
    """100 t × 0.138 万立方米/吨, and 100 × 1.7572 tce."""
    made = totals({LNG: {20: 100}, "011500": {20: 2}})
    assert origins(made, "gas") == decimals("15.8")
    assert coal(made, "gas") == decimals("200.006")
    other = totals({LNG: {20: 100}}, options=Options(lng_factor=Decimal("0.14")))
    assert origins(other, "gas") == decimals("14")


def test_an_amount_in_a_smaller_unit_is_made_into_the_unit_of_the_indicator() -> None:
    power = Coefficient(
        Kind("02", "3300"),
        Decimal("1.229"),
        Decimal("0.0001"),
        unit="千瓦时",
        nhzbdw="吨标准煤/万千瓦时",
    )
    gas = Coefficient(
        Kind("02", "1600"), Decimal("1.7572"), Decimal("0.001"), None, "千克", "吨标准煤/吨"
    )
    made = totals({POWER: {20: 25_000}, LNG: {20: 10_000}}, coefficients=Coefficients([power, gas]))
    assert origins(made, "elec", "gas") == decimals("2.5", "1.38")
    assert coal(made, "elec", "gas") == decimals("3.0725", "17.572")


def test_output_value_is_no_energy() -> None:
    values = {"00-00-0000-090100-80": 12_345 * 10**10}
    made = totals(gather(values))
    assert origins(made, "gyzcz") == decimals("12345")
    assert coal(made, "gyzcz", "nyxfzl") == decimals("0", "0")
    assert UNITS["gyzcz"] == "万元"


def test_output_value_stands_where_the_setting_says() -> None:
    values = {code("090200", 71): 5 * 10**10, code("090100", 80): 7 * 10**10}
    assert origins(totals(gather(values)), "gyzcz") == decimals("7")
    elsewhere = gather(values, output_value_code=code("090200", 71))
    assert origins(totals(elsewhere), "gyzcz") == decimals("5")


# Coefficients (more in test_coefficients).


def test_a_units_own_coefficient_comes_first() -> None:
    values = own({RAW_COAL: {20: 100}, "050104": {80: 0.65}})
    made = totals(gather(values))
    assert coal(made, "nyxfzl", "coal") == decimals("65", "65")
    assert origins(made, "coal") == decimals("100")


def test_a_coefficient_that_is_not_plausible_gives_way_to_the_reference() -> None:
    values = own({RAW_COAL: {20: 100}, "050104": {80: 6.5}})
    assert coal(totals(gather(values)), "nyxfzl") == decimals("71.43")


def test_a_type_without_coefficient_does_not_count() -> None:
    assert totals({"010199": {20: 100}}) == totals({})


def test_electricity_can_count_by_equivalent_in_the_whole_but_not_where_it_was_made() -> None:
    """100 × 3.05 − (20 + 5) × 1.229 = 274.275; comprehensive (80 − 25) × 1.229 = 67.595."""
    options = Options(equivalent=Decimal("3.05"))
    made = totals({POWER: {20: 100, 21: 80, 30: 20, 40: 5}, HEAT: {20: 10}}, options=options)
    assert coal(made, "nyxfzl") == decimals(str(Decimal("274.275") + Decimal("0.341")))
    assert coal(made, "zhnyxfl") == decimals(str(Decimal("67.595") + Decimal("0.341")))
    assert coal(made, "elec") == decimals("122.9")
    assert origins(made, "elec") == decimals("100")


def test_the_equivalent_is_in_ten_thousand_kilowatt_hours_whatever_the_amounts_are_in() -> None:
    power = Coefficient(Kind("02", "3300"), Decimal("1.229"), Decimal("0.0001"), unit="千瓦时")
    options = Options(equivalent=Decimal("3.05"))
    table = Coefficients([power])
    made = totals({POWER: {20: 20_000}}, options=options, coefficients=table)
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("6.1", "2.458")


def test_net_purchases_of_electricity_can_count_by_equivalent() -> None:
    options = Options(equivalent=Decimal("3.05"))
    made = totals({POWER: {11: 100, 60: 10}}, options=options)
    assert coal(made, "nyxfzl", "zhnyxfl", "elec") == decimals("274.5", "110.61", "110.61")
    stored = totals({POWER: {51: 1, 10: 100, 52: 2, 30: 7}}, options=options)
    assert coal(stored, "nyxfzl", "zhnyxfl", "elec") == decimals("301.95", "121.671", "130.274")


def test_outside_industry_too_the_equivalent_never_enters_the_comprehensive_consumption() -> None:
    made = totals({POWER: {20: 100, 22: 10}}, SHOPS, options=Options(equivalent=Decimal("3.05")))
    assert coal(made, "nyxfzl", "zhnyxfl") == decimals("305", "122.9")


# Numbers.


def test_nothing_is_rounded_before_the_indicator() -> None:
    """Ten types of 0.0000000004 tce each make 4 × 10⁻⁹, not ten times nothing."""
    kinds = [Kind("02", f"34{number:02d}") for number in range(10)]
    table = Coefficients(Coefficient(kind, Decimal(4), unit="吨") for kind in kinds)
    values = {f"02{kind.code}": {20: 1e-10} for kind in kinds}
    assert totals(values, coefficients=table)["nyxfzl"].value == 4


def test_the_last_digit_of_a_total_is_rounded_half_away_from_zero() -> None:
    table = Coefficients([Coefficient(Kind("02", "3900"), Decimal(1), unit="吨标准煤")])
    assert totals({"023900": {20: 5e-10}}, coefficients=table)["nyxfzl"].value == 1
    assert totals({"023900": {20: 4e-10}}, coefficients=table)["nyxfzl"].value == 0
    assert totals({"023900": {40: 5e-10}}, coefficients=table)["nyxfzl"].value == -1


@pytest.mark.clause("7.3.1-2")
@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00"),
        (5_000_000, "0.01"),
        (4_999_999, "0.00"),
        (-4_999_999, "0.00"),
        (-5_000_000, "-0.01"),
        (1_005_000_000, "1.01"),
        (4_602_715_230_000_000, "4602715.23"),
        (10**40, "1" + "0" * 31 + ".00"),
    ],
)
def test_an_answer_has_two_decimals_half_away_from_zero(nano: int, text: str) -> None:
    assert str(rounded(nano)) == text


def test_amounts_beyond_all_reason_are_still_exact() -> None:
    made = totals({POWER: {20: 1e300}})
    assert made["elec"].origin == 10**309
    assert made["elec"].value == 1229 * 10**306
