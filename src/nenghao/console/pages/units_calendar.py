"""How complete a unit's data are (完整性): a year as a calendar, and the days that lack most."""

from __future__ import annotations

from typing import Any, Final

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from nenghao.console.charts import BAD, GOOD, INK, WARN, chart
from nenghao.console.parts import empty, facts, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import unit_calendar, unit_items
from nenghao.console.views.unit_basics import Head
from nenghao.console.views.unit_calendar import Calendar, Day
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.standard import periods
from nenghao.standard.replies import DatabaseFault

KIND_NAMES: Final = {"day": "日数据（每日 1 个）", "realtime": "实时数据（每日 96 个刻度）"}
_LISTED: Final = 31
_PIECES: Final = (
    {"gte": 100, "label": "完整", "color": GOOD},
    {"gte": 80, "lt": 100, "label": "80% 以上", "color": "#9cc46a"},
    {"gt": 0, "lt": 80, "label": "不足 80%", "color": WARN},
    {"lte": 0, "label": "没有数据", "color": BAD},
)


async def calendar(visit: Visit, state: State, head: Head) -> None:
    """Choose year, frequency and item; the calendar, and the days with something missing."""
    now = visit.now()
    year = state.number("year", now.year, periods.FIRST_YEAR, periods.LAST_YEAR)
    kind = state.choice("kind", tuple(KIND_NAMES), "day")
    item = state.text("item")

    def read(store: Store) -> tuple[Calendar, dict[str, str]]:
        with store.read() as conn:
            found = unit_calendar.calendar(
                conn,
                head.unit_id,
                unit_calendar.KINDS[kind],
                year,
                head.registered_at,
                now,
                item,
            )
            items = unit_items.items(conn, head.unit_id)
        return found, {one.data_code: one.name for one in items if one.configured}

    found, names = await visit.do(
        Act.DATA_READ, lambda store, _: read(store), head.code, (DatabaseFault,)
    )
    with ui.element("div").classes("toolbar"):
        _controls(visit, state, head, names, (str(year), kind, item))
    if not found.days:
        empty(
            f"{year} 年没有应有的数据：该单位没有配置这一频率的数据项，或当时尚未注册。"
            "换一年或另一频率。"
        )
        return
    _words(found, kind)
    # Written from right to left, a narrow screen begins at the latest months.
    with (
        ui.element("div").classes("wide").style("direction:rtl"),
        ui.element("div").style("direction:ltr;min-width:46rem"),
    ):
        chart(
            options(found),
            f"{year} 年数据完整性日历，全年 {found.share}%",
            height="210px",
            on_click=lambda event: _opened(visit, state, event),
        )
    _worst(found)


def _controls(
    visit: Visit, state: State, head: Head, names: dict[str, str], chosen: tuple[str, str, str]
) -> None:
    """Each choice opens the page anew: everything on it is another."""
    year, kind, item = chosen

    def go(**changes: str) -> None:
        now = {"tab": "calendar", "year": year, "kind": kind, "item": item} | changes
        visit.go(State.link(state.path, **now))

    first = min(head.registered_at.year, int(year))
    last = max(visit.now().year, int(year))
    years = {str(one): f"{one} 年" for one in range(last, first - 1, -1)}
    ui.select(years, label="年", value=year, on_change=lambda event: go(year=event.value))
    ui.select(KIND_NAMES, label="频率", value=kind, on_change=lambda event: go(kind=event.value))
    ui.select(
        {"": "全部数据项", **names},
        label="数据项",
        value=item if item in names else "",
        with_input=True,
        on_change=lambda event: go(item=event.value or ""),
    ).classes("grow")


def _words(found: Calendar, kind: str) -> None:
    facts(
        {
            "完整率": f"{found.share}%",
            "应有数据的日子": f"{len(found.days)} 天",
            "完整的日子": f"{found.whole} 天",
            "数据项": f"{found.items} 个",
        }
    )
    said = "按现行配置的数据项计；今天不计。"
    if kind == "realtime":
        said += "未配置频率的数据项自当年首次上传实时数据之日起计。"
    text(f"{said}点击某一天查看当天的曲线。", "p", "dull")


def options(found: Calendar) -> dict[str, Any]:
    """The calendar of the year: a square a day."""
    return {
        "tooltip": {"formatter": "{c}%"},
        "visualMap": {
            "type": "piecewise",
            "pieces": list(_PIECES),
            "orient": "horizontal",
            "left": 40,
            "bottom": 4,
            "itemWidth": 16,
            "textStyle": {"color": INK},
        },
        "calendar": {
            "range": str(found.year),
            "top": 28,
            "left": 40,
            "right": 12,
            "bottom": 44,
            "cellSize": ["auto", "auto"],
            "dayLabel": {"nameMap": "ZH", "firstDay": 1, "color": INK},
            "monthLabel": {"nameMap": "ZH", "color": INK},
            "yearLabel": {"show": False},
            "itemStyle": {"color": "transparent", "borderColor": "rgba(128,140,152,.35)"},
            "splitLine": {"lineStyle": {"color": INK}},
        },
        "series": [
            {
                "type": "heatmap",
                "coordinateSystem": "calendar",
                "data": [[day.day.isoformat(), day.share] for day in found.days],
            }
        ],
    }


def _opened(visit: Visit, state: State, event: EChartPointClickEventArguments) -> None:
    day = str(event.value[0]) if isinstance(event.value, list) and event.value else ""
    if day:
        kind = "tick" if state.text("kind") == "realtime" else "day"
        query = {"tab": "curves", "kind": kind, "from": day, "to": day}
        visit.go(State.link(state.path, **query, item=state.text("item")))


def _worst(found: Calendar) -> None:
    """The latest days that lack something, for whoever reads no colours."""
    lacking = [day for day in reversed(found.days) if day.present < day.expected]
    with section("不完整的日子"):
        if not lacking:
            text("没有：应有的数据都在。", "p", "good-text")
            return
        caption = f"共 {len(lacking)} 天" + (
            f"，最近的 {_LISTED} 天如下" if len(lacking) > _LISTED else ""
        )
        plain_table(
            ("日期", "已有", "应有", "完整率"), [_row(day) for day in lacking[:_LISTED]], caption
        )


def _row(day: Day) -> list[str]:
    return [day.day.isoformat(), f"{day.present} 个", f"{day.expected} 个", f"{day.share}%"]
