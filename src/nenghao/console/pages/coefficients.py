"""The page of coefficients (折标系数): what holds on a day, and importing a list of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import PurePath

from nicegui import ui

from nenghao.console.files import upload
from nenghao.console.listing import Column, Listing, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.coefficients_parts import Effects, day_field
from nenghao.console.parts import section
from nenghao.console.state import State
from nenghao.console.views import coefficients as view
from nenghao.console.views.coefficients import Search
from nenghao.console.visit import Shown, Visit
from nenghao.platform import coefficients_file, table_file
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import CSV, EXCEL, FileError, Line

PATH = "/coefficients"
READ, EDIT = Act.COEFFICIENTS_READ, Act.COEFFICIENTS_EDIT
MOST_LINES = 5_000
"""Rows of a list that is imported: more types and days than there are."""

Changed = Callable[..., Awaitable[None]]

COLUMNS = (
    Column("kind", "品种编码", sort=True, code=True, link=lambda row: f"{PATH}/{row['kind']}"),
    Column("name", "能源品种", sort=True),
    Column("class_name", "分类"),
    Column("factor", "折标系数", sort=True),
    Column("unit", "计量单位"),
    Column("bounds", "实测范围"),
    Column("valid_from", "自何时起", sort=True),
    Column("until", "至何时"),
    Column("source", "来源"),
)


@page(PATH, "折标系数", READ, group=Group.WORK, icon="calculate", order=50)
async def coefficients(visit: Visit, state: State) -> None:
    """The types with what holds on the day asked for."""
    classes = await visit.ask(READ, view.classes)
    held: list[Listing] = []

    async def searched(**changes: object) -> None:
        state.set(**changes)
        for one in held:
            await one.refresh(first=True)

    _toolbar(visit, state, classes, searched)

    async def fetch(page: Page) -> Rows:
        wanted = Search(
            state.day("day", visit.now().date()),
            state.text("q"),
            state.choice("class", tuple(classes), ""),
            state.flag("changed"),
            page.sort,
            page.descending,
            page.size,
            page.offset,
        )
        found = await visit.ask(READ, lambda conn: view.listing(conn, wanted))
        rows: list[Row] = [vars(one).copy() for one in found.rows]
        return Rows(rows, found.total)

    held.append(
        await listing(
            visit,
            state,
            COLUMNS,
            fetch,
            "没有符合条件的能源品种。换一个搜索词，或在基础数据的能源类型表中增加品种。",
            "折标系数，按能源品种",
        )
    )
    if visit.may(EDIT):
        _import(visit, searched)


def _toolbar(visit: Visit, state: State, classes: dict[str, str], change: Changed) -> None:
    async def download(suffix: str) -> None:
        content = await visit.ask(READ, lambda conn: view.list_file(conn, suffix))
        visit.download(f"coefficients{suffix}", content)

    with ui.element("div").classes("toolbar"):
        search = ui.input(label="搜索编码、品种、来源", value=state.text("q"))
        search.props("outlined dense clearable debounce=300")
        search.on_value_change(lambda event: change(q=(event.value or "").strip()))
        chosen = state.choice("class", tuple(classes), "")
        energy_class = ui.select({"": "全部分类", **classes}, label="分类", value=chosen)
        energy_class.props("outlined dense")
        energy_class.on_value_change(lambda event: change(**{"class": event.value}))
        day = day_field("这一天有效的", state.day("day", visit.now().date()))
        day.on_value_change(lambda event: change(day=event.value))
        dated = ui.checkbox("只看改动过的品种", value=state.flag("changed"))
        dated.on_value_change(lambda event: change(changed=bool(event.value)))
        for suffix, name in ((EXCEL, "下载 Excel"), (CSV, "下载 CSV")):
            ui.button(name, on_click=lambda _, kind=suffix: download(kind)).props("flat no-caps")


def _import(visit: Visit, searched: Changed) -> None:
    effects = Effects(visit)

    async def confirmed(lines: Sequence[Line]) -> None:
        await _take(visit, lines)
        await searched()
        effects.clear()  # last: the button that was pressed stands in it

    async def given(name: str, content: bytes) -> None:
        suffix = PurePath(name).suffix.lower()
        lines = await visit.do(
            EDIT,
            lambda store, now: table_file.read(content, suffix, coefficients_file.HEADER),
            refusals=(FileError,),
        )
        if len(lines) > MOST_LINES:
            visit.refuse(f"超过 {MOST_LINES} 行，请拆分")
            raise Shown
        await effects.show(lambda conn: view.from_lines(conn, lines), lambda: confirmed(lines))

    with section("导入"):
        ui.label(
            "表头为 " + "、".join(coefficients_file.HEADER) + "；先列出改动及其影响，确认后才生效。"
        ).classes("dull")
        upload(visit, "Excel 或 CSV 文件", (EXCEL, CSV), given, most_mb=5)
        effects.place()


async def _take(visit: Visit, lines: Sequence[Line]) -> None:
    def work(store: Store, now: datetime) -> int:
        with store.write() as conn:
            return len(coefficients_file.take(conn, lines, now))

    count = await visit.do(EDIT, work, refusals=(FileError,))
    visit.say(f"已改动 {count} 项，有关合计正在重新计算")
