"""What the overview and the big screen are made of (总览的组成部分): read, then shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from nicegui import ui

from nenghao.console import charts
from nenghao.console.parts import badge, empty, figure, notice, text
from nenghao.console.state import State
from nenghao.console.views import overview_alarms, overview_arrival, overview_energy
from nenghao.console.views import overview_words as words
from nenghao.console.views.overview import Look, ordered, tiles
from nenghao.console.views.overview_alarms import Alarm, Uplink
from nenghao.console.views.overview_arrival import Arrival
from nenghao.console.views.overview_energy import (
    MONTH,
    SHOWN,
    YEAR,
    Comparison,
    Energy,
    PeriodName,
    Share,
)
from nenghao.console.views.unit_state import EXPLANATION, UnitState
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.standard.indicators import INDICATORS

PERIODS: Final = {MONTH: "本月", YEAR: "本年"}

STYLE: Final = '<link rel="stylesheet" href="/static/overview.css">'

# --- reading --------------------------------------------------------------------------------------


def chosen(state: State) -> tuple[str, PeriodName]:
    """The indicator and the period that the address names."""
    indicator = state.choice("indicator", SHOWN, SHOWN[0])
    period: PeriodName = "year" if state.choice("period", (MONTH, YEAR), MONTH) == YEAR else "month"
    return indicator, period


async def read(visit: Visit, indicator: str, period: PeriodName) -> Look:
    """What this operator may see, each part asked for under the act that it takes."""
    now = visit.now()
    arrival = await visit.ask(Act.UNITS_READ, lambda conn: overview_arrival.look(conn, now))
    alarms = overview_alarms.of_arrival(arrival)
    energy: Energy | None = None
    uplink: Uplink | None = None
    if visit.may(Act.TOTALS_READ):
        energy = await visit.ask(
            Act.TOTALS_READ, lambda conn: overview_energy.look(conn, now, indicator, period)
        )
    if visit.may(Act.DATA_READ):
        alarms += await visit.ask(Act.DATA_READ, lambda conn: overview_alarms.of_refused(conn, now))
    if visit.may(Act.UPLINK_READ):
        address = visit.settings.uplink_to
        uplink = await visit.ask(
            Act.UPLINK_READ, lambda conn: overview_alarms.uplink(conn, now, address)
        )
        alarms += overview_alarms.of_uplink(uplink, now)
    if visit.may(Act.CERTIFICATES_READ):
        alarms += await visit.ask(
            Act.CERTIFICATES_READ, lambda conn: overview_alarms.of_certificates(conn, now)
        )
    if visit.may(Act.RUN_PLATFORM):
        folder = visit.home.path
        alarms += await visit.ask(
            Act.RUN_PLATFORM, lambda conn: overview_alarms.of_platform(conn, folder, now)
        )
    return Look(now, arrival, energy, uplink, ordered(alarms))


# --- numbers --------------------------------------------------------------------------------------


def figures(look: Look) -> None:
    """The big numbers."""
    with ui.element("div").classes("cards ov-figures"):
        if look.energy is not None:
            _coal("本月", look.energy.name, look.energy.month)
            _coal("本年", look.energy.name, look.energy.year)
        _units(look.arrival)
        _arrived(look.arrival)
        if look.uplink is not None:
            _uplink(look, look.uplink)


def _coal(period: str, name: str, one: Comparison) -> None:
    label = f"{period}{name}（{one.label}）"
    if one.total is None:
        figure(label, "—", "", "还没有数据")
        return
    number, unit = words.coal_text(one.total)
    note = f"{words.change_text(one.change)} · {one.units:,} 家单位"
    figure(label, number, unit, note, "info")


def _units(arrival: Arrival) -> None:
    states = arrival.states
    late, silent = states[UnitState.LATE], states[UnitState.SILENT]
    note = f"迟报 {late:,} 家 · 静默 {silent:,} 家"
    kind = overview_alarms.worst(arrival)
    figure(
        f"在线单位（共 {arrival.units:,} 家）", f"{states[UnitState.ONLINE]:,}", "家", note, kind
    )


def _arrived(arrival: Arrival) -> None:
    note = f"到时应报 {arrival.due_now:,} 台 · 今日 {arrival.batches:,} 个批次"
    figure("今日已到端设备", f"{arrival.arrived_now:,}", "台", note, "info")


def _uplink(look: Look, uplink: Uplink) -> None:
    label = "待上送国家平台"
    if not uplink.configured:
        figure(label, "—", "", "未设置上送")
        return
    note = "没有积压"
    if uplink.oldest is not None:
        note = f"最早 {uplink.oldest:%Y-%m-%d %H:%M}：{uplink.oldest_item}"
    kind = "bad" if overview_alarms.of_uplink(uplink, look.at) else "good"
    figure(label, f"{uplink.backlog:,}", "项", note, "bad" if kind == "bad" else "good")


def basis(energy: Energy) -> None:
    """What was compared with what."""
    for one in (energy.month, energy.year):
        text(f"{one.label}：{words.basis_text(one)}。", "p", "dull")
    if energy.waiting:
        text(f"另有 {energy.waiting:,} 家单位刚到的数据正在结算，尚未计入。", "p", "dull")


# --- alarms ---------------------------------------------------------------------------------------

_KINDS: Final = {"bad": "需处理", "warn": "注意"}


def alarms(found: Sequence[Alarm]) -> None:
    """What somebody has to see to, each with where."""
    if not found:
        notice("没有需要处理的告警。", "good")
        return
    with ui.element("ul").classes("ov-alarms"):
        for one in found:
            with ui.element("li"):
                badge(_KINDS[one.kind], one.kind)
                text(one.title, "strong")
                text(f"{one.detail}。 ", "span", "dull")
                ui.link(one.label, one.link)


# --- parts of the whole ---------------------------------------------------------------------------


def choices(state: State, indicator: str, period: PeriodName) -> None:
    """Which period and which indicator: links, so that what is chosen can be sent."""
    with ui.element("nav").classes("ov-choices").props('aria-label="时间和指标"'):
        with ui.element("div"):
            text("时间", "span", "dull")
            for key, name in PERIODS.items():
                _choice(
                    name, State.link(state.path, period=key, indicator=indicator), key == period
                )
        with ui.element("div"):
            text("指标", "span", "dull")
            for key in SHOWN:
                link = State.link(state.path, period=period, indicator=key)
                _choice(INDICATORS[key], link, key == indicator)


def _choice(name: str, address: str, is_current: bool) -> None:
    link = ui.link(name, address)
    if is_current:
        link.props("aria-current=true")


def cities(look: Look) -> None:
    """The fourteen cities as tiles; each leads to its units."""
    found = tiles(look)
    divisor, unit = words.unit_for(*(one.amount or 0 for one in found))
    with ui.element("nav").classes("ov-map").props('aria-label="按市查看用能单位"'):
        for one in found:
            place = f"grid-row:{one.row};grid-column:{one.column}"
            share = round(6 + 32 * one.depth)
            colour = f"background:color-mix(in srgb, var(--accent) {share}%, var(--paper))"
            with ui.link(target=State.link("/units", region=one.code)).style(f"{place};{colour}"):
                text(one.name, "strong")
                if one.amount is not None:
                    text(words.short_text(one.amount, divisor) if one.amount else "—")
                    if one.change is not None:
                        text(words.signed(one.change))
                if one.troubled:
                    text(f"未报 {one.troubled} 家", "span", "ov-bad")
    if look.energy is None:
        text("颜色越深，迟报和静默的单位越多。", "p", "dull")
        return
    text(f"单位：{unit}；第三行为同比；点击查看该市的用能单位。", "p", "dull")
    if look.energy.elsewhere:
        number, unit = words.coal_text(look.energy.elsewhere)
        text(f"不在十四市内的单位：{number} {unit}。", "p", "dull")


def industries(energy: Energy) -> None:
    """The industries that consumed most."""
    if not energy.industries:
        empty(f"{energy.chosen.label}还没有分行业的数据。行业取自用能单位上传的基础信息。")
        return
    unit = _bars(energy.industries, lambda one: State.link("/units", industry=one.code))
    number, rest_unit = words.coal_text(energy.other_industries)
    rest = f"其余行业和未上传行业的单位合计 {number} {rest_unit}"
    text(f"单位：{unit}；末列为同比；{rest}。", "p", "dull")


def fuels(energy: Energy) -> None:
    """The energy types that were consumed, each in its own unit too."""
    found = [one for one in energy.fuels if one.total]
    if not found:
        empty(f"{energy.chosen.label}还没有分品种的数据。")
        return
    unit = _bars(found, None)
    text(
        f"消费量的折标量，单位：{unit}；其后为原始量和同比。含加工转换投入，不等于总量。",
        "p",
        "dull",
    )


def _bars(rows: Sequence[Share], link: Callable[[Share], str] | None) -> str:
    """A name, a bar, an amount and the change for each row; the unit of the amounts."""
    divisor, unit = words.unit_for(*(one.total for one in rows))
    most = max((one.total for one in rows), default=0)
    with ui.element("div").classes("ov-bars" if link else "ov-bars ov-fuels"):
        for one in rows:
            if link is None:
                text(one.name, "span", "ov-name")
            else:
                name = f"{one.code} {one.name}"
                made = ui.link(name, link(one)).classes("ov-name")
                made.props(f'title="{charts.quoted(name)}"')
            length = round(100 * max(one.total, 0) / most, 1) if most > 0 else 0.0
            with ui.element("div").classes("ov-track").props("aria-hidden=true"):
                ui.element("div").style(f"width:{length}%")
            text(words.short_text(one.total, divisor), "span", "number")
            if one.unit:
                text(f"{words.short_text(one.amount)} {one.unit}", "span", "number dull")
            text(words.signed(one.change), "span", "number dull ov-change")
    return unit


def arrivals(arrival: Arrival, height: str = "260px") -> None:
    """Devices that have come today against their upload times."""
    words_for_it = (
        f"今日到达曲线：到时应报 {arrival.due_now} 台端设备，已到 {arrival.arrived_now} 台"
    )
    none = (
        None
        if arrival.devices
        else "还没有端设备注册；注册后平台下发上报时间点，这里显示到达情况。"
    )
    charts.chart(_curve(arrival), words_for_it, height, empty=none)


def _curve(arrival: Arrival) -> dict[str, Any]:
    line = {"type": "line", "showSymbol": False, "step": "end"}
    return {
        "legend": {"top": 0},
        "xAxis": {"type": "category", "data": list(arrival.labels), "boundaryGap": False},
        "yAxis": {"type": "value", "minInterval": 1, "min": 0},
        "series": [
            line
            | {
                "name": "应报端设备（台）",
                "data": list(arrival.due),
                "lineStyle": {"type": "dashed", "color": charts.DULL},
                "itemStyle": {"color": charts.DULL},
            },
            line
            | {
                "name": "已到端设备（台）",
                "data": list(arrival.arrived),
                "areaStyle": {"opacity": 0.15},
                "lineStyle": {"color": charts.GOOD},
                "itemStyle": {"color": charts.GOOD},
            },
        ],
    }


def state_note() -> None:
    """What the three states mean."""
    text(EXPLANATION, "p", "dull")
