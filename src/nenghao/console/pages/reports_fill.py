"""Filling a monthly form in (填报): the fields of one energy type at a time, checked at once.

What is typed is kept on the desk; only saving and submitting reach the platform.
"""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.files import upload
from nenghao.console.pages.reports_desk import Desk
from nenghao.console.parts import notice, section, text
from nenghao.console.views import reports_form as view
from nenghao.platform import (
    report_cells,
    report_states,
    reports_blank,
    reports_excel,
    reports_template,
)
from nenghao.platform.report_cells import Cell, cell_of
from nenghao.platform.report_log import State as Stand
from nenghao.platform.reports_form import FormError
from nenghao.platform.store.engine import Store


def fill_in(desk: Desk) -> None:
    told = desk.page.report
    if told.state is Stand.ACCEPTED:
        notice("本月已接受。改动保存为草稿，重新提交并被接受之后才生效。", "info")
    notice("留空的项不改变平台已有的数据；没有发生的填 0；要使已报的数据作废，填写“作废”。", "info")
    kinds = desk.page.sheet.kinds
    listed = [*desk.page.first, *(code for code in kinds if code not in desk.page.first)]
    first = listed[0] if listed else ""
    current = desk.state.choice("kind", tuple(listed), first)
    with ui.element("div").classes("toolbar"):
        ui.button("保存草稿", on_click=lambda: _save(desk)).props("outline")
        ui.button("提交", on_click=lambda: _submit(desk))
    found = ui.element("div").props("aria-live=polite")
    picker = ui.select(_choices(desk, listed), value=current, label="能源品种", with_input=True)
    picker.props("outlined").style("max-width:34rem")
    fields = ui.element("div")

    def judge() -> None:
        judged = report_cells.judge(desk.page.sheet, desk.cells, desk.visit.now())
        for at, (entry, hint) in desk.fields.items():
            entry.error = judged.problems.get(at)
            hint.text = judged.hints.get(at, "")
        found.clear()
        with found:
            _findings(desk, judged, show)

    def typed(at: Cell, value: str) -> None:
        desk.cells.setdefault(at.kind, {})[at.usage] = value
        judge()

    def show(kind: str) -> None:
        if picker.value != kind:
            picker.value = kind  # comes back here
            return
        desk.state.set(kind=None if kind == first else kind)
        desk.fields.clear()
        fields.clear()
        with fields:
            _fields(desk, kind, typed)
        judge()
        picker.set_options(_choices(desk, listed), value=kind)

    picker.on_value_change(lambda event: show(event.value))
    show(current)
    _by_file(desk, lambda: show(picker.value))


def _choices(desk: Desk, listed: list[str]) -> dict[str, str]:
    """The energy types, with how many of their fields are filled."""
    made = {}
    for code in listed:
        kind = desk.page.sheet.kinds[code]
        count = sum(1 for value in desk.cells.get(code, {}).values() if value.strip())
        said = f"，已填 {count} 项" if count else ""
        made[code] = f"{kind.name}（{code}，{kind.unit or '无单位'}{said}）"
    return made


def _fields(desk: Desk, code: str, typed: Callable[[Cell, str], None]) -> None:
    """The fields of one energy type, each with what the platform has beside it."""
    kind = desk.page.sheet.kinds[code]
    for usage, name in view.usages_of(kind):
        at = Cell(code, usage)
        with ui.element("div").classes("row wrap").style("margin:.45rem 0"):
            entry = ui.input(
                label=f"{usage} {name}",
                value=desk.cells.get(code, {}).get(usage, ""),
                on_change=lambda event, at=at: typed(at, event.value or ""),
            )
            entry.props("outlined dense debounce=300 maxlength=40 inputmode=decimal")
            entry.props["suffix"] = kind.unit
            entry.style("width:min(24rem,100%)")
            with ui.element("div").classes("grow dull"):
                _beside(desk.page, at, kind.unit, entry)
                hint = text("", "div", "warn-text")
        desk.fields[at] = (entry, hint)


