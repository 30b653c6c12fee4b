"""The calls of an account (调用记录): by day and result as a chart, then each of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from nicegui import ui

from nenghao.console.charts import BAD, DULL, GOOD, WARN, chart
from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.pages.devices_parts import Later, choose, moment
from nenghao.console.parts import section, text
from nenghao.console.state import State
from nenghao.console.views import partners as views
from nenghao.console.views.partners import Call, Day
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.standard.replies import SUCCESS_CODE

DAYS: Final = 30
MOST_DAYS: Final = 366
WORDS: Final = {
    "0": "成功", "E1001": "平台异常", "E1002": "数据库异常", "E2001": "缺少必填项",
    "E2002": "不合法或未通过验证",
}  # fmt: skip
COLOURS: Final = {
    "0": GOOD, "E1001": WARN, "E1002": DULL, "E2001": "#8a63b8", "E2002": BAD,
}  # fmt: skip
RESULTS: Final = {"": "全部", "refused": "只看被拒绝的"}
EMPTY: Final = "这段时间没有调用。可以改变起止日期，或用“测试调用”试一次。"


async def calls(visit: Visit, state: State, name: str) -> None:
    """Of the days that the address says, the last thirty unless it does."""
    first, last = span(state, visit.now().date())
    _dates(visit, state, first, last)
    days = await visit.ask(Act.PARTNERS_READ, lambda conn: views.by_day(conn, name, first, last))
    total = sum(day.total for day in days)
    good = sum(day.by_code[SUCCESS_CODE] for day in days)
    with section("每日调用"):
        text(f"{first} 至 {last} 共 {total:,} 次，其中成功 {good:,} 次。", "p", "dull")
        chart(
            by_day(days),
            f"每日调用次数，按结果；共 {total} 次，成功 {good} 次",
            empty=None if total else EMPTY,
        )
    with section("调用记录"):
        await _list(visit, state, name, first, last)


def span(state: State, today: date) -> tuple[date, date]:
    """The days asked for: never more than a year, never the wrong way round."""
    last = state.day("to", today)
    first = state.day("from", last - timedelta(days=DAYS - 1))
    first, last = min(first, last), max(first, last)
    return max(first, last - timedelta(days=MOST_DAYS - 1)), last


def by_day(days: list[Day]) -> dict[str, Any]:
    """The chart of calls by day and result."""
    return {
        "legend": {"left": 48, "top": 0},
        "xAxis": {"type": "category", "data": [f"{day.day:%m-%d}" for day in days]},
        "yAxis": {"type": "value", "name": "次", "minInterval": 1},
        "series": [
            {
                "type": "bar",
                "stack": "calls",
                "name": f"{WORDS[code]} {code}",
                "data": [day.by_code[code] for day in days],
                "itemStyle": {"color": COLOURS[code]},
            }
            for code in views.CODES
        ],
    }


def _dates(visit: Visit, state: State, first: date, last: date) -> None:
    with ui.element("div").classes("toolbar"):
        begin = ui.input(label="自", value=str(first)).props("outlined dense type=date")
        end = ui.input(label="至", value=str(last)).props("outlined dense type=date")

        def show() -> None:
            state.set(**{"from": begin.value, "to": end.value, "page": None})
            visit.go(state.here)

        ui.button("查看", on_click=show)


async def _list(visit: Visit, state: State, name: str, first: date, last: date) -> None:
    later = Later()
    with ui.element("div").classes("toolbar"):
        choose(state, later.refresh, "结果", "result", RESULTS)

    async def fetch(asked: Page) -> Rows:
        refused = state.choice("result", tuple(RESULTS), "") == "refused"
        found = await visit.ask(
            Act.PARTNERS_READ,
            lambda conn: views.calls(
                conn, name, first, last, asked.offset, asked.size, refused=refused
            ),
        )
        return Rows([_row(one) for one in found.rows], found.total)

    columns = [
        Column("at", "时间"),
        Column("interface", "接口"),
        Column("code", "结果", badge=lambda row: "good" if row["ok"] else "bad"),
        Column("reason", "原因"),
        Column("asked", "查询", code=True),
        Column("rows", "条数", number=True),
        Column("ms", "毫秒", number=True),
        Column("address", "来自", code=True),
    ]
    later.list = await listing(visit, state, columns, fetch, EMPTY, "调用记录")


def _row(one: Call) -> Row:
    return {
        "at": moment(one.at),
        "interface": one.interface,
        "code": f"{WORDS.get(one.code, '')} {one.code}".strip(),
        "ok": int(one.ok),
        "reason": one.reason or None,
        "asked": one.asked or None,
        "rows": one.rows,
        "ms": one.ms,
        "address": one.address,
    }
