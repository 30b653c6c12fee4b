"""The pages of units in the browser: found, read, compared, explained, downloaded; refused."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from nenghao.platform.permissions import Role
from nenghao.platform.store.schema import unit, unit_setting
from tests.console.conftest import AsRole
from tests.console.ground import Ground
from tests.console.seeding import (
    CEMENT,
    ELECTRICITY,
    FERTILIZER,
    LATE,
    NAMES,
    REFINERY,
    SILENT,
    STEEL,
    UNITS,
    SeededUnit,
)

TABS = ("基本信息", "数据项", "曲线", "合计", "完整性", "上传", "提示", "端设备")


def path_of(one: SeededUnit, tab: str = "") -> str:
    return f"/units/{one.code}" + (f"?tab={tab}" if tab else "")


def tabs(page: Any) -> list[str]:
    nav = page.get_by_role("navigation", name="本页各部分")
    nav.wait_for()
    return [str(text) for text in nav.get_by_role("link").all_inner_texts()]


def rows(page: Any, name: str) -> Any:
    """The rows of a list, its head left out."""
    return page.locator(f'.listing[aria-label="{name}"] tbody tr')


def choose(page: Any, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def downloaded(page: Any, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_a_clerk_finds_a_unit_and_the_address_can_be_shared(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open("/units")
    rows(page, "用能单位列表").nth(len(UNITS) - 1).wait_for()
    page.get_by_label("名称或代码").fill("沈阳")
    page.wait_for_url("**/units?q=*")
    rows(page, "用能单位列表").nth(2).wait_for(state="detached")
    assert rows(page, "用能单位列表").count() == 2

    seat.open("/units?region=210200&sort=code&desc=1")
    listed = rows(page, "用能单位列表")
    listed.nth(1).wait_for()
    names = listed.get_by_role("link").all_inner_texts()
    assert names == [SILENT.name, REFINERY.name]
    choose(page, "状态", "在线")
    page.wait_for_url("**state=online**")
    listed.nth(1).wait_for(state="detached")
    page.get_by_role("link", name=REFINERY.name).click()
    page.get_by_text("原油加工及石油制品制造").first.wait_for()
    assert tabs(page) == list(TABS)


def test_the_list_is_downloaded_as_it_is_filtered(as_role: AsRole) -> None:
    seat = as_role(Role.AUDITOR)
    seat.open("/units?region=210100&sort=code")
    rows(seat.page, "用能单位列表").nth(1).wait_for()

    name, text = downloaded(seat.page, "下载 CSV")
    _, book = downloaded(seat.page, "下载 Excel")

    assert name.endswith(".csv")
    told = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [row["名称"] for row in told] == [STEEL.name, FERTILIZER.name]
    sheet = load_workbook(io.BytesIO(book)).active
    assert sheet is not None
    assert [row[1] for row in sheet.iter_rows(min_row=2, values_only=True)] == [
        STEEL.name,
        FERTILIZER.name,
    ]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.CLERK, TABS),
        (Role.AUDITOR, ("基本信息", "数据项", "上传", "端设备")),
        (Role.SECURITY, ("基本信息", "数据项", "端设备")),
    ],
)
def test_each_role_sees_the_parts_it_may_and_no_other(
    as_role: AsRole, role: Role, expected: tuple[str, ...]
) -> None:
    seat = as_role(role)
    seat.open(path_of(STEEL))
    assert tabs(seat.page) == list(expected)

    seat.open(path_of(STEEL, "devices"))
    seat.page.get_by_text("平台现行基础数据版本").first.wait_for()
    with_certificates = role is not Role.CLERK
    assert (seat.page.get_by_role("heading", name="数字证书").count() == 1) is with_certificates
    can_change = seat.page.get_by_role("button", name="更改时间标签").count() == 1
    assert can_change is (role is Role.CLERK)
    if "曲线" not in expected:
        seat.open(path_of(STEEL, "curves"))
        seat.page.get_by_text("不能查看“曲线”").first.wait_for()
        assert seat.page.locator("canvas").count() == 0


def test_a_units_user_reaches_his_own_unit_alone(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.UNIT)
    for path in ("/units", path_of(REFINERY), path_of(CEMENT, "curves"), "/units/none"):
        before = len(ground.audited("permission", "refused"))
        seat.open(path, status=403)
        assert "沈阳市和平区" not in seat.page.content()
        assert len(ground.audited("permission", "refused")) == before + 1
    seat.open(path_of(STEEL, "curves"))
    seat.page.locator("canvas").first.wait_for()
    assert tabs(seat.page) == list(TABS)


def test_a_curve_is_chosen_compared_and_downloaded(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    begin = f"{ground.now.date() - timedelta(days=12)}"
    seat.open(f"{path_of(REFINERY, 'curves')}&item={ELECTRICITY}&kind=day&from={begin}")
    page.get_by_text("13（应有 12）").first.wait_for()
    page.locator("canvas").first.wait_for()
    choose(page, "比较", "上周同期")
    page.wait_for_url("**against=week**")
    name, text = downloaded(page, "下载 CSV")
    told = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert name.startswith(f"{REFINERY.code}-{ELECTRICITY}-day-")
    assert {row["数据项"] for row in told} == {NAMES[ELECTRICITY]}
    assert told[0]["统计时间"] == f"{begin} 00:00:00"
    assert "数值超出配置范围" in told[-1]["提示"]

    choose(page, "频率", "15 分钟")
    page.wait_for_url("**kind=tick**")
    page.get_by_text("672（应有 576）").first.wait_for()
    page.get_by_text("灰色区域为缺失").first.wait_for()
    seat.picture("units-curves")


def test_a_figure_is_explained_by_what_counts_in_it(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open(path_of(REFINERY, "totals"))
    page.locator("canvas").first.wait_for()
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_text("的合计怎样算出（在线采集）").first.wait_for()
    page.get_by_role("link", name="电力", exact=True).click()
    page.get_by_text("计入“电力”的数据").first.wait_for()
    reasons = page.get_by_role("table").last
    assert reasons.get_by_role("row").count() == 2
    assert NAMES[ELECTRICITY] in reasons.inner_text()
    assert page.get_by_text("与现有数据算出的不同").count() == 0


def test_completeness_uploads_and_advice_are_told_in_words(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open(path_of(REFINERY, "calendar"))
    page.get_by_text("不完整的日子").first.wait_for()
    page.locator("canvas").first.wait_for()
    seat.open(path_of(REFINERY, "uploads"))
    page.get_by_text("data[1].statDate 应为").first.wait_for()
    assert page.get_by_text("<script>alert(1)</sc").count() >= 1
    choose(page, "种类", "基础信息")
    page.wait_for_url("**kind=config**")
    accepted = rows(page, "已接收的上传")
    accepted.nth(1).wait_for(state="detached")
    with page.expect_download() as waiting:
        accepted.first.get_by_role("button", name="下载原文").click()
    body = json.loads(Path(waiting.value.path()).read_bytes())
    assert body["enterpriseCode"] == REFINERY.code

    seat.open(path_of(REFINERY, "findings"))
    page.get_by_role("cell", name="全厂-二次能源-热力-购进已消费").wait_for()
    seat.open(path_of(CEMENT))
    page.get_by_text(CEMENT.name, exact=True).first.wait_for()


def test_the_label_of_the_ticks_is_changed_after_asking(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    page = seat.page
    seat.open(path_of(LATE, "devices"))
    choose(page, "时间标签", "区间开始时刻，15 分钟")
    page.get_by_role("button", name="更改时间标签").click()
    page.get_by_role("dialog").get_by_role("button", name="取消").click()
    page.get_by_role("dialog").wait_for(state="detached")
    assert labels(ground, LATE) == []
    page.get_by_role("button", name="更改时间标签").click()
    page.get_by_role("dialog").get_by_role("button", name="更改").click()
    page.get_by_role("cell", name="区间开始时刻，15 分钟").wait_for()

    assert labels(ground, LATE) == ["start:15"]
    (record,) = ground.audited("unit.set")
    assert record["actor"] == f"user:{ground.operators[Role.CLERK]}"
    assert record["subject"] == LATE.code


def labels(ground: Ground, one: SeededUnit) -> list[str]:
    with ground.store.read() as conn:
        query = select(unit_setting.c.value).join(unit, unit.c.id == unit_setting.c.unit_id)
        return list(conn.execute(query.where(unit.c.code == one.code)).scalars())


def test_a_unit_without_data_says_what_to_do_next(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    for tab, word in (
        ("info", "还没有上传基础信息"),
        ("items", "没有数据项"),
        ("curves", "没有数据项"),
        ("totals", "没有合计"),
        ("calendar", "没有应有的数据"),
        ("uploads", "还没有收到上传"),
        ("findings", "没有提示"),
    ):
        seat.open(path_of(SILENT, tab))
        seat.page.get_by_text(word).first.wait_for()
    seat.open("/units/91210000000000000X")
    seat.page.get_by_text("没有注册过的用能单位").first.wait_for()
