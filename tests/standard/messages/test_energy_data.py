"""Collected data (A.5): the form of a record, the grid of statDate, and the two ways to read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nenghao.standard.messages import read, write
from nenghao.standard.messages.energy_data import (
    EnergyDownloadAnswer,
    EnergyDownloadRequest,
    EnergyRecord,
    read_upload,
)
from nenghao.standard.replies import IllegalFormat, MissingItem
from tests.standard.messages.samples import sample

EIGHT = [
    "dataCode",
    "dataValue",
    "inputType",
    "statType",
    "statDate",
    "uploadDate",
    "scope",
    "valid",
]


def body(**changes: Any) -> bytes:
    """The sample of A.5 with its second record changed."""
    decoded = json.loads(sample("uploadEnergyData.request"))
    decoded["data"][1].update(changes)
    return json.dumps(decoded).encode()


def record(**changes: Any) -> EnergyRecord:
    return read_upload(body(**changes)).data[1]


@pytest.mark.clause("6.3.5.1-a")
@pytest.mark.clause("6.3.5.1-b")
@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.parametrize("field", ["deviceId", "enterpriseCode", "data"])
@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_three_parts_are_required(field: str, empty: str | None) -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    decoded[field] = empty
    if empty == "absent":
        del decoded[field]
    with pytest.raises(MissingItem, match=f"：{field} 缺失$"):
        read_upload(json.dumps(decoded).encode())


@pytest.mark.clause("6.3.5.1-c")
def test_a_batch_without_records_is_missing_its_data() -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    with pytest.raises(MissingItem, match=r"：data 缺失$"):
        read_upload(json.dumps({**decoded, "data": []}).encode())


@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.parametrize("field", EIGHT)
@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_all_eight_fields_of_a_record_are_required(field: str, empty: str | None) -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    decoded["data"][1][field] = empty
    if empty == "absent":
        del decoded["data"][1][field]
    with pytest.raises(MissingItem) as caught:
        read_upload(json.dumps(decoded).encode())
    assert caught.value.text == f"请求参数异常，缺少必填项：data[1].{field} 缺失"


@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataCode", "04-02-0000-040200"),
        ("dataCode", 4),
        ("dataValue", "234.56"),
        ("dataValue", True),
        ("inputType", 8),
        ("inputType", "01"),
        ("inputType", True),
        ("statType", 4),
        ("statType", -1),
        ("scope", 0),
        ("scope", "5"),
        ("valid", 2),
        ("valid", "yes"),
        ("statDate", "2026/11/21"),
        ("statDate", "2014-02-30 00:00:00"),
        ("statDate", "2014-10-09 24:00:00"),
        ("uploadDate", "2014-10-10T21:58:46"),
        ("uploadDate", "1999-12-31 23:59:59"),
    ],
)
def test_a_field_that_breaks_its_form_is_named_by_its_record(field: str, value: object) -> None:
    with pytest.raises(IllegalFormat, match=rf"：data\[1\]\.{field} "):
        read_upload(body(**{field: value}))


def test_the_refusal_is_worded_as_decided() -> None:
    with pytest.raises(IllegalFormat) as caught:
        read_upload(body(statDate="2026/11/21"))
    assert caught.value.text == (
        '请求参数异常，参数格式不合法：data[1].statDate 应为 YYYY-MM-DD HH:MM:SS，收到 "2026/11/21"'
    )


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e400", b"-1e400", b"1" * 400])
def test_a_value_that_is_no_finite_number_is_named_by_its_record(number: bytes) -> None:
    with pytest.raises(IllegalFormat, match=r"：data\[1\]\.dataValue 应为数值，收到"):
        read_upload(sample("uploadEnergyData.request").replace(b"234.56", number))


@pytest.mark.parametrize(
    ("changes", "field", "kept"),
    [
        ({"inputType": "4"}, "input_type", 4),
        ({"inputType": 4.0}, "input_type", 4),
        ({"statType": "1"}, "stat_type", 1),
        ({"scope": "2"}, "scope", 2),
        ({"valid": 0}, "valid", False),
        ({"valid": 1}, "valid", True),
        ({"valid": "0"}, "valid", False),
        ({"valid": "1"}, "valid", True),
        ({"dataValue": 3}, "data_value", 3.0),
        ({"dataValue": 0.000317}, "data_value", 0.000317),
        ({"dataValue": -0.0}, "data_value", -0.0),
    ],
)
def test_lenient_values_are_kept_in_one_shape(
    changes: dict[str, Any], field: str, kept: object
) -> None:
    value = getattr(record(**changes), field)
    assert (repr(value), type(value)) == (repr(kept), type(kept))


def test_one_and_true_in_the_same_batch_are_both_kept_as_true() -> None:
    decoded = json.loads(body(valid=1))
    decoded["data"] += [{**decoded["data"][0], "valid": flag} for flag in ("1", True, 1)]
    kept = [one.valid for one in read_upload(json.dumps(decoded).encode()).data]
    assert kept == [True] * 5
    assert {type(flag) for flag in kept} == {bool}


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize(
    ("stat_type", "stat_date"),
    [
        (0, "2026-11-21 00:15:00"),
        (0, "2026-11-21 13:30:00"),
        (0, "2026-11-22 00:00:00"),
        (1, "2026-11-21 00:00:00"),
        (2, "2026-11-01 00:00:00"),
        (3, "2026-01-01 00:00:00"),
    ],
)
def test_a_stat_date_on_the_grid_of_its_type_is_taken(stat_type: int, stat_date: str) -> None:
    assert record(statType=stat_type, statDate=stat_date).stat_date == stat_date


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize(
    ("stat_type", "stat_date", "expected"),
    [
        (0, "2026-11-21 00:10:00", "15 分钟"),
        (0, "2026-11-21 00:15:01", "15 分钟"),
        (1, "2026-11-21 00:15:00", "该日的起始时间"),
        (2, "2026-11-02 00:00:00", "该月的起始时间"),
        (3, "2026-02-01 00:00:00", "该年的起始时间"),
    ],
)
def test_a_stat_date_off_the_grid_breaks_the_form(
    stat_type: int, stat_date: str, expected: str
) -> None:
    with pytest.raises(IllegalFormat, match=rf"：data\[1\]\.statDate 应为.*{expected}"):
        read_upload(body(statType=stat_type, statDate=stat_date))


@pytest.mark.parametrize(
    ("stat_type", "sent", "kept"),
    [
        (1, "2026-11-21 00:00:59", "2026-11-21 00:00:00"),
        (1, "2026-11-20 23:59:30", "2026-11-21 00:00:00"),
        (2, "2026-10-31 23:59:30", "2026-11-01 00:00:00"),
        (3, "2026-01-01 00:01:00", "2026-01-01 00:00:00"),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_within_the_tolerance_a_stat_date_becomes_the_start_of_its_period(
    stat_type: int, sent: str, kept: str, slow: bool
) -> None:
    changes = {"statType": float(stat_type) if slow else stat_type, "statDate": sent}
    upload = read_upload(body(**changes), statdate_tolerance=60)
    assert upload.data[1].stat_date == kept
    assert upload.data[0].stat_date == "2014-10-09 00:00:00"


@pytest.mark.parametrize(
    ("stat_type", "sent"), [(1, "2026-11-21 00:01:01"), (0, "2026-11-21 00:15:01")]
)
def test_beyond_the_tolerance_and_for_ticks_nothing_is_moved(stat_type: int, sent: str) -> None:
    with pytest.raises(IllegalFormat, match=rf'data\[1\]\.statDate .*收到 "{sent}"'):
        read_upload(body(statType=stat_type, statDate=sent), statdate_tolerance=60)


@pytest.mark.parametrize("key", ["deviceId", "enterpriseCode", "data", "extra"])
def test_a_top_level_key_that_stands_twice_is_refused_alone(key: str) -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    decoded["extra"] = decoded["data"][0]
    decoded["data"][0] = "no record"
    text = json.dumps(decoded)[:-1] + f', "{key}": {json.dumps(decoded[key])}}}'
    with pytest.raises(IllegalFormat) as caught:
        read_upload(text.encode())
    assert caught.value.text.endswith(f"：{key} 在顶层重复出现")


def test_more_records_than_the_limit_are_refused_naming_data() -> None:
    with pytest.raises(IllegalFormat, match=r"：data 应为至多 1 项，收到 2 项$"):
        read_upload(sample("uploadEnergyData.request"), record_limit=1)
    assert len(read_upload(sample("uploadEnergyData.request"), record_limit=2).data) == 2


def test_twenty_findings_are_named_and_the_rest_is_counted() -> None:
    decoded = json.loads(sample("uploadEnergyData.request"))
    decoded["data"] = [{**decoded["data"][0], "scope": 9} for _ in range(50)]
    with pytest.raises(IllegalFormat) as caught:
        read_upload(json.dumps(decoded).encode())
    assert "data[19].scope" in caught.value.text
    assert caught.value.text.endswith("；另有 30 处")
    assert len(caught.value.findings) == 50


def download(**changes: Any) -> EnergyDownloadRequest:
    fields = {
        "deviceId": "0ef6ecea08bf84c7b639c3e9b84ed546",
        "enterpriseCode": "91330000573973053F",
        "statType": 1,
        "beginTime": "2026-01-01 00:00:00",
        "endTime": "2026-02-01 00:00:00",
    }
    return read(EnergyDownloadRequest, json.dumps({**fields, **changes}).encode())


@pytest.mark.parametrize("empty", [{}, {"dataCode": "", "page": None}])
def test_a_download_asks_for_all_data_codes_from_page_one_by_default(empty: dict[str, Any]) -> None:
    request = download(**empty)
    assert (request.data_code, request.page) == ("", 1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"beginTime": "2026-02-01 00:00:01"}, "beginTime 应不晚于 endTime"),
        ({"beginTime": "2026-02-01"}, "beginTime 应为 YYYY-MM-DD HH:MM:SS"),
        ({"endTime": "2100-01-01 00:00:00"}, "endTime 年份应为 2000 至 2099"),
        ({"statType": 4}, "statType 应为 0 至 3 的整数"),
        ({"dataCode": "00"}, "dataCode 应为 PP-UU-EENN-CCTTTT-YY"),
        ({"page": 0}, "page 应为 1 至"),
        ({"page": "1"}, "page 应为 1 至"),
    ],
)
def test_a_download_request_that_breaks_a_form_is_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(IllegalFormat, match=text):
        download(**changes)


def test_the_last_page_of_a_download_has_no_next_page() -> None:
    records = read_upload(sample("uploadEnergyData.request")).data
    last = json.loads(write(EnergyDownloadAnswer(data=records)))
    assert "nextPage" not in last
    assert last["data"] == json.loads(sample("uploadEnergyData.request"))["data"]
    assert json.loads(write(EnergyDownloadAnswer(data=records, next_page=2)))["nextPage"] == 2
