"""The arithmetic against a naive reading of the same rules (`naive_energy`), and what must hold
whatever a unit sends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from nenghao.standard.coefficients import EXACT, Coefficient, Coefficients, half_away
from nenghao.standard.energy_amounts import Kind, Period, amount, gather
from nenghao.standard.energy_explanation import explain
from nenghao.standard.indicators import NOTHING, Options, Totals, compute
from nenghao.standard.periods import StatType
from tests.standard import naive_energy
from tests.standard.naive_energy import DAY, MONTH, YEAR, Book, Row, Value

YEAR_START = datetime(2026, 1, 1)

STARTS = {DAY: datetime(2026, 2, 27), MONTH: datetime(2026, 2, 1), YEAR: YEAR_START}
DATES = {
    DAY: [datetime(2026, 2, 1), datetime(2026, 2, 27), datetime(2026, 2, 28), datetime(2026, 3, 1)],
    MONTH: [datetime(2026, 1, 1), datetime(2026, 2, 1), datetime(2026, 12, 1)],
    YEAR: [YEAR_START],
}
"""Where the drawn values lie: about the day, the month and the year that are asked for."""

BOOK: Book = {
    **naive_energy.packaged_book(),
    ("01", "0104"): [Row("0.7143", unit="吨"), Row("0.75", unit="吨", since=date(2026, 2, 28))],
    ("02", "3300"): [Row("1.229", "0.0001", "", "千瓦时", "吨标准煤/万千瓦时")],
    ("02", "0700"): [Row("0.2857", "1", "0.2857-0.8", "吨", "吨标准煤/吨")],
}
KINDS = [
    ("01", "0104"),
    ("02", "0900"),
    ("02", "1100"),
    ("02", "3300"),
    ("02", "1600"),
    ("02", "0700"),
    ("02", "3600"),
    ("01", "1500"),
]
STRANGERS = [("01", "3300"), ("02", "9900"), ("02", "4000"), ("03", "0104"), ("02", "0999")]
"""Types that are unknown, or never count."""

USAGE_SETS = [
    [20, 21, 22, 23, 81, 90, 98],
    [20, 21, 22, 30, 31, 32, 40, 60],
    [10, 11, 12, 51, 52, 60],
    [10, 11, 12, 51, 52, 30, 40],
    [10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 51, 52, 60, 71, 80],
]
"""Usages that decide between the routes, together often enough."""

TABLE = Coefficients(
    Coefficient(
        kind=Kind(*kind),
        zbckz=Decimal(row.zbckz),
        dwzbxs=Decimal(row.dwzbxs),
        bounds=tuple(map(Decimal, row.range.split("-"))) if row.range else None,  # type: ignore[arg-type]
        unit=row.unit,
        nhzbdw=row.nhzbdw,
        valid_from=row.since,
    )
    for kind, rows in BOOK.items()
    for row in rows
)


NUMBERS = [0.0, -3.5, 1e-10, 5e-11, 0.1 + 0.2, 1e12]
PLACES = [(stat_type, day) for stat_type, days in DATES.items() for day in days]


def sent_by(seed: int) -> list[Value]:
    """What one unit sent. Of few types, each usage in one or two periods about those asked for;
    drawn from a seed, since a hundred values are too many for hypothesis to draw one by one."""
    random = Random(seed)
    kinds = random.sample(KINDS, random.randint(1, 3))
    if random.random() < 0.2:
        kinds.append(random.choice(STRANGERS))
    found: dict[tuple[str, int, datetime], Value] = {}

    def send(code: str, number: float) -> None:
        stat_type, day = random.choice(PLACES if random.random() < 0.6 else list(STARTS.items()))
        valid = random.random() < 0.93
        found[code, stat_type, day] = Value(code, stat_type, day, number, valid)

    for class_, type_ in kinds:
        share = random.random()
        for usage in random.choice(USAGE_SETS):
            if random.random() < share:
                for _ in range(random.randint(1, 5)):
                    usual = random.randint(1, 5_000_000) / 1_000
                    number = usual if random.random() < 0.9 else random.choice(NUMBERS)
                    send(f"00-00-0000-{class_}{type_}-{usage}", number)
        while random.random() < 0.4:
            code = f"00-00-0000-{int(class_) + 4:02d}{type_}-{random.choice([20, 80])}"
            send(code, random.choice([0.2, 0.25, 0.6, 0.7, 0.8, 1.1, 1.5, 5.0, random.random()]))
    if random.random() < 0.3:
        send("00-00-0000-090100-80", 1.5)
    return list(found.values())


UNITS = st.integers(0, 2**48).map(sent_by)


def own(sent: Iterable[Value], stat_type: int, start: datetime) -> dict[str, int]:
    """The valid values sent for one period."""
    return {
        one.data_code: amount(one.value)
        for one in sent
        if one.valid and (one.stat_type, one.stat_date) == (stat_type, start)
    }


def used(sent: list[Value], stat_type: int, start: datetime) -> Period:
    """What was used in a period, put together as a platform would."""
    month, year = start.replace(day=1), start.replace(month=1, day=1)
    containing = {
        DAY: (own(sent, MONTH, month), own(sent, YEAR, year)),
        MONTH: (own(sent, YEAR, year),),
        YEAR: (),
    }[stat_type]
    parts: list[Period] = []
    if stat_type != DAY:
        starts = naive_energy.parts_of(stat_type, start)
        parts = [used(sent, stat_type - 1, part) for part in starts]
    return gather(own(sent, stat_type, start), parts, containing)


def totals_of(
    sent: list[Value], stat_type: int, industry: str | None, options: Options
) -> tuple[Period, Totals]:
    start = STARTS[stat_type]
    period = used(sent, stat_type, start)
    lookup = TABLE.for_period(StatType(stat_type), start)
    return period, compute(period, StatType(stat_type), lookup, options, industry)


INDUSTRIES = st.sampled_from(["C3120", "B06", "D4411", "F5211", "", None])
EQUIVALENTS = st.sampled_from([None, Decimal("3.05")])


def holds_against_the_naive_reading(
    sent: list[Value], stat_type: int, industry: str | None, equivalent: Decimal | None
) -> None:
    options = Options(equivalent=equivalent, lng_factor=Decimal("0.1385"))
    _, made = totals_of(sent, stat_type, industry, options)
    naive = naive_energy.totals(
        sent,
        stat_type,
        STARTS[stat_type],
        industry,
        BOOK,
        lng="0.1385",
        equivalent=None if equivalent is None else str(equivalent),
    )
    event(f"{sum(total != (0, 0) for total in naive.values())} indicators")
    assert made == naive


@settings(max_examples=1000, deadline=None)
@given(UNITS, st.sampled_from([DAY, MONTH]), INDUSTRIES, EQUIVALENTS)
def test_days_and_months_are_as_a_naive_reading_of_the_rules_has_them(
    sent: list[Value], stat_type: int, industry: str | None, equivalent: Decimal | None
) -> None:
    holds_against_the_naive_reading(sent, stat_type, industry, equivalent)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNITS, INDUSTRIES, EQUIVALENTS)
def test_years_are_as_a_naive_reading_of_the_rules_has_them(
    sent: list[Value], industry: str | None, equivalent: Decimal | None
) -> None:
    holds_against_the_naive_reading(sent, YEAR, industry, equivalent)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNITS, st.sampled_from([DAY, MONTH, YEAR]), INDUSTRIES, EQUIVALENTS)
def test_long_periods_are_as_a_naive_reading_of_the_rules_has_them(
    sent: list[Value], stat_type: int, industry: str | None, equivalent: Decimal | None
) -> None:
    holds_against_the_naive_reading(sent, stat_type, industry, equivalent)


@settings(max_examples=300, deadline=None)
@given(UNITS, st.sampled_from([DAY, MONTH]), INDUSTRIES, EQUIVALENTS)
def test_the_lines_of_an_explanation_add_up_to_the_totals(
    sent: list[Value], stat_type: int, industry: str | None, equivalent: Decimal | None
) -> None:
    options = Options(equivalent=equivalent)
    period, made = totals_of(sent, stat_type, industry, options)
    lookup = TABLE.for_period(StatType(stat_type), STARTS[stat_type])
    explained = explain(period, StatType(stat_type), lookup, options, industry)
    assert explained.totals == made
    assert {one.data_code for one in explained.lines} >= {
        f"00-00-0000-{kind.energy_class}{kind.code}-{usage:02d}"
        for kind, usages in period.amounts.items()
        for usage in usages
    }
    for indicator, total in made.items():
        lines = [one for one in explained.lines if indicator in one.indicators]
        value, origin = Decimal(0), Decimal(0)
        for one in lines:
            value = EXACT.add(value, one.contribution)
            origin = EXACT.add(origin, one.origin)
        assert to_nano(value) == total.value
        if indicator not in ("nyxfzl", "zhnyxfl"):
            assert to_nano(origin) == total.origin


def to_nano(number: Decimal) -> int:
    return half_away(int(EXACT.scaleb(number, 30)), 10**21)


@settings(max_examples=100, deadline=None)
@given(UNITS, st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter(sent: list[Value], random: Any) -> None:
    mixed = list(sent)
    random.shuffle(mixed)
    options = Options()
    first, made = totals_of(sent, MONTH, "C3120", options)
    second, again = totals_of(mixed, MONTH, "C3120", options)
    assert (first, made) == (second, again)


@settings(max_examples=50, deadline=None)
@given(UNITS)
def test_what_belongs_to_a_part_of_the_plant_changes_nothing(sent: list[Value]) -> None:
    parts = [one._replace(data_code=f"01-00-0000{one.data_code[10:]}") for one in sent]
    for stat_type in (DAY, MONTH):
        assert set(totals_of(parts, stat_type, "C3120", Options())[1].values()) == {NOTHING}
        alone = totals_of(sent, stat_type, "C3120", Options())
        assert totals_of(sent + parts, stat_type, "C3120", Options()) == alone
