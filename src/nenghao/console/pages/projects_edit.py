"""The form of one key project (重点项目): a new one, or one that is there."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from nenghao.console.parts import text
from nenghao.console.views import projects as view
from nenghao.console.visit import Shown, Visit
from nenghao.platform import projects as service
from nenghao.platform.permissions import Act
from nenghao.platform.projects import HEADER, ProjectsError, Row
from nenghao.platform.store.engine import Store

_LONG = frozenset({"construction_content", "classified_disposal"})


async def edited(visit: Visit, before: Row | None) -> bool:
    """Let the operator fill a project in; whether it was written. `before` None: a new one."""
    names = await visit.ask(Act.PROJECTS_READ, view.names)
    fields: dict[str, ui.input | ui.textarea] = {}

    async def write() -> None:
        row = {name: str(field.value or "") for name, field in fields.items()}
        wrong = await visit.ask(Act.PROJECTS_EDIT, lambda conn: service.wrong(conn, row))
        for name, field in fields.items():
            field.error = wrong.get(name)
        if wrong:
            return
        try:
            await visit.do(
                Act.PROJECTS_EDIT,
                lambda store, now: _written(store, now, before, row),
                refusals=(ProjectsError,),
            )
        except Shown:
            return  # the dialog stays open with what was typed
        dialog.submit(True)

    with ui.dialog().props("persistent") as dialog, ui.card().classes("dialog"):
        text("新增重点项目" if before is None else "修改重点项目", "h2")
        for name in HEADER:
            fields[name] = _field(name, before, names)
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(False)).props("flat")
            ui.button("保存", on_click=write)
    done = await dialog
    dialog.delete()
    if done is True:
        visit.say("已保存")
    return done is True


def _field(name: str, before: Row | None, names: view.Names) -> ui.input | ui.textarea:
    label, value = view.LABELS[name], "" if before is None else before[name]
    needed = service.FORMS[name][1]
    known = {"regionCode": names.regions, "industryCode": names.industries}.get(name)
    if known is not None:
        label += "代码"
    field: ui.input | ui.textarea
    if name in _LONG:
        field = ui.textarea(label=label, value=value).props("autogrow rows=2")
    else:
        field = ui.input(label=f"{label}（必填）" if needed else label, value=value)
    field.props("outlined dense maxlength=2000").style("width:100%;margin-bottom:.7rem")
    if name == "code" and before is not None:
        field.props("readonly")
    if known is not None:
        said = text(known.get(value, "填写代码，此处显示名称"), "div", "dull")
        field.on_value_change(
            lambda event: said.set_text(known.get((event.value or "").strip(), "没有这个代码"))
        )
    return field


def _written(store: Store, now: datetime, before: Row | None, row: Row) -> None:
    with store.write() as conn:
        if before is None:
            service.add(conn, row, now)
        else:
            service.change(conn, before, row, now)
