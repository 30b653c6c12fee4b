from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.aggregation import Rule, Total, day_total, expected_slots, rule_of, total
from nenghao.standard import data_code

values = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=10
)


@pytest.mark.clause("3.4-1")
@given(st.lists(values, min_size=96, max_size=96))
def test_a_whole_day_is_the_exact_sum_of_its_ticks(ticks: list[Decimal]) -> None:
    made = day_total(Rule.SUM, 15, ticks)
    assert made is not None
    assert made.complete
    scaled = sum(int(tick.scaleb(10)) for tick in ticks)
    assert made.value == Decimal(scaled).scaleb(-10)


@given(
    st.lists(values, min_size=96, max_size=96),
    st.sets(st.integers(0, 95), min_size=1, max_size=95),
)
def test_a_missing_tick_is_never_zero_but_makes_the_day_incomplete(
    ticks: list[Decimal], gaps: set[int]
) -> None:
    holed = [None if slot in gaps else tick for slot, tick in enumerate(ticks)]
    made = day_total(Rule.SUM, 15, holed)
    assert made is not None
    assert not made.complete
    present = sum(int(tick.scaleb(10)) for tick in holed if tick is not None)
    assert made.value == Decimal(present).scaleb(-10)


def test_a_day_without_ticks_has_no_total() -> None:
    assert day_total(Rule.SUM, 15, [None] * 96) is None


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize(("interval", "number", "first"), [(15, 96, 0), (30, 48, 1), (60, 24, 3)])
def test_thirty_minute_and_hourly_days_expect_every_second_or_fourth_tick(
    interval: int, number: int, first: int
) -> None:
    slots = expected_slots(interval)
    assert len(slots) == number
    assert (slots[0], slots[-1]) == (first, 95)
    ticks = [Decimal(1) if slot in slots else None for slot in range(96)]
    assert day_total(Rule.SUM, interval, ticks) == Total(Decimal(number), True)


def test_months_and_years_are_sums_of_whole_parts_only_when_all_are_there() -> None:
    whole, partial = Total(Decimal("1.5"), True), Total(Decimal("0.25"), False)
    assert total(Rule.SUM, [whole, whole]) == Total(Decimal(3), True)
    assert total(Rule.SUM, [whole, None]) == Total(Decimal("1.5"), False)
    assert total(Rule.SUM, [whole, partial]) == Total(Decimal("1.75"), False)
    assert total(Rule.SUM, [None, None]) is None


def test_stocks_are_the_first_and_the_last_never_a_sum() -> None:
    one, two = Total(Decimal(1), True), Total(Decimal(2), True)
    assert total(Rule.FIRST, [one, two, two]) == one
    assert total(Rule.LAST, [one, one, two]) == two
    assert total(Rule.FIRST, [None, two]) == Total(Decimal(2), False)
    assert total(Rule.LAST, [one, None]) == Total(Decimal(1), False)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("00-00-0000-023300-11", Rule.SUM),
        ("00-00-0000-010100-51", Rule.FIRST),
        ("00-00-0000-010100-52", Rule.LAST),
        ("00-00-0000-050100-80", Rule.NONE),
        ("00-00-0000-080001-80", Rule.NONE),
        ("00-00-0000-121200-80", Rule.NONE),
        ("00-00-0000-121100-80", Rule.SUM),
    ],
)
def test_the_rule_goes_by_class_and_usage(code: str, rule: Rule) -> None:
    assert rule_of(data_code.parse(code)) is rule
    assert total(Rule.NONE, [Total(Decimal(1), True)]) is None
