"""Reading names everything that is wrong; writing gives what reading takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard.messages import Acknowledgement, Message, codec, read, read_value, write
from nenghao.standard.messages.base_data import BaseDataAnswer, RegionRow
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.messages.statistics import StatisticsAnswer
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest
from nenghao.standard.replies import IllegalFormat, MissingItem, Refusal
from tests.standard.messages.samples import sample
from tests.standard.messages.strategies import messages

DEVICE = b"0ef6ecea08bf84c7b639c3e9b84ed546"
VERSION_REQUEST = b'{"deviceId":"' + DEVICE + b'"}'


def refusal(cls: type[Message], body: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(cls, body)
    return caught.value


def registration(**changes: Any) -> bytes:
    body = json.loads(sample("register.request"))
    return json.dumps({**body, **changes}).encode()


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back_as_it_was(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(MESSAGES[name]))
    assert read(MESSAGES[name], write(message)) == message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "请求体不是合法的 JSON：内容为空"),
        (b"   ", "请求体不是合法的 JSON：内容为空"),
        (b"{", "请求体不是合法的 JSON：第 1 行第 2 列有误"),
        (b'{"a" 1}', "请求体不是合法的 JSON：第 1 行第 6 列有误"),
        (b'{"a":"\xff"}', "请求体不是合法的 JSON：第 7 字节不是 UTF-8 编码"),
        ('{"a":"b"}'.encode("utf-16"), "请求体不是合法的 JSON：第 1 字节不是 UTF-8 编码"),
        (b"[" * 100_000, "请求体不是合法的 JSON：嵌套过深"),
        (b'{"a":' * 100_000, "请求体不是合法的 JSON：嵌套过深"),
        (b"[1]", "请求体应为 JSON 对象，收到 […]"),
        (b"null", "请求体应为 JSON 对象，收到 null"),
        (b'"x"', '请求体应为 JSON 对象，收到 "x"'),
        (b"NaN", "请求体应为 JSON 对象，收到 NaN"),
    ],
    ids=lambda value: repr(value[:12]),
)
@pytest.mark.clause("T1-E2002")
def test_a_body_that_is_no_json_object_is_illegal(body: bytes, reason: str) -> None:
    caught = refusal(VersionRequest, body)
    assert caught.code == "E2002"
    assert caught.text == f"请求参数异常，参数格式不合法：{reason}"
    assert [finding.path for finding in caught.findings] == [""]


def test_one_leading_byte_order_mark_is_dropped_and_no_second() -> None:
    assert read(VersionRequest, b"\xef\xbb\xbf" + VERSION_REQUEST).device_id == DEVICE.decode()
    assert refusal(VersionRequest, b"\xef\xbb\xbf" * 2 + VERSION_REQUEST).code == "E2002"


def test_a_body_of_too_many_containers_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "CONTAINER_LIMIT", 10)
    body = b'{"deviceId":"' + DEVICE + b'","x":[' + b"[]," * 10 + b"[]]}"
    assert "请求体内的对象和数组应为至多 10 个" in refusal(VersionRequest, body).text


def test_a_top_level_key_that_stands_twice_is_refused_first_and_alone() -> None:
    body = b'{"deviceId":"short","deviceId":"' + DEVICE + b'"}'
    caught = refusal(VersionRequest, body)
    assert isinstance(caught, IllegalFormat)
    assert caught.text == "请求参数异常，参数格式不合法：deviceId 在顶层重复出现"


def test_a_key_that_nobody_reads_must_not_stand_twice_either() -> None:
    body = VERSION_REQUEST[:-1] + b',"a b\\n":1,"a b\\n":2}'
    assert "a b\\n 在顶层重复出现" in refusal(VersionRequest, body).text


def test_many_keys_that_stand_twice_take_no_long_search() -> None:
    pairs = b",".join(b'"k%d":1,"k%d":2' % (n, n) for n in range(20_000))
    caught = refusal(VersionRequest, b"{" + pairs + b"}")
    assert caught.text.endswith("；另有 19980 处")


def test_a_key_may_stand_twice_further_inside() -> None:
    body = VERSION_REQUEST[:-1] + b',"extra":{"a":1,"a":2}}'
    assert read(VersionRequest, body).device_id == DEVICE.decode()


def test_unknown_fields_are_ignored() -> None:
    message = read(RegistrationRequest, registration(vendor={"name": "x"}, version=3))
    assert message == read(RegistrationRequest, sample("register.request"))


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_nan_is_no_json_even_where_nobody_reads_it(number: bytes) -> None:
    caught = refusal(VersionRequest, VERSION_REQUEST[:-1] + b',"x":' + number + b"}")
    assert caught.text.endswith("：请求体不是合法的 JSON：含有 NaN 或 Infinity")


@pytest.mark.parametrize("digits", [b"1" * 100_000, b"-" + b"9" * 5_000, b"1e999"])
def test_a_number_beyond_all_bounds_is_refused_where_it_is_read(digits: bytes) -> None:
    body = sample("uploadEnergyData.request").replace(b"123.45", digits)
    caught = refusal(MESSAGES["uploadEnergyData.request"], body)
    assert caught.text.startswith("请求参数异常，参数格式不合法：data[0].dataValue 应为数值，收到 ")
    assert read(VersionRequest, VERSION_REQUEST[:-1] + b',"x":' + digits + b"}")


@pytest.mark.clause("T1-E2001")
@pytest.mark.parametrize("empty", [None, "", "   ", "\u3000"])
def test_a_required_text_that_is_null_or_blank_is_missing(empty: object) -> None:
    caught = refusal(RegistrationRequest, registration(enterpriseName=empty))
    assert caught.text == "请求参数异常，缺少必填项：enterpriseName 缺失"


def test_every_finding_is_named_not_only_the_first() -> None:
    body = registration(enterpriseCode="X", region=210101, regionName=None, enterpriseName="a\x00")
    caught = refusal(RegistrationRequest, body)
    assert isinstance(caught, MissingItem)
    assert [finding.path for finding in caught.findings] == [
        "enterpriseCode",
        "enterpriseName",
        "region",
        "regionName",
    ]


def test_inner_findings_carry_the_way_to_them() -> None:
    body = json.loads(sample("uploadConfigData.request"))
    body["collectItemConfig"] *= 3
    body["collectItemConfig"] = [dict(item) for item in body["collectItemConfig"]]
    body["collectItemConfig"][2]["statType"] = "4"
    body["enterprise"]["phone"] = ""
    body["process"].append("06")
    caught = refusal(ConfigUpload, json.dumps(body).encode())
    assert [finding.text() for finding in caught.findings] == [
        'collectItemConfig[2].statType 应为 0 至 3 的整数，收到 "4"',
        "enterprise.phone 缺失",
        'process[1] 应为对象，收到 "06"',
    ]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("collectItemConfig", {}, "collectItemConfig 应为数组，收到 {}"),
        ("collectItemConfig", "x", 'collectItemConfig 应为数组，收到 "x"'),
        ("enterprise", [], "enterprise 应为对象，收到 []"),
        ("enterprise", 7, "enterprise 应为对象，收到 7"),
        ("group", [1], "group 应为对象，收到 […]"),
        ("processUnit", {"code": "01"}, "processUnit 应为数组，收到 {…}"),
    ],
)
def test_a_container_of_the_wrong_kind_is_illegal(field: str, value: object, text: str) -> None:
    body = {**json.loads(sample("uploadConfigData.request")), field: value}
    assert text in refusal(ConfigUpload, json.dumps(body).encode()).text


def test_a_map_of_the_wrong_kind_is_illegal() -> None:
    body: dict[str, Any] = {"responseCode": "0", "responseMessage": "", "data": [1]}
    assert "data 应为对象，收到 […]" in refusal(StatisticsAnswer, json.dumps(body).encode()).text
    body["data"] = {"elec": {"OriginValue": 1, "value": "1", "unitName": "万千瓦时"}}
    caught = refusal(StatisticsAnswer, json.dumps(body).encode())
    assert [finding.path for finding in caught.findings] == ["data.elec.value"]


def test_an_array_longer_than_its_limit_is_illegal_and_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = {"responseCode": "0", "responseMessage": "", "data": {"region": [0] * 100_001}}
    caught = refusal(BaseDataAnswer, json.dumps(body).encode())
    assert caught.text.endswith("：data.region 应为至多 100000 项，收到 100001 项")


def test_a_failure_answer_is_read_by_its_head_alone() -> None:
    body = '{"responseCode":"E2002","responseMessage":"错\\n误"}'.encode()
    answer = read(RegistrationAnswer, body)
    assert (answer.response_code, answer.response_message) == ("E2002", "错\n误")
    assert answer.device_id == ""


@pytest.mark.parametrize("message", [b"", b',"responseMessage":null', b',"responseMessage":""'])
def test_an_answer_goes_by_its_code_whatever_the_text(message: bytes) -> None:
    answer = read(Acknowledgement, b'{"responseCode":"0"' + message + b"}")
    assert (answer.response_code, answer.response_message) == ("0", "")


@pytest.mark.parametrize("body", [b"{}", b'{"responseCode":null}', b'{"responseCode":0}'])
def test_an_answer_without_a_code_is_no_answer(body: bytes) -> None:
    assert "responseCode" in refusal(Acknowledgement, body).text


def test_a_success_answer_is_held_to_its_fields() -> None:
    caught = refusal(VersionAnswer, b'{"responseCode":"0","regVersion":"x"}')
    assert caught.text == (
        '请求参数异常，缺少必填项：regVersion 应为整数文本，收到 "x"；dicVersion 缺失'
    )


def test_a_decoded_value_is_read_under_the_path_that_is_given() -> None:
    row = {"code": "210100", "fullName": "沈阳市", "name": "沈阳市", "pcode": "21", "type": 2}
    with pytest.raises(IllegalFormat, match=r"第 4 行\.pcode 应为 6 位数字"):
        read_value(RegionRow, row, "第 4 行")
    row["pcode"] = "210000"
    assert read_value(RegionRow, row).name == "沈阳市"


def test_an_acknowledgement_is_written_as_the_annex_shows() -> None:
    body = b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS"}'
    assert write(Acknowledgement()) == body
