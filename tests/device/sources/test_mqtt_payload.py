from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources.mqtt_payload import MqttPoint, Payload, PayloadReader


def read(payload: bytes | str, **settings: Any) -> tuple[list[tuple[str, datetime | None]], str]:
    content = payload.encode() if isinstance(payload, str) else payload
    point = MqttPoint(name="p", topic="t", **settings)
    readings, trouble = PayloadReader(point).read(Payload(content))
    return [(str(one.value), one.time) for one in readings], trouble


def values(payload: bytes | str, **settings: Any) -> list[str]:
    readings, trouble = read(payload, **settings)
    assert trouble == ""
    return [value for value, _ in readings]


@pytest.mark.parametrize("payload", ["12.50", " 12.50\n", "\ufeff12.50"])
def test_a_plain_number_is_the_value(payload: str) -> None:
    assert values(payload) == ["12.50"]


def test_a_json_number_keeps_every_digit() -> None:
    assert values('{"v": 1234567890.123456789}', path="v") == ["1234567890.123456789"]
    assert values('{"v": 0.1}', path="v", scale="0.0001") == ["0.00001"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.meter.total", "1"),
        ("data.readings[0].v", "2"),
        ("data.readings[-1].v", "3"),
        ("data.readings[id=b].v", "3"),
        ("data.总电量", "4"),
        ('data["a.b"]', "5"),
        ("data.text", "6.5"),
    ],
)
def test_values_are_found_in_nested_objects_and_arrays(path: str, value: str) -> None:
    document = (
        '{"data": {"meter": {"total": 1}, "readings": [{"id": "a", "v": 2}, {"id": "b", "v": 3}],'
        ' "总电量": 4, "a.b": 5, "text": " 6.5 "}}'
    )
    assert values(document, path=path) == [value]


def test_each_element_of_an_array_is_a_reading_with_its_time() -> None:
    payload = '{"d": [{"t": 1772337600, "v": 1}, {"t": 1772337660.5, "v": 2}]}'
    found, trouble = read(payload, each="d", path="v", time_path="t", time_format="epoch")
    assert trouble == ""
    assert found == [
        ("1", datetime(2026, 3, 1, 12, 0)),
        ("2", datetime(2026, 3, 1, 12, 1, 0, 500_000)),
    ]


def test_an_array_of_numbers_is_read_whole() -> None:
    assert values("[1, 2.5, 3]", each="$") == ["1", "2.5", "3"]


@pytest.mark.parametrize(
    ("time", "settings"),
    [
        ('"2026-03-01 12:00:00"', {}),
        ('"2026-03-01T04:00:00Z"', {}),
        ('"2026-03-01T12:00:00+08:00"', {}),
        ('"2026-03-01 04:00:00"', {"time_zone": "utc"}),
        ("1772337600000", {"time_format": "epoch_ms"}),
        ('"1772337600"', {"time_format": "epoch"}),
        ('"01/03/26 12h00"', {"time_format": "%d/%m/%y %Hh%M"}),
    ],
)
def test_the_publishers_time_becomes_china_standard_time(
    time: str, settings: dict[str, str]
) -> None:
    found, trouble = read(f'{{"v": 1, "t": {time}}}', path="v", time_path="t", **settings)
    assert trouble == ""
    assert found == [("1", datetime(2026, 3, 1, 12, 0))]


def test_a_missing_value_is_no_zero_and_no_error() -> None:
    assert values('{"v": null}', path="v") == []
    assert values("") == []


@pytest.mark.parametrize(
    ("payload", "settings", "word"),
    [
        ("12,5", {}, "不是数值"),
        ("on", {}, "不是数值"),
        ("NaN", {}, "不是数值"),
        (b"\xff\xfe", {}, "UTF-8"),
        ("{", {"path": "v"}, "合法的 JSON"),
        ('{"v": NaN}', {"path": "v"}, "合法的 JSON"),
        (b'{"v": "\xff"}', {"path": "v"}, "合法的 JSON"),
        ("[" * 100_000, {"path": "v"}, "合法的 JSON"),
        ('{"w": 1}', {"path": "v"}, "没有 v"),
        ('{"v": {}}', {"path": "v"}, "不是数值"),
        ('{"v": 1e30}', {"path": "v"}, "过大"),
        ('{"v": 1e999999999}', {"path": "v"}, "数值"),
        ('{"v": 1, "t": "gestern"}', {"path": "v", "time_path": "t"}, "不符合格式"),
        ('{"v": 1}', {"path": "v", "time_path": "t"}, "没有 t"),
        ('{"d": 1}', {"each": "d"}, "不是数组"),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(
    payload: str | bytes, settings: dict[str, str], word: str
) -> None:
    found, trouble = read(payload, **settings)
    assert found == []
    assert word in trouble


def test_one_bad_element_does_not_cost_the_others() -> None:
    found, trouble = read("[1, null, {}, 4]", each="$")
    assert [value for value, _ in found] == ["1", "4"]
    assert "不是数值" in trouble


@given(st.binary(max_size=200), st.sampled_from(["", "v", "[0].v", "a.b"]))
def test_no_payload_makes_more_than_a_remark_of_itself(payload: bytes, path: str) -> None:
    readings, trouble = read(payload, path=path, time_path="t" if path == "v" else "")
    assert isinstance(trouble, str)
    assert len(readings) <= 1
