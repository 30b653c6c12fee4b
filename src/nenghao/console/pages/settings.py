"""The page of settings (平台设置): every one with its comment, value, default and last change."""

from __future__ import annotations

import os

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.health_table import discard, keep_widths
from nenghao.console.parts import facts, notice, tabs, text
from nenghao.console.state import State
from nenghao.console.views import settings as view
from nenghao.console.views.settings import Line, Part
from nenghao.console.visit import Visit
from nenghao.platform import settings_admin
from nenghao.platform.permissions import Act
from nenghao.platform.settings_admin import Kind
from nenghao.platform.uplink.credentials import CredentialsError
from nenghao.settings import SettingsError

ALL = "全部"
_TITLES = (*view.GROUPS, view.REST)


STYLES = {
    "comment": "min-width:16rem",
    "value": "overflow-wrap:anywhere;min-width:6rem",
    "effect": "min-width:7rem",
    "changed": "min-width:9rem",
}


@page("/settings", "平台设置", Act.RUN_PLATFORM, group=Group.SYSTEM, icon="settings", order=40)
async def settings(visit: Visit, state: State) -> None:
    """All settings, a group at a time, or those that a search finds."""
    file = visit.home.settings_file
    notice(
        f"设置写在平台目录的 {file.name} 中；在这里改和在机器上编辑该文件是一回事，"
        "这里的改动记入审计。各项何时生效见“生效”一栏。"
        "改动控制台的端口之后，控制台自动重新启动，请用新的地址打开。"
    )
    field = ui.input(label="在全部设置中查找（名称、说明、值）", value=state.text("q"))
    field.props("debounce=300 clearable").style("max-width:34rem")
    chosen = state.choice("tab", (ALL, *_TITLES), _TITLES[0])
    tabs(state, {title: title for title in (*_TITLES, ALL)}, chosen)

    async def fetch(asked: Page) -> Rows:
        lines = _lines(await _parts(visit, state.text("q")), chosen, state.text("q"))
        rows = [_row(line) for line in lines[asked.offset : asked.offset + asked.size]]
        return Rows(rows, len(lines))

    async def edit(row: Row) -> None:
        if await _edit(visit, str(row["key"])):
            await listed.refresh()

    async def search(word: str | None) -> None:
        state.set(q=word)
        await listed.refresh(first=True)

    field.on_value_change(lambda event: search(event.value))
    listed = await listing(
        visit,
        state,
        [
            Column("key", "设置项", code=True),
            Column("comment", "说明"),
            Column("value", "现值", code=True),
            Column("state", "与默认值", badge=lambda row: "dull" if row["default"] else "info"),
            Column("effect", "生效"),
            Column("changed", "最近改动"),
        ],
        fetch,
        empty="没有符合条件的设置。请换个词查找，或改看其他组。",
        caption="平台设置",
        actions=lambda row: [] if row["secret"] else [("修改", edit)],
    )
    keep_widths(listed, STYLES)


async def _parts(visit: Visit, word: str) -> list[Part]:
    home, environ = visit.home.path, dict(os.environ)
    return await visit.ask(Act.RUN_PLATFORM, lambda conn: view.parts(conn, home, environ, word))


def _lines(parts: list[Part], chosen: str, word: str) -> list[Line]:
    """A search looks everywhere; else the chosen group's."""
    everywhere = bool(word) or chosen == ALL
    return [line for part in parts if everywhere or part.title == chosen for line in part.lines]


def _row(line: Line) -> Row:
    state = "默认" if line.is_default else "已改"
    return {
        "key": line.key,
        "comment": line.comment,
        "value": line.value,
        "state": f"{state}，被环境变量覆盖" if line.overridden else state,
        "default": int(line.is_default),
        "effect": "只能在平台的机器上改" if line.is_secret else line.effect.brief,
        "changed": line.changed,
        "secret": int(line.is_secret),
    }


async def _edit(visit: Visit, key: str) -> bool:
    """Change one setting; whether it was."""
    home, environ = visit.home.path, dict(os.environ)
    line = await visit.ask(Act.RUN_PLATFORM, lambda conn: view.line(conn, home, environ, key))
    if line is None or line.is_secret:
        return False
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text(line.key, "h2", "code")
        text(line.comment, "p").style("white-space:pre-line")
        field = _field(line)
        facts({"现值": line.value, "默认值": line.default, "最近改动": line.changed})
        notice(f"{line.effect.words}。", "info")
        if line.overridden:
            notice(
                f"环境变量 NENGHAO_{line.key.upper()} 覆盖了这一项：改了文件也不起作用。", "warn"
            )
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(False)).props("flat")

            async def save() -> None:
                await _save(visit, line, str(field.value if field.value is not None else ""))
                dialog.submit(True)

            ui.button("保存", on_click=save)
    saved = await dialog
    discard(dialog)
    return saved is True


def _field(line: Line) -> ui.select | ui.input:
    if line.kind in (Kind.FLAG, Kind.CHOICE):
        return ui.select(line.choices, label="新值", value=line.entered).props("outlined")
    label = "新值（各项之间用逗号）" if line.kind is Kind.LIST else "新值"
    return ui.input(label=label, value=line.entered).props("outlined autofocus maxlength=2000")


async def _save(visit: Visit, line: Line, value: str) -> None:
    home = visit.home.path
    changed = await visit.do(
        Act.RUN_PLATFORM,
        lambda store, now: settings_admin.change(
            store, home, {line.key: value}, now, seen={line.key: line.entered}
        ),
        refusals=(SettingsError, CredentialsError, OSError),
    )
    if changed:
        visit.say(f"{line.key} 已改；{line.effect.words}")
    else:
        visit.warn("与现值相同，没有改动")
