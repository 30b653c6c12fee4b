"""Table 1: five codes, their words, and the refusals that stand for them."""

import pytest

from nenghao.standard.findings import Finding, Findings, missing
from nenghao.standard.replies import (
    SUCCESS_CODE,
    SUCCESS_TEXT,
    TABLE_1,
    Busy,
    DatabaseFault,
    IllegalFormat,
    MissingItem,
    PlatformFault,
    Refusal,
    RequestError,
    refuse,
)

ILLEGAL = Finding("region", "应为 6 位数字", '"21"')


@pytest.mark.clause("T1-0")
def test_success_is_zero_as_text_with_the_words_devices_compare() -> None:
    assert (SUCCESS_CODE, SUCCESS_TEXT) == ("0", "RECEIVE SUCCESS")


@pytest.mark.clause("T1-0")
@pytest.mark.clause("T1-E1001")
@pytest.mark.clause("T1-E1002")
@pytest.mark.clause("T1-E2001")
@pytest.mark.clause("T1-E2002")
def test_the_words_are_those_of_table_1_and_there_are_no_more() -> None:
    assert TABLE_1 == {
        "0": "请求成功",
        "E1001": "平台服务异常",
        "E1002": "服务器数据库异常，联系省级平台管理员",
        "E2001": "请求参数异常，缺少必填项",
        "E2002": "请求参数异常，参数格式不合法",
    }


@pytest.mark.clause("T1-E1001")
def test_a_platform_fault_carries_the_reference_number_of_the_log() -> None:
    fault = PlatformFault(reference="7f3a")
    assert (fault.code, fault.text) == ("E1001", "平台服务异常：参考号 7f3a")
    assert fault.reference == "7f3a"


@pytest.mark.clause("T1-E1001")
def test_busy_is_a_platform_fault_that_asks_to_try_later() -> None:
    assert (Busy().code, Busy().text) == ("E1001", "平台服务异常：稍后重试")
    assert isinstance(Busy(), PlatformFault)


@pytest.mark.clause("T1-E1002")
def test_a_database_fault_tells_to_contact_the_administrator() -> None:
    assert DatabaseFault().code == "E1002"
    assert DatabaseFault().text == "服务器数据库异常，联系省级平台管理员"


@pytest.mark.clause("T1-E2001")
def test_a_missing_item_is_named_after_the_words_of_the_table() -> None:
    refusal = refuse([missing("data[3].scope")])
    assert isinstance(refusal, MissingItem)
    assert (refusal.code, refusal.text) == (
        "E2001",
        "请求参数异常，缺少必填项：data[3].scope 缺失",
    )


@pytest.mark.clause("T1-E2002")
def test_an_illegal_item_is_named_with_what_is_expected_and_what_came() -> None:
    refusal = refuse([ILLEGAL])
    assert isinstance(refusal, IllegalFormat)
    assert (refusal.code, refusal.text) == (
        "E2002",
        '请求参数异常，参数格式不合法：region 应为 6 位数字，收到 "21"',
    )


@pytest.mark.clause("T1-E2001")
def test_missing_and_illegal_together_are_a_missing_item_that_names_all() -> None:
    refusal = refuse([ILLEGAL, missing("regionName")])
    assert refusal.code == "E2001"
    assert "region 应为 6 位数字" in refusal.text
    assert "regionName 缺失" in refusal.text
    assert refusal.findings == (ILLEGAL, missing("regionName"))


def test_a_refusal_counts_more_findings_than_it_keeps() -> None:
    collected = Findings([ILLEGAL] * 12_000)
    refusal = refuse(collected)
    assert (len(refusal.findings), refusal.total) == (10_000, 12_000)
    assert refusal.text.endswith("；另有 11980 处")


def test_nothing_is_refused_without_a_finding() -> None:
    with pytest.raises(ValueError, match="needs a finding"):
        refuse([])


def test_one_handler_catches_every_refusal_and_one_every_fault_of_the_request() -> None:
    for kind in (PlatformFault(), Busy(), DatabaseFault(), refuse([ILLEGAL])):
        assert isinstance(kind, Refusal)
        assert kind.code in TABLE_1
        assert kind.text.startswith(TABLE_1[kind.code])
    assert isinstance(refuse([missing("a")]), RequestError)
    assert not isinstance(Busy(), RequestError)
