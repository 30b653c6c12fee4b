"""Registration (A.1): what the request carries and what the answer gives."""

from __future__ import annotations

import json

import pytest

from nenghao.standard.messages import read, write
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.replies import IllegalFormat, MissingItem
from tests.standard.messages.samples import sample


def request(**changes: object) -> bytes:
    return json.dumps({**json.loads(sample("register.request")), **changes}).encode()


def test_the_request_is_read_into_the_standard_s_words() -> None:
    message = read(RegistrationRequest, sample("register.request"))
    assert message.enterprise_code == "91210001234567890X"
    assert message.enterprise_name == "xxxx有限公司"
    assert (message.region, message.region_name) == ("210101", "市辖区")


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("B.1.3-1")
@pytest.mark.parametrize(
    "code", ["9121000123456789X", "91210001234567890XX", "91210001234567890I", 91210001234567890]
)
def test_a_credit_code_is_18_characters_of_the_alphabet(code: object) -> None:
    with pytest.raises(IllegalFormat, match="enterpriseCode 应为 18 位统一社会信用代码"):
        read(RegistrationRequest, request(enterpriseCode=code))


@pytest.mark.clause("6.3.1.1-a")
def test_a_wrong_check_character_is_no_matter_of_form() -> None:
    message = read(RegistrationRequest, request(enterpriseCode="91210000573973053F"))
    assert message.enterprise_code == "91210000573973053F"


@pytest.mark.clause("6.3.1.1-b")
@pytest.mark.parametrize("region", ["21010", "2101011", "21010a", "２１０１０１", 210101])
def test_a_region_is_6_ascii_digits(region: object) -> None:
    with pytest.raises(IllegalFormat, match="region 应为 6 位数字"):
        read(RegistrationRequest, request(region=region))


def test_a_region_that_no_table_knows_is_no_matter_of_form() -> None:
    assert read(RegistrationRequest, request(region="999999")).region == "999999"


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("6.3.1.1-b")
@pytest.mark.clause("6.3.1.1-c")
@pytest.mark.clause("6.3.1.1-d")
@pytest.mark.parametrize("field", ["enterpriseCode", "enterpriseName", "region", "regionName"])
def test_every_field_of_the_request_is_required(field: str) -> None:
    body = json.loads(sample("register.request"))
    del body[field]
    with pytest.raises(MissingItem, match=f"：{field} 缺失$"):
        read(RegistrationRequest, json.dumps(body).encode())


@pytest.mark.clause("6.3.1.2-j")
def test_the_answer_carries_ten_fields_spelled_as_the_annex_spells_them() -> None:
    answer = RegistrationAnswer(
        device_id="0" * 32,
        load_config_url="a",
        load_dic_version_url="b",
        center_info_url="c",
        center_data_url="d",
        center_info_download_url="e",
        center_data_download_url="f",
        upload_time="01:05:00",
    )
    assert json.loads(write(answer)) == {
        "responseCode": "0",
        "responseMessage": "RECEIVE SUCCESS",
        "deviceId": "0" * 32,
        "loadConfigURL": "a",
        "loadDicVersionURL": "b",
        "centerInfoURL": "c",
        "centerDataURL": "d",
        "centerInfoDownloadURL": "e",
        "centerDataDownloadURL": "f",
        "uploadTime": "01:05:00",
    }


@pytest.mark.clause("6.3.1.2-j")
@pytest.mark.parametrize("time", ["24:00:00", "1:05:00", "01:05", "01:05:60"])
def test_an_upload_time_is_a_time_of_day(time: str) -> None:
    body = {**json.loads(sample("register.response")), "uploadTime": time}
    with pytest.raises(IllegalFormat, match="uploadTime 应为 HH:MM:SS"):
        read(RegistrationAnswer, json.dumps(body).encode())
