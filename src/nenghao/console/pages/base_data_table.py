"""The page of one base data table (代码表): searched, edited in draft, imported, downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.files import upload
from nenghao.console.listing import Action, Column, Listing, Page, Row, Rows, listing
from nenghao.console.page import page

# Their addresses stand under the same folder: registered first, they are not taken for tables.
from nenghao.console.pages import base_data_draft, base_data_versions
from nenghao.console.pages.base_data_form import ask_row
from nenghao.console.parts import empty, section
from nenghao.console.state import State
from nenghao.console.views import base_data as view
from nenghao.console.views.base_data import EDITED, GOING, NEW, STALE, Search
from nenghao.console.views.base_data_words import FIELDS, TABLES, fields
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import base_data_drafts, base_data_files
from nenghao.platform.base_data_drafts import DraftError
from nenghao.platform.dictionary_csv import KEYS, TableError
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import CSV, EXCEL, FileError

PATH = "/base-data"
READ, EDIT = Act.BASE_DATA_READ, Act.BASE_DATA_EDIT
_BADGES = {NEW: "good", EDITED: "info", GOING: "warn", STALE: "bad"}


@page(PATH + "/{table}", "基础数据代码表", READ)
async def base_data_table(visit: Visit, state: State, table: str) -> None:
    """One table with its draft."""
    ui.link("← 全部基础数据", PATH)
    if table not in TABLES:
        empty(f"没有代码表 {table[:40]}。", PATH, "全部基础数据")
        return
    made = _Table(visit, state, table)
    await made.build()


class _Table:
    """The page's parts and what they do."""

    def __init__(self, visit: Visit, state: State, table: str) -> None:
        self.visit, self.state, self.table = visit, state, table
        self.name = TABLES[table]
        self.may_edit = visit.may(EDIT)
        self.list: Listing | None = None

    async def build(self) -> None:
        with ui.element("h2"):
            ui.label(f"{self.name}（{self.table}）")
        self._toolbar()
        columns = [
            Column(name, FIELDS[name], sort=True, code=name in KEYS[self.table] and name != "type")
            for name in fields(self.table)
        ]
        if self.may_edit:
            columns.insert(
                0, Column("state", "草稿", badge=lambda row: _BADGES.get(str(row["state"]), "dull"))
            )
        self.list = await listing(
            self.visit,
            self.state,
            columns,
            self._fetch,
            "没有符合条件的行。换一个搜索词"
            + ("，或新增一行、导入文件。" if self.may_edit else "。"),
            f"代码表 {self.name}",
            actions=self._actions if self.may_edit else None,
        )
        if self.may_edit:
            self._import()

    def _toolbar(self) -> None:
        with ui.element("div").classes("toolbar"):
            search = ui.input(label="搜索任一栏目", value=self.state.text("q"))
            search.props("outlined dense clearable debounce=300")
            search.on_value_change(lambda event: self._searched(q=(event.value or "").strip()))
            if self.may_edit:
                only = ui.checkbox("只看草稿", value=self.state.flag("draft"))
                only.on_value_change(lambda event: self._searched(draft=bool(event.value)))
                ui.button("新增一行", on_click=self._add)
                ui.link("草稿与生效", base_data_draft.PATH)
            ui.link("版本", base_data_versions.PATH)
            for suffix, name in ((EXCEL, "下载 Excel"), (CSV, "下载 CSV")):
                ui.button(name, on_click=lambda _, kind=suffix: self._download(kind)).props(
                    "flat no-caps"
                )

    async def _searched(self, **changes: object) -> None:
        self.state.set(**changes)
        await self._refresh(first=True)

    async def _refresh(self, *, first: bool = False) -> None:
        if self.list is not None:
            await self.list.refresh(first=first)

    async def _fetch(self, page: Page) -> Rows:
        wanted = Search(
            self.state.text("q"),
            self.may_edit and self.state.flag("draft"),
            page.sort,
            page.descending,
            page.size,
            page.offset,
        )
        found = await self.visit.ask(
            READ, lambda conn: view.rows(conn, self.table, wanted, with_draft=self.may_edit)
        )
        rows: list[Row] = [{"_key": one.key, "state": one.state, **one.cells} for one in found.rows]
        return Rows(rows, found.total)

    def _actions(self, row: Row) -> Sequence[Action]:
        back = [("放弃改动", self._discard)] if row["state"] else []
        if row["state"] == GOING:
            return back
        return [("修改", self._edit), ("删除", self._remove), *back]

    async def _download(self, suffix: str) -> None:
        content = await self.visit.ask(READ, lambda conn: view.table_file(conn, self.table, suffix))
        self.visit.download(f"{self.table}{suffix}", content)

    async def _add(self) -> None:
        form = await self.visit.ask(READ, lambda conn: view.form(conn, self.table, None))
        done = await ask_row(
            self.visit,
            f"{self.name}：新增一行",
            self.table,
            form,
            lambda conn, texts, now: base_data_drafts.add(conn, self.table, texts, now),
        )
        await self._drafted(done)

    async def _edit(self, row: Row) -> None:
        key = str(row["_key"])
        form = await self.visit.ask(READ, lambda conn: view.form(conn, self.table, key))
        done = await ask_row(
            self.visit,
            f"{self.name}：修改一行",
            self.table,
            form,
            lambda conn, texts, now: base_data_drafts.edit(conn, self.table, key, texts, now),
            editing=True,
        )
        await self._drafted(done)

    async def _drafted(self, done: bool) -> None:
        if done:
            self.visit.say("已记入草稿，统一生效后端设备才会得到")
            await self._refresh()

    async def _remove(self, row: Row) -> None:
        key = str(row["_key"])
        shown = "，".join(str(row[name]) for name in (*KEYS[self.table], "name") if row.get(name))
        if not await confirm("删除一行", f"在草稿中删除：{shown}？", "删除", danger=True):
            return

        def work(store: Store, now: datetime) -> None:
            with store.write() as conn:
                base_data_drafts.remove(conn, self.table, key, now)

        await self.visit.do(EDIT, work, refusals=(DraftError,))
        self.visit.say("已记入草稿")
        await self._refresh()

    async def _discard(self, row: Row) -> None:
        key = str(row["_key"])

        def work(store: Store, now: datetime) -> None:
            with store.write() as conn:
                base_data_drafts.discard(conn, now, self.table, key)

        await self.visit.do(EDIT, work)
        self.visit.say("已放弃这一行的改动")
        await self._refresh()

    def _import(self) -> None:
        with section("由文件导入"):
            ui.label(
                "整表导入：表头为 "
                + "、".join(fields(self.table))
                + "。先与现行的表比较，差异记入草稿；生效之前什么也不改变。"
            ).classes("dull")
            upload(self.visit, "Excel 或 CSV 文件", (EXCEL, CSV), self._given)

    async def _given(self, name: str, content: bytes) -> None:
        found = await self.visit.ask(EDIT, base_data_drafts.counts)
        held = found.get(self.table, 0)
        if held and not await confirm(
            "替换草稿", f"此表的草稿已有 {held} 行，导入后将被替换。", "导入", danger=True
        ):
            return
        suffix = PurePath(name).suffix.lower()

        def work(store: Store, now: datetime, progress: Progress) -> str:
            progress.at(0, 2, "读取文件")
            rows = base_data_files.read(self.table, content, suffix)
            progress.at(1, 2, f"与现行的表比较，{len(rows):,} 行")
            with store.write() as conn:
                made = base_data_drafts.take(conn, self.table, rows, now)
            return made.words() if made else ""

        refusals = (FileError, TableError, DraftError)
        words = await with_progress(self.visit, "导入", EDIT, work, refusals=refusals)
        if not words:
            self.visit.say("与现行的表相同，草稿中没有改动")
            await self._refresh()
            return
        self.visit.say(f"已记入草稿：{words}")
        self.visit.go(base_data_draft.PATH)
