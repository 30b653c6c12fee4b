"""A province speaks for its units on a national platform, and for nobody else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, select

from nenghao.platform import certificates
from nenghao.platform.in_force import REALTIME_LABEL
from nenghao.platform.rebuild import rebuild
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.national_schema import province_unit
from nenghao.platform.store.schema import (
    audit,
    device,
    finding,
    refused_upload,
    unit,
    unit_setting,
)
from nenghao.standard.messages import uplink
from tests.platform.national.world import DEVICE, UNIT, Nation, Province, announcement, record
from tests.platform.world import Client, sample, unit_code

OTHER = unit_code(2)


@pytest.mark.clause("5.1-2")
def test_announced_unit_with_its_configuration_and_data_is_there(
    nation: Nation, liaoning: Province
) -> None:
    assert liaoning.announce().code == "0"
    assert liaoning.configure().code == "0"
    sent = record()
    assert liaoning.upload([sent]).code == "0"
    assert liaoning.download() == [sent]
    asked = {"deviceId": DEVICE, "enterpriseCode": UNIT}
    told = liaoning.post("/downloadConfigData", asked).json
    assert told["enterprise"]["code"] == UNIT
    assert nation.rows(select(unit.c.code, unit.c.region)) == [(UNIT, "210102")]
    assert nation.rows(select(device.c.number, device.c.device_id)) == [(1, DEVICE)]


def test_data_before_the_announcement_name_the_device_id(liaoning: Province) -> None:
    reply = liaoning.upload([record()])
    assert (reply.code, "deviceId" in reply.text) == ("E2002", True)


def test_device_that_was_not_announced_is_named(liaoning: Province) -> None:
    liaoning.announce()
    reply = liaoning.upload([record()], deviceId="e" * 32)
    assert (reply.code, "deviceId" in reply.text) == ("E2002", True)
    both = [{"device": 1, "deviceId": DEVICE}, {"device": 2, "deviceId": "e" * 32}]
    assert liaoning.announce(devices=both).code == "0"
    assert liaoning.upload([record()], deviceId="e" * 32).code == "0"


def test_unit_belongs_to_the_first_province_that_brings_it(
    nation: Nation, liaoning: Province, jilin: Province
) -> None:
    liaoning.announce()
    jilin.last_order = 1000
    for reply in (jilin.announce(enterpriseName="夺来的"), jilin.upload([record()])):
        assert reply.code == "E2002"
        assert "enterpriseCode 的用能单位已由另一省级平台（210000）报送" in reply.text
        assert "deviceId" not in reply.text
    assert nation.rows(select(unit.c.name)) == [("示例钢铁",)]
    refused = nation.rows(select(audit.c.actor).where(audit.c.result == "refused"))
    assert {row.actor for row in refused} == {"province:220000"}


def test_unit_that_is_connected_by_itself_is_no_provinces(
    nation: Nation, liaoning: Province
) -> None:
    nation.peer(UNIT)
    reply = liaoning.announce()
    assert (reply.code, "直接接入本平台" in reply.text) == ("E2002", True)


def test_region_outside_the_province_is_a_finding(nation: Nation, jilin: Province) -> None:
    assert jilin.announce().code == "0"
    details = [row.detail for row in nation.rows(select(finding.c.detail))]
    assert any("不在报送的省级平台（220000）的行政区域内" in detail for detail in details)


def test_announced_again_the_unit_is_brought_up_to_date(nation: Nation, liaoning: Province) -> None:
    liaoning.announce()
    told = [{"device": 1, "deviceId": "f" * 32}]
    again = liaoning.announce(
        enterpriseName="改名钢铁", region="210103", regionName="沈河区", devices=told
    )
    assert again.code == "0"
    assert nation.rows(select(unit.c.name, unit.c.region)) == [("改名钢铁", "210103")]
    assert nation.rows(select(device.c.device_id)) == [("f" * 32,)]
    assert len(nation.rows(select(province_unit.c.unit_id))) == 1


@pytest.mark.parametrize("late", [1, 2])
def test_attempt_that_arrives_after_a_later_one_changes_nothing(
    liaoning: Province, late: int
) -> None:
    liaoning.announce()
    assert liaoning.upload([record(dataValue=2.0)]).code == "0"
    for reply in (
        liaoning.upload([record(dataValue=1.0)], order=late),
        liaoning.configure(order=late),
        liaoning.announce(order=late),
    ):
        assert reply.code == "E2002"
        assert uplink.stale_after(reply.text) == 2
    assert [one["dataValue"] for one in liaoning.download()] == [2.0]


def test_refused_attempt_takes_no_place_in_the_order(liaoning: Province) -> None:
    liaoning.announce()
    assert liaoning.upload([record(dataValue=1.0)], deviceId="e" * 32, order=9).code == "E2002"
    assert liaoning.upload([record(dataValue=2.0)], order=8).code == "0"


def test_upload_date_is_capped_by_the_provinces_time_of_receipt(liaoning: Province) -> None:
    """The device's clock was a year ahead: its value does not outrank a correction."""
    liaoning.announce()
    ahead = record(dataValue=1.0, uploadDate="2027-11-21 01:00:00")
    right = record(dataValue=2.0, uploadDate="2026-11-21 09:00:00")
    liaoning.upload([ahead], receivedAt="2026-11-21 01:00:10")
    assert liaoning.download() == [ahead]
    liaoning.upload([right], receivedAt="2026-11-21 09:00:10")
    assert liaoning.download() == [right]
    liaoning.upload([ahead], receivedAt="2026-11-21 01:00:10")
    assert liaoning.download() == [right]


