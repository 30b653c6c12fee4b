"""Regions (GB/T 2260)."""

import pytest

from nenghao.standard import regions
from nenghao.standard.regions import CITY, COUNTY, LIAONING, NATION, PROVINCE, Region, RegionTable
from tests.standard import facts


@pytest.mark.clause("B.1.1-1")
def test_liaoning_is_the_table_handed_to_the_project() -> None:
    given = {
        row["code"]: (row["name"], row["pcode"], int(row["type"]))
        for row in facts.rows("regions_liaoning_2023")
    }
    assert {one.code: (one.name, one.pcode, one.type) for one in LIAONING} == given


@pytest.mark.clause("B.1.1-1")
def test_liaoning_has_one_province_14_cities_and_114_counties() -> None:
    kinds = [region.type for region in LIAONING]
    assert [kinds.count(kind) for kind in (PROVINCE, CITY, COUNTY)] == [1, 14, 114]
    assert len(LIAONING) == 129


@pytest.mark.clause("6.3.2.2-c")
def test_the_rows_of_the_standards_sample_are_there() -> None:
    assert LIAONING.get("210000") == Region("210000", "辽宁省", NATION, PROVINCE)
    assert LIAONING.get("210100") == Region("210100", "沈阳市", "210000", CITY)
    assert LIAONING.get("210101") == Region("210101", "市辖区", "210100", COUNTY)


def test_every_parent_is_in_the_table_and_one_level_up() -> None:
    for region in LIAONING:
        parent = LIAONING.parent(region.code)
        if region.type == PROVINCE:
            assert parent is None
        else:
            assert parent is not None
            assert parent.type == region.type - 1


def test_a_full_name_goes_from_the_province_down() -> None:
    assert LIAONING.full_name("210102") == "辽宁省沈阳市和平区"
    assert LIAONING.full_name("210000") == "辽宁省"
    assert LIAONING.full_name("410481") == ""
    assert LIAONING.name("210102") == "和平区"
    assert LIAONING.name("410481") == ""


def test_the_subtree_of_a_city_is_itself_and_its_counties() -> None:
    subtree = LIAONING.subtree("210100")
    assert {"210100", "210101", "210102"} <= subtree
    assert subtree == {"210100"} | {one.code for one in LIAONING.children("210100")}


def test_the_nation_holds_everything() -> None:
    assert LIAONING.subtree(NATION) == {region.code for region in LIAONING}
    assert [region.code for region in LIAONING.children(NATION)] == ["210000"]
    assert LIAONING.contains(NATION, "410481")


@pytest.mark.parametrize(
    ("code", "inner", "holds"),
    [
        ("210000", "210102", True),
        ("210000", "210000", True),
        ("210000", "410481", False),
        ("210100", "210102", True),
        ("210100", "210202", False),
        ("210100", "210000", False),
        ("210102", "210102", True),
        ("210102", "210103", False),
        ("410000", "410481", True),
    ],
)
def test_containment_goes_by_the_digits_listed_or_not(code: str, inner: str, holds: bool) -> None:
    assert regions.contains(code, inner) is holds
    assert LIAONING.contains(code, inner) is holds


def test_unknown_codes_have_no_region_parent_or_children() -> None:
    assert "410481" not in LIAONING
    assert LIAONING.get("410481") is None
    assert LIAONING.parent("410481") is None
    assert LIAONING.children("410481") == ()
    assert LIAONING.subtree("410481") == frozenset()


def test_another_provinces_table_is_loaded_from_csv() -> None:
    table = RegionTable.from_csv(
        "code,name,pcode,type,note\n"
        "410000,河南省,000000,1,\n"
        "410400,平顶山市,410000,2,\n"
        "410481,舞钢市,410400,3,县级市\n"
    )
    assert table.full_name("410481") == "河南省平顶山市舞钢市"
    assert len(table) == 3


def test_rows_of_a_database_load_with_numbers_as_numbers() -> None:
    row: dict[str, object] = {"code": "110000", "name": "北京市", "pcode": NATION, "type": 1}
    assert RegionTable([row]).get("110000") == Region("110000", "北京市", NATION, PROVINCE)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("41000,河南省,000000,1", "第 2 行：code 应为 6 位数字，收到 '41000'"),
        ("410000,河南省,0,1", "第 2 行：pcode 应为 6 位数字"),
        ("410000,河南省,000000,4", "第 2 行：type 应为 1、2 或 3"),
        ("410000,,000000,1", "第 2 行：缺少 name"),
        ("210000,辽宁省,000000,1", "第 2 行：编码 210000 重复"),
    ],
)
def test_a_wrong_row_is_refused_by_its_number(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RegionTable.from_csv(f"code,name,pcode,type\n210000,辽宁省,000000,1\n{line}\n")


def test_names_of_a_table_whose_parents_run_in_a_circle_still_end() -> None:
    table = RegionTable.from_csv("code,name,pcode,type\n110000,甲,110000,1\n")
    assert table.full_name("110000") == "甲甲甲"
