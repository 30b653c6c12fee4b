"""Coefficients in the browser: listed, changed after a look at the effects, refused."""

from __future__ import annotations

from pathlib import Path

from nenghao.platform import coefficients
from nenghao.platform.permissions import Role
from nenghao.standard.energy_amounts import Kind
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground

ELECTRICITY = Kind("02", "3300")


def held(ground: Ground) -> list[str]:
    with ground.store.read() as conn:
        rows = [one for one in coefficients.table(conn) if one.kind == ELECTRICITY]
    return [str(one.zbckz) for one in rows]


def test_the_effects_are_shown_before_a_coefficient_changes(
    ground: Ground, as_role: AsRole
) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open("/coefficients?q=023300")
    seat.picture("coefficients")
    page.get_by_role("link", name="023300").click()
    page.get_by_label("新的折标系数").fill("x")
    page.get_by_text("应为正的十进制数").first.wait_for()
    page.get_by_label("新的折标系数").fill("1.3")
    page.get_by_label("来源（文件名、文号）").fill("省统计局")
    page.get_by_role("button", name="查看影响").click()
    page.get_by_text("全省能源消费总量，按月").first.wait_for()
    page.get_by_text("按全部单位精确计算").first.wait_for()
    assert held(ground) == ["1.2290"]
    seat.picture("coefficients_effects")
    page.get_by_role("button", name="确认改动").click()
    page.get_by_text("折标系数已改动").first.wait_for()
    page.get_by_role("cell", name=ground.operators[Role.CLERK]).wait_for()
    assert held(ground) == ["1.2290", "1.3"]
    seat.picture("coefficients_kind")


def test_a_list_is_shown_before_it_takes_effect(
    ground: Ground, as_role: AsRole, tmp_path: Path
) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    file = tmp_path / "list.csv"
    header = "classCode,code,validFrom,zbckz,dwzbxs,range,source"
    file.write_text(f"{header}\n01,0100,2026-02-01,0.72,,,试验\n", "utf-8")
    seat.open("/coefficients")
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_text("将作的改动").first.wait_for()
    assert "01/0100" not in [record["subject"] for record in ground.audited("coefficient.set")]
    page.get_by_role("button", name="确认改动").click()
    page.get_by_text("已改动 1 项").first.wait_for()
    assert ground.audited("coefficient.set")[-1]["subject"] == "01/0100"


def test_an_auditor_reads_and_others_do_not(ground: Ground, as_role: AsRole) -> None:
    auditor = as_role(Role.AUDITOR, PHONE)
    auditor.open("/coefficients/023300")
    auditor.page.get_by_text("各时段的折标系数").first.wait_for()
    assert auditor.page.get_by_role("button", name="查看影响").count() == 0
    auditor.picture("coefficients_phone")
    for role in (Role.UNIT, Role.SYSTEM, Role.SECURITY):
        as_role(role).open("/coefficients", status=403)
