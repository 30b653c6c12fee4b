"""The seven interfaces of chapter 6 over real mutual TLS, asked by a stranger's plain client."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import Credentials, Province, credit_code, nenghao, record

CODE = "00-00-0000-023300-11"


def day_of(*values: float, code: str = CODE, date: str = "2026-03-01") -> list[dict[str, Any]]:
    """The first ticks of a day, labelled at their ends."""
    return [
        record(
            dataCode=code,
            dataValue=value,
            statType=0,
            statDate=f"{date} {(i + 1) // 4:02d}:{(i + 1) % 4 * 15:02d}:00",
            uploadDate="2026-03-02 01:05:00",
        )
        for i, value in enumerate(values)
    ]


@pytest.mark.clause("6.2.1-2")
@pytest.mark.clause("6.3.1.2-c")
@pytest.mark.clause("6.3.1.2-j")
@pytest.mark.clause("A.1-1")
def test_registration_answers_as_table_a1_and_keeps_the_guid(
    liaoning: Province, steel: Credentials, steel_id: str
) -> None:
    again = liaoning.register(steel)
    here = f"127.0.0.1:{liaoning.port}"
    assert list(again) == [
        "responseCode",
        "responseMessage",
        "deviceId",
        "loadConfigURL",
        "loadDicVersionURL",
        "centerInfoURL",
        "centerDataURL",
        "centerInfoDownloadURL",
        "centerDataDownloadURL",
        "uploadTime",
    ]
    assert again["responseMessage"] == "RECEIVE SUCCESS"
    assert again["deviceId"] == steel_id
    assert len(steel_id) == 32
    assert again["loadConfigURL"] == f"{here}/downloadBaseData"
    assert again["centerDataDownloadURL"] == f"{here}/downloadEnergyData"
    assert "01:00:00" <= again["uploadTime"] < "05:00:00"


@pytest.mark.clause("6.2.1-2")
def test_upload_times_are_handed_out_one_after_another(tmp_path: Path) -> None:
    from tests.acceptance.world import province

    with province(tmp_path / "home") as fresh:
        times = []
        for number in range(3):
            unit = fresh.issue(tmp_path / str(number), credit_code(number))
            times.append(fresh.register(unit)["uploadTime"])
        assert times == ["01:00:00", "01:00:04", "01:00:08"]


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("T1-E2002")
def test_the_printed_sample_of_a1_is_refused_for_its_17_characters(
    liaoning: Province, steel: Credentials
) -> None:
    status, answer = liaoning.post(
        steel,
        "/",
        {
            "enterpriseCode": "9121000123456789X",
            "enterpriseName": "xxxx有限公司",
            "region": "210101",
            "regionName": "市辖区",
        },
    )
    assert (status, answer["responseCode"]) == (200, "E2002")
    assert answer["responseMessage"].startswith("请求参数异常，参数格式不合法：")
    assert "enterpriseCode" in answer["responseMessage"]


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.clause("A.6-1")
def test_base_data_comes_whole_or_one_table_at_a_time(
    liaoning: Province, steel: Credentials, steel_id: str
) -> None:
    _, whole = liaoning.post(steel, "/downloadBaseData", {"deviceId": steel_id})
    assert list(whole["data"]) == [
        "region",
        "industry",
        "entType",
        "collectSystemType",
        "process",
        "collectItem",
        "collectItemUsage",
        "energyType",
        "productQuota",
    ]
    assert len(whole["data"]["region"]) == 129
    assert len(whole["data"]["industry"]) == 1971
    for name, rows in whole["data"].items():
        _, one = liaoning.post(steel, "/downloadBaseData", {"deviceId": steel_id, "type": name})
        assert one["data"] == {name: rows}
    _, wrong = liaoning.post(steel, "/downloadBaseData", {"deviceId": steel_id, "type": "Region"})
    assert wrong["responseCode"] == "E2002"
    assert "type" in wrong["responseMessage"]


@pytest.mark.clause("6.2.3-1")
@pytest.mark.clause("6.3.3.2-d")
def test_an_imported_table_is_in_the_very_next_answer_with_a_raised_version(
    liaoning: Province, steel: Credentials, steel_id: str, tmp_path: Path
) -> None:
    def versions() -> tuple[int, int]:
        _, answer = liaoning.post(steel, "/versionCheck", {"deviceId": steel_id})
        return int(answer["regVersion"]), int(answer["dicVersion"])

    before = versions()
    table = tmp_path / "process.csv"
    nenghao("platform", "base-data", "export", "--home", liaoning.home, table)
    assert versions() == before
    with table.open("a", encoding="utf-8") as file:
        file.write("01,原煤开采,B06\n")
    nenghao("platform", "base-data", "import", "--home", liaoning.home, table)
    assert versions() == (before[0], before[1] + 1)
    _, answer = liaoning.post(steel, "/downloadBaseData", {"deviceId": steel_id, "type": "process"})
    assert {"code": "01", "name": "原煤开采", "industryCode": "B06"} in answer["data"]["process"]


@pytest.mark.clause("6.3.1.2-i")
@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.clause("T1-0")
def test_a_day_comes_back_as_it_was_sent(
    liaoning: Province, steel: Credentials, steel_id: str
) -> None:
    sent = day_of(0.000317, 12, 3.5, 1e-10, 123456.7891)
    sent += [record(), record(inputType=5, dataValue=99.5), record(valid=False, statType=2)]
    status, answer = liaoning.post(
        steel,
        "/uploadEnergyData",
        {"deviceId": steel_id, "enterpriseCode": steel.code, "data": sent},
    )
    assert (status, answer) == (200, {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"})

    def download(stat_type: int, begin: str, end: str) -> list[dict[str, Any]]:
        _, back = liaoning.post(
            steel,
            "/downloadEnergyData",
            {
                "deviceId": steel_id,
                "enterpriseCode": steel.code,
                "statType": stat_type,
                "beginTime": begin,
                "endTime": end,
            },
        )
        assert "nextPage" not in back
        data: list[dict[str, Any]] = back["data"]
        return data

    assert download(0, "2026-03-01 00:00:00", "2026-03-02 00:00:00") == sent[:5]
    assert download(1, "2026-01-01 00:00:00", "2026-01-02 00:00:00") == sent[5:7]
    assert download(2, "2026-01-01 00:00:00", "2027-01-01 00:00:00") == sent[7:]
    assert download(1, "2026-01-02 00:00:00", "2026-02-01 00:00:00") == []


MISSING_OR_ILL: dict[str, list[object]] = {
    "dataCode": ["00-00-0000-023300-1", "00-00-0000-02330X-11", 5, "０0-00-0000-023300-11"],
    "dataValue": ["12.5", True, [1]],
    "inputType": [0, 8, "x", 1.5],
    "statType": [4, -1, "01"],
    "statDate": ["2026/11/21", "2026-02-30 00:00:00", "2026-01-01 24:00:00", "1999-12-31 00:00:00"],
    "uploadDate": ["2026-01-02", 20260102],
    "scope": [0, 5, "a"],
    "valid": ["yes", 2, "true"],
}


@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.clause("T1-E2001")
@pytest.mark.clause("T1-E2002")
@pytest.mark.parametrize("field", MISSING_OR_ILL)
def test_every_missing_or_ill_formed_field_is_named_and_nothing_is_stored(
    liaoning: Province, steel: Credentials, steel_id: str, field: str
) -> None:
    code = "00-00-0000-020900-21"

    def upload(bad: dict[str, Any]) -> dict[str, Any]:
        good = record(dataCode=code)
        body = {
            "deviceId": steel_id,
            "enterpriseCode": steel.code,
            "data": [good, bad],
        }
        status, answer = liaoning.post(steel, "/uploadEnergyData", body)
        assert status == 200
        return answer

    for absent in (..., None, ""):
        answer = upload(record(**{"dataCode": code, field: absent}))
        assert answer["responseCode"] == "E2001", answer
        assert answer["responseMessage"].startswith("请求参数异常，缺少必填项：")
        assert f"data[1].{field}" in answer["responseMessage"]
    for ill in MISSING_OR_ILL[field]:
        answer = upload(record(**{"dataCode": code, field: ill}))
        assert answer["responseCode"] == "E2002", (ill, answer)
        assert f"data[1].{field}" in answer["responseMessage"]
    _, back = liaoning.post(
        steel,
        "/downloadEnergyData",
        {
            "deviceId": steel_id,
            "enterpriseCode": steel.code,
            "statType": 1,
            "beginTime": "2000-01-01 00:00:00",
            "endTime": "2099-12-31 00:00:00",
            "dataCode": code,
        },
    )
    assert back["data"] == []


def raw_upload(device: str, unit: str, data: str, extra: str = "") -> bytes:
    return (f'{{"deviceId":"{device}",{extra}"enterpriseCode":"{unit}","data":{data}}}').encode()


@pytest.mark.clause("6.2.5-3")
@pytest.mark.clause("T1-E2002")
def test_off_the_grid_nan_duplicates_floods_and_no_json_are_refused_by_name(
    liaoning: Province, steel: Credentials, steel_id: str
) -> None:
    def refused(body: object, *words: str, code: str = "E2002") -> None:
        status, answer = liaoning.post(steel, "/uploadEnergyData", body)
        assert (status, answer["responseCode"]) == (200, code), answer
        for word in words:
            assert word in answer["responseMessage"]

    def batch(*records: dict[str, Any]) -> dict[str, Any]:
        return {"deviceId": steel_id, "enterpriseCode": steel.code, "data": list(records)}

    refused(batch(record(statType=0, statDate="2026-01-01 00:07:00")), "data[0].statDate")
    refused(batch(record(statType=1, statDate="2026-01-01 00:15:00")), "data[0].statDate")
    refused(batch(record(statType=2, statDate="2026-01-02 00:00:00")), "data[0].statDate")
    refused(batch(record(statType=3, statDate="2026-02-01 00:00:00")), "data[0].statDate")
    text = json.dumps([record(dataValue=-7)])
    for odd in ("NaN", "Infinity", "-Infinity", "1e400"):
        bad = text.replace("-7", odd)
        refused(raw_upload(steel_id, steel.code, bad), "data[0].dataValue")
    good = json.dumps([record()])
    refused(raw_upload(steel_id, steel.code, good, f'"deviceId":"{"f" * 32}",'), "deviceId", "重复")
    refused(raw_upload(steel_id, steel.code, "[" * 100_000 + "]" * 100_000))
    refused(b"hello")
    refused(b"")
    refused(b'{"deviceId":"\xff"}')
    refused(b"[]")
    refused(batch(), "data", code="E2001")
    refused({**batch(record()), "deviceId": "0" * 32}, "deviceId")
    refused({**batch(record()), "enterpriseCode": credit_code(7)}, "enterpriseCode")
    refused({**batch(record()), "deviceId": None, "enterpriseCode": "x"}, code="E2001")


def test_more_than_200_000_records_are_refused_and_65_mb_get_413(
    liaoning: Province, steel: Credentials, steel_id: str
) -> None:
    one = json.dumps(record(), separators=(",", ":"))
    many = raw_upload(steel_id, steel.code, "[" + ",".join([one] * 200_001) + "]")
    assert len(many) < 64_000_000
    status, answer = liaoning.post(steel, "/uploadEnergyData", many)
    assert (status, answer["responseCode"]) == (200, "E2002")
    assert "data" in answer["responseMessage"]
    huge = raw_upload(steel_id, steel.code, "[" + " " * 65_000_000 + "]")
    status, _ = liaoning.post(steel, "/uploadEnergyData", huge)
    assert status == 413


def test_unknown_paths_and_methods_are_404_and_405(liaoning: Province, steel: Credentials) -> None:
    import http.client

    assert liaoning.post(steel, "/uploadEnergy", {})[0] == 404
    connection = http.client.HTTPSConnection(
        "127.0.0.1", liaoning.port, context=steel.context(), timeout=20
    )
    connection.request("GET", "/versionCheck")
    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
def test_no_certificate_and_a_foreign_certificate_never_reach_the_application(
    liaoning: Province, steel: Credentials, tmp_path: Path
) -> None:
    import http.client

    other = Province.init(tmp_path / "other")
    foreign = other.issue(tmp_path / "foreign", steel.code)
    bare = ssl.create_default_context(cafile=str(steel.folder / "ca.pem"))
    wrong = ssl.create_default_context(cafile=str(steel.folder / "ca.pem"))
    wrong.load_cert_chain(foreign.folder / "device.pem", foreign.folder / "device.key")
    for context in (bare, wrong):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", liaoning.port, context=context, timeout=20
        )
        with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012 - TLS 1.3 tells late
            connection.request("POST", "/versionCheck", b"{}")
            connection.getresponse()
        connection.close()


@pytest.mark.clause("6.1-1")
def test_a_unit_cannot_speak_with_another_units_device_id(
    liaoning: Province, steel: Credentials, steel_id: str, tmp_path: Path
) -> None:
    other = liaoning.issue(tmp_path / "other", credit_code(4711))
    other_id = liaoning.register(other)["deviceId"]
    assert other_id != steel_id
    for path in ("/versionCheck", "/downloadBaseData"):
        _, answer = liaoning.post(other, path, {"deviceId": steel_id})
        assert answer["responseCode"] == "E2002"
        assert "deviceId" in answer["responseMessage"]
    _, answer = liaoning.post(
        other,
        "/uploadEnergyData",
        {"deviceId": other_id, "enterpriseCode": steel.code, "data": [record()]},
    )
    assert answer["responseCode"] == "E2002"
    assert "enterpriseCode" in answer["responseMessage"]
    _, answer = liaoning.post(
        other,
        "/",
        {
            "enterpriseCode": steel.code,
            "enterpriseName": "x",
            "region": "210102",
            "regionName": "和平区",
        },
    )
    assert answer["responseCode"] == "E2002"
    assert "enterpriseCode" in answer["responseMessage"]
