"""Basic information of a unit (A.4): form, leniency, and what an absent field becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import (
    CollectItemConfig,
    ConfigDownloadAnswer,
    ConfigDownloadRequest,
    ConfigUpload,
    Enterprise,
    Group,
)
from nenghao.standard.messages.fields import fields_of
from nenghao.standard.periods import StatType
from nenghao.standard.replies import IllegalFormat, MissingItem, Refusal
from tests.standard.messages.samples import sample


def body() -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(sample("uploadConfigData.request"))
    return decoded


def parsed(decoded: dict[str, Any]) -> ConfigUpload:
    return read(ConfigUpload, json.dumps(decoded).encode())


def needed(cls: type[CollectItemConfig | Enterprise]) -> list[str]:
    return [plan.wire for plan in fields_of(cls) if plan.field.needed]


@pytest.mark.clause("6.3.4.1-a")
@pytest.mark.clause("6.3.4.1-b")
@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.clause("6.3.4.1-d")
@pytest.mark.parametrize("field", ["deviceId", "enterpriseCode", "collectItemConfig", "enterprise"])
def test_four_parts_are_required(field: str) -> None:
    decoded = body()
    decoded[field] = None
    with pytest.raises(MissingItem, match=f"：{field} 缺失$"):
        parsed(decoded)


@pytest.mark.clause("6.3.4.1-c")
def test_an_empty_set_of_items_is_missing() -> None:
    with pytest.raises(MissingItem, match=r"：collectItemConfig 缺失$"):
        parsed({**body(), "collectItemConfig": []})


@pytest.mark.clause("6.3.4.1-c")
def test_an_item_has_15_fields_of_which_8_are_required() -> None:
    assert len(fields_of(CollectItemConfig)) == 15
    assert needed(CollectItemConfig) == [
        "processCode",
        "processUnitCode",
        "equipmentCode",
        "equipmentUnitCode",
        "energyClassCode",
        "energyTypeCode",
        "dataUsageCode",
        "inputType",
    ]


@pytest.mark.clause("6.3.4.1-d")
def test_an_enterprise_has_36_fields_of_which_12_are_required() -> None:
    assert len(fields_of(Enterprise)) == 36
    assert len(needed(Enterprise)) == 12


@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.parametrize("field", needed(CollectItemConfig))
def test_a_required_field_of_an_item_is_named_when_it_is_empty(field: str) -> None:
    decoded = body()
    decoded["collectItemConfig"][0][field] = ""
    with pytest.raises(MissingItem, match=rf"：collectItemConfig\[0\]\.{field} 缺失$"):
        parsed(decoded)


@pytest.mark.clause("6.3.4.1-d")
@pytest.mark.parametrize("field", needed(Enterprise))
def test_a_required_field_of_the_enterprise_is_named_when_it_is_absent(field: str) -> None:
    decoded = body()
    del decoded["enterprise"][field]
    with pytest.raises(MissingItem, match=rf"：enterprise\.{field} 缺失$"):
        parsed(decoded)


@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.clause("6.3.4.1-d")
@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_what_is_not_marked_required_may_be_absent_null_or_empty(empty: str | None) -> None:
    decoded = body()
    item, enterprise = decoded["collectItemConfig"][0], decoded["enterprise"]
    for part, cls in ((item, CollectItemConfig), (enterprise, Enterprise)):
        for plan in fields_of(cls):
            if not plan.field.needed:
                part[plan.wire] = empty
                if empty == "absent":
                    del part[plan.wire]
    message = parsed(decoded)
    assert message.collect_item_config[0].stat_type == ""
    assert message.collect_item_config[0].data_value_max is None
    assert message.collect_item_config[0].scope is None
    assert message.enterprise.register_date == ""
    assert message.enterprise.energy_pass is None


def test_unmarked_fields_are_always_written() -> None:
    item = CollectItemConfig(
        process_code="00",
        process_unit_code="00",
        equipment_code="00",
        equipment_unit_code="00",
        energy_class_code="02",
        energy_type_code="3300",
        data_usage_code="11",
        input_type="4",
    )
    written = json.loads(write(item))
    assert list(written) == [plan.wire for plan in fields_of(CollectItemConfig)]
    assert (written["statType"], written["scope"], written["remark"]) == ("", None, "")


def test_codes_of_an_item_are_read_as_numbers_too_and_kept_as_text() -> None:
    decoded = body()
    decoded["collectItemConfig"][0].update(inputType=4, statType=0, scope="1")
    item = parsed(decoded).collect_item_config[0]
    assert (item.input_type, item.stat_type, item.scope) == ("4", "0", 1)


@pytest.mark.clause("B.1.4-1")
@pytest.mark.clause("B.1.5-1")
@pytest.mark.clause("B.1.6-1")
@pytest.mark.clause("B.2-1")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("processCode", "0"),
        ("processUnitCode", "001"),
        ("equipmentCode", "a1"),
        ("equipmentUnitCode", 1),
        ("energyClassCode", "2"),
        ("energyTypeCode", "33"),
        ("dataUsageCode", "111"),
        ("inputType", "8"),
        ("statType", "4"),
        ("scope", 0),
        ("dataValueMax", "300000"),
        ("dataValueMin", True),
        ("name", 7),
    ],
)
def test_a_field_of_an_item_that_breaks_its_form_is_named(field: str, value: object) -> None:
    decoded = body()
    decoded["collectItemConfig"][0][field] = value
    with pytest.raises(IllegalFormat, match=rf"：collectItemConfig\[0\]\.{field} 应为"):
        parsed(decoded)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "91210000573973053"),
        ("corporationCode", "9121000057397305o9"),
        ("typeCode", "15"),
        ("industryCode", "3120"),
        ("regionCode", "4104"),
        ("center", "false"),
        ("jgzh", 2),
        ("energyConsumeLevel", 7),
        ("energyConsumeLevel", 0),
        ("latitude", 90.5),
        ("latitude", "33.28"),
        ("longitude", -180.5),
        ("fieldCode", "10"),
        ("registerDate", "1998-10-10"),
        ("passDate", "2026-02-30 00:00:00"),
        ("registerPrincipal", "10000"),
        ("energyPass", "no"),
    ],
)
def test_a_field_of_the_enterprise_that_breaks_its_form_is_named(field: str, value: object) -> None:
    decoded = body()
    decoded["enterprise"][field] = value
    with pytest.raises(IllegalFormat, match=rf"：enterprise\.{field} 应为"):
        parsed(decoded)


@pytest.mark.parametrize("year", ["1958", "2101"])
def test_a_unit_may_have_been_registered_in_any_year(year: str) -> None:
    decoded = body()
    decoded["enterprise"]["registerDate"] = f"{year}-10-10 00:00:00"
    assert parsed(decoded).enterprise.register_date.startswith(year)


def test_a_region_outside_the_table_and_a_wrong_check_character_are_no_matter_of_form() -> None:
    message = read(ConfigUpload, sample("uploadConfigData.request"))
    assert message.enterprise.region_code == "410481"
    assert message.enterprise.code == "91210000573973053F"
    assert message.enterprise_code != message.enterprise.code


def test_limits_the_wrong_way_round_are_no_matter_of_form() -> None:
    decoded = body()
    decoded["collectItemConfig"][0].update(dataValueMin=9, dataValueMax=1)
    assert parsed(decoded).collect_item_config[0].data_value_min == 9


@pytest.mark.clause("6.3.4.1-d")
def test_group_and_processes_may_stand_inside_the_enterprise() -> None:
    decoded = body()
    for name in ("group", "process", "processUnit"):
        decoded["enterprise"][name] = decoded.pop(name)
    assert parsed(decoded) == read(ConfigUpload, sample("uploadConfigData.request"))


@pytest.mark.clause("6.3.4.1-d")
def test_what_stands_beside_the_enterprise_wins_over_what_stands_inside() -> None:
    decoded = body()
    decoded["enterprise"]["group"] = {"name": "别的集团"}
    assert parsed(decoded).group == Group(
        "河北示例钢铁股份有限公司", "河北省示例市体育南大街 385 号", ""
    )


def test_a_finding_inside_the_enterprise_is_named_where_it_stands() -> None:
    decoded = body()
    del decoded["processUnit"]
    decoded["enterprise"]["processUnit"] = [{"code": "1", "processCode": "06"}]
    with pytest.raises(IllegalFormat, match=r"：enterprise\.processUnit\[0\]\.code 应为 2 位数字"):
        parsed(decoded)


@pytest.mark.clause("6.3.4.1-d")
def test_group_and_processes_are_optional_and_then_not_written() -> None:
    decoded = body()
    for name in ("group", "process", "processUnit"):
        del decoded[name]
    message = parsed(decoded)
    assert (message.group, message.process, message.process_unit) == (None, None, None)
    assert json.loads(write(message)) == decoded


@pytest.mark.parametrize(
    ("part", "row", "path"),
    [
        ("process", {"processName": "电炉工序"}, r"process\[0\]\.processCode"),
        ("processUnit", {"processCode": "06"}, r"processUnit\[0\]\.code"),
        ("processUnit", {"code": "01"}, r"processUnit\[0\]\.processCode"),
    ],
)
def test_a_row_without_its_key_is_missing_an_item(
    part: str, row: dict[str, str], path: str
) -> None:
    with pytest.raises(MissingItem, match=f"：{path} 缺失$"):
        parsed({**body(), part: [row]})


def test_an_item_knows_its_data_code_frequency_and_range() -> None:
    item = read(ConfigUpload, sample("uploadConfigData.request")).collect_item_config[0]
    assert item.data_code == "00-00-0000-023300-11"
    assert item.frequency is StatType.DAY
    item.stat_type, item.scope, item.equipment_unit_code = "", None, "03"
    assert item.frequency is None
    assert item.covers == 4


def test_a_download_before_any_upload_is_an_empty_list_and_nulls() -> None:
    assert json.loads(write(ConfigDownloadAnswer())) == {
        "responseCode": "0",
        "responseMessage": "RECEIVE SUCCESS",
        "collectItemConfig": [],
        "enterprise": None,
        "group": None,
        "process": None,
        "processUnit": None,
    }


def test_a_download_gives_every_key_in_the_types_of_the_table() -> None:
    uploaded = read(ConfigUpload, sample("uploadConfigData.request"))
    answer = ConfigDownloadAnswer(
        collect_item_config=uploaded.collect_item_config,
        enterprise=uploaded.enterprise,
        group=uploaded.group,
        process=uploaded.process,
        process_unit=uploaded.process_unit,
    )
    written = json.loads(write(answer))
    for name in ("collectItemConfig", "enterprise", "group", "process", "processUnit"):
        assert json.dumps(written[name]) == json.dumps(body()[name])
    assert read(ConfigDownloadAnswer, write(answer)) == answer


def test_a_download_is_asked_for_by_device_and_unit() -> None:
    with pytest.raises(Refusal) as caught:
        read(ConfigDownloadRequest, b"{}")
    assert caught.value.text.endswith("：deviceId 缺失；enterpriseCode 缺失")
