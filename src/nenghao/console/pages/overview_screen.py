"""The big screen (大屏): the overview on a wall, dark and large, anew every minute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import ui

from nenghao.console.page import Group, page
from nenghao.console.pages import overview_parts as parts
from nenghao.console.pages.overview import first_steps
from nenghao.console.parts import card, text
from nenghao.console.state import State
from nenghao.console.views.overview import Look
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

SECONDS: Final = 60.0


@page(
    "/screen",
    "大屏",
    Act.UNITS_READ,
    group=Group.OVERVIEW,
    icon="monitor",
    order=1,
    bare=True,
)
async def screen(visit: Visit, state: State) -> None:
    """The whole window; refreshed by itself as long as the session lasts."""
    indicator, period = parts.chosen(state)
    look = await parts.read(visit, indicator, period)
    ui.add_head_html(parts.STYLE)
    with ui.element("div").classes("screen"):
        content = ui.element("div")

    async def refresh() -> None:
        show(await parts.read(visit, indicator, period))

    def show(found: Look) -> None:
        content.clear()
        with content:
            _head(state, found, refresh)
            _body(visit, found)

    async def in_time() -> None:
        with visit.by_itself():
            await refresh()

    show(look)
    ui.timer(SECONDS, in_time, immediate=False)


def _body(visit: Visit, look: Look) -> None:
    if look.is_empty:
        first_steps(visit)
        return
    parts.figures(look)
    with ui.element("div").classes("body"):
        with card(_title("按市", look)):
            parts.cities(look)
            if look.energy is not None:
                parts.basis(look.energy)
        if look.energy is not None:
            with ui.element("div").classes("ov-column"):
                with card(_title("按行业", look)):
                    parts.industries(look.energy)
                with card(_title("按能源品种", look)):
                    parts.fuels(look.energy)
        with ui.element("div").classes("ov-column"):
            with card("今日到达"):
                parts.arrivals(look.arrival, "17rem")
            with card("告警"):
                parts.alarms(look.alarms)


def _title(part: str, look: Look) -> str:
    """With the indicator and the period where amounts are shown."""
    if look.energy is None:
        return part
    return f"{part} · {look.energy.name} · {look.energy.chosen.label}"


def _head(state: State, look: Look, refresh: Callable[[], Awaitable[None]]) -> None:
    with ui.element("header").classes("head"):
        text("能耗在线监测", "h1")
        if look.energy is not None:
            parts.choices(state, look.energy.indicator, look.energy.period)
        text(f"截至 {look.at:%Y-%m-%d %H:%M}", "span", "number")
        button = ui.button(icon="refresh", on_click=refresh)
        button.props('flat round dense color=white aria-label="立即刷新"')
        ui.link("退出大屏", "/")
