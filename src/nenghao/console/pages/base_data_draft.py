"""The page of the draft (基础数据草稿): what would change, put in force as one version."""

from __future__ import annotations

from datetime import date, datetime

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.page import page
from nenghao.console.pages.base_data_parts import show_difference, show_stale
from nenghao.console.pages.coefficients_parts import Effects, day_field, day_of
from nenghao.console.parts import empty, facts, section
from nenghao.console.state import State
from nenghao.console.views import base_data_draft as view
from nenghao.console.views.base_data_draft import Differing, Draft
from nenghao.console.views.base_data_words import who
from nenghao.console.visit import Visit
from nenghao.platform import base_data_drafts
from nenghao.platform.base_data_drafts import DraftError
from nenghao.platform.dictionary_csv import TableError
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store

PATH = "/base-data/draft"
TABLES = "/base-data"
EDIT = Act.BASE_DATA_EDIT


@page(PATH, "基础数据草稿", EDIT)
async def base_data_draft(visit: Visit, state: State) -> None:
    """Everything in draft, table by table."""
    ui.link("← 全部基础数据", TABLES)
    found = await visit.ask(EDIT, view.draft)
    if not found.tables:
        empty(
            "草稿中没有改动。打开一张代码表，新增、修改、删除行，或导入文件。", TABLES, "去代码表"
        )
        return
    last = "" if found.last is None else f"{found.last:%Y-%m-%d %H:%M}"
    facts(
        {
            "现行版本": str(found.version),
            "生效后版本": str(found.version + 1),
            "起草人": "、".join(who(actor) for actor in found.authors),
            "最后改动": last,
            "将重新下载的端设备": f"{found.devices:,} 台",
        }
    )
    _in_force(visit, found)
    for one in found.tables:
        _table(visit, one)


def _in_force(visit: Visit, found: Draft) -> None:
    day = None
    if found.coefficients:
        with section("改变的折标系数自何时起有效"):
            effects = Effects(visit)
            bar = ui.element("div").classes("toolbar")
            with bar:
                day = day_field("生效日期", date(visit.now().year, 1, 1))

            async def look() -> None:
                since = day_of(visit, day)
                await effects.show(lambda conn: view.coefficient_changes(conn, since))

            with bar:
                ui.button("查看对合计的影响", on_click=look).props("outline")
            effects.place()

    async def put_in_force() -> None:
        since = None if day is None else day_of(visit, day)
        names = "、".join(one.name for one in found.tables)
        sure = await confirm(
            "草稿生效",
            f"{names} 的改动将一起生效为版本 {found.version + 1}，"
            f"{found.devices:,} 台端设备将重新下载全部基础数据。",
            "生效",
        )
        if not sure:
            return

        def work(store: Store, now: datetime) -> int:
            with store.write() as conn:
                done = base_data_drafts.put_in_force(conn, now, valid_from=since)
            return max(one.version for one in done.values())

        version = await visit.do(EDIT, work, refusals=(DraftError, TableError))
        visit.say(f"已生效，版本 {version}")
        visit.go(f"{TABLES}/versions?version={version}")

    with ui.element("div").classes("toolbar"):
        button = ui.button("统一生效", on_click=put_in_force)
        if found.stale:
            button.disable()


def _table(visit: Visit, one: Differing) -> None:
    async def discard() -> None:
        if not await confirm("放弃草稿", f"放弃“{one.name}”的全部草稿？", "放弃", danger=True):
            return

        def work(store: Store, now: datetime) -> int:
            with store.write() as conn:
                return base_data_drafts.discard(conn, now, one.table)

        count = await visit.do(EDIT, work)
        visit.say(f"已放弃 {count} 行")
        visit.go(PATH)

    with section(one.name):
        with ui.element("div").classes("toolbar"):
            ui.link("打开此表", f"{TABLES}/{one.table}?draft=1")
            ui.button("放弃此表的草稿", on_click=discard).props("flat color=negative")
        show_stale(one)
        show_difference(one)
