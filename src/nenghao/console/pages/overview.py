"""The first page (总览): the province at a glance, and what somebody has to see to."""

from __future__ import annotations

from nicegui import ui

from nenghao.console.page import Group, Redirect, page
from nenghao.console.pages import overview_parts as parts
from nenghao.console.parts import card, empty, section, text
from nenghao.console.state import State
from nenghao.console.views.overview import Look
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act


@page("/", "总览", Act.OWN_ACCOUNT, group=Group.OVERVIEW, icon="dashboard", order=0)
async def overview(visit: Visit, state: State) -> None:
    """Everybody's first page; a unit's user goes on to his unit."""
    if visit.session.unit:
        raise Redirect(f"/units/{visit.session.unit}")
    indicator, period = parts.chosen(state)
    look = await parts.read(visit, indicator, period)
    ui.add_head_html(parts.STYLE)
    with ui.element("div").classes("toolbar"):
        text(f"截至 {look.at:%Y-%m-%d %H:%M}（北京时间）", "span", "dull grow")
        ui.link("大屏", State.link("/screen", period=period, indicator=indicator))
    if look.is_empty:
        first_steps(visit)
        with section("告警"):
            parts.alarms(look.alarms)
        return
    parts.figures(look)
    with section("告警"), card():
        parts.alarms(look.alarms)
    _energy(look, state)
    with section("今日到达"), card():
        parts.arrivals(look.arrival)
        parts.state_note()


def first_steps(visit: Visit) -> None:
    """What to do where there is no unit yet."""
    steps = (
        "还没有用能单位。先为用能单位签发端设备证书，或生成一次性注册码交给它；"
        "端设备启动后自行注册、领取上报时间点，数据随后出现在这里。"
    )
    if visit.may(Act.CERTIFICATES_EDIT):
        empty(steps, "/certificates", "签发证书或生成注册码")
    else:
        empty(f"{steps}证书和注册码由安全管理员办理。")


def _energy(look: Look, state: State) -> None:
    if look.energy is None:
        with section("各市用能单位"), card():
            parts.cities(look)
        return
    with section(f"标准煤：{look.energy.name}，{look.energy.chosen.label}"):
        parts.choices(state, look.energy.indicator, look.energy.period)
        parts.basis(look.energy)
        with ui.element("div").classes("ov-columns"):
            with card("按市"):
                parts.cities(look)
            with ui.element("div").classes("ov-column"):
                with card("按行业"):
                    parts.industries(look.energy)
                with card("按能源品种"):
                    parts.fuels(look.energy)
