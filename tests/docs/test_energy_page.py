"""docs/energy.md computes: every example on the page comes out as it says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from nenghao.standard.coefficients import REFERENCE
from nenghao.standard.energy_checks import Check
from nenghao.standard.periods import StatType
from tests.standard.energy_examples import STARTS, coal, kind, origins, period, totals

PAGE = Path(__file__).parents[2] / "docs" / "energy.md"
STAT_TYPES = {"day": StatType.DAY, "month": StatType.MONTH, "year": StatType.YEAR}


class Example(NamedTuple):
    sent: str
    nyxfzl: str
    zhnyxfl: str
    group: str
    value: str
    origin: str


def cells() -> list[list[str]]:
    """The rows of the page's tables."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


EXAMPLES = [Example(*row) for row in cells() if len(row) == 6 and row[0] != "sent"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.sent)
def test_an_example_comes_out_as_the_page_says(example: Example) -> None:
    industry, stat_type, *types = example.sent.split()
    values = {
        type_: {int(usage): float(amount) for usage, amount in (u.split("=") for u in usages)}
        for type_, usages in ((t.split(":")[0], t.split(":")[1].split(",")) for t in types)
    }
    made = totals(period(values), industry, STAT_TYPES[stat_type])
    assert coal(made, "nyxfzl", "zhnyxfl", example.group) == [
        Decimal(example.nyxfzl),
        Decimal(example.zhnyxfl),
        Decimal(example.value),
    ]
    assert origins(made, example.group) == [Decimal(example.origin)]


def test_the_page_has_its_examples_of_every_route() -> None:
    assert len(EXAMPLES) >= 25


def test_the_coefficients_on_the_page_are_the_packaged_ones() -> None:
    rows = [row for row in cells() if len(row) == 4 and row[0] not in ("type", "check")]
    assert rows
    for type_, name, unit, factor in rows:
        one = REFERENCE.of(kind(type_), STARTS[StatType.DAY].date())
        assert one is not None
        assert (one.name, one.unit, one.tce) == (name, unit, Decimal(factor))


def test_every_check_has_its_row() -> None:
    assert {row[1] for row in cells() if len(row) == 2} >= {check.value for check in Check}
