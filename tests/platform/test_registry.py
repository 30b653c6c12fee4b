"""Registration hands out a deviceId and an upload time, and keeps them (6.2.1, 6.3.1)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update

from nenghao.platform import advice, audit, registry
from nenghao.platform.registry import IdentityRefusal
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import certificate, device, unit
from nenghao.security.identity import PeerIdentity
from nenghao.standard.energy_checks import Check
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.replies import IllegalFormat
from tests.platform.world import ADDRESS, STEEL, World, unit_code


def kinds(world: World) -> set[tuple[AdviceKind | Check, str]]:
    with world.store.read() as conn:
        return {(one.kind, one.subject) for one in advice.kept(conn)}


@pytest.mark.clause("6.3.1.2-c")
def test_the_device_id_is_a_guid_of_32_characters_and_differs_between_devices(
    world: World,
) -> None:
    ids = {world.register(world.identity(STEEL, n)).device_id for n in (1, 2, 3)}
    ids |= {world.register(world.identity(unit_code(n))).device_id for n in range(3)}
    assert len(ids) == 6
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


@pytest.mark.clause("6.2.1-2")
@pytest.mark.clause("6.3.1.2-j")
def test_upload_times_are_handed_out_in_order_of_registration_whatever_the_unit(
    world: World,
) -> None:
    order = [(STEEL, 1), (unit_code(1), 1), (STEEL, 2), (unit_code(2), 5)]
    times = [world.register(world.identity(*one)).upload_time for one in order]
    assert times == ["01:00:00", "01:00:04", "01:00:08", "01:00:12"]


@pytest.mark.clause("6.2.1-2")
def test_the_window_wraps_round(world: World) -> None:
    world.settings = PlatformSettings(
        upload_window_start="23:59:56", upload_window_end="00:00:04", upload_step_seconds=4
    )
    with world.store.write() as conn:
        registry.note_registration_settings(conn, world.settings)
    times = [world.register(world.identity(STEEL, n)).upload_time for n in (1, 2, 3)]
    assert times == ["23:59:56", "00:00:00", "23:59:56"]


def test_concurrent_registrations_get_times_of_their_own(world: World) -> None:
    identities = [world.identity(unit_code(n)) for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(world.register, identities))
    assert len({answer.upload_time for answer in answers}) == 24
    assert max(answer.upload_time for answer in answers) == "01:01:32"


def test_registering_again_or_with_a_renewed_certificate_keeps_id_and_time(world: World) -> None:
    first = world.register(world.identity())
    world.register(world.identity(unit_code(1)))
    world.now += timedelta(days=400)
    again = world.register(world.identity())
    assert (again.device_id, again.upload_time) == (first.device_id, first.upload_time)
    (row,) = world.rows(select(device).where(device.c.device_id == first.device_id))
    assert row.last_registered_at - row.registered_at == timedelta(days=400)


@pytest.mark.clause("6.3.1.2-d")
@pytest.mark.clause("6.3.1.2-e")
@pytest.mark.clause("6.3.1.2-f")
@pytest.mark.clause("6.3.1.2-g")
@pytest.mark.clause("6.3.1.2-h")
@pytest.mark.clause("6.3.1.2-i")
@pytest.mark.parametrize(
    ("settings", "base"),
    [
        (PlatformSettings(host="10.0.0.8", device_port=9444), "10.0.0.8:9444"),
        (PlatformSettings(host="nh.example.org", url_style="https"), "https://nh.example.org:9443"),
        (PlatformSettings(host="2001:db8::8"), "[2001:db8::8]:9443"),
    ],
)
def test_the_addresses_are_written_as_the_standard_shows_them_or_with_https(
    world: World, settings: PlatformSettings, base: str
) -> None:
    world.settings = settings
    answer = world.register(world.identity())
    assert answer.load_config_url == f"{base}/downloadBaseData"
    assert answer.load_dic_version_url == f"{base}/versionCheck"
    assert answer.center_info_url == f"{base}/uploadConfigData"
    assert answer.center_data_url == f"{base}/uploadEnergyData"
    assert answer.center_info_download_url == f"{base}/downloadConfigData"
    assert answer.center_data_download_url == f"{base}/downloadEnergyData"


def test_a_unit_that_changes_its_name_or_region_is_updated_and_that_is_audited(
    world: World,
) -> None:
    identity = world.identity()
    world.register(identity)
    world.now += timedelta(days=1)
    request = RegistrationRequest(STEEL, "新示例钢铁", "210103", "沈河区")
    with world.store.write() as conn:
        registry.register(conn, world.settings, identity, request, world.now, ADDRESS)
    (row,) = world.rows(select(unit))
    assert (row.name, row.region, row.region_name) == ("新示例钢铁", "210103", "沈河区")
    assert row.updated_at - row.registered_at == timedelta(days=1)
    with world.store.read() as conn:
        changed, first = audit.entries(conn)
    assert "首次注册" in first["detail"]
    assert changed["detail"] == (
        "名称由 示例钢铁 改为 新示例钢铁；行政区划代码由 210102 改为 210103；"
        "行政区划名称由 和平区 改为 沈河区"
    )
    assert (changed["actor"], changed["address"]) == (f"{STEEL}#1", ADDRESS)


def test_registering_again_unchanged_leaves_no_audit_record(world: World) -> None:
    identity = world.identity()
    for _ in range(3):
        world.register(identity)
    with world.store.read() as conn:
        assert len(audit.entries(conn)) == 1


@pytest.mark.clause("6.3.1.1-b")
@pytest.mark.clause("6.3.1.1-d")
@pytest.mark.clause("B.1.1-1")
@pytest.mark.parametrize(
    ("region", "name", "kind"),
    [
        ("410481", "示例市", AdviceKind.UNKNOWN_REGION),
        ("210100", "沈阳市", AdviceKind.UNKNOWN_REGION),
        ("210102", "沈河区", AdviceKind.ODD_COMBINATION),
    ],
)
def test_an_odd_region_is_accepted_with_a_finding(
    world: World, region: str, name: str, kind: AdviceKind
) -> None:
    world.register(world.identity(), region, name)
    assert (kind, region) in kinds(world)


@pytest.mark.clause("6.3.1.1-b")
@pytest.mark.clause("6.3.1.1-d")
@pytest.mark.parametrize("name", ["和平区", "沈阳市和平区", "辽宁省沈阳市和平区"])
def test_a_county_of_the_province_is_no_finding(world: World, name: str) -> None:
    world.register(world.identity(unit_code(1)), "210102", name)
    assert kinds(world) == set()


@pytest.mark.clause("B.1.3-1")
def test_a_wrong_check_digit_is_accepted_with_a_finding_counted_each_time(world: World) -> None:
    wrong = "91210000573973053F"
    identity = world.identity(wrong)
    world.register(identity)
    world.register(identity)
    with world.store.read() as conn:
        (kept,) = advice.kept(conn, wrong)
    assert (kept.kind, kept.subject, kept.times) == (AdviceKind.CHECK_DIGIT, wrong, 2)


def test_a_strict_kind_refuses_and_stores_nothing(world: World) -> None:
    world.settings = PlatformSettings(strict=(AdviceKind.UNKNOWN_REGION,))
    with pytest.raises(IllegalFormat, match="region 不是基础数据中的行政区划代码") as caught:
        world.register(world.identity(unit_code(1)), "410481", "示例市")
    assert not isinstance(caught.value, IdentityRefusal)
    assert world.rows(select(unit)) == []
    assert world.rows(select(device)) == []


@pytest.mark.clause("6.1-1")
def test_registering_another_unit_than_the_certificates_is_refused_naming_enterprise_code(
    world: World,
) -> None:
    identity = world.identity()
    request = RegistrationRequest(unit_code(1), "别家", "210102", "和平区")
    with (
        pytest.raises(IdentityRefusal, match="enterpriseCode") as caught,
        world.store.write() as conn,
    ):
        registry.register(conn, world.settings, identity, request, world.now)
    assert caught.value.code == "E2002"
    assert world.rows(select(unit)) == []


def identify(world: World, identity: PeerIdentity, device_id: str, code: str | None = None) -> None:
    with world.store.read() as conn:
        registry.identify(conn, identity, device_id, code)


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("T1-E2002")
def test_identity_refusals_name_what_is_wrong(world: World) -> None:
    mine, other = world.identity(), world.identity(unit_code(1))
    with pytest.raises(IdentityRefusal, match="deviceId 所属的端设备尚未注册"):
        identify(world, mine, "f" * 32)
    my_id, other_id = world.register(mine).device_id, world.register(other).device_id
    identify(world, mine, my_id, STEEL)
    for wrong in (other_id, "f" * 32, my_id.upper()):
        with pytest.raises(IdentityRefusal, match="deviceId"):
            identify(world, mine, wrong)
    with pytest.raises(IdentityRefusal, match="enterpriseCode") as one:
        identify(world, mine, my_id, unit_code(1))
    assert [finding.path for finding in one.value.findings] == ["enterpriseCode"]
    with pytest.raises(IdentityRefusal) as both:
        identify(world, mine, other_id, unit_code(1))
    assert [finding.path for finding in both.value.findings] == ["deviceId", "enterpriseCode"]


@pytest.mark.clause("6.1-1")
def test_a_certificate_that_is_unknown_or_revoked_is_refused_on_every_request(
    world: World,
) -> None:
    identity = world.identity()
    device_id = world.register(identity).device_id
    unknown = PeerIdentity(STEEL, 1, "abc123")
    with pytest.raises(IdentityRefusal, match="deviceId"):
        identify(world, unknown, device_id)
    with pytest.raises(IdentityRefusal, match="enterpriseCode"):
        world.register(unknown)
    with world.store.write() as conn:
        conn.execute(update(certificate).values(revoked_at=world.now))
    with pytest.raises(IdentityRefusal, match="已吊销"):
        identify(world, identity, device_id)
    with world.store.read() as conn:
        assert registry.peer_of_certificate(conn, identity) is None


def test_the_second_device_of_a_unit_has_an_identity_of_its_own(world: World) -> None:
    one, two = world.identity(STEEL, 1), world.identity(STEEL, 2)
    first, second = world.register(one), world.register(two)
    assert first.device_id != second.device_id
    with pytest.raises(IdentityRefusal, match="deviceId"):
        identify(world, one, second.device_id)
    assert len(world.rows(select(unit))) == 1


@pytest.mark.clause("6.2.3-1")
def test_replanning_hands_out_all_times_anew_in_order_and_raises_the_version(
    world: World,
) -> None:
    ids = [world.register(world.identity(unit_code(n))).device_id for n in range(3)]
    planned = msgspec.structs.replace(
        world.settings, upload_window_start="22:00:00", upload_window_end="23:00:00"
    )
    with world.store.write() as conn:
        assert registry.replan(conn, planned, world.now) == 3
    with world.store.read() as conn:
        assert registry.versions(conn) == (2, 1)
        times = {row["device_id"]: row["upload_time"] for row in registry.devices(conn)}
    assert [times[one] for one in ids] == ["22:00:00", "22:00:04", "22:00:08"]
    # The platform that runs still has its old settings, and follows the new plan.
    assert world.register(world.identity(unit_code(9))).upload_time == "22:00:12"
    assert world.register(world.identity(unit_code(0))).upload_time == "22:00:00"
    with world.store.write() as conn:
        assert not registry.note_registration_settings(conn, planned)


@pytest.mark.clause("6.2.3-1")
def test_replanning_does_not_hide_a_new_address_from_the_next_start(world: World) -> None:
    edited = msgspec.structs.replace(world.settings, host="nh.example.org", upload_step_seconds=9)
    with world.store.write() as conn:
        registry.replan(conn, edited, world.now)
        assert registry.versions(conn) == (2, 1)
        assert registry.note_registration_settings(conn, edited)
        assert registry.versions(conn) == (3, 1)


def test_replanning_without_a_change_raises_the_version_too(world: World) -> None:
    with world.store.write() as conn:
        assert registry.replan(conn, world.settings, world.now) == 0
        assert registry.versions(conn) == (2, 1)


def test_devices_are_listed_in_order_of_upload(world: World) -> None:
    world.register(world.identity(STEEL, 2))
    world.register(world.identity(unit_code(1)))
    with world.store.read() as conn:
        rows = registry.devices(conn)
        mine = registry.devices(conn, STEEL)
    assert [(row["code"], row["number"]) for row in rows] == [(STEEL, 2), (unit_code(1), 1)]
    assert [row["upload_time"] for row in mine] == ["01:00:00"]
