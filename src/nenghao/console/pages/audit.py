"""The page of the audit trail (审计记录): searched, verified, exported."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.health_table import keep_widths
from nenghao.console.parts import facts, notice, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import audit as view
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import audit_export, audit_verify
from nenghao.platform.audit import Filter
from nenghao.platform.audit_chain import Checked
from nenghao.platform.audit_export import EVERYTHING, JSON_LINES, ExportError
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store

Search = Callable[..., Awaitable[None]]
Again = Callable[[], Awaitable[None]]

DAYS = 30
"""So many days are shown unless others are asked for."""
MOST_EXPORTED = 100_000
MOST_BREAKS = 100
FORMS = {".xlsx": "Excel", ".csv": "CSV", JSON_LINES: "JSON 行（全部记录，可独立核对）"}


STYLES = {
    "at": "white-space:nowrap",
    "actor": "min-width:8rem;overflow-wrap:anywhere",
    "action": "min-width:7rem",
    "subject": "min-width:8rem;overflow-wrap:anywhere",
    "detail": "min-width:16rem;overflow-wrap:anywhere",
}


@page("/audit", "审计记录", Act.AUDIT_READ, group=Group.SYSTEM, icon="history", order=20)
async def audit(visit: Visit, state: State) -> None:
    """The trail, newest first."""
    with ui.element("div") as above:
        cut = notice(
            f"符合条件的超过 {view.MOST:,} 条，只列最近的这些；请缩小日期范围或条件。", "warn"
        )

    async def fetch(asked: Page) -> Rows:
        wanted = _wanted(visit, state)
        found = await visit.ask(
            Act.AUDIT_READ,
            lambda conn: view.search(conn, wanted, limit=asked.size, offset=asked.offset),
        )
        cut.set_visibility(found.is_cut)
        return Rows([_row(record) for record in found.records], found.total)

    async def search(**changes: object) -> None:
        state.set(**changes)
        await listed.refresh(first=True)

    async def recorded() -> None:
        await listed.refresh()

    with ui.element("div") as filters:
        _filters(visit, state, search)
    filters.move(above, 0)
    listed = await listing(
        visit,
        state,
        [
            Column("sequence", "编号", number=True),
            Column("at", "时间"),
            Column("actor", "主体和地址"),
            Column("action", "操作"),
            Column("subject", "对象"),
            Column("result", "结果", badge=lambda row: "bad" if row["refused"] else "good"),
            Column("detail", "说明"),
        ],
        fetch,
        empty="这些日期里没有符合条件的记录。请放宽日期范围或条件。",
        caption="审计记录，新的在前",
    )
    keep_widths(listed, STYLES)
    if visit.may(Act.AUDIT_EXPORT):
        with section("导出"):
            _export(visit, state, recorded)
    if visit.may(Act.AUDIT_VERIFY):
        with section("核对审计链"):
            _verify(visit, recorded)


def _wanted(visit: Visit, state: State) -> Filter:
    first, last = _days(visit, state)
    return view.wanted(
        who=state.text("who"),
        action=state.choice("action", tuple(view.ACTIONS), ""),
        what=state.text("what"),
        result=state.choice("result", tuple(view.RESULTS), ""),
        first=first,
        last=last,
    )


def _days(visit: Visit, state: State) -> tuple[date, date]:
    today = visit.now().date()
    last = state.day("to", today)
    return min(state.day("from", last - timedelta(days=DAYS - 1)), last), last


def _filters(visit: Visit, state: State, search: Search) -> None:
    """The fields that are searched by; each change is searched at once."""
    first, last = _days(visit, state)
    with ui.element("div").classes("toolbar"):
        for key, label, day in (("from", "第一天", first), ("to", "最后一天", last)):
            ui.input(
                label=label,
                value=day.isoformat(),
                on_change=lambda event, key=key: search(**{key: event.value}),
            ).props("type=date debounce=300 stack-label")
        ui.input(
            label="主体或地址",
            value=state.text("who"),
            on_change=lambda event: search(who=event.value),
        ).props("debounce=300 clearable")
        ui.select(
            view.ACTIONS,
            label="操作",
            value=state.choice("action", tuple(view.ACTIONS), ""),
            on_change=lambda event: search(action=event.value),
        ).style("min-width:14rem")
        ui.input(
            label="对象或说明",
            value=state.text("what"),
            on_change=lambda event: search(what=event.value),
        ).props("debounce=300 clearable").classes("grow")
        ui.select(
            view.RESULTS,
            label="结果",
            value=state.choice("result", tuple(view.RESULTS), ""),
            on_change=lambda event: search(result=event.value),
        )


def _row(record: view.Record) -> Row:
    return {
        "sequence": record.sequence,
        "at": record.at,
        "actor": f"{record.actor} {record.address}".strip(),
        "action": record.action,
        "subject": record.subject,
        "result": record.result,
        "refused": int(record.is_refused),
        "detail": record.detail,
    }


# --- export --------------------------------------------------------------------------------------


def _export(visit: Visit, state: State, recorded: Again) -> None:
    text(
        f"Excel 和 CSV 导出上面所查的记录，至多 {MOST_EXPORTED:,} 条；导出本身也记入审计。",
        "p",
        "dull",
    )

    async def give(suffix: str) -> None:
        now = visit.now()
        name = f"审计记录-{now:%Y%m%d-%H%M%S}{suffix}"
        wanted = EVERYTHING if suffix == JSON_LINES else _wanted(visit, state)
        out = io.BytesIO()

        def work(store: Store, now: datetime, progress: Progress) -> int:
            return audit_export.export(
                store,
                name,
                out,
                wanted,
                now,
                lambda done, total: progress.at(done, total, "已写入"),
                MOST_EXPORTED,
            )

        count = await with_progress(
            visit, "导出审计记录", Act.AUDIT_EXPORT, work, refusals=(ExportError,)
        )
        visit.download(name, out.getvalue())
        visit.say(f"已导出 {count:,} 条")
        await recorded()

    with ui.element("div").classes("toolbar"):
        for suffix, label in FORMS.items():
            ui.button(label, icon="download", on_click=lambda _, suffix=suffix: give(suffix)).props(
                "outline no-caps"
            )


# --- the chain -----------------------------------------------------------------------------------


def _verify(visit: Visit, recorded: Again) -> None:
    text(
        "逐条核对：每条记录都在、未改、相连。请把最后一条的编号和摘要记在别处；"
        "下次填在这里一并核对，整条链被重做也能发现。",
        "p",
        "dull",
    )
    with ui.element("div").classes("toolbar"):
        number = ui.input(label="先前记下的编号（可不填）").props("inputmode=numeric")
        digest = ui.input(label="先前记下的摘要（可不填）").props("maxlength=64")
        digest.classes("grow secret")
        button = ui.button("核对", icon="verified")
    result = ui.element("div").props("aria-live=polite")

    async def walk() -> None:
        noted = _noted(number.value or "", digest.value or "")
        if noted is None and (number.value or digest.value):
            visit.warn("编号应为整数，摘要应为 64 位十六进制数，两者一起填")
            return

        def work(store: Store, now: datetime, progress: Progress) -> Checked:
            return audit_verify.verify(
                store, now, noted, lambda done, total: progress.at(done, total, "已核对")
            )

        checked = await with_progress(visit, "核对审计链", Act.AUDIT_VERIFY, work)
        result.clear()
        with result:
            _told(checked)
        await recorded()

    button.on_click(walk)


def _noted(number: str, digest: str) -> tuple[int, str] | None:
    number, digest = number.strip(), digest.strip().lower()
    is_hex = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    return (int(number), digest) if number.isdecimal() and len(number) < 19 and is_hex else None


def _told(checked: Checked) -> None:
    if not checked.breaks:
        notice(f"完好：{checked.records:,} 条记录都在、未改、相连。", "good")
    else:
        notice(
            f"{checked.records:,} 条记录中有 {len(checked.breaks):,} 处问题。"
            "请保全数据库，并与先前导出的 JSON 行文件对照。",
            "bad",
        )
        shown = checked.breaks[:MOST_BREAKS]
        rows = [(str(one.sequence), one.fault.text, one.detail) for one in shown]
        rest = len(checked.breaks) - len(shown)
        more = f"（前 {MOST_BREAKS} 处，另有 {rest:,} 处）" if rest else ""
        plain_table(("编号", "问题", "说明"), rows, f"审计链的问题{more}")
    facts({"最后一条的编号": checked.sequence, "摘要（SM3）": checked.digest})
