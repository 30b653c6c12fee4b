"""What the pages of devices, certificates, codes and upload times show, and what they change."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from nenghao.console.views import certificates as certificate_views
from nenghao.console.views import certificates_codes as code_views
from nenghao.console.views import devices as device_views
from nenghao.console.views import schedule as schedule_views
from nenghao.console.views.certificates_codes import CodeState
from nenghao.console.views.devices import CertificateState, Part, Uploads
from nenghao.platform import (
    audit,
    certificates,
    enrolment,
    enrolment_list,
    intake,
    issuing,
    journal,
    registry,
    table_file,
)
from nenghao.platform.issuing import IssuingError, Wanted
from nenghao.platform.table_file import FileError
from nenghao.security.authority import AuthorityLocked, CertificateAuthority
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from tests.console.worlds import BACKENDS, home_of, register, world_on
from tests.platform.world import World, unit_code

STEEL, POWER, PAPER = unit_code(1), unit_code(2), unit_code(3)
GUEST = Wanted(PAPER, 1, "沈阳示例造纸厂", "210102", "和平区")


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world_on(request.param, request, tmp_path) as made:
        yield made


def devices(
    world: World, wanted: device_views.Wanted | None = None, part: Part | None = None
) -> device_views.Devices:
    with world.store.read() as conn:
        return device_views.page(conn, wanted or device_views.Wanted(), part or Part(), world.now)


def listed(
    world: World, wanted: certificate_views.Wanted | None = None, part: Part | None = None
) -> certificate_views.Certificates:
    with world.store.read() as conn:
        return certificate_views.page(
            conn, wanted or certificate_views.Wanted(), part or Part(), world.now
        )


def upload(world: World, code: str, device: int = 1) -> None:
    record = EnergyRecord(
        data_code="00-00-0000-023300-11",
        data_value=1.0,
        input_type=1,
        stat_type=1,
        stat_date="2026-11-20 00:00:00",
        upload_date="2026-11-21 01:00:00",
        scope=1,
        valid=True,
    )
    with world.store.read() as conn:
        unit_id = registry.unit_id_of(conn, code)
    assert unit_id is not None
    peer = registry.Peer(unit_id, code, device, "示例", "210102")
    message = EnergyUpload("0" * 32, code, [record])
    body = journal.Body.of(write(message))
    intake.upload(world.store, world.settings, peer, message, body, world.now, "10.1.2.3")


# --- devices --------------------------------------------------------------------------------


def test_an_empty_platform_has_no_devices_and_says_so_everywhere(world: World) -> None:
    assert devices(world).rows == []
    assert listed(world) == certificate_views.Certificates([], 0)
    with world.store.read() as conn:
        assert set(device_views.counts(conn, world.now).values()) == {0}
        assert sum(certificate_views.ends_by_month(conn, world.now).values()) == 0
        assert code_views.page(conn, code_views.Wanted(), Part(), world.now).total == 0
        plan = schedule_views.plan(conn, world.settings)
        preview = schedule_views.preview(conn, world.settings, world.settings.window)
    assert (plan.devices, plan.busiest, plan.places) == (0, 0, 3600)
    assert next(iter(plan.by_minute)) == "01:00"
    assert (preview.devices, preview.moved, preview.rounds) == (0, 0, 0)


def test_a_device_shows_certificate_last_upload_version_and_upload_time(world: World) -> None:
    register(world, STEEL, "沈阳示例炼钢厂")
    register(world, POWER, "阜新示例热电厂", days=20)
    upload(world, STEEL)
    with world.store.write() as conn:
        certificates.register(
            conn, world.authority.issue_device(PAPER, "造纸厂", "210302", 3, world.now), world.now
        )
    found = {one.code: one for one in devices(world).rows}
    assert found[STEEL].state is CertificateState.VALID
    assert found[STEEL].last_upload == world.now
    assert found[STEEL].upload_time == "01:00:00"
    assert found[POWER].state is CertificateState.ENDING
    assert (found[POWER].last_upload, found[POWER].upload_time) == (None, "01:00:04")
    waiting = found[PAPER]
    assert (waiting.number, waiting.registered_at, waiting.upload_time) == (3, None, "")
    assert (waiting.name, waiting.dic_version) == ("造纸厂", None)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (device_views.Wanted(text="示例"), ["沈阳示例炼钢厂", "阜新示例热电厂"]),
        (device_views.Wanted(text=STEEL.lower()), ["沈阳示例炼钢厂"]),
        (device_views.Wanted(text="100%"), []),
        (device_views.Wanted(text="_"), []),
        (device_views.Wanted(state=CertificateState.ENDING), ["阜新示例热电厂"]),
        (device_views.Wanted(uploads=Uploads.RECENT), ["沈阳示例炼钢厂"]),
        (device_views.Wanted(uploads=Uploads.QUIET), []),
        (device_views.Wanted(uploads=Uploads.NEVER), ["阜新示例热电厂"]),
        (device_views.Wanted(uploads=Uploads.UNREGISTERED), []),
    ],
)
def test_devices_are_found_by_text_certificate_and_uploads(
    world: World, wanted: device_views.Wanted, names: list[str]
) -> None:
    register(world, STEEL, "沈阳示例炼钢厂")
    register(world, POWER, "阜新示例热电厂", days=20)
    upload(world, STEEL)
    found = devices(world, wanted, Part(sort="upload_time"))
    assert [one.name for one in found.rows] == names
    assert found.total == len(names)


@pytest.mark.parametrize("sort", ["", *device_views.SORTS, "nonsense"])
def test_devices_are_sorted_and_paged_by_the_database(world: World, sort: str) -> None:
    for number in range(1, 6):
        register(world, unit_code(number), f"单位{number}", days=100 * number)
    pages = [devices(world, part=Part(offset, 2, sort, descending=True)) for offset in (0, 2, 4, 6)]
    assert [len(one.rows) for one in pages] == [2, 2, 1, 0]
    assert {one.total for one in pages} == {5}
    assert len({row.code for one in pages for row in one.rows}) == 5
    if sort == "not_after":
        assert pages[0].rows[0].name == "单位5"


# --- certificates ---------------------------------------------------------------------------


def test_a_certificate_is_issued_registered_audited_and_handed_over_whole(world: World) -> None:
    with world.store.write() as conn, audit.acting("user:wang", "10.0.0.9"):
        issued = issuing.issue(conn, home_of(world), GUEST, world.now, days=400)
    name, content = certificate_views.zipped(issued, "和平区")
    assert name == f"{PAPER}-1.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        told = json.loads(archive.read("unit.json"))
        leaf = x509.load_pem_x509_certificates(archive.read("device.pem"))[0]
        key = archive.read("device.key")
    assert files["device.key"] == 0o600
    assert set(files) == {
        "device.pem", "device.key", "ca.pem", "device.p12", "device.p12.password", "unit.json",
    }  # fmt: skip
    assert told == {
        "code": PAPER, "name": GUEST.name, "region": "210102", "regionName": "和平区", "device": 1,
    }  # fmt: skip
    assert format(leaf.serial_number, "x") == issued.serial
    with world.store.read() as conn:
        assert certificates.find(conn, issued.serial) is not None
        latest = audit.entries(conn)[0]
        texts = [row["detail"] for row in audit.entries(conn)]
    assert (latest["actor"], latest["action"]) == ("user:wang", "ca.issue")
    assert not any(key.decode().split("\n")[1] in text for text in texts)


def test_the_expiry_list_has_what_ends_soon_and_is_not_replaced(world: World) -> None:
    soon = register(world, STEEL, "炼钢厂", days=30)
    register(world, POWER, "热电厂", days=30)
    with world.store.write() as conn:  # the power plant renewed
        old = issuing.renewable(conn, code=POWER, device=1)
        issuing.renew(conn, home_of(world), old, world.now)
    ending = listed(world, certificate_views.Wanted(ending_days=30))
    assert [one.serial for one in ending.rows] == [soon]
    assert (ending.rows[0].days_left, ending.rows[0].state) == (20, CertificateState.ENDING)
    assert listed(world, certificate_views.Wanted(ending_days=19)).rows == []
    everything = listed(world).rows
    assert sum(one.replaced for one in everything) == 1
    with world.store.read() as conn:
        months = certificate_views.ends_by_month(conn, world.now)
    assert len(months) == certificate_views.MONTHS
    assert (months["2026-12"], sum(months.values())) == (1, 2)


def test_revoking_one_leaves_the_devices_other_one_and_says_so(world: World) -> None:
    first = register(world, STEEL, "炼钢厂")
    second = register(world, STEEL, "炼钢厂")
    with world.store.write() as conn:
        done = issuing.revoke(conn, world.now, serial=first, reason="密钥遗失")
    assert ([row["serial"] for row in done.gone], done.others) == ([first], 1)
    assert issuing.published(home_of(world), world.store, world.now) == ""
    states = {one.serial: one.state for one in listed(world).rows}
    assert states == {first: CertificateState.REVOKED, second: CertificateState.VALID}
    assert devices(world).rows[0].state is CertificateState.VALID
    with world.store.write() as conn:
        issuing.revoke(conn, world.now, code=STEEL)
    assert devices(world).rows[0].state is CertificateState.REVOKED
    with world.store.read() as conn:
        assert "密钥遗失" in audit.entries(conn)[1]["detail"]
        counted = certificate_views.counts(conn, world.now)
    assert counted[CertificateState.REVOKED] == 2


@pytest.mark.parametrize("text", ["炼钢", STEEL[:8].lower(), "serial", "SERIAL:COLONS"])
def test_certificates_are_found_by_name_code_and_serial(world: World, text: str) -> None:
    serial = register(world, STEEL, "炼钢厂")
    colons = ":".join(serial[at : at + 2] for at in range(0, 8, 2)).upper()
    given = {"serial": serial[:9], "SERIAL:COLONS": colons}.get(text, text)
    assert [one.serial for one in listed(world, certificate_views.Wanted(given)).rows] == [serial]
    assert listed(world, certificate_views.Wanted("不存在")).total == 0


def test_what_cannot_be_renewed_or_issued_is_refused_in_words(world: World) -> None:
    home = home_of(world)
    with world.store.write() as conn:
        with pytest.raises(IssuingError, match="没有这台端设备"):
            issuing.renewable(conn, code=STEEL, device=1)
        with pytest.raises(IssuingError, match="没有这样的证书"):
            issuing.revoke(conn, world.now, serial="abc")
        with pytest.raises(IssuingError, match=r"17 位.*不能为空.*6 位数字"):
            issuing.checked(conn, Wanted("1" * 17, 1, " ", "21"))
        with pytest.raises(IssuingError, match="有效天数"):
            issuing.issue(conn, home, GUEST, world.now, days=0)
        whole, odd = issuing.checked(conn, Wanted("91210000573973053F", 1, " 厂 ", "210100"))
    assert (whole.name, whole.region_name) == ("厂", "沈阳市")
    assert [("校验位" in each, "县级" in each) for each in odd] == [(False, True), (True, False)]


def test_a_locked_authority_tells_what_to_do(tmp_path: Path, world: World) -> None:
    CertificateAuthority.create(tmp_path / "locked" / "ca", world.now, passphrase="one two three")
    locked = replace(home_of(world), path=tmp_path / "locked")
    with pytest.raises(AuthorityLocked, match="ca_passphrase_file"):
        issuing.require_unlocked(locked)
    issuing.require_unlocked(replace(locked, passphrase="one two three"))
    register(world, STEEL, "炼钢厂")
    assert "口令" in issuing.published(locked, world.store, world.now)


def test_a_unit_is_known_by_registration_certificate_or_code(world: World) -> None:
    register(world, STEEL, "炼钢厂")
    with world.store.write() as conn:
        issuing.issue(conn, home_of(world), GUEST, world.now)
        wanted = Wanted(POWER, 1, "热电厂", "210902", "海州区")
        enrolment_list.make(conn, world.authority, [wanted], world.now)
        found = [certificate_views.holder(conn, code) for code in (STEEL, PAPER, POWER)]
        assert certificate_views.holder(conn, unit_code(9)) is None
    assert [one and one.name for one in found] == ["炼钢厂", GUEST.name, "热电厂"]


# --- codes ----------------------------------------------------------------------------------


def test_codes_are_open_used_expired_or_withdrawn(world: World) -> None:
    with world.store.write() as conn:
        old = world.now - timedelta(days=9)
        enrolment_list.make(conn, world.authority, [GUEST._replace(device=3)], old)
        made = [GUEST._replace(device=number) for number in (1, 2)]
        enrolment_list.make(conn, world.authority, made, world.now, hours=24)
        assert enrolment.withdraw(conn, PAPER, 2, world.now) == 1
        assert enrolment.withdraw(conn, PAPER, 2, world.now) == 0
        page = code_views.page(conn, code_views.Wanted(), Part(sort="created_at"), world.now)
        counts = code_views.counts(conn, world.now)
        one = code_views.page(conn, code_views.Wanted(state=CodeState.OPEN), Part(), world.now)
        none = code_views.page(conn, code_views.Wanted("炼钢"), Part(), world.now)
        recorded = [row["action"] for row in audit.entries(conn)]
    assert {row.device: row.state for row in page.rows} == {
        1: CodeState.OPEN, 2: CodeState.WITHDRAWN, 3: CodeState.EXPIRED,
    }  # fmt: skip
    assert (counts[CodeState.OPEN], counts[CodeState.USED]) == (1, 0)
    assert ([row.device for row in one.rows], none.total) == ([1], 0)
    assert recorded.count("ca.code.withdraw") == 1


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_list_of_devices_becomes_a_list_of_codes(world: World, suffix: str) -> None:
    cells = [(STEEL, "1", "炼钢厂", "210102"), (POWER, "", "=热电厂", "210100")]
    rows = [dict(zip(enrolment_list.HEADER, one, strict=True)) for one in cells]
    content = table_file.written(suffix, enrolment_list.HEADER, rows, "端设备")
    with world.store.write() as conn:
        told = enrolment_list.read(conn, content, suffix)
        made = enrolment_list.make(conn, world.authority, told.wanted, world.now, hours=48)
        page = code_views.page(conn, code_views.Wanted(), Part(), world.now)
    assert [one.device for one in told.wanted] == [1, 1]
    assert [line for line in told.odd if "第 3 行" in line and "县级" in line] == told.odd
    lines = table_file.read(enrolment_list.written(made, suffix), suffix, enrolment_list.MADE)
    assert [cells[5] for _, cells in lines] == [one.text for one in made]
    assert lines[0][1][6] == "2026-11-24 10:00"
    assert lines[1][1][2] == "=热电厂"
    assert page.total == 2
    assert not any(one.text in repr(row) for one in made for row in page.rows)


def test_a_wrong_list_makes_no_code_and_names_every_row(world: World) -> None:
    header = ",".join(enrolment_list.HEADER)
    text = f"{header}\n{STEEL},1,厂,210102\n{STEEL},1,厂,210102\n1,x,厂,2\n,1,,210102\n"
    with world.store.write() as conn:
        with pytest.raises(FileError) as caught:
            enrolment_list.read(conn, text.encode(), ".csv")
        with pytest.raises(FileError, match="只有表头"):
            enrolment_list.read(conn, enrolment_list.template(".xlsx"), ".xlsx")
        assert code_views.page(conn, code_views.Wanted(), Part(), world.now).total == 0
    said = str(caught.value).splitlines()
    assert [line[: len("第 3 行：")] for line in said] == ["第 3 行：", "第 4 行：", "第 5 行："]
    assert "第 2 行是同一台" in said[0]
    assert "端设备序号" in said[1]
