"""Unit categories (table A.7)."""

import pytest

from nenghao.standard import unit_categories
from nenghao.standard.unit_categories import HEADS, UNIT_CATEGORIES
from tests.standard import facts


@pytest.mark.clause("A.7-1")
def test_the_categories_are_table_a7_and_its_head_rows() -> None:
    given = facts.table("A.7") | facts.table("A.7 head rows")
    assert {code: one.name for code, one in UNIT_CATEGORIES.items()} == given


@pytest.mark.clause("A.7-1")
def test_25_codes_stand_under_6_heads() -> None:
    assert sorted(HEADS) == ["100", "140", "150", "170", "200", "300"]
    assert len(UNIT_CATEGORIES) - len(HEADS) == 25
    for category in UNIT_CATEGORIES.values():
        if category.level == 1:
            assert category.pcode == ""
        else:
            parent = UNIT_CATEGORIES[category.pcode]
            assert parent.level == category.level - 1
            assert category.code.startswith(parent.code.rstrip("0"))


@pytest.mark.clause("6.3.2.2-e")
def test_the_samples_of_the_standard_are_there() -> None:
    assert unit_categories.name("100") == "内资企业"
    assert unit_categories.name("159") == "其他有限责任公司"
    assert unit_categories.name("999") == ""
