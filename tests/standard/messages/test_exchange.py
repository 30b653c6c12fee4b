"""The six exchange messages (Annex C): requests held to their form, answers as printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nenghao.standard.messages import Message, read, write
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.companies import CompaniesAnswer, Company
from nenghao.standard.messages.config_data import Enterprise
from nenghao.standard.messages.fields import fields_of
from nenghao.standard.messages.projects import Project, ProjectsAnswer
from nenghao.standard.messages.statistics import IndicatorValue, StatisticsAnswer
from nenghao.standard.replies import IllegalFormat, MissingItem
from tests.standard.messages.samples import sample

SIX = [name.removesuffix(".request") for name in MESSAGES if name.startswith("get")][::2]
STATISTICS = ["getRegionData", "getIndustryData"]


def asked(interface: str, **query: Any) -> Message:
    body = json.loads(sample(f"{interface}.request"))
    body["queryParam"].update(query)
    return read(MESSAGES[f"{interface}.request"], json.dumps(body).encode())


@pytest.mark.parametrize("interface", SIX)
def test_user_name_and_password_are_required(interface: str) -> None:
    body = json.loads(sample(f"{interface}.request"))
    body["securityParams"] = {"userName": ""}
    with pytest.raises(MissingItem) as caught:
        read(MESSAGES[f"{interface}.request"], json.dumps(body).encode())
    assert caught.value.text.endswith(
        "：securityParams.userName 缺失；securityParams.password 缺失"
    )


@pytest.mark.parametrize("interface", SIX)
@pytest.mark.parametrize("part", ["securityParams", "queryParam"])
def test_both_parts_of_a_request_are_required(interface: str, part: str) -> None:
    body = json.loads(sample(f"{interface}.request"))
    del body[part]
    with pytest.raises(MissingItem, match=f"：{part} 缺失$"):
        read(MESSAGES[f"{interface}.request"], json.dumps(body).encode())


def test_there_are_six() -> None:
    assert sorted(SIX) == [
        "getCompanyByIndustry",
        "getCompanyByRegion",
        "getIndustryData",
        "getProjectDataByIndustry",
        "getProjectDataByRegion",
        "getRegionData",
    ]


@pytest.mark.parametrize("interface", STATISTICS)
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("periodCode", "week", "应为 day、month、year 之一"),
        ("periodCode", "Month", "应为 day、month、year 之一"),
        ("onlinORreport", "both", "应为 online、report 之一"),
        ("beginTime", 1619798400, "应为精确到毫秒的时间戳"),
        ("beginTime", "1619798400000", "应为精确到毫秒的时间戳"),
        ("beginTime", 1619798400000.5, "应为精确到毫秒的时间戳"),
        ("endTime", 99_999_999_999, "应为精确到毫秒的时间戳"),
        ("endTime", True, "应为精确到毫秒的时间戳"),
        ("beginTime", 1627747200001, "应不晚于 endTime"),
    ],
)
def test_a_statistics_query_that_breaks_a_form_is_named(
    interface: str, field: str, value: object, reason: str
) -> None:
    with pytest.raises(IllegalFormat, match=rf"：queryParam\.{field} {reason}"):
        asked(interface, **{field: value})


@pytest.mark.parametrize("interface", STATISTICS)
@pytest.mark.parametrize("field", ["periodCode", "beginTime", "endTime", "onlinORreport"])
def test_a_statistics_query_needs_all_its_fields(interface: str, field: str) -> None:
    with pytest.raises(MissingItem, match=rf"：queryParam\.{field} 缺失$"):
        asked(interface, **{field: None})


@pytest.mark.parametrize("interface", STATISTICS)
def test_a_span_may_begin_where_it_ends_and_at_the_first_millisecond_that_is_no_second(
    interface: str,
) -> None:
    assert asked(interface, beginTime=10**11, endTime=10**11)


@pytest.mark.parametrize("interface", [name for name in SIX if "Region" in name])
@pytest.mark.parametrize("region", ["21", "21000a", 210000])
def test_a_region_is_asked_for_by_6_digits(interface: str, region: object) -> None:
    with pytest.raises(IllegalFormat, match=r"：queryParam\.regionCode 应为 6 位数字"):
        asked(interface, regionCode=region)
    assert asked(interface, regionCode="000000")


@pytest.mark.parametrize("interface", [name for name in SIX if "Industry" in name])
@pytest.mark.parametrize("industry", ["25", "C2", "c25", "C25100"])
def test_an_industry_is_asked_for_by_letter_and_digits(interface: str, industry: str) -> None:
    with pytest.raises(IllegalFormat, match=r"：queryParam\.industryCode 应为字母加"):
        asked(interface, industryCode=industry)
    assert asked(interface, industryCode="C")


def test_an_indicator_is_written_with_the_capital_of_the_annex() -> None:
    answer = StatisticsAnswer(data={"elec": IndicatorValue(100.25, 12.32, "万千瓦时")})
    assert json.loads(write(answer))["data"] == {
        "elec": {"OriginValue": 100.25, "value": 12.32, "unitName": "万千瓦时"}
    }


def test_a_project_has_nine_fields_and_its_consumption_is_text() -> None:
    written = json.loads(write(ProjectsAnswer(data=[Project("项目", "1")])))["data"]
    assert len(written[0]) == 9
    assert written[0]["design_energy_consumption"] == ""


def test_a_unit_that_never_uploaded_its_configuration_keeps_every_key() -> None:
    unit = Company(code="91330000573973053F", name="示例钢铁有限责任公司")
    written = json.loads(write(CompaniesAnswer(data=[unit])))["data"][0]
    assert len(written) == 39
    for plan in fields_of(Company)[2:]:
        empty: object = "" if plan.json_type == "string" else None
        assert written[plan.wire] == ([] if plan.json_type == "array" else empty)
    assert read(CompaniesAnswer, write(CompaniesAnswer(data=[unit]))).data == [unit]


def test_a_unit_has_the_fields_of_the_upload_in_the_same_forms_and_three_parts_inside() -> None:
    uploaded = [(plan.wire, plan.json_type) for plan in fields_of(Enterprise)]
    given = [(plan.wire, plan.json_type) for plan in fields_of(Company)]
    assert given == [
        *uploaded,
        ("group", "object"),
        ("process", "array"),
        ("processUnit", "array"),
    ]


def test_a_partner_reads_company_keys_that_are_empty() -> None:
    body = json.loads(sample("getCompanyByRegion.response"))
    body["data"][0].update(center=None, typeCode="", group=None, process=None, latitude=None)
    unit = read(CompaniesAnswer, json.dumps(body).encode()).data[0]
    assert (unit.center, unit.type_code, unit.group, unit.process) == (None, "", None, [])
