"""One route per unit, type and period (docs/decisions 7); what each comes to is in
test_indicators."""

from __future__ import annotations

from itertools import combinations

import pytest

from nenghao.standard.energy_amounts import Kind
from nenghao.standard.energy_routes import Route, route
from nenghao.standard.periods import StatType

PRIMARY, SECONDARY = Kind("01", "0104"), Kind("02", "0900")


@pytest.mark.parametrize(
    ("usages", "name"),
    [
        ({20}, "a"),
        ({21}, "a"),
        ({22}, "a"),
        ({20, 11, 51, 10, 52}, "a"),
        ({30}, "a"),
        ({31}, "a"),
        ({40}, "a"),
        ({40, 12, 51, 52}, "a"),
        ({40, 10}, "c"),
        ({30, 11}, "c"),
        ({51, 52, 10, 30, 40}, "b"),
        ({51, 52, 10}, "b"),
        ({51, 52, 11, 12}, "b"),
        ({51, 52, 11}, "c"),
        ({51, 10}, "c"),
        ({23, 81, 90}, "c"),
        (set[int](), "c"),
    ],
)
def test_what_was_sent_chooses_the_route(usages: set[int], name: str) -> None:
    for kind in (PRIMARY, SECONDARY):
        assert route(kind, usages, StatType.MONTH).name == name
        assert route(kind, usages, StatType.YEAR).name == name
        assert route(kind, usages, StatType.DAY).name == name.replace("b", "c")


def test_no_route_counts_a_part_beside_its_whole_or_what_was_not_sent() -> None:
    whole_of = {11: 10, 12: 10, 21: 20, 22: 20, 31: 30, 32: 30}
    every = (10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 51, 52, 60)
    seen = 0
    for size in range(len(every) + 1):
        for usages in combinations(every, size):
            made = route(SECONDARY, usages, StatType.MONTH)
            for terms in (made.total, made.comprehensive, made.consumption):
                added = [usage for usage, sign in terms if sign > 0]
                assert {usage for usage, _ in terms} <= set(usages)
                assert len(terms) == len(dict(terms))
                assert not any(whole_of.get(usage) in added for usage in added)
            seen += 1
    assert seen == 2**13


def test_the_terms_of_a_full_form_by_route() -> None:
    full = (10, 11, 12, 20, 21, 22, 23, 30, 31, 32, 40, 51, 52, 60, 81)
    less = ((30, -1), (40, -1))
    assert route(SECONDARY, full, StatType.MONTH) == Route(
        "a", ((20, 1), *less), ((21, 1), *less), ((20, 1),)
    )
    assert route(PRIMARY, full, StatType.MONTH).total == ((20, 1), (40, -1))
