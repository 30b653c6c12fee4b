"""A unit's totals in standard coal (合计) by day, month and year, and how each came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from nenghao.console.charts import COLOURS, chart
from nenghao.console.parts import empty, notice, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import unit_totals as view
from nenghao.console.views.unit_basics import Head
from nenghao.console.views.unit_totals import CONSUMED, IN_COAL, Explanation, Kept, PeriodTotals
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.platform.totals.explain import UnknownUnit
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.periods import StatType
from nenghao.standard.replies import DatabaseFault

KIND_NAMES: Final = {"day": "日", "month": "月", "year": "年"}
TOTAL: Final = "nyxfzl"


@dataclass(frozen=True)
class Choice:
    """What the address asks for."""

    period: str
    month: str
    """YYYY-MM; of months only the year counts."""
    source: str

    @classmethod
    def of(cls, state: State, now: datetime) -> Choice:
        """The address, else the months of this year."""
        return cls(
            state.choice("period", tuple(KIND_NAMES), "month"),
            state.month("month", f"{now:%Y-%m}"),
            state.choice("source", tuple(view.SOURCES), "online"),
        )

    @property
    def kind(self) -> StatType:
        """The kind of period."""
        return view.KINDS[self.period]

    @property
    def query(self) -> dict[str, str]:
        """As the address has it."""
        return {
            "tab": "totals", "period": self.period, "month": self.month, "source": self.source,
        }  # fmt: skip


async def totals(visit: Visit, state: State, head: Head) -> None:
    """The kept totals as a chart and a table; one of them explained where the address names it."""
    now = visit.now()
    choice = Choice.of(state, now)
    year, month = (int(part) for part in choice.month.split("-"))
    source = view.SOURCES[choice.source]
    found = await visit.ask(
        Act.TOTALS_READ,
        lambda conn: view.kept(conn, head.unit_id, choice.kind, year, month, source, now),
        unit=head.code,
    )
    with ui.element("div").classes("toolbar"):
        _controls(visit, state, choice)
    if found.pending:
        notice("有新数据尚未计入：合计在后台结算，稍后刷新；查看某一周期的由来时立即结算。", "warn")
    if found.rows:
        _chart(visit, state, choice, found)
        _table(state, choice, found.rows)
    else:
        empty("所选时段没有合计：没有收到全厂范围的能源数据。换一段时间、周期或数据来源。")
    moment = view.parse(choice.kind, state.text("date"))
    if moment is not None:
        await _explanation(visit, state, head, choice, moment)


def _controls(visit: Visit, state: State, choice: Choice) -> None:
    def go(**changes: str) -> None:
        visit.go(State.link(state.path, **(choice.query | changes)))

    ui.select(
        KIND_NAMES, label="统计周期", value=choice.period,
        on_change=lambda event: go(period=event.value),
    )  # fmt: skip
    if choice.period == "day":
        month = ui.input(label="月份", value=choice.month).props("type=month stack-label")
        month.on("change", lambda: go(month=str(month.value)))
    elif choice.period == "month":
        this = visit.now().year
        asked = int(choice.month[:4])
        years = {
            str(one): f"{one} 年" for one in range(max(this, asked), min(this - 9, asked - 1), -1)
        }
        ui.select(
            years, label="年", value=choice.month[:4],
            on_change=lambda event: go(month=f"{event.value}-01"),
        )  # fmt: skip
    ui.select(
        view.SOURCE_NAMES, label="数据来源", value=choice.source,
        on_change=lambda event: go(source=event.value),
    )  # fmt: skip


def _chart(visit: Visit, state: State, choice: Choice, found: Kept) -> None:
    def opened(event: EChartPointClickEventArguments) -> None:
        visit.go(State.link(state.path, **choice.query, date=str(event.name)))

    label = f"各{KIND_NAMES[choice.period]}能源消费量（吨标准煤），按能源品种堆叠，与上年同期比较"
    with ui.element("div").classes("card"):
        chart(options(found), label, on_click=opened)


def options(found: Kept) -> dict[str, Any]:
    """Stacked bars of the single energies, the total as a line, last year's total beside it."""
    named = [row.period for row in found.rows]
    bars = [
        {
            "type": "bar",
            "stack": "品种",
            "name": INDICATORS[code],
            "data": [row.value[code] for row in found.rows],
            "itemStyle": {"color": COLOURS[at % len(COLOURS)]},
        }
        for at, code in enumerate(CONSUMED)
        if any(row.value[code] for row in found.rows)
    ]
    line = {"type": "line", "symbolSize": 6}
    lines = [
        {
            **line,
            "name": INDICATORS[TOTAL],
            "data": [row.value[TOTAL] for row in found.rows],
            "itemStyle": {"color": "#5b6b79"},
        }
    ]
    if found.before:
        lines.append(
            {
                **line,
                "name": "上年同期总量",
                "data": [found.before.get(period) for period in named],
                "lineStyle": {"type": "dashed"},
                "itemStyle": {"color": "#d08a1d"},
            }
        )
    return {
        "legend": {"top": 0},
        "grid": {"left": 8, "right": 16, "top": 64, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": named},
        "yAxis": {"type": "value", "name": "吨标准煤"},
        "series": [*bars, *lines],
    }


def _table(state: State, choice: Choice, rows: list[PeriodTotals]) -> None:
    """The figures, each period leading to how they came about."""
    with ui.element("div").classes("wide"), ui.element("table").classes("plain"):
        text("折标量，吨标准煤；工业总产值为万元。点击周期查看由来。", "caption")
        with ui.element("thead"), ui.element("tr"):
            for name in ("周期", *INDICATORS.values()):
                text(name, "th", "number" if name != "周期" else "").props("scope=col")
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.link(row.period, State.link(state.path, **choice.query, date=row.period))
                    for code in INDICATORS:
                        held = row.value if code in IN_COAL else row.origin
                        text(f"{held[code]:,.2f}", "td", "number")


async def _explanation(
    visit: Visit, state: State, head: Head, choice: Choice, moment: datetime
) -> None:
    """Asked of `platform.totals` itself, which settles what waits first."""
    found = await visit.do(
        Act.TOTALS_READ,
        lambda store, now: view.explained(
            store, head.code, choice.kind, moment, choice.source, now
        ),
        head.code,
        (UnknownUnit, DatabaseFault),
    )
    figure = state.choice("figure", tuple(INDICATORS), "")
    with section(f"{found.period} 的合计怎样算出（{found.source}）"):
        text(found.place, "p", "dull")
        if not found.agrees:
            notice("保存的合计与现有数据算出的不同：请管理员执行合计核对与重算。", "bad")
        for one in found.findings:
            notice(one, "warn")
        _figures(state, choice, found)
        _reasons(state, choice, found, figure)


def _figures(state: State, choice: Choice, found: Explanation) -> None:
    with ui.element("div").classes("wide"), ui.element("table").classes("plain"):
        text("点击指标只看计入它的数据", "caption")
        with ui.element("thead"), ui.element("tr"):
            for name in ("指标", "折标量（吨标准煤）", "原始量", "单位"):
                kind = "number" if "量" in name else ""
                text(name, "th", kind).props("scope=col")
        with ui.element("tbody"):
            for one in found.figures:
                with ui.element("tr"):
                    with ui.element("td"):
                        query = choice.query | {"date": found.period, "figure": one.code}
                        ui.link(one.name, State.link(state.path, **query))
                    text(one.value or "不折标", "td", "number")
                    text(one.origin, "td", "number")
                    text(one.unit, "td")


def _reasons(state: State, choice: Choice, found: Explanation, figure: str) -> None:
    """The amounts, and what each adds."""
    shown = [one for one in found.reasons if not figure or figure in one.counted_in]
    title = f"计入“{INDICATORS[figure]}”的数据" if figure else "全部数据"
    with section(title):
        if figure:
            every = State.link(state.path, **choice.query, date=found.period)
            ui.link("查看全部数据", every)
        if not shown:
            empty("没有数据计入。")
            return
        plain_table(
            (
                "数据项", "编码", "数量", "数量由来", "折标系数", "系数来源", "路径",
                "折标量（吨标准煤）", "计入",
            ),
            [
                (
                    one.name, one.data_code, one.amount, one.summed, one.coefficient or "—",
                    one.basis, one.route or "—", one.contribution, one.indicators or "不计入",
                )
                for one in shown
            ],
            f"{len(shown)} 项；指标的折标量为各项折标量之和",
        )  # fmt: skip
