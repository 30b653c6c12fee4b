"""`/units`: the list of units (用能单位), searched, filtered, sorted and paged on the server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.parts import badge, text
from nenghao.console.state import State
from nenghao.console.views import unit_state
from nenghao.console.views import units as view
from nenghao.console.views.unit_state import UnitState
from nenghao.console.views.units import Choices, Slice, UnitRow, Wanted
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

EMPTY: Final = (
    "没有符合条件的用能单位。单位的端设备注册后出现在这里：先在“数字证书”中签发证书或注册码。"
)
COLUMNS: Final = (
    Column("name", "名称", sort=True, link=lambda row: f"/units/{row['code']}"),
    Column("code", "统一社会信用代码", sort=True, code=True),
    Column("state", "状态", sort=True, badge=lambda row: str(row["badge"])),
    Column("region", "行政区划", sort=True),
    Column("industry", "行业", sort=True),
    Column("level", "年综合能耗（标准煤）", sort=True),
    Column("last_upload", "最近上传", sort=True),
    Column("upload_time", "上报时间点"),
)


def wanted_of(state: State) -> Wanted:
    """What the address asks for."""
    level = state.number("level", 0, 0, 9)
    asked = state.choice("state", ("", *(one.value for one in UnitState)), "")
    return Wanted(
        text=state.text("q"),
        region=state.text("region"),
        industry=state.text("industry"),
        level=level or None,
        category=state.text("category"),
        state=UnitState(asked) if asked else None,
    )


def slice_of(asked: Page) -> Slice:
    """Which rows a page of the list shows."""
    return Slice(asked.sort or "name", asked.descending, asked.size, asked.offset)


@page("/units", "用能单位", Act.UNITS_READ, group=Group.DATA, icon="factory", order=10)
async def units(visit: Visit, state: State) -> None:
    """Search, filters, how many are in which state, the list, downloads."""
    offered = await visit.ask(Act.UNITS_READ, view.choices)
    bar = ui.element("div").classes("toolbar")
    counted = ui.element("p").classes("row wrap").props("aria-live=polite")
    downloads = ui.element("div").classes("toolbar right")

    async def fetch(asked: Page) -> Rows:
        wanted, now = wanted_of(state), visit.now()
        found, counts = await visit.ask(
            Act.UNITS_READ,
            lambda conn: (
                view.search(conn, wanted, slice_of(asked), now),
                view.counts(conn, wanted, now),
            ),
        )
        _count(counted, counts)
        return Rows([_row(one) for one in found.rows], found.total)

    shown = await listing(visit, state, COLUMNS, fetch, EMPTY, "用能单位列表")

    async def search(**changes: Any) -> None:
        state.set(**changes)
        await shown.refresh(first=True)

    with bar:
        _filters(state, offered, search)
    with downloads:
        for label, suffix in (("下载 Excel", ".xlsx"), ("下载 CSV", ".csv")):
            _download(visit, state, label, suffix)


def _filters(state: State, offered: Choices, search: Any) -> None:
    field = ui.input(label="名称或代码", value=state.text("q")).props("clearable debounce=400")
    field.classes("grow").on_value_change(lambda event: search(q=event.value))
    wanted = wanted_of(state)
    _choice("行政区划", offered.regions, wanted.region, lambda value: search(region=value))
    _choice("行业", offered.industries, wanted.industry, lambda value: search(industry=value))
    levels = {str(number): name for number, name in offered.levels.items()}
    level = str(wanted.level or "")
    _choice("年综合能耗", levels, level, lambda value: search(level=value))
    categories = offered.categories
    _choice("单位类别", categories, wanted.category, lambda value: search(category=value))
    states = {one.value: one.label for one in UnitState}
    chosen = wanted.state.value if wanted.state else ""
    _choice("状态", states, chosen, lambda value: search(state=value))


def _choice(label: str, options: dict[str, str], value: str, search: Any) -> None:
    """A field with names to choose from; nothing chosen: everything."""
    made = ui.select(
        {**options}, label=label, value=value if value in options else None,
        with_input=len(options) > 10, clearable=True,
    )  # fmt: skip
    made.on_value_change(lambda event: search(event.value))


def _count(place: ui.element, counts: dict[UnitState, int]) -> None:
    place.clear()
    with place:
        for one, number in counts.items():
            badge(f"{one.label} {number} 家", one.badge)
        text(unit_state.EXPLANATION, "span", "dull")


def _download(visit: Visit, state: State, label: str, suffix: str) -> None:
    async def offer() -> None:
        wanted, now = wanted_of(state), visit.now()
        sort = state.choice("sort", view.SORTS, "name")
        part = replace(Slice(sort, state.flag("desc")), limit=None)
        button.props("loading")
        try:
            content = await visit.ask(
                Act.UNITS_READ, lambda conn: view.export(conn, wanted, part, now, suffix)
            )
        finally:
            button.props(remove="loading")
        visit.download(f"用能单位-{now:%Y%m%d}{suffix}", content)

    button = ui.button(label, icon="download", on_click=offer).props("outline no-caps")


def _row(one: UnitRow) -> Row:
    return {
        "name": one.name,
        "code": one.code,
        "state": one.state.label,
        "badge": one.state.badge,
        "region": one.region_name,
        "industry": f"{one.industry} {one.industry_name}".strip() or "未上传基础信息",
        "level": one.level or "—",
        "last_upload": f"{one.last_upload:%Y-%m-%d %H:%M}" if one.last_upload else "从未",
        "upload_time": one.upload_time or "—",
    }
