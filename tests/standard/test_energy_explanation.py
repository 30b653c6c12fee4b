"""Every contribution to a unit's totals can be shown (docs/decisions 7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from nenghao.standard.coefficients import REFERENCE, Coefficients
from nenghao.standard.energy_amounts import OUTPUT_VALUE_CODE, Period, amount, gather
from nenghao.standard.energy_checks import Check
from nenghao.standard.energy_explanation import Explanation, Line, explain
from nenghao.standard.indicators import Options
from nenghao.standard.periods import StatType
from tests.standard.energy_examples import (
    COKE,
    COKE_OVEN_GAS,
    POWER,
    RAW_COAL,
    SHOPS,
    STARTS,
    STEEL,
    code,
    kind,
    own,
    period,
    totals,
)


def explained(
    used: Period,
    industry: str | None = STEEL,
    stat_type: StatType = StatType.MONTH,
    options: Options | None = None,
    jgzh: bool | None = None,
    coefficients: Coefficients = REFERENCE,
) -> Explanation:
    lookup = coefficients.for_period(stat_type, STARTS[stat_type])
    return explain(used, stat_type, lookup, options or Options(), industry, jgzh)


def brief(made: Explanation) -> list[tuple[str, str, int, str, str]]:
    """Data code, route, sign, contribution and indicators of each line."""
    return [
        (one.data_code[11:], one.route, one.sign, str(one.contribution), " ".join(one.indicators))
        for one in made.lines
    ]


def test_a_line_says_everything_about_one_amount() -> None:
    made = explained(period({POWER: {20: 100}}))
    assert made.industrial
    assert made.findings == ()
    assert made.totals == totals({POWER: {20: 100}})
    assert made.lines == (
        Line(
            data_code="00-00-0000-023300-20",
            name="电力",
            usage="20",
            usage_name="能源消费合计",
            amount=Decimal(100),
            unit="万千瓦时",
            summed=False,
            missing=0,
            route="a",
            indicators=("nyxfzl", "zhnyxfl", "elec"),
            sign=1,
            coefficient=Decimal("1.229"),
            basis="参考值（GB/T 2589 (equivalent 0.1229 kgce/kWh)）",
            contribution=Decimal("122.9"),
            origin=Decimal(100),
        ),
    )


def test_each_amount_has_its_sign_and_its_indicators() -> None:
    made = explained(period({COKE_OVEN_GAS: {20: 50, 21: 40, 30: 20, 60: 5}, COKE: {11: 10}}))
    assert brief(made) == [
        ("020900-11", "c", 1, "9.714", "nyxfzl zhnyxfl coke"),
        ("021100-20", "a", 1, "307.15", "nyxfzl gas"),
        ("021100-21", "a", 1, "245.72", "zhnyxfl"),
        ("021100-30", "a", -1, "-122.86", "nyxfzl zhnyxfl"),
        ("021100-60", "a", 0, "0", ""),
    ]


def test_outside_industry_the_whole_counts_in_both_totals() -> None:
    made = explained(period({POWER: {20: 50, 21: 40}}), SHOPS)
    assert not made.industrial
    assert brief(made) == [
        ("023300-20", "a", 1, "61.45", "nyxfzl zhnyxfl elec"),
        ("023300-21", "a", 0, "0", ""),
    ]


def test_one_amount_with_two_coefficients_has_two_lines() -> None:
    made = explained(
        period({POWER: {20: 100, 30: 10}}), options=Options(equivalent=Decimal("3.05"))
    )
    assert brief(made) == [
        ("023300-20", "a", 1, "305", "nyxfzl"),
        ("023300-20", "a", 1, "122.9", "zhnyxfl elec"),
        ("023300-30", "a", -1, "-12.29", "nyxfzl zhnyxfl"),
    ]
    assert made.lines[0].basis == "等价值（设置）"


def test_one_amount_with_two_signs_has_two_lines() -> None:
    """22 is taken from the whole for industry; recovery counts as consumed on route b."""
    made = explained(period({POWER: {20: 100, 22: 10}}))
    assert brief(made)[1] == ("023300-22", "a", -1, "-12.29", "zhnyxfl")
    made = explained(period({COKE: {51: 0, 52: 0, 10: 100, 40: 10}}))
    assert brief(made)[1] == ("020900-40", "b", 1, "9.714", "coke")


def test_a_group_that_would_be_negative_is_not_contributed_to_and_that_is_found() -> None:
    made = explained(period({COKE: {11: 5, 60: 8}}))
    assert [one.indicators for one in made.lines] == [("nyxfzl", "zhnyxfl")] * 2
    assert [finding.kind for finding in made.findings] == [Check.NEGATIVE_CONSUMPTION]


def test_where_a_coefficient_comes_from_is_said() -> None:
    day, month, year = (own({"050104": {80: value}}) for value in (0.61, 0.62, 0.63))
    used = own({RAW_COAL: {20: 1}})
    measured = code("050104", 80)
    made = {
        "日": gather({**used, **day}, (), (month, year)),
        "月": gather(used, (), (month, year)),
        "年": gather(used, (), ({}, year)),
    }
    for label, one in made.items():
        (line,) = explained(one, stat_type=StatType.DAY).lines
        assert line.basis == f"{label}实测值 {measured}"
    dated = replace(
        next(one for one in REFERENCE if one.kind == kind(RAW_COAL)),
        valid_from=date(2026, 1, 1),
        source="检测报告",
    )
    (line,) = explained(gather(used), coefficients=Coefficients([dated])).lines
    assert line.basis == "参考值（检测报告），2026-01-01 起"


def test_a_refused_coefficient_leaves_the_reference_and_a_finding() -> None:
    made = explained(period({RAW_COAL: {20: 1}, "050104": {80: 9}}))
    assert made.lines[0].basis.startswith("参考值")
    assert [finding.kind for finding in made.findings] == [Check.MEASURED_OUT_OF_RANGE]


def test_a_type_without_coefficient_is_shown_as_not_counted() -> None:
    made = explained(period({"010199": {20: 1}}))
    (line,) = made.lines
    assert (line.name, line.unit, line.sign, line.indicators) == ("010199", "", 0, ())
    assert (line.coefficient, line.basis) == (None, "没有折标系数")
    assert [finding.kind for finding in made.findings] == [Check.NO_COEFFICIENT]


def test_sums_say_so_and_what_they_lack() -> None:
    made = explained(period({}, [period({POWER: {20: 1}}), Period()]))
    assert (made.lines[0].summed, made.lines[0].missing) == (True, 1)


def test_output_value_has_its_line() -> None:
    made = explained(gather({}, [gather({OUTPUT_VALUE_CODE: amount(1.5)}), Period()]))
    (line,) = made.lines
    assert (line.name, line.usage, line.amount, line.unit) == (
        *("工业总产值", "80", Decimal("1.5"), "万元"),
    )
    assert line.indicators == ("gyzcz",)
    assert line.coefficient is None
    assert line.contribution == Decimal(0)
    assert (line.origin, line.summed, line.missing) == (Decimal("1.5"), True, 1)


@pytest.mark.parametrize("jgzh", [True, False, None])
def test_deduction_does_not_depend_on_jgzh_but_is_remarked_on(jgzh: bool | None) -> None:
    made = explained(period({COKE: {20: 100, 30: 20}}), jgzh=jgzh)
    assert made.totals == totals({COKE: {20: 100, 30: 20}})
    expected = [Check.CONVERTS_UNEXPECTEDLY] if jgzh is False else []
    assert [finding.kind for finding in made.findings] == expected


def test_an_explanation_can_be_written_as_json_without_floats() -> None:
    made = explained(period({POWER: {20: 0.0000000001}}))
    plain = msgspec.json.decode(msgspec.json.encode(made))
    assert Decimal(plain["lines"][0]["contribution"]) == Decimal("0.0000000001229")
    assert plain["totals"]["nyxfzl"] == [0, 0]