def _beside(found: view.FormPage, at: Cell, unit: str, entry: ui.input) -> None:
    computed, in_force = found.computed.get(at), found.in_force(at)
    if computed is not None:
        with ui.element("div").classes("row wrap"):
            text(f"平台计算 {computed.text} {unit}（{computed.origin}）")
            amount = computed.text
            fill = ui.button("填入", on_click=lambda: entry.set_value(amount))
            fill.props(f'flat dense no-caps aria-label="填入平台计算值 {amount}"')
    if in_force:
        text(f"已生效 {in_force} {unit}", "div")


def _findings(desk: Desk, judged: report_cells.Judged, show: Callable[[str], None]) -> None:
    """What is wrong and what is odd, with the way to where it stands."""
    problems, odd = judged.problems, judged.findings
    if not problems and not odd:
        return
    if problems:
        notice(f"{len(problems)} 项不能提交：", "bad")
        for at, reason in sorted(problems.items()):
            _finding(desk, at, reason, "bad-text", show)
    if odd:
        notice(f"校验提示 {len(odd)} 处（可以提交，请核对）：", "warn")
        for finding in odd:
            said = f"{finding.kind.label}：{finding.detail}"
            _finding(desk, cell_of(finding.subject), said, "warn-text", show)


def _finding(desk: Desk, at: Cell, said: str, classes: str, show: Callable[[str], None]) -> None:
    kind = desk.page.sheet.kinds.get(at.kind)
    with ui.element("div").classes("row wrap"):
        name = at.kind if kind is None else kind.name
        if kind is None:
            text(name)
        else:
            ui.button(name, on_click=lambda: show(at.kind)).props("flat dense no-caps")
        text(f"{at.usage}：{said}", "span", classes)


def _by_file(desk: Desk, shown: Callable[[], None]) -> None:
    with section("用 Excel 填写"):
        text("下载本单位本月的模板，填好后读入上面的表；读入后请核对、保存或提交。", "p", "dull")

        async def template() -> None:
            content = await desk.do(lambda store, _now: _template(desk, store))
            desk.visit.download(f"填报-{desk.code}-{desk.month}.xlsx", content)

        ui.button("下载填报模板", on_click=template).props("outline no-caps")
        problems = ui.element("div").props("aria-live=polite")

        async def given(name: str, content: bytes) -> None:
            read = await desk.do(lambda _store, _now: _read(desk, content))
            problems.clear()
            if isinstance(read, FormError):
                with problems:
                    notice(f"{name} 没有读入：\n{read}", "bad").style("white-space:pre-line")
                return
            for kind, usages in read.items():
                desk.cells.setdefault(kind, {}).update(usages)
            shown()
            desk.visit.say(f"已读入 {sum(map(len, read.values()))} 项，尚未保存")

        file = upload(desk.visit, "读入填好的模板（.xlsx）", (".xlsx",), given)
        file.style("margin-top:.6rem")


def _template(desk: Desk, store: Store) -> bytes:
    with store.read() as conn:
        form = reports_blank.form(conn, desk.visit.settings, desk.month, [desk.code])
    return reports_template.write(form)


def _read(desk: Desk, content: bytes) -> dict[str, dict[str, str]] | FormError:
    try:
        return report_cells.typed(reports_excel.read(content), desk.code, desk.month)
    except FormError as error:
        return error


async def _save(desk: Desk) -> None:
    visit, told = desk.visit, desk.page.report
    cells = {kind: dict(usages) for kind, usages in desk.cells.items()}
    await desk.do(
        lambda store, now: report_states.save(
            store, visit.session, desk.code, desk.month, cells, told.version, now
        )
    )
    await desk.again()
    visit.say("草稿已保存")


async def _submit(desk: Desk) -> None:
    visit, told = desk.visit, desk.page.report
    judged = report_cells.judge(desk.page.sheet, desk.cells, visit.now())
    count = len(judged.findings)
    said = f"有 {count} 处校验提示。" if count else ""
    if not await confirm(
        f"提交 {desk.month} 的填报表", f"{said}提交后等待审核，接受后数据生效。", "提交"
    ):
        return
    cells = {kind: dict(usages) for kind, usages in desk.cells.items()}
    await desk.do(
        lambda store, now: report_states.submit(
            store, visit.settings, visit.session, desk.code, desk.month, cells, told.version, now
        )
    )
    await desk.again()
    visit.say("已提交，等待审核")
