"""What is odd about amounts is found and said (docs/decisions 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from nenghao.standard.coefficients import REFERENCE, Coefficient, Coefficients
from nenghao.standard.energy_amounts import Period, gather
from nenghao.standard.energy_checks import (
    Check,
    EnergyFinding,
    checks,
    coefficient_checks,
    plain,
)
from nenghao.standard.periods import StatType
from tests.standard.energy_examples import (
    COKE,
    POWER,
    RAW_COAL,
    STARTS,
    code,
    kind,
    own,
    period,
)


def kinds(usages: Mapping[int, float], jgzh: bool | None = None) -> list[Check]:
    """The checks that find something about coke with these usages."""
    return [finding.kind for finding in checks(period({COKE: usages}), jgzh)]


def test_the_whole_of_consumption_is_its_two_parts() -> None:
    assert kinds({20: 100, 21: 80, 22: 20}) == []
    assert kinds({20: 100, 21: 80, 22: 19}) == [Check.CONSUMPTION_PARTS]
    assert kinds({20: 100, 21: 80, 22: 21}) == [Check.CONSUMPTION_PARTS]
    assert kinds({20: 100, 21: 80}) == kinds({20: 100}) == kinds({21: 80, 22: 19}) == []
    assert kinds({20: 100, 21: 101}) == [Check.CONSUMPTION_PARTS]


def test_what_adding_doubles_costs_is_not_odd() -> None:
    assert kinds({20: 100, 21: 80, 22: 19.999999}) == []
    assert kinds({20: 100, 21: 80, 22: 19.9999989}) == [Check.CONSUMPTION_PARTS]


def test_material_is_at_most_industrial_consumption() -> None:
    assert kinds({21: 80, 23: 80}) == []
    assert kinds({21: 80, 23: 81}) == [Check.MATERIAL]
    assert kinds({20: 100, 22: 20, 23: 81}) == [Check.MATERIAL]
    assert kinds({20: 100, 23: 101}) == kinds({23: 5}) == []


def test_transport_is_at_most_all_consumption() -> None:
    assert kinds({20: 80, 81: 80}) == []
    assert kinds({20: 80, 81: 81}) == [Check.TRANSPORT]
    assert kinds({21: 60, 22: 20, 81: 81}) == [Check.TRANSPORT]


def test_conversion_is_at_most_industrial_consumption_all_together() -> None:
    """90 is "other", beside 91 to 98: none of them is the whole."""
    assert kinds({21: 80, 90: 40, 91: 20, 98: 20}) == []
    assert kinds({21: 80, 90: 40, 91: 20, 98: 21}) == [Check.CONVERSION]
    for usage in range(90, 99):
        assert kinds({21: 80, usage: 81}) == [Check.CONVERSION]


def test_the_closing_stock_follows_from_the_opening_one() -> None:
    assert kinds({51: 10, 10: 100, 20: 90, 52: 20}) == []
    assert kinds({51: 10, 10: 100, 20: 90, 52: 21}) == [Check.STOCK_BALANCE]
    assert kinds({51: 10, 11: 70, 12: 30, 21: 60, 22: 30, 52: 21}) == [Check.STOCK_BALANCE]
    for absent in (51, 10, 20):
        usages = {51: 10, 10: 100, 20: 90, 52: 21}
        del usages[absent]
        assert kinds(usages) == []


def test_stocks_of_what_is_made_or_supplied_to_others_are_not_asked() -> None:
    for usage in (60, 30, 31, 32, 40):
        usages = {51: 10, 10: 100, 20: 90, 52: 5, usage: 1}
        assert Check.STOCK_BALANCE not in kinds(usages)
        assert Check.STOCK_BALANCE in kinds({**usages, usage: 0})


def test_the_whole_of_purchases_is_its_two_parts() -> None:
    assert kinds({10: 100, 11: 80, 12: 20}) == []
    assert kinds({10: 100, 11: 80, 12: 19}) == [Check.PURCHASE_PARTS]
    assert kinds({10: 100, 12: 101}) == [Check.PURCHASE_PARTS]
    assert kinds({10: 100, 12: 30}) == []


@pytest.mark.parametrize(("month", "odd"), [(105, False), (106, True), (95.3, False), (95, True)])
def test_the_days_are_within_five_per_cent_of_the_month(month: float, odd: bool) -> None:
    """100 is 4.8 % less than 105 and 5.7 % less than 106; 4.9 % and 5.3 % more than the others."""
    made = period({COKE: {20: month}}, [period({COKE: {20: 60}}), period({COKE: {20: 40}})])
    expected = [Check.PARTS_OF_PERIOD] if odd else []
    assert [finding.kind for finding in checks(made)] == expected


def test_days_that_are_not_all_there_are_not_held_against_the_month() -> None:
    assert checks(period({COKE: {20: 200}}, [period({COKE: {20: 60}}), Period()])) == []


@pytest.mark.parametrize("usage", [30, 31, 32, 40])
def test_conversion_outside_the_converting_industries_is_odd(usage: int) -> None:
    assert kinds({usage: 5}, jgzh=False) == [Check.CONVERTS_UNEXPECTEDLY]
    assert kinds({usage: 0}, jgzh=False) == []
    assert kinds({usage: 5}, jgzh=True) == kinds({usage: 5}) == []


def test_a_finding_names_its_data_code_and_says_what_is_wrong() -> None:
    found = checks(period({POWER: {20: 100, 21: 80.5, 22: 19}, RAW_COAL: {21: 1, 23: 2}}))
    assert found == [
        EnergyFinding(Check.MATERIAL, code(RAW_COAL, 23), "23 共 2，超过 21 的 1"),
        EnergyFinding(
            Check.CONSUMPTION_PARTS, code(POWER, 20), "20（100）与 21（80.5） + 22（19） 不符"
        ),
    ]


def test_kinds_and_subjects_fit_where_findings_are_kept() -> None:
    assert all(len(check.value) <= 30 and check.label for check in Check)


def of_coefficients(
    made: Period, table: Coefficients = REFERENCE, stat_type: StatType = StatType.MONTH
) -> list[EnergyFinding]:
    return coefficient_checks(made, stat_type, table.for_period(stat_type, STARTS[stat_type]))


def test_an_implausible_coefficient_of_the_units_own_is_found() -> None:
    made = period({RAW_COAL: {20: 1}, "050104": {80: 6.5}})
    assert of_coefficients(made) == [
        EnergyFinding(
            Check.MEASURED_OUT_OF_RANGE,
            code("050104", 80),
            "实测折标系数 6.5 不在 0.35715–1.4286 之内，改用参考值 0.7143",
        )
    ]
    assert of_coefficients(period({RAW_COAL: {20: 1}, "050104": {80: 0.65}})) == []


def test_a_type_without_coefficient_is_found() -> None:
    assert of_coefficients(period({"010199": {20: 1}})) == [
        EnergyFinding(
            Check.NO_COEFFICIENT, code("010199", 20), "能源品种 010199 没有折标系数，未计入"
        )
    ]


def test_consumption_below_nothing_is_found() -> None:
    (found,) = of_coefficients(period({COKE: {11: 5, 60: 8}}))
    assert (found.kind, found.subject) == (Check.NEGATIVE_CONSUMPTION, code(COKE, 11))
    assert found.detail == "焦炭消费量 -3 为负，分品种按 0 计"


def test_a_unit_that_cannot_be_converted_is_found() -> None:
    odd = Coefficient(kind(COKE), Decimal(1), unit="车", nhzbdw="吨标准煤/车", name="焦炭")
    (found,) = of_coefficients(period({COKE: {20: 1}}), Coefficients([odd]))
    assert (found.kind, found.detail) == (
        Check.ODD_UNIT,
        "焦炭的计量单位 车 不能换算为 吨，原始量未换算",
    )
    fine = replace(odd, nhzbdw="吨标准煤/吨")
    assert of_coefficients(period({COKE: {20: 1}}), Coefficients([fine])) == []


def test_every_packaged_type_has_a_unit_that_can_be_converted() -> None:
    every = own({"".join(one.kind): {20: 1} for one in REFERENCE})
    assert of_coefficients(gather(every)) == []


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (10**10, "1"), (-5, "-0.0000000005"), (10**12, "100")]
)
def test_amounts_are_said_without_needless_zeros(number: int, text: str) -> None:
    assert plain(number) == text
