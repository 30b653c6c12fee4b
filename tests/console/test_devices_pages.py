"""Devices, certificates, codes and upload times in a real browser."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from nenghao.platform import certificates, registry
from nenghao.platform.enrolment_list import HEADER, MADE
from nenghao.platform.permissions import Role
from nenghao.platform.table_file import read
from nenghao.security.enrolment import EnrolmentCode
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground
from tests.console.seeding import CEMENT, EVIL, LATE, REFINERY, STEEL
from tests.platform.web.wire import until
from tests.platform.world import unit_code

PAGES = ("/devices", "/certificates", "/certificates/new", "/enrolment", "/schedule")
MAY = {
    Role.SYSTEM: {"/devices", "/certificates", "/enrolment", "/schedule"},
    Role.SECURITY: {"/devices", "/certificates", "/certificates/new", "/enrolment"},
    Role.AUDITOR: {"/devices", "/certificates", "/enrolment"},
    Role.CLERK: {"/devices", "/schedule"},
    Role.UNIT: set(),
}


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_what_it_may_and_no_more(as_role: AsRole, role: Role) -> None:
    seat = as_role(role)
    for path in PAGES:
        seat.open(path, 200 if path in MAY[role] else 403)
        if path in MAY[role]:
            seat.picture(f"{role.value}{path.replace('/', '-')}")
    if role not in (Role.SECURITY, Role.UNIT):
        seat.open("/devices")
        assert seat.page.get_by_role("link", name="签发证书").count() == 0


def test_devices_are_searched_and_the_link_can_be_shared(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/devices")
    rows = seat.page.locator("tbody tr")
    seat.page.get_by_text("共 8 条").first.wait_for()
    until(lambda: EVIL in seat.page.locator("tbody").inner_text())
    seat.page.get_by_label("单位名称或统一社会信用代码").fill("炼钢")
    seat.page.get_by_text("共 1 条").first.wait_for()
    until(lambda: STEEL.name in rows.first.inner_text())
    assert "q=" in seat.page.url
    other = as_role(Role.AUDITOR, PHONE, dark=True)
    other.open(seat.page.url.removeprefix(seat.ground.url))
    other.page.get_by_text("共 1 条").first.wait_for()
    other.picture("devices-phone-dark")


def test_a_code_is_made_shown_once_and_withdrawn(as_role: AsRole, ground: Ground) -> None:
    seat = as_role(Role.SECURITY)
    seat.open(f"/certificates/new?code={STEEL.code}&device=7")
    assert seat.page.get_by_label("用能单位全称").input_value() == STEEL.name
    seat.page.get_by_role("button", name="生成注册码").click()
    shown = seat.page.get_by_label("注册码", exact=True)
    text = shown.input_value()
    assert EnrolmentCode.parse(text).text == text
    assert text in seat.page.get_by_label("在端设备上运行").input_value()
    seat.page.get_by_role("button", name="已妥善保存，关闭").click()
    seat.open(f"/enrolment?q={STEEL.code}")
    assert text not in seat.page.content()
    seat.page.get_by_role("button", name="取消", exact=True).click()
    seat.page.get_by_role("button", name="取消注册码").click()
    seat.page.locator("tbody").get_by_text("已取消").first.wait_for()
    made, gone = ground.audited("ca.code")[-1], ground.audited("ca.code.withdraw")[-1]
    assert (made["actor"], made["subject"]) == ("user:security", f"{STEEL.code}#7")
    assert gone["actor"] == "user:security"
    assert text not in repr(ground.audited())


def test_a_list_becomes_codes_and_a_wrong_list_none(as_role: AsRole, tmp_path: Path) -> None:
    seat = as_role(Role.SECURITY)
    seat.open("/enrolment")
    wrong = tmp_path / "错.csv"
    wrong.write_text(f"{','.join(HEADER)}\n123,1,,2\n", "utf-8")
    seat.page.locator("input[type=file]").set_input_files(wrong)
    seat.page.get_by_role("alert").get_by_text("第 2 行").first.wait_for()
    units = [(unit_code(50 + number), str(number), f"新单位{number}") for number in (1, 2)]
    right = tmp_path / "名单.csv"
    lines = [",".join((*one, "210102")) for one in units]
    right.write_text("\n".join((",".join(HEADER), *lines)), "utf-8")
    seat.page.locator("input[type=file]").set_input_files(right)
    seat.page.get_by_text("2 个单位的 2 台端设备").first.wait_for()
    with seat.page.expect_download() as download:
        seat.page.get_by_role("button", name="生成并下载").click()
    content = Path(download.value.path()).read_bytes()
    rows = [cells for _, cells in read(content, ".csv", MADE)]
    assert [tuple(cells[:3]) for cells in rows] == units
    assert all(EnrolmentCode.parse(cells[5]) for cells in rows)
    seat.page.locator("tbody").get_by_text("新单位2").first.wait_for()


def test_a_certificate_is_issued_handed_over_once_and_revoked(
    as_role: AsRole, ground: Ground
) -> None:
    seat = as_role(Role.SECURITY)
    seat.open(f"/certificates/new?code={REFINERY.code}&device=9")
    with seat.page.expect_download() as download:
        seat.page.get_by_role("button", name="签发并下载").click()
    assert download.value.suggested_filename == f"{REFINERY.code}-9.zip"
    content = Path(download.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert "device.key" in archive.namelist()
    with ground.store.read() as conn:
        (mine,) = [
            row for row in certificates.listing(conn, REFINERY.code) if row["device_number"] == 9
        ]
    seat.open(f"/certificates?q={mine['serial']}")
    seat.page.get_by_role("button", name="吊销", exact=True).click()
    dialog = seat.page.get_by_role("dialog")
    go = dialog.get_by_role("button", name="吊销", exact=True)
    dialog.get_by_label("原因").fill("密钥遗失")
    assert go.is_disabled()
    dialog.get_by_label("请输入上面的名称以确认").fill(REFINERY.name)
    go.click()
    seat.page.locator("tbody").get_by_text("已吊销").first.wait_for()
    latest = ground.audited("ca.revoke")[-1]
    assert (latest["actor"], latest["subject"]) == ("user:security", mine["serial"])
    assert "密钥遗失" in latest["detail"]


def test_the_expiry_list_has_the_one_that_ends_soon(as_role: AsRole) -> None:
    seat = as_role(Role.AUDITOR)
    seat.open("/certificates?expiring=30")
    seat.page.get_by_text("共 1 条").first.wait_for()
    until(lambda: LATE.name in seat.page.locator("tbody").inner_text())
    assert seat.page.get_by_role("button", name="吊销").count() == 0
    seat.picture("certificates-expiring")


def test_a_time_is_changed_and_all_are_handed_out_anew(as_role: AsRole, ground: Ground) -> None:
    seat = as_role(Role.SYSTEM)
    seat.open(f"/schedule?q={CEMENT.code}")
    seat.page.get_by_role("button", name="改时间点").click()
    seat.page.get_by_label("新的上报时间点，HH:MM:SS").fill("25:00:00")
    seat.page.get_by_role("button", name="下一步").click()
    seat.page.get_by_role("dialog").get_by_role("button", name="改时间点").click()
    seat.page.get_by_role("alert").get_by_text("应为 HH:MM:SS").first.wait_for()
    seat.page.get_by_role("button", name="改时间点").click()
    seat.page.get_by_label("新的上报时间点，HH:MM:SS").fill("03:33:00")
    seat.page.get_by_role("button", name="下一步").click()
    seat.page.get_by_role("dialog").get_by_role("button", name="改时间点").click()
    seat.page.locator("tbody").get_by_text("单独改过").first.wait_for()
    seat.open("/schedule")
    seat.page.get_by_label("窗口开始，HH:MM:SS").fill("02:00:00")
    seat.page.get_by_role("button", name="预览").click()
    seat.page.get_by_text("时间点会变的端设备").first.wait_for()
    seat.picture("schedule-preview")
    seat.page.get_by_role("button", name="重新编排").click()
    dialog = seat.page.get_by_role("dialog")
    dialog.get_by_label("请输入").fill("重新编排")
    dialog.get_by_role("button", name="重新编排").click()
    seat.page.get_by_text("02:00–05:00").first.wait_for()
    with ground.store.read() as conn:
        times = [row["upload_time"] for row in registry.devices(conn)]
    assert times[:2] == ["02:00:00", "02:00:04"]
    assert ground.audited("schedule.assign")[-1]["actor"] == "user:system"
    assert ground.audited("schedule.replan")[-1]["actor"] == "user:system"
    assert 'upload_window_start = "02:00:00"' in (ground.home / "platform.toml").read_text("utf-8")
