"""The page of versions (基础数据版本): who, when, what changed, the share of devices with it."""

from __future__ import annotations

from nicegui import ui

from nenghao.console.page import page
from nenghao.console.pages.base_data_parts import share_bar, show_difference
from nenghao.console.parts import badge, empty, notice, section, text
from nenghao.console.state import State
from nenghao.console.views import base_data_versions as view
from nenghao.console.views.base_data_versions import Detail, Versions
from nenghao.console.views.base_data_words import who
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

PATH = "/base-data/versions"
TABLES = "/base-data"
READ = Act.BASE_DATA_READ
SIZE = 20


@page(PATH, "基础数据版本", READ)
async def base_data_versions(visit: Visit, state: State) -> None:
    """All versions, newest first; one of them with its difference."""
    ui.link("← 全部基础数据", TABLES)
    chosen = state.number("version", 0)
    if chosen:
        detail = await visit.ask(READ, lambda conn: view.detail(conn, chosen))
        _detail(visit, chosen, detail)
        return
    number = state.number("page", 1, 1)
    found = await visit.ask(READ, lambda conn: view.versions(conn, SIZE, (number - 1) * SIZE))
    if not found.total:
        empty(f"基础数据至今没有改动过，现为版本 {found.current}。", TABLES, "查看代码表")
        return
    _list(visit, found)
    with ui.element("div").classes("toolbar"):
        if number > 1:
            ui.link("← 较新的版本", State.link(PATH, page=number - 1))
        if number * SIZE < found.total:
            ui.link("较早的版本 →", State.link(PATH, page=number + 1))
    if found.unrecorded:
        notice(f"版本 {found.unrecorded} 及以前的改动没有逐行记录，见审计记录。", "dull")


def _list(visit: Visit, found: Versions) -> None:
    inside = not visit.session.unit
    head = ["版本", "生效时间", *(["由谁改动"] if inside else []), "改动"]
    head += ["持有此版本或更新版本的端设备"] if inside else []
    with ui.element("div").classes("wide"), ui.element("table").classes("plain"):
        with ui.element("thead"), ui.element("tr"):
            for name in head:
                text(name, "th").props("scope=col")
        with ui.element("tbody"):
            for one in found.rows:
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.link(f"版本 {one.number}", State.link(PATH, version=one.number))
                        if one.number == found.current:
                            badge("现行", "good")
                    text(f"{one.at:%Y-%m-%d %H:%M}", "td")
                    if inside:
                        text(who(one.actor), "td")
                    text(one.what, "td")
                    if inside:
                        with ui.element("td"):
                            share_bar(one.devices, found.holders.devices, one.share)


def _detail(visit: Visit, number: int, found: Detail | None) -> None:
    ui.link("全部版本", PATH).style("margin-left:1rem")
    if found is None:
        empty(f"版本 {number} 的改动没有逐行记录。", PATH, "全部版本")
        return
    one = found.version
    actor = "" if visit.session.unit else f"，{who(one.actor)}"
    text(f"版本 {one.number}：{one.at:%Y-%m-%d %H:%M} 生效{actor}", "p")
    for made in found.tables:
        with section(made.name):
            show_difference(made)
