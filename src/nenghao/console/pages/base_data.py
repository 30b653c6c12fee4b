"""The page of base data (基础数据): the tables, their versions, who has the newest."""

from __future__ import annotations

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.parts import figure, notice
from nenghao.console.state import State
from nenghao.console.views import base_data as view
from nenghao.console.views.base_data import Overview
from nenghao.console.views.base_data_words import who
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

PATH = "/base-data"
READ, EDIT = Act.BASE_DATA_READ, Act.BASE_DATA_EDIT


@page(PATH, "基础数据", READ, group=Group.WORK, icon="menu_book", order=40)
async def base_data(visit: Visit, state: State) -> None:
    """All tables at a glance."""
    found = await visit.ask(READ, view.overview)
    _figures(visit, found)
    with ui.element("div").classes("toolbar"):
        ui.link("版本与变更", f"{PATH}/versions")
        if visit.may(EDIT):
            ui.link(f"草稿（{found.drafted} 行）", f"{PATH}/draft")
        if visit.may(Act.COEFFICIENTS_READ):
            ui.link("折标系数", "/coefficients")
    await _tables(visit, state, found)


def _figures(visit: Visit, found: Overview) -> None:
    since = "自平台建立起" if found.since is None else f"自 {found.since:%Y-%m-%d %H:%M} 起"
    with ui.element("div").classes("cards"):
        figure("基础数据版本（dicVersion）", str(found.version), note=since)
        if visit.session.unit:
            return
        holders = found.holders
        share = holders.share(found.version)
        if share is None:
            figure("持有最新版本的端设备", "—", note="还没有端设备注册")
        else:
            figure(
                "持有最新版本的端设备",
                f"{share:.1%}",
                note=f"{holders.since(found.version)} 台，共 {holders.devices} 台；"
                f"{holders.unknown} 台尚未下载过",
                kind="good" if share == 1 else "warn",
            )
        if visit.may(EDIT):
            note = "统一生效后，端设备才会重新下载" if found.drafted else "没有待生效的改动"
            kind = "warn" if found.drafted else "dull"
            figure("草稿", str(found.drafted), "行", note, kind)  # type: ignore[arg-type]


async def _tables(visit: Visit, state: State, found: Overview) -> None:
    inside = not visit.session.unit
    rows: list[Row] = [
        {
            "name": one.name,
            "table": one.table,
            "rows": f"{one.rows:,}",
            "version": one.version,
            "since": "" if one.since is None else f"{one.since:%Y-%m-%d %H:%M}",
            "who": who(one.actor) if inside else "",
            "drafted": f"{one.drafted} 行" if one.drafted else "",
        }
        for one in found.tables
    ]
    columns = [
        Column("name", "代码表", link=lambda row: f"{PATH}/{row['table']}"),
        Column("table", "表名", code=True),
        Column("rows", "行数", number=True),
        Column("version", "版本", number=True),
        Column("since", "此版本生效时间"),
    ]
    if inside:
        columns.append(Column("who", "由谁改动"))
    if visit.may(EDIT):
        columns.append(Column("drafted", "草稿", badge=lambda _: "warn"))

    async def fetch(page: Page) -> Rows:
        return Rows(rows[page.offset : page.offset + page.size], len(rows))

    await listing(visit, state, columns, fetch, "没有代码表", "基础数据代码表")
    notice(
        "端设备在每个新版本生效后重新下载全部基础数据，因此改动先收在草稿中，再统一生效为一个版本。"
    )
