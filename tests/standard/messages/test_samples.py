"""The samples of annexes A and C are read, and written again exactly as they stand."""

import json

import pytest

from nenghao.standard.messages import read, write
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.replies import IllegalFormat
from tests.standard.messages.samples import NAMES, sample

MENDED = [name for name in NAMES if name in MESSAGES]


def test_every_message_that_the_standard_prints_has_a_sample() -> None:
    undefined = {"downloadConfigData", "downloadEnergyData"}
    printed = {name for name in MESSAGES if name.split(".")[0] not in undefined}
    assert set(MENDED) == printed
    assert set(NAMES) - printed == {"register.request.as_printed"}


@pytest.mark.parametrize("name", MENDED)
def test_a_sample_is_written_as_it_was_read_down_to_the_order_of_its_keys(name: str) -> None:
    body = sample(name)
    written = write(read(MESSAGES[name], body))
    assert json.dumps(json.loads(written)) == json.dumps(json.loads(body))


@pytest.mark.clause("6.3.1.1-a")
def test_the_printed_code_of_17_characters_is_against_the_form() -> None:
    with pytest.raises(IllegalFormat) as caught:
        read(RegistrationRequest, sample("register.request.as_printed"))
    assert caught.value.text == (
        "请求参数异常，参数格式不合法："
        'enterpriseCode 应为 18 位统一社会信用代码，收到 "9121000123456789X"'
    )
