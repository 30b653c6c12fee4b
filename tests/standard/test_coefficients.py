"""Standard coal coefficients with dates, and a unit's own (docs/decisions 7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from nenghao.standard.coefficients import (
    REFERENCE,
    Coefficient,
    Coefficients,
    half_away,
    in_use,
    last_day,
    of_type,
)
from nenghao.standard.energy import ENERGY_TYPES, EnergyType
from nenghao.standard.energy_amounts import Kind, Measured, amount
from nenghao.standard.periods import StatType
from tests.standard.energy_examples import RAW_COAL, coal, decimals, kind, period, totals

COAL = kind(RAW_COAL)
OLD = Coefficient(COAL, Decimal("0.7"), name="一般烟煤")
NEW = replace(OLD, zbckz=Decimal("0.8"), valid_from=date(2026, 3, 16))


def measured(value: float) -> Measured:
    return Measured(amount(value), "00-00-0000-050104-80", 0)


def test_a_coefficient_holds_from_its_day_on() -> None:
    table = Coefficients([NEW, OLD])
    assert table.of(COAL, date(2000, 1, 1)) is OLD
    assert table.of(COAL, date(2026, 3, 15)) is OLD
    assert table.of(COAL, date(2026, 3, 16)) is NEW
    assert table.of(Kind("02", "0104"), date(2026, 3, 16)) is None
    assert list(table) == [OLD, NEW]


def test_before_the_first_day_there_is_none() -> None:
    assert Coefficients([NEW]).of(COAL, date(2026, 3, 15)) is None


def test_two_coefficients_from_one_day_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="01/0104 有两个自同一天起生效的折标系数"):
        Coefficients([NEW, NEW])


@pytest.mark.parametrize(
    ("stat_type", "start", "day"),
    [
        (StatType.DAY, datetime(2026, 3, 15), date(2026, 3, 15)),
        (StatType.MONTH, datetime(2024, 2, 1), date(2024, 2, 29)),
        (StatType.YEAR, datetime(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_takes_what_is_valid_on_its_last_day(
    stat_type: StatType, start: datetime, day: date
) -> None:
    assert last_day(stat_type, start) == day


def test_a_change_within_the_month_counts_for_the_month_but_not_for_the_days_before() -> None:
    table = Coefficients([OLD, NEW])
    made = {
        stat_type: coal(
            totals({RAW_COAL: {20: 10}}, stat_type=stat_type, coefficients=table), "nyxfzl"
        )
        for stat_type in (StatType.DAY, StatType.MONTH, StatType.YEAR)
    }
    assert made == {1: decimals("7"), 2: decimals("8"), 3: decimals("8")}


def test_standard_coal_per_unit_is_zbckz_times_dwzbxs() -> None:
    one = replace(OLD, zbckz=Decimal("1.229"), dwzbxs=Decimal("0.0001"))
    assert one.tce == Decimal("0.0001229")
    assert one.factor == 12_290_000_000_000_000


@pytest.mark.clause("B.3.2-1")
def test_the_packaged_dictionary_is_the_reference() -> None:
    power = REFERENCE.of(Kind("02", "3300"), date(2026, 1, 1))
    assert power is not None
    assert (power.tce, power.unit, power.name) == (Decimal("1.2290"), "万千瓦时", "电力")
    assert len(list(REFERENCE)) == sum(bool(one.zbckz) for one in ENERGY_TYPES)


def row(zbckz: str, range_: str = "", dwzbxs: str = "1", type_: int = 2) -> EnergyType:
    return EnergyType(
        "01", "0104", "煤", "01", type_, "吨", "吨标准煤/吨", zbckz, dwzbxs, range_, ""
    )


def test_a_category_and_a_row_without_coefficient_have_none() -> None:
    assert of_type(row("0.7143", type_=1)) is None
    assert of_type(row("")) is None


def test_a_reference_that_is_a_range_counts_as_its_middle() -> None:
    made = of_type(row("0.5286-0.6"))
    assert made is not None
    assert (made.zbckz, made.bounds) == (Decimal("0.5643"), (Decimal("0.5286"), Decimal("0.6")))
    other = of_type(row("0.5-0.6", "0.1-0.9"))
    assert other is not None
    assert other.bounds == (Decimal("0.1"), Decimal("0.9"))


@pytest.mark.parametrize(
    "bad", [row("x"), row("NaN"), row("0.7", dwzbxs="Infinity"), row("1", "2")]
)
def test_what_is_no_number_is_refused(bad: EnergyType) -> None:
    with pytest.raises(ValueError, match="应为"):
        of_type(bad)


# A unit's own.


def test_without_a_measured_coefficient_the_reference_counts() -> None:
    assert in_use(OLD, None) == (OLD, OLD.factor, None, None)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [(0.35, True), (1.4, True), (0.3499999999, False), (1.4000000001, False), (-0.7, False)],
)
def test_where_no_range_is_known_half_to_twice_the_reference_is_plausible(
    value: float, allowed: bool
) -> None:
    used = in_use(OLD, measured(value))
    assert used.factor == (amount(value) * 10**10 if allowed else OLD.factor)
    assert (used.measured, used.refused) == (
        (measured(value), None) if allowed else (None, measured(value))
    )


@pytest.mark.parametrize(
    ("value", "allowed"), [(0.2857, True), (0.8, True), (0.2856, False), (0.8001, False)]
)
def test_where_a_range_is_known_it_decides(value: float, allowed: bool) -> None:
    """Other washed coal: 0.2857-0.8 reaches beyond twice its reference 0.2857."""
    reference = REFERENCE.of(Kind("02", "0700"), date(2026, 1, 1))
    assert reference is not None
    assert reference.allows(measured(value)) is allowed


def test_a_measured_coefficient_is_in_the_unit_of_the_reference() -> None:
    """0.65 吨标准煤/吨, amounts in 千克: 20,000 kg are 13 tce."""
    table = Coefficients([replace(OLD, dwzbxs=Decimal("0.001"), unit="千克", nhzbdw="吨标准煤/吨")])
    used = period({RAW_COAL: {20: 20_000}, "050104": {80: 0.65}})
    made = totals(used, coefficients=table)
    assert coal(made, "nyxfzl", "coal") == decimals("13", "13")
    assert Decimal(made["coal"].origin).scaleb(-9) == 20


def test_halves_go_away_from_zero() -> None:
    assert [half_away(n, 10) for n in (4, 5, 14, 15, -4, -5, -15)] == [0, 1, 1, 2, 0, -1, -2]
    assert [half_away(n, 3) for n in (1, 2, -1, -2)] == [0, 1, 0, -1]
