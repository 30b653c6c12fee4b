from __future__ import annotations

import json
from typing import Any

import pytest

from nenghao.device import configuration
from nenghao.device.home import Unit
from nenghao.standard import replies
from tests.device import world
from tests.device.world import UNIT_CODE

UNIT = Unit(UNIT_CODE, "示例钢铁有限责任公司", "210102", "和平区")


def refusal(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(replies.RequestError) as caught:
        configuration.check(raw, UNIT)
    return caught.value.text


@pytest.mark.clause("6.2.4-1")
@pytest.mark.clause("6.3.4.1-c")
def test_the_upload_is_the_file_with_both_ids_filled_in() -> None:
    given = world.configuration()
    sent = json.loads(configuration.request(json.dumps(given).encode(), UNIT, "d" * 32))
    assert (sent["deviceId"], sent["enterpriseCode"]) == ("d" * 32, UNIT_CODE)
    for key, value in given.items():
        assert sent[key] == value


def test_ids_in_the_file_may_stand_but_only_the_units_own() -> None:
    given: dict[str, Any] = {**world.configuration(), "deviceId": "", "enterpriseCode": UNIT_CODE}
    assert configuration.check(json.dumps(given).encode(), UNIT).enterprise_code == UNIT_CODE
    assert "enterpriseCode" in refusal(given | {"enterpriseCode": "91210000573973053F"})


def test_every_finding_is_named() -> None:
    broken = world.configuration()
    broken["collectItemConfig"][0]["inputType"] = "9"
    del broken["collectItemConfig"][0]["energyTypeCode"]
    del broken["enterprise"]["phone"]
    text = refusal(broken)
    for path in ("collectItemConfig[0].inputType", "collectItemConfig[0].energyTypeCode"):
        assert path in text
    assert "enterprise.phone" in text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a":1,"a":2}', b"\xff"])
def test_what_is_no_configuration_at_all_is_refused(content: bytes) -> None:
    assert refusal(content)


def test_items_tell_name_and_source_by_data_code() -> None:
    upload = configuration.check(json.dumps(world.configuration()).encode(), UNIT)
    assert configuration.items(upload) == {
        "00-00-0000-023300-11": configuration.ConfiguredItem("全厂-二次能源-电力-购进已消费", 1)
    }
