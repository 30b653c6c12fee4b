"""The fast way to read a batch agrees with the definitive one, whatever comes."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import periods
from nenghao.standard.findings import Findings
from nenghao.standard.messages import energy_data, write
from nenghao.standard.messages.codec import parse, read_tree
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload, read_upload
from nenghao.standard.replies import IllegalFormat, Refusal
from tests.standard.messages.samples import sample
from tests.standard.messages.strategies import uploads


def read_slowly(text: bytes) -> EnergyUpload:
    findings = Findings()
    return read_tree(EnergyUpload, parse(text, findings), findings)


def outcome(reader: Any, text: bytes) -> object:
    try:
        return reader(text)
    except Refusal as refusal:
        return refusal.text


@settings(max_examples=150, deadline=None)
@given(upload=uploads())
def test_both_ways_read_a_correct_batch_alike(upload: EnergyUpload) -> None:
    written = write(upload)
    assert energy_data._read_fast(written, 200_000, 0) == upload
    assert read_slowly(written) == upload


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10)
    | st.floats()
    | st.sampled_from(
        [
            "",
            " ",
            "0",
            "1",
            "3",
            "９",
            "2026-11-21 00:00:00",
            "2026-11-21 00:07:00",
            "x\x00",
            "\ud800",
        ]
    )
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


@settings(max_examples=500, deadline=None)
@given(upload=uploads(3), data=st.data())
def test_both_ways_read_a_mutated_batch_alike(upload: EnergyUpload, data: st.DataObject) -> None:
    decoded = json.loads(write(upload))
    places = [decoded, *decoded["data"]]
    for _ in range(data.draw(st.integers(1, 2))):
        place: dict[str, Any] = data.draw(st.sampled_from(places))
        key = data.draw(st.sampled_from([*place, "extra"]))
        if data.draw(st.booleans()) or key == "extra":
            place[key] = data.draw(JSON_VALUES)
        else:
            place.pop(key, None)
    text = json.dumps(decoded, ensure_ascii=data.draw(st.booleans())).encode(errors="surrogatepass")
    assert repr(outcome(read_upload, text)) == repr(outcome(read_slowly, text))


@settings(max_examples=300, deadline=None)
@given(upload=uploads(2), data=st.data())
def test_both_ways_read_a_batch_with_damaged_bytes_alike(
    upload: EnergyUpload, data: st.DataObject
) -> None:
    text = bytearray(write(upload))
    at = data.draw(st.integers(0, len(text) - 1))
    piece = data.draw(
        st.binary(max_size=2)
        | st.sampled_from(
            [b'"', b"}", b"]", b'"data":[', b',"data":[]', b"NaN", b"\\u0064", b"[[1]]"]
        )
    )
    text[at : at + data.draw(st.integers(0, 2))] = piece
    assert repr(outcome(read_upload, bytes(text))) == repr(outcome(read_slowly, bytes(text)))


@pytest.mark.parametrize(
    "text",
    [
        '{"x":{"data":%s},"deviceId":"%s","enterpriseCode":"%s","data":null}',
        '{"x":{"data":%s},"deviceId":"%s","enterpriseCode":"%s"}',
        '{"x":{"data":%s},"deviceId":"%s","enterpriseCode":"%s","data":1.5}',
        '{"x":{"data":%s},"deviceId":"%s","enterpriseCode":"%s","data":1e999}',
        '{"data":%s,"y":1,"deviceId":"%s","enterpriseCode":"%s","deviceId":[2]}',
        '{"data":%s,"deviceId":"%s","enterpriseCode":"%s","d\\u0061ta":[1]}',
        '{"data":%s,"deviceId":"%s","enterpriseCode":"%s","d\\u0061ta":NaN}',
        '{"x":"\\"data\\":[","data":%s,"deviceId":"%s","enterpriseCode":"%s"}',
        '{"data":%s,"deviceId":"%s","enterpriseCode":"%s","y":["]"]}',
        '{"data":%s,"deviceId":"%s","enterpriseCode":"%s","y":"]"}',
        '{"data":%s,"deviceId":"%s","enterpriseCode":"%s","y":NaN}',
        '[{"data":%s,"deviceId":"%s","enterpriseCode":"%s"}]',
        '\ufeff{"data" :\n %s,"deviceId":"%s","enterpriseCode":"%s"}',
    ],
)
def test_a_body_made_to_mislead_the_fast_way_is_read_as_the_slow_way_reads_it(text: str) -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    records = json.dumps(decoded["data"])
    crafted = (text % (records, decoded["deviceId"], decoded["enterpriseCode"])).encode()
    assert outcome(read_upload, crafted) == outcome(read_slowly, crafted)


def test_the_slow_pass_runs_while_its_lock_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    original = energy_data._read_definitively

    def watched(text: bytes, limit: int, tolerance: int) -> EnergyUpload:
        held.append(energy_data._one_slow_pass.locked())
        return original(text, limit, tolerance)

    monkeypatch.setattr(energy_data, "_read_definitively", watched)
    with pytest.raises(IllegalFormat):
        read_upload(sample("uploadEnergyData.request").replace(b'"scope": 1', b'"scope": 9'))
    assert held == [True]
    assert not energy_data._one_slow_pass.locked()


def test_a_plain_day_of_ticks_needs_no_slow_pass() -> None:
    ticks = [
        EnergyRecord(
            data_code="00-00-0000-023300-11",
            data_value=number / 7,
            input_type=4,
            stat_type=0,
            stat_date=periods.format_time(tick),
            upload_date="2026-11-22 01:05:00",
            scope=1,
            valid=True,
        )
        for number, tick in enumerate(periods.day_ticks(date(2026, 11, 21)))
    ]
    upload = EnergyUpload("0" * 32, "91330000573973053F", ticks)
    assert energy_data._one_slow_pass.acquire(timeout=1)  # a slow pass would now wait for ever
    try:
        assert read_upload(write(upload)) == upload
    finally:
        energy_data._one_slow_pass.release()
