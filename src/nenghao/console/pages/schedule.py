"""Upload times (上报时间点): the chart of the window, one device's time, handing all out anew."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from nicegui import ui

from nenghao.console.charts import chart
from nenghao.console.dialogs import ask_text, confirm
from nenghao.console.listing import Action, Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.devices_parts import Later, Refresh, part_of, search
from nenghao.console.pages.schedule_reissue import reissuing
from nenghao.console.parts import figure, section, text
from nenghao.console.state import State
from nenghao.console.views import schedule as views
from nenghao.console.views.schedule import Place, Plan
from nenghao.console.visit import Visit
from nenghao.platform import schedule_changes
from nenghao.platform.permissions import Act
from nenghao.platform.schedule_changes import ScheduleError
from nenghao.platform.store.engine import Store

EMPTY = "没有符合条件的端设备。端设备首次注册时按次序得到上报时间点。"
TOLD = (
    "改动之后 regVersion 升高：每台端设备在下一次核对版本时重新注册一次，从而得知自己的上报时间点。"
)


@page("/schedule", "上报时间点", Act.SCHEDULE_READ, group=Group.DATA, icon="schedule", order=40)
async def schedule(visit: Visit, state: State) -> None:
    """The plan in force, then each device."""
    plan = await visit.ask(Act.SCHEDULE_READ, lambda conn: views.plan(conn, visit.settings))
    with ui.element("div").classes("cards"):
        figure("时间窗口", f"{plan.start[:5]}–{plan.end[:5]}", "", f"每 {plan.step} 秒一个时间点")
        figure("端设备", f"{plan.devices:,}", "台", f"窗口内共有 {plan.places:,} 个时间点")
        figure("最忙的一分钟", f"{plan.busiest:,}", "台", _outside(plan))
        figure("regVersion", str(plan.version), "", "端设备据此得知要重新注册")
    with section("每分钟上报的端设备"):
        chart(
            minutes(plan.by_minute),
            f"每分钟上报的端设备数，最多 {plan.busiest} 台",
            height="260px",
            empty=None if plan.devices else "还没有端设备注册。",
        )
    later = Later()
    with section("各端设备"):
        await _places(visit, state, later)
    if visit.may(Act.SCHEDULE_EDIT):
        with section("全部重新编排"):
            text(f"按首次注册的先后，从窗口开始处逐个重新下发。{TOLD}", "p", "dull")
            reissuing(visit, plan)


def minutes(counts: dict[str, int]) -> dict[str, Any]:
    """The chart of devices by minute."""
    return {
        "xAxis": {"type": "category", "data": list(counts), "name": "时间点"},
        "yAxis": {"type": "value", "name": "台", "minInterval": 1},
        "dataZoom": [{"type": "inside"}],
        "series": [{"type": "bar", "name": "端设备", "data": list(counts.values()), "large": True}],
    }


def _outside(plan: Plan) -> str:
    return f"窗口之外另有 {plan.outside:,} 台" if plan.outside else "全部在窗口之内"


async def _places(visit: Visit, state: State, later: Later) -> None:
    with ui.element("div").classes("toolbar"):
        search(state, later.refresh, "单位名称、统一社会信用代码或时间（如 01:05）")

    async def fetch(asked: Page) -> Rows:
        found = await visit.ask(
            Act.SCHEDULE_READ,
            lambda conn: views.page(conn, visit.settings, state.text("q"), part_of(asked)),
        )
        return Rows([_row(one) for one in found.rows], found.total)

    def actions(row: Row) -> list[Action]:
        may = visit.may(Act.SCHEDULE_EDIT)
        return [("改时间点", partial(_change, visit, later.refresh))] if may else []

    columns = [
        Column("upload_time", "上报时间点", sort=True),
        Column("name", "用能单位", sort=True, link=_unit),
        Column("code", "统一社会信用代码", sort=True, code=True),
        Column("number", "端设备", number=True),
        Column("region", "行政区划"),
        Column("ordinal", "注册次序", number=True),
        Column("given", "来历", badge=lambda row: "warn" if row["given"] == "单独改过" else "dull"),
    ]
    later.list = await listing(visit, state, columns, fetch, EMPTY, "上报时间点", actions=actions)


def _unit(row: Row) -> str:
    return f"/units/{row['code']}"


def _row(one: Place) -> Row:
    return {
        "upload_time": one.upload_time,
        "name": one.name,
        "code": one.code,
        "number": one.number,
        "region": one.region_name,
        "ordinal": one.ordinal + 1,
        "given": "单独改过" if one.by_hand else "按次序",
    }


async def _change(visit: Visit, refresh: Refresh, row: Row) -> None:
    who = f"{row['name']} 端设备 {row['number']}"
    given = await ask_text(
        f"{who} 的上报时间点", "新的上报时间点，HH:MM:SS", str(row["upload_time"]), act="下一步",
        most=8,
    )  # fmt: skip
    if given is None:
        return
    explanation = f"{who}：由 {row['upload_time']} 改为 {given}。\n{TOLD}"
    if not await confirm("改上报时间点", explanation, act="改时间点"):
        return

    def change(store: Store, now: datetime) -> int:
        with store.write() as conn:
            code, number = str(row["code"]), int(row["number"] or 0)
            return schedule_changes.assign(conn, code, number, given, now)

    version = await visit.do(Act.SCHEDULE_EDIT, change, refusals=(ScheduleError,))
    visit.say(f"已改；regVersion 升为 {version}" if version else "与原来的时间点相同，未改动")
    await refresh()
