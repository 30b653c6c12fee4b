"""The page of key projects (重点项目): listed, edited, imported with a look before, exported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import PurePath

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.files import upload
from nenghao.console.listing import Column, Listing, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.projects_edit import edited
from nenghao.console.parts import notice, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import projects as view
from nenghao.console.views.reports import city_names
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import projects as service
from nenghao.platform import table_file
from nenghao.platform.permissions import Act
from nenghao.platform.projects import Import, ProjectsError
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError

Search = Callable[..., Awaitable[None]]
MOST_MB = 5
REFUSALS = (ProjectsError, FileError)


@page("/projects", "重点项目", Act.PROJECTS_READ, group=Group.WORK, icon="domain", order=20)
async def projects(visit: Visit, state: State) -> None:
    """The list, with what one may do about it."""
    cities = await visit.ask(Act.PROJECTS_READ, city_names)

    async def fetch(wanted: Page) -> Rows:
        chosen = view.Wanted(state.text("q"), state.text("region"), state.text("industry").upper())
        found, total = await visit.ask(
            Act.PROJECTS_READ,
            lambda conn: view.find(
                conn,
                chosen,
                sort=wanted.sort,
                descending=wanted.descending,
                limit=wanted.size,
                offset=wanted.offset,
            ),
        )
        return Rows([_row(one) for one in found], total)

    async def search(**changes: object) -> None:
        state.set(**changes)
        await listed.refresh(first=True)

    _filters(state, cities, search)
    may_edit = visit.may(Act.PROJECTS_EDIT)

    async def edit(row: Row) -> None:
        code = str(row["code"])
        before = await visit.ask(Act.PROJECTS_READ, lambda conn: service.get(conn, code))
        if before is None:
            visit.warn(f"项目 {code} 已被删除")
        elif not await edited(visit, before):
            return
        await listed.refresh()

    async def remove(row: Row) -> None:
        await _remove(visit, str(row["code"]))
        await listed.refresh()

    async def add() -> None:
        if await edited(visit, None):
            await listed.refresh()

    listed = await listing(
        visit,
        state,
        [
            Column("name", "项目名称", sort=True),
            Column("code", "项目代码", sort=True, code=True),
            Column("type", "项目类型", sort=True),
            Column("region", "行政区划", sort=True),
            Column("industry", "所属行业", sort=True),
            Column("site", "建设地点"),
            Column("consumption", "设计年综合能耗（吨标准煤）", number=True),
            Column("updated_at", "最近改动", sort=True),
        ],
        fetch,
        empty="没有符合条件的重点项目。可以新增一个，或在下方导入 Excel、CSV 文件。",
        caption="重点项目",
        actions=(lambda _row: [("修改", edit), ("删除", remove)]) if may_edit else None,
    )
    with ui.element("div").classes("toolbar"):
        if may_edit:
            ui.button("新增项目", on_click=add)
        for suffix, name in ((table_file.EXCEL, "Excel"), (table_file.CSV, "CSV")):
            ui.button(f"导出 {name}", on_click=lambda suffix=suffix: _export(visit, suffix)).props(
                "outline no-caps"
            )
    if may_edit:
        _import(visit, listed)


def _row(one: view.Listed) -> Row:
    return {
        "name": one.name,
        "code": one.code,
        "type": one.type,
        "region": one.region,
        "industry": one.industry,
        "site": one.site,
        "consumption": one.consumption,
        "updated_at": f"{one.updated_at:%Y-%m-%d %H:%M}",
    }


def _filters(state: State, cities: dict[str, str], search: Search) -> None:
    region = state.text("region")
    with ui.element("div").classes("toolbar").props('role=search aria-label="筛选"'):
        ui.select(
            {"": "全部"} | cities,
            value=region if region in cities else "",
            label="行政区划",
            on_change=lambda event: search(region=event.value),
        ).props("outlined dense")
        ui.input(
            label="行业代码，如 C25",
            value=state.text("industry"),
            on_change=lambda event: search(industry=(event.value or "").strip()),
        ).props("outlined dense clearable debounce=400 maxlength=5")
        ui.input(
            label="项目名称或代码",
            value=state.text("q"),
            on_change=lambda event: search(q=(event.value or "").strip()),
        ).props("outlined dense clearable debounce=400 maxlength=100").classes("grow")


async def _remove(visit: Visit, code: str) -> None:
    before = await visit.ask(Act.PROJECTS_READ, lambda conn: service.get(conn, code))
    if before is None:
        visit.warn(f"项目 {code} 已被删除")
        return
    said = f"{before['name']}（{code}）将从重点项目中删除，其他应用平台不再查到它。"
    if not await confirm("删除重点项目", said, "删除", danger=True):
        return

    def change(store: Store, now: datetime) -> None:
        with store.write() as conn:
            service.remove(conn, before, now)

    await visit.do(Act.PROJECTS_EDIT, change, refusals=REFUSALS)
    visit.say(f"已删除 {before['name']}")


async def _export(visit: Visit, suffix: str) -> None:
    content = await visit.ask(Act.PROJECTS_READ, lambda conn: view.file_of(conn, suffix))
    visit.download(f"重点项目-{visit.now():%Y%m%d}{suffix}", content)


def _import(visit: Visit, listed: Listing) -> None:
    """A file is compared first; what it would change is shown, and only then taken in."""
    with section("导入"):
        text(
            "代码相同的项目被替换，其余新增；有任何错误则一个也不导入。"
            f"表头：{'、'.join(f'{name}（{label}）' for name, label in view.LABELS.items())}。",
            "p",
            "dull",
        )
        whole = ui.checkbox("同时删除文件中没有的项目")
        shown = ui.element("div").props("aria-live=polite")

        async def given(name: str, content: bytes) -> None:
            suffix, gone = PurePath(name).suffix, bool(whole.value)
            told = await visit.do(
                Act.PROJECTS_EDIT,
                lambda store, _now: _compared(store, content, suffix, gone),
            )
            shown.clear()
            with shown:
                if not isinstance(told, view.Preview):
                    problem = notice(f"{name} 不能导入：\n{told}", "bad")
                    problem.style("white-space:pre-line")
                    return
                _difference(name, told)
            if not told.total or not await _wanted(name, told):
                return
            done = await with_progress(
                visit,
                "导入重点项目",
                Act.PROJECTS_EDIT,
                lambda store, now, progress: _taken(
                    store, now, progress, content, name, gone, told.digest
                ),
                refusals=REFUSALS,
            )
            shown.clear()
            visit.say(f"已导入：新增 {done.added}，修改 {done.changed}，删除 {done.removed}")
            await listed.refresh()

        file = upload(visit, "选择 Excel 或 CSV 文件", (".xlsx", ".csv"), given, MOST_MB)
        file.style("margin-top:.6rem")


def _compared(
    store: Store, content: bytes, suffix: str, whole: bool
) -> view.Preview | ProjectsError | FileError:
    try:
        with store.read() as conn:
            return view.preview(conn, content, suffix, whole=whole)
    except (ProjectsError, FileError) as error:
        return error


def _difference(name: str, told: view.Preview) -> None:
    same = told.rows - told.added - told.changed
    notice(
        f"{name} 共 {told.rows} 个项目：新增 {told.added}，修改 {told.changed}，"
        f"未变 {same}，删除 {told.removed}",
        "warn" if told.removed else "info",
    )
    if told.shown:
        plain_table(
            ("变化", "项目代码", "项目名称", "内容"),
            [(one.what, one.code, one.name, one.detail) for one in told.shown],
            f"前 {len(told.shown)} 处，共 {told.total} 处" if told.total > len(told.shown) else "",
        )


async def _wanted(name: str, told: view.Preview) -> bool:
    return await confirm(
        f"导入 {name}",
        f"新增 {told.added} 个，修改 {told.changed} 个，删除 {told.removed} 个项目。"
        "逐项的变化列在页面下方。",
        "导入",
        danger=told.removed > 0,
    )


def _taken(
    store: Store,
    now: datetime,
    progress: Progress,
    content: bytes,
    name: str,
    whole: bool,
    seen: str,
) -> Import:
    progress.at(0, 0, "读取文件")
    lines = table_file.read(content, PurePath(name).suffix, service.HEADER)
    progress.at(0, len(lines), "导入")
    with store.write() as conn:
        done = service.replace_or_add(conn, lines, now, whole=whole, source=name, seen=seen)
        progress.at(len(lines), len(lines), "导入")
    return done
