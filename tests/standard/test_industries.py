"""Industries (GB/T 4754-2017)."""

import re

import pytest

from nenghao.standard import industries
from nenghao.standard.industries import GBT_4754, TOP, Industry, IndustryTable
from tests.standard import facts


@pytest.mark.clause("B.1.2-1")
def test_the_industries_are_the_table_handed_to_the_project() -> None:
    given = {
        row["code"]: (row["name"], row["pcode"], int(row["level"]))
        for row in facts.rows("industries_gbt4754_2017")
    }
    assert {one.code: (one.name, one.pcode, one.level) for one in GBT_4754} == given


@pytest.mark.clause("B.1.2-1")
def test_there_are_20_sections_and_1971_industries_in_all() -> None:
    assert len(GBT_4754) == 1971
    assert "".join(one.code for one in GBT_4754.children(TOP)) == "ABCDEFGHIJKLMNOPQRST"


@pytest.mark.clause("6.3.2.2-d")
def test_the_rows_of_the_standards_sample_are_there() -> None:
    assert [GBT_4754.get(code) for code in ("C", "C31", "C312", "C3120")] == [
        Industry("C", "制造业", TOP, 1, False),
        Industry("C31", "黑色金属冶炼和压延加工业", "C", 2, False),
        Industry("C312", "炼钢", "C31", 3, False),
        Industry("C3120", "炼钢", "C312", 4, False),
    ]


def test_a_code_is_its_letter_and_as_many_digits_as_its_level_asks() -> None:
    lengths = {1: 0, 2: 2, 3: 3, 4: 4}
    for industry in GBT_4754:
        assert re.fullmatch(f"[A-T][0-9]{{{lengths[industry.level]}}}", industry.code)


def test_every_parent_is_a_prefix_and_in_the_table() -> None:
    for industry in GBT_4754:
        parent = GBT_4754.parent(industry.code)
        if industry.level == 1:
            assert industry.pcode == TOP
            assert parent is None
        else:
            assert parent is not None
            assert industry.code.startswith(parent.code)
            assert parent.level == industry.level - 1


@pytest.mark.clause("6.3.2.2-d")
@pytest.mark.parametrize(
    "code",
    [
        *("B06", "B061", "B0690", "C25", "C2511", "C2542", "D45", "D4520"),
        *("D4411", "D4412", "D4417", "D443", "D4430"),
    ],
)
def test_energy_conversion_industries_are_marked(code: str) -> None:
    industry = GBT_4754.get(code)
    assert industry is not None
    assert industry.jgzh


@pytest.mark.parametrize(
    "code",
    ["A", "B", "B07", "C", "C26", "C31", "D", "D44", "D441", "D4413", "D442", "D4420", "D46"],
)
def test_other_industries_and_classes_that_mix_are_not_marked(code: str) -> None:
    industry = GBT_4754.get(code)
    assert industry is not None
    assert not industry.jgzh


def test_a_class_is_marked_exactly_when_everything_under_it_is() -> None:
    for industry in GBT_4754:
        if children := GBT_4754.children(industry.code):
            assert industry.jgzh == all(child.jgzh for child in children)


def test_containment_goes_by_prefix_listed_or_not() -> None:
    assert industries.contains("C", "C25")
    assert industries.contains("C25", "C251")
    assert industries.contains("C25", "C25")
    assert GBT_4754.contains(TOP, "C2599")
    assert not industries.contains("C25", "C26")
    assert not industries.contains("C25", "C")


def test_the_subtree_of_a_division_is_all_that_lies_under_it() -> None:
    assert GBT_4754.subtree("C31") == {
        *("C31", "C311", "C3110", "C312", "C3120", "C313", "C3130", "C314", "C3140")
    }
    assert len(GBT_4754.subtree(TOP)) == 1971


def test_industry_is_the_sections_b_c_and_d() -> None:
    kept = [one.code for one in GBT_4754.children(TOP) if industries.is_industrial(one.code)]
    assert kept == ["B", "C", "D"]
    assert industries.is_industrial("C3120")
    assert not industries.is_industrial("")


def test_unknown_codes_have_no_name_and_no_parent() -> None:
    assert "C9999" not in GBT_4754
    assert GBT_4754.name("C9999") == ""
    assert GBT_4754.parent("C9999") is None
    assert GBT_4754.name("C3120") == "炼钢"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"code": "C", "name": "制造业", "pcode": "0", "level": 1, "jgzh": "yes"}, "第 2 行"),
        ({"code": "C", "name": "制造业", "pcode": "0", "level": "x", "jgzh": True}, "第 2 行"),
        ({"code": "C", "name": "制造业", "pcode": "0", "level": 1}, "第 2 行"),
        ({"code": "B", "name": "矿", "pcode": "0", "level": 1, "jgzh": True}, "编码 B 重复"),
    ],
)
def test_a_wrong_row_is_refused_by_its_number(row: dict[str, object], reason: str) -> None:
    first = {"code": "B", "name": "采矿业", "pcode": "0", "level": 1, "jgzh": False}
    with pytest.raises(ValueError, match=reason):
        IndustryTable([first, row])
