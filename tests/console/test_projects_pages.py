"""Key projects in the browser: added, changed, compared and imported, exported, removed."""

from __future__ import annotations

from typing import Any

from nenghao.platform import projects, table_file
from nenghao.platform.permissions import Role
from nenghao.platform.projects import HEADER, Row
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground
from tests.console.seeding import EVIL
from tests.platform.web.wire import until

NAME = f"余热{EVIL}发电"


def held(ground: Ground, code: str) -> Row | None:
    with ground.store.read() as conn:
        return projects.get(conn, code)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def offer(page: Any, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.locator("input[type=file]").set_input_files(file)


def row(code: str, **changes: str) -> Row:
    plain = dict.fromkeys(HEADER, "") | {"name": f"项目{code}", "code": code}
    return plain | {"regionCode": "210202", "industryCode": "C2511"} | changes


def test_a_project_is_added_changed_and_removed(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/projects")
    page = seat.page
    press(page, "新增项目")
    dialog = page.get_by_role("dialog")
    press(dialog, "保存")
    dialog.get_by_text("缺失").first.wait_for()
    for label, value in (
        ("项目名称（必填）", NAME),
        ("项目代码（必填）", "NEW-1"),
        ("行政区划代码（必填）", "210202"),
        ("所属行业代码（必填）", "C2511"),
    ):
        dialog.get_by_label(label).fill(value)
    dialog.get_by_text("中山区").first.wait_for()
    press(dialog, "保存")
    page.get_by_role("cell", name=NAME).wait_for()
    assert held(ground, "NEW-1") == row("NEW-1", name=NAME)

    mine = page.get_by_role("row").filter(has_text="NEW-1")
    mine.get_by_role("button", name="修改").click()
    dialog.get_by_label("设计年综合能耗").fill("12.5")
    press(dialog, "保存")
    mine.get_by_role("cell", name="12.5").wait_for()
    assert held(ground, "NEW-1") == row("NEW-1", name=NAME, design_energy_consumption="12.5")

    mine.get_by_role("button", name="删除").click()
    press(dialog, "取消")
    dialog.wait_for(state="detached")
    assert held(ground, "NEW-1") is not None
    mine.get_by_role("button", name="删除").click()
    press(dialog, "删除")
    mine.wait_for(state="detached")
    assert held(ground, "NEW-1") is None
    actor = f"user:{ground.operators[Role.CLERK]}"
    for action in ("projects.add", "projects.change", "projects.remove"):
        assert [one["actor"] for one in ground.audited(action)] == [actor]


def test_a_file_is_compared_before_it_takes_effect(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/projects")
    page = seat.page
    offer(page, "p.csv", table_file.write_csv(HEADER, [row("I-1", regionCode="999999")]))
    page.get_by_text("p.csv 不能导入").first.wait_for()
    until(lambda: "第 2 行 regionCode 列" in page.locator(".notice.bad").inner_text())

    content = table_file.write_csv(HEADER, [row("I-1", name=NAME), row("I-2")])
    offer(page, "p.csv", content)
    page.get_by_text("共 2 个项目：新增 2，修改 0").first.wait_for()
    dialog = page.get_by_role("dialog")
    press(dialog, "取消")
    dialog.wait_for(state="detached")
    until(lambda: page.locator("table.plain").get_by_role("cell", name=NAME).count() == 1)
    assert held(ground, "I-1") is None
    offer(page, "p.csv", content)
    press(dialog, "导入")
    page.get_by_text("已导入：新增 2").first.wait_for()
    assert held(ground, "I-1") == row("I-1", name=NAME)
    seat.picture("projects")


def test_the_list_is_exported_and_nothing_in_it_is_a_formula(
    ground: Ground, as_role: AsRole
) -> None:
    with ground.store.write() as conn:
        projects.add(conn, row("X-1", name="=1+1"), ground.now)
    seat = as_role(Role.CLERK)
    seat.open("/projects?q=X-1")
    seat.page.get_by_role("cell", name="=1+1").wait_for()
    with seat.page.expect_download() as offered:
        press(seat.page, "导出 CSV")
    content = offered.value.path().read_bytes()
    assert b"'=1+1,X-1" in content
    assert offered.value.suggested_filename.endswith(".csv")


def test_the_page_fits_a_phone(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK, PHONE, dark=True)
    seat.open("/projects")
    until(lambda: seat.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0])
    seat.picture("projects-phone-dark")


def test_others_are_refused(ground: Ground) -> None:
    for role in (Role.AUDITOR, Role.SYSTEM, Role.SECURITY, Role.UNIT):
        with ground.client(role) as client:
            assert client.get("/projects").status_code == 403, role
