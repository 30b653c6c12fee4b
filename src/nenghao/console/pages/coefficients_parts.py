"""Parts that the pages of coefficients share: a day, and what a change would recompute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Final

from nicegui import ui
from nicegui.element import Element
from sqlalchemy import Connection

from nenghao.console.parts import badge, facts, notice, plain_table, text
from nenghao.console.views import coefficients as view
from nenghao.console.visit import Shown, Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import coefficients_impact
from nenghao.platform.coefficients import Change, CoefficientError
from nenghao.platform.coefficients_impact import Impact
from nenghao.platform.packing import ONLINE, REPORT
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError

MOST_SHOWN = 60
"""Months, or changes, that are listed."""

SOURCES: Final = {ONLINE: "在线采集", REPORT: "填报"}

Proposals = Callable[[Connection], Sequence[Change]]


def day_field(label: str, value: date) -> ui.input:
    """A field for a day."""
    return ui.input(label=label, value=value.isoformat()).props("type=date outlined dense")


def day_of(visit: Visit, field: ui.input) -> date:
    """The day in the field; `Shown` when there is none."""
    try:
        return date.fromisoformat(str(field.value or ""))
    except ValueError:
        visit.refuse("请填写生效日期")
        raise Shown from None


class Effects:
    """Where a page shows what changes would recompute, before they are confirmed."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._place: Element | None = None

    def place(self) -> None:
        """Put it here."""
        self._place = ui.element("div").props("aria-live=polite")

    def clear(self) -> None:
        """What was shown does not hold any more."""
        if self._place is not None:
            self._place.clear()

    async def show(
        self,
        proposals: Proposals,
        confirmed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Show the changes and their effects; with a button to confirm where that is wanted."""

        def work(store: Store, now: datetime) -> tuple[list[Change], Impact]:
            with store.read() as conn:
                changes = list(proposals(conn))
                return changes, coefficients_impact.impact(conn, changes, now)

        refusals = (CoefficientError, FileError)
        changes, found = await self.visit.do(_ACT, work, refusals=refusals)
        self._fill(proposals, changes, found, confirmed)

    async def _exactly(
        self, proposals: Proposals, confirmed: Callable[[], Awaitable[None]] | None
    ) -> None:
        def work(store: Store, now: datetime, progress: Progress) -> tuple[list[Change], Impact]:
            def tell(done: int, total: int) -> None:
                progress.at(done, total, "家单位")

            with store.read() as conn:
                changes = list(proposals(conn))
                return changes, coefficients_impact.impact(conn, changes, now, None, tell)

        changes, found = await with_progress(self.visit, "逐家计算", _ACT, work)
        self._fill(proposals, changes, found, confirmed)

    def _fill(
        self,
        proposals: Proposals,
        changes: Sequence[Change],
        found: Impact,
        confirmed: Callable[[], Awaitable[None]] | None,
    ) -> None:
        if self._place is None:
            return
        self._place.clear()
        with self._place:
            if not changes:
                notice("与现有的折标系数相同，没有要改动的。")
                return
            _changes(changes)
            _impact(found)
            with ui.element("div").classes("toolbar"):
                if not found.exact:
                    ui.button(
                        f"逐家计算全部 {found.units:,} 家",
                        on_click=lambda: self._exactly(proposals, confirmed),
                    ).props("outline")
                if confirmed is not None:
                    ui.button("确认改动", on_click=confirmed)


_ACT = Act.COEFFICIENTS_READ


def _changes(changes: Sequence[Change]) -> None:
    shown = view.proposed(changes[:MOST_SHOWN])
    rows = [
        [f"{one.kind} {one.name}", one.valid_from, one.before or "—", one.after, one.source]
        for one in shown
    ]
    plain_table(["能源品种", "自何时起", "改动前", "改动后", "来源"], rows, "将作的改动")
    if len(changes) > len(shown):
        text(f"只列出前 {len(shown)} 项，共 {len(changes)} 项。", "p", "dull")


def _impact(found: Impact) -> None:
    text("确认后将重新计算", "h3").style("margin-top:.8rem")
    if not found.units:
        notice("这些月份还没有单位报过所涉品种的数据，各项合计不会改变。", "good")
        return
    about = "" if found.exact else "约 "
    facts(
        {
            "有所涉品种数据的单位": f"{found.units:,} 家",
            "合计会改变的单位·月": f"{about}{found.unit_months:,} 个",
            **{
                f"全省能源消费总量（{SOURCES[source]}），各月合计": f"{about}"
                f"{found.change(source):+,.2f} 吨标准煤"
                for source in SOURCES
                if any(one.source == source for one in found.months)
            },
        }
    )
    if found.exact:
        badge("按全部单位精确计算", "good")
    else:
        badge(f"按 {found.computed} 家样本推算", "warn")
    if not found.months:
        notice("所算单位各月的能源消费总量都不改变。", "good")
        return
    shown = found.months[-MOST_SHOWN:]
    rows = [
        [
            f"{one.start:%Y-%m}",
            SOURCES[one.source],
            f"{about}{one.units:,} 家",
            f"{one.before:,.2f}",
            f"{about}{one.after:,.2f}",
            f"{about}{one.change:+,.2f}"
            + (f"（{one.change / one.before:+.2%}）" * bool(one.before)),
        ]
        for one in shown
    ]
    head = ["月份", "数据", "单位", "现为（吨标准煤）", "将为（吨标准煤）", "改变（吨标准煤）"]
    plain_table(head, rows, "全省能源消费总量，按月")
    if len(found.months) > len(shown):
        text(f"只列出最近 {len(shown)} 行，共 {len(found.months)} 行。", "p", "dull")
