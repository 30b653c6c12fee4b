"""Monthly reports in the browser: a unit fills in and submits, the office decides."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest

from nenghao.console.views.reports import last_month
from nenghao.platform import report_log, reports_blank, reports_template
from nenghao.platform.permissions import Role
from nenghao.platform.report_log import Report, State
from nenghao.platform.reports import in_force_of
from nenghao.platform.settings import PlatformSettings
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground, Seat
from tests.console.seeding import CEMENT, EVIL, REFINERY, STEEL, SeededUnit
from tests.platform.web.wire import until

POWER = "023300"
BEFORE = "2025-03"
"""A month that nobody has begun."""
REMARK = "电力<img src=x onerror=alert(1)>请核对"


def form_of(ground: Ground, code: str, month: str) -> Report:
    with ground.store.read() as conn:
        found = report_log.find(conn, code, month)
    assert found is not None
    return found


def in_force(ground: Ground, unit: SeededUnit, month: str) -> dict[str, int]:
    with ground.store.read() as conn:
        number = form_of(ground, unit.code, month).unit_id
        return in_force_of(conn, number, month, ground.now)


def fill(page: Any, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.blur()


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def confirm(page: Any, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def opened(seat: Seat, unit: SeededUnit, month: str) -> Any:
    seat.open(f"/reports/{unit.code}/{month}?kind={POWER}")
    return seat.page


def test_a_form_goes_from_the_unit_to_the_office_and_back_and_into_force(
    ground: Ground, as_role: AsRole
) -> None:
    factory = as_role(Role.UNIT)
    page = opened(factory, STEEL, BEFORE)
    fill(page, "20 能源消费合计", "1,5")
    page.get_by_text("1 项不能提交").first.wait_for()
    press(page, "提交")
    confirm(page, "提交")
    page.get_by_text("电力 20 能源消费合计：应为数值").first.wait_for()
    press(page, "关闭")
    fill(page, "20 能源消费合计", "15")
    fill(page, "21 工业生产消费", "16")
    page.get_by_text("校验提示 1 处").first.wait_for()
    press(page, "保存草稿")
    page.get_by_text("草稿已保存").first.wait_for()
    assert form_of(ground, STEEL.code, BEFORE).state is State.DRAFT
    press(page, "提交")
    confirm(page, "提交")
    page.get_by_text("已提交，等待审核").first.wait_for()
    assert page.get_by_role("button", name="接受", exact=True).count() == 0
    assert in_force(ground, STEEL, BEFORE) == {}

    office = as_role(Role.CLERK)
    desk = opened(office, STEEL, BEFORE)
    desk.get_by_role("cell", name="能源消费合计与分项不符").first.wait_for()
    press(desk, "退回")
    desk.get_by_label("退回的原因").fill(REMARK)
    confirm(desk, "退回")
    desk.get_by_text(f"审核意见：{REMARK}").first.wait_for()

    page = opened(factory, STEEL, BEFORE)
    page.get_by_text(f"审核意见：{REMARK}").first.wait_for()
    fill(page, "21 工业生产消费", "15")
    press(page, "提交")
    confirm(page, "提交")
    page.get_by_text("已提交，等待审核").first.wait_for()
    desk = opened(office, STEEL, BEFORE)
    press(desk, "接受")
    confirm(desk, "接受")
    desk.get_by_text("已接受：2 个数值生效").first.wait_for()
    assert in_force(ground, STEEL, BEFORE) == {
        f"00-00-0000-{POWER}-20": 15 * 10**10,
        f"00-00-0000-{POWER}-21": 15 * 10**10,
    }
    for action, role in (("reports.return", Role.CLERK), ("reports.accept", Role.CLERK)):
        assert [one["actor"] for one in ground.audited(action)] == [
            f"user:{ground.operators[role]}"
        ]


def test_what_was_submitted_in_one_tab_is_not_overwritten_from_another(
    ground: Ground, as_role: AsRole
) -> None:
    first, second = as_role(Role.UNIT), as_role(Role.UNIT)
    pages = [opened(seat, STEEL, "2025-02") for seat in (first, second)]
    for page, value in zip(pages, ("1", "2"), strict=True):
        fill(page, "10 购进", value)
        press(page, "保存草稿")
        page.get_by_text("草稿已保存").or_(page.get_by_text("已被改动")).first.wait_for()
    assert form_of(ground, STEEL.code, "2025-02").cells == {POWER: {"10": "1"}}


def test_the_list_is_searched_and_shared_as_a_link(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    month = last_month(ground.now)
    seat.open(f"/reports?month={month}")
    page = seat.page
    page.get_by_role("link", name=CEMENT.name).wait_for()
    page.get_by_label("名称或统一社会信用代码").fill(REFINERY.code)
    page.get_by_role("link", name=CEMENT.name).wait_for(state="detached")
    page.wait_for_url(f"**q={REFINERY.code}**")
    seat.open(page.url.removeprefix(ground.url))
    until(lambda: page.get_by_role("link", name=REFINERY.name).count() == 1)
    assert page.get_by_role("link", name=CEMENT.name).count() == 0
    seat.picture("reports")


def test_the_pages_are_usable_in_the_dark_on_a_phone(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK, PHONE, dark=True)
    page = opened(seat, CEMENT, last_month(ground.now))
    page.get_by_text(EVIL).first.wait_for()
    until(lambda: page.evaluate("document.documentElement.scrollWidth") <= PHONE[0])
    fill(page, "10 购进", "3")
    seat.picture("reports-form-phone-dark")
    seat.open(f"/reports/{CEMENT.code}")
    page.get_by_role("link", name=last_month(ground.now), exact=True).wait_for()


@pytest.mark.parametrize("value", ["8.5", "八"])
def test_an_operators_file_is_in_force_at_once_or_not_at_all(
    ground: Ground, as_role: AsRole, value: str
) -> None:
    month = "2025-01" if value == "8.5" else "2024-12"
    with ground.store.read() as conn:
        blank = reports_blank.form(conn, PlatformSettings(), month, [CEMENT.code])
    book = openpyxl.load_workbook(io.BytesIO(reports_template.write(blank)))
    row = next(r for r in book["填报"].iter_rows(min_row=5) if r[2].value == POWER)
    row[5].value = value
    out = io.BytesIO()
    book.save(out)
    seat = as_role(Role.CLERK)
    seat.open("/reports")
    seat.page.locator("input[type=file]").set_input_files(
        {"name": "月报.xlsx", "mimeType": "application/octet-stream", "buffer": out.getvalue()}
    )
    if value == "8.5":
        seat.page.get_by_text(f"月报.xlsx：{month} 已导入 1 个用能单位").first.wait_for()
        assert in_force(ground, CEMENT, month) == {f"00-00-0000-{POWER}-10": 85 * 10**9}
    else:
        seat.page.get_by_text("月报.xlsx 没有导入").first.wait_for()
        until(lambda: "10 购进 列" in seat.page.locator(".notice.bad").inner_text())
        assert form_of(ground, CEMENT.code, month).state is None


def test_others_are_refused(ground: Ground) -> None:
    own = f"/reports/{STEEL.code}"
    for role, path in (
        (Role.AUDITOR, "/reports"),
        (Role.SYSTEM, own),
        (Role.UNIT, "/reports"),
        (Role.UNIT, f"/reports/{REFINERY.code}"),
        (Role.UNIT, f"/reports/{REFINERY.code}/{BEFORE}"),
    ):
        with ground.client(role) as client:
            assert client.get(path).status_code == 403, (role, path)
