"""The form of one row of base data (单行表单): says while one types which field is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from nicegui import ui
from sqlalchemy import Connection

from nenghao.console.charts import quoted
from nenghao.console.parts import text
from nenghao.console.views.base_data import Field
from nenghao.console.visit import Visit
from nenghao.platform import dictionary_csv
from nenghao.platform.base_data_drafts import DraftError, RowError
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store

Save = Callable[[Connection, Mapping[str, str], datetime], object]
Control = ui.input | ui.select


async def ask_row(
    visit: Visit,
    title: str,
    table: str,
    form: Sequence[Field],
    save: Save,
    *,
    editing: bool = False,
) -> bool:
    """Let the operator fill in a row and save it; whether it was saved."""
    controls: dict[str, Control] = {}

    async def submit() -> None:
        wrong = await visit.do(
            Act.BASE_DATA_EDIT, lambda store, now: _saved(store, now), refusals=(DraftError,)
        )
        for name, control in controls.items():
            control.error = wrong.get(name)
        if not wrong:
            dialog.submit(True)

    def _saved(store: Store, now: datetime) -> dict[str, str]:
        texts = {name: str(control.value or "") for name, control in controls.items()}
        try:
            with store.write() as conn:
                save(conn, texts, now)
        except RowError as error:
            return error.wrong
        return {}

    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text(title, "h2")
        for one in form:
            controls[one.name] = _control(table, one, fixed=editing and one.is_key)
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(False)).props("flat")
            ui.button("记入草稿", on_click=submit)
    answer = await dialog
    if not dialog.is_deleted:  # as it is where the tab was closed meanwhile
        dialog.delete()
    return answer is True


def _control(table: str, one: Field, *, fixed: bool) -> Control:
    label = f"{one.label}（{one.name}）" + ("*" if one.needed else "")

    def check(value: object) -> str | None:
        given = {one.name: str(value or "")}
        return dictionary_csv.row_of(table, given)[1].get(one.name)

    control: Control
    if one.choices:
        control = ui.select(
            dict(one.choices), label=label, value=one.value or None, validation=check
        )
    else:
        control = ui.input(label=label, value=one.value, validation=check)
        control.props(f'hint="{quoted(one.hint)}"')
    control.props("outlined dense").style("margin-bottom:.6rem")
    if fixed:
        control.props("readonly").tooltip("区分各行的栏目不能修改；请删除后另行新增")
    return control
