"""The seven interfaces answer every sample of annex A as its table says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from nenghao.platform import dictionary
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import schema
from nenghao.platform.web.device_api import INTERFACES, limits_of
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import read
from nenghao.standard.messages.energy_data import EnergyDownloadAnswer
from tests.platform.world import STEEL, Client, World, sample, unit_code

RECEIVED = {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"}
CODE = "00-00-0000-023300-11"


def record(**changes: object) -> dict[str, Any]:
    """A legal record of A.5."""
    whole: dict[str, Any] = {
        "dataCode": CODE,
        "dataValue": 123.45,
        "inputType": 1,
        "statType": 1,
        "statDate": "2026-11-21 00:00:00",
        "uploadDate": "2026-11-22 01:05:00",
        "scope": 1,
        "valid": True,
    }
    return whole | changes


def batch(client: Client, *records: dict[str, Any]) -> dict[str, Any]:
    return {"deviceId": client.device_id, "enterpriseCode": STEEL, "data": list(records)}


def nothing_stored(world: World) -> bool:
    tables = (schema.frame, schema.receipt, schema.configuration)
    return not any(world.rows(select(table)) for table in tables)


def test_these_seven_and_nothing_else() -> None:
    assert list(INTERFACES) == [
        "/",
        "/downloadBaseData",
        "/versionCheck",
        "/uploadConfigData",
        "/uploadEnergyData",
        "/downloadConfigData",
        "/downloadEnergyData",
    ]


@pytest.mark.clause("1-1")
@pytest.mark.parametrize(
    "path", ["/uploadEnergy", "/versionCheck/", "/VersionCheck", "//", "/downloadBaseData/region"]
)
def test_an_unknown_path_is_404_and_no_slash_is_redirected(world: World, path: str) -> None:
    reply = world.client().post(path, {})
    assert (reply.status, reply.content.decode()) == (404, "没有这个接口")


@pytest.mark.clause("5.2-1")
@pytest.mark.clause("A.1-1")
@pytest.mark.clause("A.2-1")
@pytest.mark.parametrize("path", list(INTERFACES))
def test_every_interface_answers_post_and_no_other_method(world: World, path: str) -> None:
    client = world.client()
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = client.request(method, path, b"")
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert client.post(path, b"{}").status == 200


@pytest.mark.clause("A.1-1")
@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("6.3.1.1-c")
@pytest.mark.clause("6.3.1.2-a")
@pytest.mark.clause("6.3.1.2-b")
@pytest.mark.clause("T1-0")
def test_the_sample_of_a1_is_answered_with_the_keys_of_its_table_in_order(world: World) -> None:
    sent = sample("register.request")
    reply = world.client(sent["enterpriseCode"]).post("/", sent)
    told, shown = reply.json, sample("register.response")
    assert list(told) == list(shown)
    assert (told["responseCode"], told["responseMessage"]) == ("0", "RECEIVE SUCCESS")
    assert all(isinstance(value, str) for value in told.values())
    assert told["loadConfigURL"] == "127.0.0.1:9443/downloadBaseData"
    assert told["uploadTime"] == "01:00:00"


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("T1-E2002")
def test_the_sample_of_a1_as_printed_is_refused_for_its_17_characters(world: World) -> None:
    reply = world.client().post("/", sample("register.request.as_printed"))
    assert (reply.status, reply.code) == (200, "E2002")
    assert reply.text.startswith("请求参数异常，参数格式不合法：enterpriseCode ")
    assert world.rows(select(schema.unit)) == []


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("6.3.1.1-b")
@pytest.mark.clause("6.3.1.1-c")
@pytest.mark.clause("6.3.1.1-d")
@pytest.mark.clause("T1-E2001")
@pytest.mark.parametrize("field", ["enterpriseCode", "enterpriseName", "region", "regionName"])
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_registration_without_a_required_item_is_e2001_naming_it(
    world: World, field: str, empty: object
) -> None:
    reply = world.client().post("/", sample("register.request", **{field: empty}))
    assert (reply.code, reply.text) == ("E2001", f"请求参数异常，缺少必填项：{field} 缺失")


@pytest.mark.clause("6.3.2.1-a")
@pytest.mark.clause("A.2-1")
def test_the_sample_of_a2_is_answered_with_all_tables(steel: Client) -> None:
    reply = steel.post("/downloadBaseData", sample("baseData.request", deviceId=steel.device_id))
    shown = sample("baseData.response")
    assert list(reply.json) == list(shown)
    assert list(reply.json["data"]) == list(shown["data"])


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.parametrize("kind", [None, "", ...])
def test_an_absent_type_means_all(steel: Client, kind: object) -> None:
    body = {"deviceId": steel.device_id} | ({} if kind is ... else {"type": kind})
    assert len(steel.post("/downloadBaseData", body).json["data"]) == 9


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.clause("A.6-1")
@pytest.mark.parametrize("kind", ["Region", "regions", "All", 1, ["region"]])
def test_an_unknown_type_is_e2002_naming_it(steel: Client, kind: object) -> None:
    reply = steel.post("/downloadBaseData", {"deviceId": steel.device_id, "type": kind})
    assert reply.code == "E2002"
    assert "type" in reply.text


@pytest.mark.clause("6.3.3.1-1")
@pytest.mark.clause("6.3.3.2-a")
@pytest.mark.clause("6.3.3.2-b")
@pytest.mark.clause("6.3.3.2-c")
@pytest.mark.clause("6.3.3.2-d")
def test_the_sample_of_a3_is_answered_with_versions_as_text(steel: Client) -> None:
    body = sample("versionCheck.request", deviceId=steel.device_id)
    assert steel.post("/versionCheck", body).json == {
        **RECEIVED,
        "regVersion": "1",
        "dicVersion": "1",
    }


@pytest.mark.clause("6.2.3-1")
def test_a_running_platform_answers_with_a_new_dictionary_from_the_next_request_on(
    world: World, steel: Client
) -> None:
    body = {"deviceId": steel.device_id, "type": "entType"}
    before = steel.post("/downloadBaseData", body).json["data"]["entType"]
    with world.store.write() as conn:
        text = dictionary.export_table(conn, "entType") + "999,其他\n"
        dictionary.import_table(conn, "entType", text, world.now)
    assert steel.post("/versionCheck", body).json["dicVersion"] == "2"
    after = steel.post("/downloadBaseData", body).json["data"]["entType"]
    assert after == [*before, {"code": "999", "name": "其他"}]


@pytest.mark.clause("6.3.4.1-a")
@pytest.mark.clause("6.3.4.1-b")
@pytest.mark.clause("6.3.4.2-1")
@pytest.mark.clause("6.3.1.2-h")
def test_the_sample_of_a4_is_received_and_handed_back(steel: Client) -> None:
    sent = sample("uploadConfigData.request", deviceId=steel.device_id)
    assert steel.post("/uploadConfigData", sent).json == RECEIVED
    asked = {"deviceId": steel.device_id, "enterpriseCode": STEEL}
    told = steel.post("/downloadConfigData", asked).json
    del sent["deviceId"], sent["enterpriseCode"]
    assert told == RECEIVED | sent


@pytest.mark.clause("6.3.5.1-a")
@pytest.mark.clause("6.3.5.1-b")
@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.clause("6.3.5.2-1")
@pytest.mark.clause("6.2.5-6")
@pytest.mark.clause("6.3.1.2-i")
def test_the_sample_of_a5_is_received_and_handed_back(steel: Client) -> None:
    sent = sample("uploadEnergyData.request", deviceId=steel.device_id)
    assert steel.post("/uploadEnergyData", sent).json == RECEIVED
    asked = {
        "deviceId": steel.device_id,
        "enterpriseCode": STEEL,
        "statType": 1,
        "beginTime": "2014-10-09 00:00:00",
        "endTime": "2014-10-10 00:00:00",
    }
    reply = steel.post("/downloadEnergyData", asked)
    assert reply.json == {**RECEIVED, "data": sent["data"]}
    assert read(EnergyDownloadAnswer, reply.content).data[0].data_code == "04-01-0000-040200-30"


def test_a_download_comes_page_by_page(world: World) -> None:
    world.settings = PlatformSettings(download_page_size=2)
    client = world.client()
    client.register()
    days = [record(statDate=f"2026-11-{day:02d} 00:00:00", dataValue=day) for day in range(1, 6)]
    assert client.post("/uploadEnergyData", batch(client, *days)).code == "0"
    asked = {
        "deviceId": client.device_id,
        "enterpriseCode": STEEL,
        "statType": 1,
        "beginTime": "2026-11-01 00:00:00",
        "endTime": "2026-12-01 00:00:00",
    }
    pages = [client.post("/downloadEnergyData", asked | {"page": page}).json for page in (1, 2, 3)]
    assert [[one["dataValue"] for one in page["data"]] for page in pages] == [[1, 2], [3, 4], [5]]
    assert [page.get("nextPage") for page in pages] == [2, 3, None]
    assert "nextPage" not in pages[2]


@pytest.mark.clause("T1-E2002")
@pytest.mark.parametrize("path", list(INTERFACES)[1:])
def test_every_interface_refuses_another_devices_id_by_name(
    world: World, steel: Client, path: str
) -> None:
    other = world.client(unit_code(1))
    other.register()
    name = {"/uploadConfigData": "uploadConfigData.request"}.get(path)
    body = sample(name) if name else batch(other, record())
    body |= {"statType": 1, "beginTime": "2026-01-01 00:00:00", "endTime": "2026-02-01 00:00:00"}
    body |= {"deviceId": steel.device_id, "enterpriseCode": unit_code(1)}
    reply = other.post(path, body)
    assert (reply.code, "deviceId" in reply.text) == ("E2002", True)
    assert nothing_stored(world)


@pytest.mark.clause("T1-E2002")
def test_an_unregistered_device_asking_anything_else_is_told_so(world: World) -> None:
    reply = world.client().post("/versionCheck", {"deviceId": "f" * 32})
    assert reply.code == "E2002"
    assert "deviceId 所属的端设备尚未注册" in reply.text


@pytest.mark.clause("6.3.4.1-b")
@pytest.mark.clause("6.3.5.1-b")
def test_an_upload_in_another_units_name_is_refused_and_nothing_is_stored(
    world: World, steel: Client
) -> None:
    body = batch(steel, record()) | {"enterpriseCode": unit_code(1)}
    reply = steel.post("/uploadEnergyData", body)
    assert (reply.code, "enterpriseCode" in reply.text) == ("E2002", True)
    sent = sample("uploadConfigData.request", deviceId=steel.device_id, enterpriseCode=unit_code(1))
    assert steel.post("/uploadConfigData", sent).code == "E2002"
    assert nothing_stored(world)


@pytest.mark.clause("T1-E2002")
@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b'{"deviceId":"\xff"}', b"[" * 100_000])
@pytest.mark.parametrize("path", list(INTERFACES))
def test_what_is_no_json_object_is_e2002_everywhere(steel: Client, path: str, body: bytes) -> None:
    assert steel.post(path, body).code == "E2002"


@pytest.mark.clause("T1-E2002")
@pytest.mark.parametrize("path", list(INTERFACES)[1:])
def test_a_doubled_key_is_refused_first_and_alone(steel: Client, path: str) -> None:
    body = f'{{"deviceId": "{steel.device_id}", "deviceId": "{"f" * 32}"}}'.encode()
    reply = steel.post(path, body)
    assert reply.code == "E2002"
    assert "deviceId" in reply.text
    assert "enterpriseCode" not in reply.text


def test_settings_reach_the_reading_of_uploads(world: World) -> None:
    world.settings = PlatformSettings(record_limit=2, statdate_tolerance=60)
    client = world.client()
    client.register()
    late = record(statDate="2026-11-21 00:00:59")
    assert client.post("/uploadEnergyData", batch(client, late)).code == "0"
    reply = client.post("/uploadEnergyData", batch(client, late, late, late))
    assert (reply.code, "data 应为至多 2 项" in reply.text) == ("E2002", True)


def test_strict_kinds_refuse_uploads(world: World) -> None:
    world.settings = PlatformSettings(strict=(AdviceKind.NOT_CONFIGURED, AdviceKind.UNKNOWN_REGION))
    client = world.client()
    client.register()
    reply = client.post("/uploadEnergyData", batch(client, record()))
    assert (reply.code, "data[0].dataCode" in reply.text) == ("E2002", True)
    sent = sample("uploadConfigData.request", deviceId=client.device_id)
    reply = client.post("/uploadConfigData", sent)
    assert (reply.code, "enterprise.regionCode" in reply.text) == ("E2002", True)
    assert nothing_stored(world)


@pytest.mark.clause("6.2.5-6")
@pytest.mark.clause("T1-E1002")
def test_success_is_answered_only_when_the_upload_is_committed(
    world: World, steel: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = world.store.write

    @contextmanager
    def commit_fails() -> Iterator[Connection]:
        with write() as conn:
            yield conn
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(world.store, "write", commit_fails)
    sent = sample("uploadConfigData.request", deviceId=steel.device_id)
    assert steel.post("/uploadConfigData", sent).code == "E1002"
    assert steel.post("/uploadEnergyData", batch(steel, record())).code == "E1002"
    monkeypatch.undo()
    assert nothing_stored(world)


@pytest.mark.clause("6.2.1-2")
def test_devices_that_register_at_once_get_ids_and_times_of_their_own(world: World) -> None:
    clients = [world.client(unit_code(number)) for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.register(), clients))
    assert len({answer.device_id for answer in answers}) == 12
    assert sorted(answer.upload_time for answer in answers) == [
        f"01:00:{second:02d}" for second in range(0, 48, 4)
    ]


def test_the_listeners_limits_are_the_settings() -> None:
    limits = limits_of(PlatformSettings(body_limit_mb=3, idle_seconds=7, body_min_rate=9))
    assert (limits.body_limit, limits.keep_alive_seconds, limits.body_min_rate) == (3_000_000, 7, 9)
    assert limits_of(PlatformSettings()).body_limit == 64_000_000


def test_answers_are_json_text_in_utf8_without_escapes(steel: Client) -> None:
    body = {"deviceId": steel.device_id, "type": "entType"}
    content = steel.post("/downloadBaseData", body).content
    assert "内资企业".encode() in content
    assert json.loads(content)["data"]["entType"][0] == {"code": "100", "name": "内资企业"}
