"""Base data in the browser: looked at, edited, imported, put in force, refused to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nenghao.platform import base_data_drafts, dictionary
from nenghao.platform.permissions import Role
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground, Seat

EVIL = "<script>alert(1)</script>"


def heading(seat: Seat, words: str) -> None:
    seat.page.get_by_role("heading", name=words).first.wait_for()


def version(ground: Ground) -> int:
    with ground.store.read() as conn:
        return dictionary.version(conn)


def test_a_clerk_sees_the_tables_and_one_of_them(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/base-data")
    seat.page.get_by_text("持有最新版本的端设备").first.wait_for()
    seat.picture("base_data")
    seat.page.get_by_role("link", name="行政区划").click()
    seat.page.get_by_role("cell", name="210000", exact=True).first.wait_for()
    seat.page.get_by_label("搜索任一栏目").fill("和平区")
    seat.page.get_by_role("cell", name="210102", exact=True).wait_for()
    seat.page.get_by_role("cell", name="210000", exact=True).wait_for(state="detached")
    assert "q=" in seat.page.url
    seat.picture("base_data_table")


def test_an_edit_waits_in_the_draft_until_it_is_put_in_force(
    ground: Ground, as_role: AsRole
) -> None:
    before = version(ground)
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open("/base-data/collectItemUsage")
    page.get_by_role("button", name="新增一行").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("名称（name）").fill(f"试验用途{EVIL}")
    dialog.get_by_label("编码（code）").fill("x7")
    dialog.locator(".q-field--error").wait_for()  # while one types
    dialog.get_by_role("button", name="记入草稿").click()
    dialog.locator(".q-field--error").wait_for()
    assert version(ground) == before
    seat.picture("base_data_form", whole=False)
    dialog.get_by_label("编码（code）").fill("77")
    dialog.get_by_role("button", name="记入草稿").click()
    page.get_by_role("cell", name="77", exact=True).wait_for()
    assert version(ground) == before
    seat.open("/base-data/draft")
    heading(seat, "采集数据项数据用途")
    seat.picture("base_data_draft")
    page.get_by_role("button", name="统一生效").click()
    page.get_by_role("dialog").get_by_role("button", name="生效").click()
    page.wait_for_url("**/base-data/versions?version=*")
    page.get_by_text(EVIL).first.wait_for()
    assert version(ground) == before + 1
    seat.open("/base-data/versions")
    page.get_by_text("现行").first.wait_for()
    seat.picture("base_data_versions")
    (record,) = ground.audited("base-data.import")
    assert record["actor"] == f"user:{ground.operators[Role.CLERK]}"


def test_a_file_is_compared_before_it_takes_effect(
    ground: Ground, as_role: AsRole, tmp_path: Path
) -> None:
    seat = as_role(Role.CLERK)
    page: Any = seat.page
    seat.open("/base-data/entType")
    with page.expect_download() as download:
        page.get_by_role("button", name="下载 CSV").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    lines = text.splitlines()
    file = tmp_path / "entType.csv"
    file.write_text("\n".join([*lines[:-1], "999,试验单位"]), "utf-8")
    page.locator("input[type=file]").set_input_files(str(file))
    page.wait_for_url("**/base-data/draft")
    page.get_by_text("新增 1 行").first.wait_for()
    page.get_by_text("删除 1 行").first.wait_for()
    with ground.store.read() as conn:
        assert base_data_drafts.counts(conn) == {"entType": 2}
        assert "999" not in dictionary.names(conn, "entType")


def test_whoever_may_not_edit_sees_no_way_to(ground: Ground, as_role: AsRole) -> None:
    unit = as_role(Role.UNIT, PHONE)
    unit.open("/base-data")
    unit.page.get_by_role("link", name="行业").first.wait_for()
    unit.picture("base_data_unit_phone")
    unit.open("/base-data/industry")
    unit.page.get_by_role("button", name="下载 Excel").wait_for()
    assert unit.page.get_by_role("button", name="新增一行").count() == 0
    unit.open("/base-data/draft", status=403)
    as_role(Role.SECURITY).open("/base-data", status=403)
    as_role(Role.AUDITOR).open("/base-data/versions", status=403)
