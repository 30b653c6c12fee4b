"""The page of a unit's form of a month (填报表): typed, checked while one types, decided upon.

Who fills in sees the fields of one energy type at a time; whoever looks at a form that stands
still sees all that is filled, beside what the platform has.
"""

from __future__ import annotations

import re
from datetime import datetime

from nicegui import ui

from nenghao.console.dialogs import ask_text, confirm
from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import page
from nenghao.console.pages.reports_desk import Desk
from nenghao.console.pages.reports_fill import fill_in
from nenghao.console.parts import badge, empty, facts, notice, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import reports as months
from nenghao.console.views import reports_form as view
from nenghao.console.visit import Visit
from nenghao.platform import report_states
from nenghao.platform.permissions import Act
from nenghao.platform.report_log import State as Stand

_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")


@page("/reports/{code}/{month}", "填报表", Act.REPORTS_FILL)
async def report(visit: Visit, state: State, code: str, month: str) -> None:
    """The form of a month."""
    if not _MONTH.fullmatch(month):
        empty("月份应为 YYYY-MM。", f"/reports/{code}", "选择月份")
        return
    body = ui.element("div")
    await Desk(visit, state, code, month, body, _shown).again()


async def _shown(desk: Desk, now: datetime) -> None:
    found = desk.page
    _head(found)
    if found.report.state in report_states.WRITABLE and desk.month <= f"{now:%Y-%m}":
        fill_in(desk)
    else:
        await _look(desk)
    _history(found)


def _head(found: view.FormPage) -> None:
    told = found.report
    with ui.element("div").classes("row wrap"):
        text(f"{told.month} 能源购进、消费与库存", "strong")
        badge(told.said, months.BADGES[told.state])
    changed = "" if told.changed_at is None else f"{told.changed_at:%Y-%m-%d %H:%M}"
    facts(
        {
            "用能单位": told.name,
            "统一社会信用代码": told.code,
            "最近改动": f"{changed} {found.changed_by}".strip(),
            "数据生效": "" if told.taken_at is None else f"{told.taken_at:%Y-%m-%d %H:%M}",
        }
    )
    ui.link("本单位的其他月份", f"/reports/{told.code}")
    if told.remark:
        notice(f"审核意见：{told.remark}", "bad" if told.state is Stand.RETURNED else "info")


async def _look(desk: Desk) -> None:
    visit, told = desk.visit, desk.page.report
    with ui.element("div").classes("toolbar"):
        if told.state is Stand.SUBMITTED:
            if report_states.decides(visit.session, desk.code):
                ui.button("接受", on_click=lambda: _accept(desk))
                ui.button("退回", on_click=lambda: _send_back(desk)).props("outline color=negative")
            ui.button("撤回修改", on_click=lambda: _withdraw(desk)).props("outline")
    if told.state is None:
        empty(f"{told.month} 还没有开始，不能填报。", f"/reports/{desk.code}", "选择月份")
        return
    rows = [_compared(one) for one in view.compared(desk.page, desk.cells, visit.now())]

    async def fetch(wanted: Page) -> Rows:
        return Rows(rows[wanted.offset : wanted.offset + wanted.size], len(rows))

    with section("填报的数值"):
        await listing(
            visit,
            desk.state,
            [
                Column("kind", "能源品种"),
                Column("usage", "用途"),
                Column("unit", "计量单位"),
                Column("typed", "填报", number=True),
                Column("computed", "平台按上传数据计算", number=True),
                Column("apart", "相差", number=True, badge=lambda row: str(row["badge"])),
                Column("origin", "计算来源"),
                Column("in_force", "已生效", number=True),
                Column("said", "检查"),
            ],
            fetch,
            empty="没有填写任何数值。",
            caption="填报的数值与平台计算的对照",
        )


def _compared(one: view.Compared) -> Row:
    return {
        "kind": one.kind,
        "usage": one.usage,
        "unit": one.unit,
        "typed": one.typed,
        "computed": one.computed,
        "apart": one.apart,
        "badge": "warn" if one.far else "dull",
        "origin": one.origin,
        "in_force": one.in_force,
        "said": one.said,
    }


async def _accept(desk: Desk) -> None:
    remark = await ask_text("接受填报", "审核意见（可不填）", act="接受", most=500)
    if remark is None:
        return
    visit, told = desk.visit, desk.page.report
    done = await desk.do(
        lambda store, now: report_states.accept(
            store,
            visit.settings,
            visit.session,
            desk.code,
            desk.month,
            remark,
            told.version,
            now,
        )
    )
    await desk.again()
    visit.say(f"已接受：{done.result.records} 个数值生效，回执 {done.result.sequence}")


async def _send_back(desk: Desk) -> None:
    remark = await ask_text("退回填报", "退回的原因", act="退回", most=500)
    if remark is None:
        return
    visit, told = desk.visit, desk.page.report
    await desk.do(
        lambda store, now: report_states.send_back(
            store, visit.session, desk.code, desk.month, remark, told.version, now
        )
    )
    await desk.again()
    visit.say("已退回")


async def _withdraw(desk: Desk) -> None:
    if not await confirm("撤回修改", "撤回后这张表不再待审核，改好后须重新提交。", "撤回"):
        return
    visit, told = desk.visit, desk.page.report
    await desk.do(
        lambda store, now: report_states.withdraw(
            store, visit.session, desk.code, desk.month, told.version, now
        )
    )
    await desk.again()


def _history(found: view.FormPage) -> None:
    with section("经过"):
        if not found.history:
            text("还没有提交过。", "p", "dull")
            return
        plain_table(
            ("时间", "操作", "操作人", "已填（项）", "意见"),
            [
                (f"{one.at:%Y-%m-%d %H:%M}", one.act, one.who, str(one.filled), one.remark)
                for one in found.history
            ],
        )
