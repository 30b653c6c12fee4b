"""Base data (A.2, A.6): what may be asked for, and rows that hold to their forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nenghao.standard.base_tables import default_rows
from nenghao.standard.messages import read, read_value, write
from nenghao.standard.messages.base_data import (
    ROW_TYPES,
    TYPES,
    BaseData,
    BaseDataAnswer,
    BaseDataRequest,
    CodeNameRow,
    EnergyTypeRow,
)
from nenghao.standard.replies import IllegalFormat, MissingItem
from tests.standard.messages.samples import sample

DEVICE = "0ef6ecea08bf84c7b639c3e9b84ed546"


def request(**fields: object) -> bytes:
    return json.dumps({"deviceId": DEVICE, **fields}).encode()


@pytest.mark.clause("6.3.2.1-a")
def test_the_device_id_is_required() -> None:
    with pytest.raises(MissingItem, match="deviceId 缺失"):
        read(BaseDataRequest, b'{"type":"all"}')


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.parametrize("fields", [{}, {"type": None}, {"type": ""}, {"type": "all"}])
def test_an_absent_or_empty_type_means_all(fields: dict[str, object]) -> None:
    assert read(BaseDataRequest, request(**fields)).type == "all"


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.clause("A.6-1")
@pytest.mark.parametrize(
    "name",
    [
        "region",
        "industry",
        "entType",
        "collectSystemType",
        "process",
        "collectItem",
        "collectItemUsage",
        "energyType",
        "productQuota",
    ],
)
def test_each_type_of_table_a6_and_the_forgotten_one_may_be_asked_for(name: str) -> None:
    assert read(BaseDataRequest, request(type=name)).type == name
    assert name in ROW_TYPES


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.parametrize("name", ["Region", "everything", " all", 1])
def test_any_other_type_is_illegal(name: object) -> None:
    with pytest.raises(IllegalFormat, match="type 应为 all、region、"):
        read(BaseDataRequest, request(type=name))


def test_the_types_are_all_and_the_nine_tables() -> None:
    assert list(TYPES) == ["all", *ROW_TYPES]
    assert len(ROW_TYPES) == 9


def test_a_table_that_was_not_asked_for_does_not_appear() -> None:
    data = BaseData(collect_item_usage=[CodeNameRow("11", "购进已消费")])
    written = json.loads(write(BaseDataAnswer(data=data)))
    assert written["data"] == {"collectItemUsage": [{"code": "11", "name": "购进已消费"}]}
    assert read(BaseDataAnswer, write(BaseDataAnswer(data=data))).data == data


def test_a_table_that_was_asked_for_and_is_empty_does_appear() -> None:
    written = json.loads(write(BaseDataAnswer(data=BaseData(product_quota=[]))))
    assert written["data"] == {"productQuota": []}


def test_a_success_without_data_is_incomplete() -> None:
    with pytest.raises(MissingItem, match="data 缺失"):
        read(BaseDataAnswer, b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS"}')


@pytest.mark.parametrize("table", ROW_TYPES)
def test_the_shipped_rows_hold_to_their_forms_and_are_written_unchanged(table: str) -> None:
    for number, row in enumerate(default_rows(table)):
        message = read_value(ROW_TYPES[table], row, f"{table}[{number}]")
        assert json.dumps(json.loads(write(message))) == json.dumps(row)


@pytest.mark.parametrize(
    ("table", "change", "path"),
    [
        ("region", {"type": 4}, "type"),
        ("region", {"pcode": ""}, "pcode"),
        ("region", {"code": "2101"}, "code"),
        ("industry", {"jgzh": "no"}, "jgzh"),
        ("industry", {"code": "31"}, "code"),
        ("entType", {"name": ""}, "name"),
        ("process", {"code": "1"}, "code"),
        ("collectItem", {"type": 0}, "type"),
        ("collectItem", {"code": "010"}, "code"),
        ("energyType", {"zbckz": "x"}, "zbckz"),
        ("energyType", {"dwzbxs": "1"}, "dwzbxs"),
        ("productQuota", {"dbValue": "655"}, "dbValue"),
    ],
)
def test_a_row_that_breaks_a_form_is_refused_by_column(
    table: str, change: dict[str, Any], path: str
) -> None:
    row = json.loads(sample("baseData.response"))["data"][table][0]
    with pytest.raises((IllegalFormat, MissingItem), match=rf"：{path} "):
        read_value(ROW_TYPES[table], {**row, **change})


@pytest.mark.parametrize("coefficient", ["0.7143", "0.7-0.9", ""])
def test_a_coefficient_is_decimal_text_or_a_range_or_empty(coefficient: str) -> None:
    row = json.loads(sample("baseData.response"))["data"]["energyType"][0]
    assert read_value(EnergyTypeRow, {**row, "zbckz": coefficient}).zbckz == coefficient
