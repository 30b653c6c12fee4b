"""The base data that a fresh platform serves."""

import pytest

from nenghao.standard import base_tables
from nenghao.standard.base_tables import BASE_DATA_TYPES, TABLES, default_rows
from nenghao.standard.messages.base_data import ROW_TYPES
from nenghao.standard.messages.codec import read_value
from tests.standard import facts

COLUMNS = {
    "region": "code fullName name pcode type",
    "industry": "code fullName jgzh name pcode",
    "entType": "code name",
    "collectSystemType": "code name",
    "process": "code name industryCode",
    "collectItem": "code name pcode type pclass industryCode unit",
    "collectItemUsage": "code name",
    "energyType": "code name pcode unit classCode nhzbdw type zbckz dwzbxs",
    "productQuota": "code name regionCode industryCode gbValue dbValue elemUnit denoUnit "
    "quotaUnit zbxs",
}
NUMBERS = {"type", "dwzbxs", "zbxs"}
QUOTA = {
    "code": "0001",
    "name": "吨钢综合能耗",
    "regionCode": "110101",
    "industryCode": "C3120",
    "gbValue": "",
    "dbValue": "655",
    "elemUnit": "吨标准煤",
    "denoUnit": "吨",
    "quotaUnit": "千克标准煤/吨",
    "zbxs": "1000.0",
}
"""The illustration of A.2, with the code of a district of Beijing."""


@pytest.mark.clause("A.6-1")
def test_base_data_types_are_table_a6() -> None:
    assert facts.table("A.6") == BASE_DATA_TYPES


@pytest.mark.clause("A.6-1")
def test_the_tables_are_those_of_a6_and_the_one_that_it_forgot() -> None:
    everything, *tables = BASE_DATA_TYPES
    assert everything == "all"
    assert list(TABLES) == [*tables, "productQuota"]


def test_there_is_no_other_table() -> None:
    with pytest.raises(ValueError, match="没有基础数据表 'all'"):
        default_rows("all")


@pytest.mark.clause("6.3.2.2-c")
@pytest.mark.clause("6.3.2.2-d")
@pytest.mark.clause("6.3.2.2-e")
@pytest.mark.clause("6.3.2.2-f")
@pytest.mark.clause("6.3.2.2-f2")
@pytest.mark.clause("6.3.2.2-g")
@pytest.mark.clause("6.3.2.2-i")
@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_the_keys_of_the_wire_in_the_order_of_a2(name: str) -> None:
    for row in default_rows(name):
        assert list(row) == COLUMNS[name].split()


@pytest.mark.parametrize("name", TABLES)
def test_every_value_has_its_type_of_the_wire(name: str) -> None:
    for row in default_rows(name):
        for key, value in row.items():
            expected = bool if key == "jgzh" else (int if key in NUMBERS else str)
            assert type(value) is expected, (key, value)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_satisfies_the_message_that_carries_it(name: str) -> None:
    for row in default_rows(name):
        read_value(ROW_TYPES[name], row)


def test_rows_are_fresh_so_that_nobody_changes_them_for_others() -> None:
    default_rows("region")[0]["name"] = "改"
    assert default_rows("region")[0]["name"] == "辽宁省"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "region",
            {
                "code": "210101",
                "fullName": "市辖区",
                "name": "市辖区",
                "pcode": "210100",
                "type": 3,
            },
        ),
        (
            "industry",
            {"code": "C3120", "fullName": "炼钢", "jgzh": False, "name": "炼钢", "pcode": "C312"},
        ),
        ("entType", {"code": "100", "name": "内资企业"}),
        ("collectSystemType", {"code": "1", "name": "管理信息系统"}),
        ("process", {"code": "01", "name": "焦化工序", "industryCode": "C31"}),
        (
            "collectItem",
            {
                "code": "0100",
                "name": "其他原煤",
                "pcode": "01",
                "type": 3,
                "pclass": "01",
                "industryCode": "",
                "unit": "吨",
            },
        ),
        ("collectItemUsage", {"code": "11", "name": "购进已消费"}),
        (
            "energyType",
            {
                "code": "0100",
                "name": "其他原煤",
                "pcode": "01",
                "unit": "吨",
                "classCode": "01",
                "nhzbdw": "吨标准煤/吨",
                "type": 2,
                "zbckz": "0.7143",
                "dwzbxs": 1,
            },
        ),
    ],
)
def test_the_sample_rows_of_a2_are_served(name: str, row: dict[str, object]) -> None:
    assert row in default_rows(name)


@pytest.mark.clause("6.3.2.2-f2")
def test_energy_types_also_give_the_units_of_economic_indicators() -> None:
    rows = [row for row in default_rows("energyType") if row["classCode"] == "09"]
    assert [(row["code"], row["pcode"], row["type"], row["unit"]) for row in rows] == [
        ("01", "", 1, "万元"),
        ("0100", "01", 2, "万元"),
    ]
    assert {(row["nhzbdw"], row["zbckz"]) for row in rows} == {("", "")}


@pytest.mark.clause("6.3.2.2-f2")
def test_the_category_of_every_energy_type_is_served() -> None:
    rows = default_rows("energyType")
    categories = {(row["classCode"], row["code"]) for row in rows if row["type"] == 1}
    items = [row for row in rows if row["type"] == 2]
    assert items
    assert {(row["classCode"], row["pcode"]) for row in items} == categories


@pytest.mark.clause("6.3.2.2-f")
def test_collect_items_cover_energy_new_energy_and_carbon() -> None:
    items = {(row["pclass"], row["code"]) for row in default_rows("collectItem")}
    assert {("02", "3300"), ("11", "5100"), ("12", "1100"), ("12", "11"), ("", "4000")} <= items


@pytest.mark.clause("6.3.2.2-h")
def test_no_product_quota_is_shipped_since_the_sample_is_an_illustration() -> None:
    assert default_rows("productQuota") == []


@pytest.mark.clause("6.3.2.2-h")
def test_a_product_quota_row_has_the_columns_and_types_of_a2() -> None:
    row = base_tables._quota_row(QUOTA)
    assert list(row) == COLUMNS["productQuota"].split()
    assert (row["gbValue"], row["dbValue"], row["zbxs"]) == ("", 655, 1000)
    assert read_value(ROW_TYPES["productQuota"], row)