def test_rebuild_goes_by_the_provinces_time_of_receipt(nation: Nation, liaoning: Province) -> None:
    """Of three uploads the one in the middle stands by the caps alone; the journal knows them."""
    liaoning.announce()
    liaoning.upload(
        [record(dataValue=1.0, uploadDate="2027-11-21 01:00:00")], receivedAt="2026-11-21 01:00:10"
    )
    right = record(dataValue=2.0, uploadDate="2026-11-21 09:00:00")
    liaoning.upload([right], receivedAt="2026-11-21 09:00:10")
    liaoning.upload(
        [record(dataValue=3.0, uploadDate="2027-11-21 01:00:00")], receivedAt="2026-11-21 02:00:00"
    )
    assert liaoning.download() == [right]
    days = (date(2026, 11, 1), date(2026, 11, 30))
    done = rebuild(nation.store, UNIT, *days, nation.now, dry_run=True)
    assert (done.receipts, done.compared, done.differences) == (3, 1, [])


def test_batch_without_time_of_receipt_or_order_is_refused(liaoning: Province) -> None:
    liaoning.announce()
    for name in ("receivedAt", "order"):
        reply = liaoning.upload([record()], **{name: None})
        assert (reply.code, name in reply.text) == ("E2001", True)


def test_what_a_province_sends_bears_the_end_for_its_label_already(
    nation: Nation, liaoning: Province
) -> None:
    liaoning.announce()
    rows = nation.rows(select(unit.c.id))
    with nation.store.write() as conn:
        conn.execute(
            insert(unit_setting).values(
                unit_id=rows[0].id,
                name=REALTIME_LABEL,
                valid_from=nation.now.replace(year=2000),
                value="start:15",
            )
        )
    sent = record(statType=0, statDate="2026-11-20 00:15:00")
    assert liaoning.upload([sent]).code == "0"
    asked: dict[str, Any] = {"statType": 0, "beginTime": "2026-11-20 00:00:00"}
    assert liaoning.download(**asked) == [sent]


def test_province_asks_for_versions_and_base_data_under_its_own_device_id(
    liaoning: Province,
) -> None:
    own = {"deviceId": liaoning.device_id}
    assert liaoning.post("/versionCheck", own).json["dicVersion"] == "1"
    told = liaoning.post("/downloadBaseData", own | {"type": "entType"}).json
    assert told["data"]["entType"]
    for path in ("/versionCheck", "/downloadBaseData"):
        assert liaoning.post(path, {"deviceId": DEVICE}).code == "E2002"


def test_province_registers_no_device_of_a_unit(liaoning: Province) -> None:
    assert liaoning.post("/", sample("register.request")).code == "E2002"


def test_revoked_certificate_of_a_province_is_refused_at_once(
    nation: Nation, liaoning: Province
) -> None:
    assert liaoning.announce().code == "0"
    assert liaoning.issued is not None
    with nation.store.write() as conn:
        certificates.revoke(conn, nation.now, serial=liaoning.issued.serial)
    for reply in (liaoning.announce(), liaoning.upload([record()])):
        assert (reply.code, "deviceId" in reply.text) == ("E2002", True)


def test_province_speaks_to_a_national_platform_only(nation: Nation, liaoning: Province) -> None:
    nation.settings = PlatformSettings()
    elsewhere = Province(nation, liaoning.issued)
    assert elsewhere.post("/nenghao/announce", b"").status == 404
    reply = elsewhere.post("/versionCheck", {"deviceId": liaoning.device_id})
    assert (reply.code, "不是国家平台" in reply.text) == ("E2002", True)


def test_device_speaks_for_no_province(nation: Nation) -> None:
    device_of_unit = nation.client(UNIT)
    device_of_unit.register()
    own = device_of_unit.device_id
    config = sample("uploadConfigData.request", deviceId=own, enterpriseCode=UNIT)
    bodies = {
        "/nenghao/announce": announcement(own, 1, OTHER),
        "/nenghao/uploadConfigData": config | {"receivedAt": "2026-11-20 08:00:00", "order": 1},
        "/nenghao/digests": {"deviceId": own, "from": "2026-11-01", "to": "2026-11-02"},
    }
    for path, body in bodies.items():
        reply = device_of_unit.post(path, body)
        assert (reply.code, "不是省级平台的证书" in reply.text) == ("E2002", True), path
    assert nation.rows(select(province_unit)) == []


def test_device_reads_nothing_of_order_and_time_of_receipt(nation: Nation) -> None:
    """To whoever speaks for itself these are unknown fields (docs/decisions 1)."""
    steel: Client = nation.client(UNIT)
    steel.register()
    body = {"deviceId": steel.device_id, "enterpriseCode": UNIT, "order": 0, "receivedAt": "?"}
    assert steel.post("/uploadEnergyData", body | {"data": [record()]}).code == "0"


def test_refused_batch_of_a_province_is_kept_with_its_unit(
    nation: Nation, liaoning: Province
) -> None:
    liaoning.announce()
    assert liaoning.upload([record(scope=9)]).code == "E2002"
    assert len(nation.rows(select(refused_upload.c.unit_id))) == 1
