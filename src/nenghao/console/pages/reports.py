"""The pages of monthly reports (填报): who has reported a month, and a unit's months."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from nicegui import ui

from nenghao.console.files import upload
from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.parts import empty, facts, figure, notice, section, text
from nenghao.console.state import State
from nenghao.console.views import reports as view
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import report_states, reports_blank, reports_template
from nenghao.platform.permissions import Act
from nenghao.platform.report_log import State as Stand
from nenghao.platform.reports import Imported
from nenghao.platform.reports_blank import ReportError
from nenghao.platform.reports_form import FormError
from nenghao.platform.store.engine import Store

Search = Callable[..., Awaitable[None]]
Changed = Callable[[], Awaitable[None]]
SHOWN = 20
NOWHERE = "没有这个用能单位。"


@page("/reports", "填报", Act.REPORTS_FILL, group=Group.WORK, icon="edit_note", order=10)
async def reports(visit: Visit, state: State) -> None:
    """Which units have reported the month, which have not, which wait for a decision."""
    cities = await visit.ask(Act.REPORTS_FILL, view.city_names)
    figures = ui.element("div").classes("cards")

    def month() -> str:
        return state.month("month", view.last_month(visit.now()))

    async def fetch(wanted: Page) -> Rows:
        chosen = view.Wanted(
            state.text("q"), state.text("region"), state.choice("state", tuple(view.CHOICES), "")
        )
        found, total = await visit.ask(
            Act.REPORTS_FILL,
            lambda conn: view.of_month(
                conn,
                month(),
                chosen,
                sort=wanted.sort,
                descending=wanted.descending,
                limit=wanted.size,
                offset=wanted.offset,
            ),
        )
        return Rows([_row(one) for one in found], total)

    async def count() -> None:
        counted = await visit.ask(Act.REPORTS_FILL, lambda conn: view.counts(conn, month()))
        figures.clear()
        with figures:
            _figures(month(), counted)

    async def search(**changes: object) -> None:
        state.set(**changes)
        await listed.refresh(first=True)
        if "month" in changes:
            await count()

    _filters(visit, state, month(), cities, search)
    listed = await listing(
        visit,
        state,
        [
            Column("name", "用能单位", sort=True, link=lambda row: _form_of(row, month())),
            Column("code", "统一社会信用代码", sort=True, code=True),
            Column("region", "行政区划", sort=True),
            Column("state", "状态", sort=True, badge=lambda row: str(row["badge"])),
            Column("filled", "已填（项）", number=True),
            Column("changed_at", "最近改动", sort=True),
            Column("changed_by", "改动人"),
            Column("taken_at", "数据生效"),
            Column("remark", "审核意见"),
        ],
        fetch,
        empty="没有符合条件的用能单位。请更换月份或筛选条件；还没有单位时，先由端设备注册。",
        caption="用能单位的填报情况",
        actions=lambda row: [
            ("各月", lambda row: _go(visit, f"/reports/{row['code']}")),
        ],
    )
    await count()

    async def changed() -> None:
        await listed.refresh()
        await count()

    _files(visit, state, month, changed)


async def _go(visit: Visit, path: str) -> None:
    visit.go(path)


def _form_of(row: Row, month: str) -> str:
    return f"/reports/{row['code']}/{month}"


def _row(one: view.UnitMonth) -> Row:
    return {
        "name": one.name,
        "code": one.code,
        "region": one.region,
        "month": one.month,
        "state": one.said,
        "badge": view.BADGES[one.state],
        "filled": one.filled or None,
        "changed_at": "" if one.changed_at is None else f"{one.changed_at:%Y-%m-%d %H:%M}",
        "changed_by": one.changed_by,
        "taken_at": "" if one.taken_at is None else f"{one.taken_at:%Y-%m-%d %H:%M}",
        "remark": one.remark,
    }


def _figures(month: str, counted: dict[Stand | None, int]) -> None:
    every = sum(counted.values())
    missing = counted[None] + counted[Stand.DRAFT] + counted[Stand.RETURNED]
    accepted, waiting = counted[Stand.ACCEPTED], counted[Stand.SUBMITTED]
    figure(f"{month} 已接受", f"{accepted:,}", "家", f"共 {every:,} 家", "good")
    figure("待审核", f"{waiting:,}", "家", "", "warn" if waiting else "dull")
    note = (
        f"未开始 {counted[None]:,}，填写中 {counted[Stand.DRAFT]:,}，"
        f"已退回 {counted[Stand.RETURNED]:,}"
    )
    figure("还没有报", f"{missing:,}", "家", note, "bad" if missing else "dull")


def _filters(
    visit: Visit, state: State, month: str, cities: dict[str, str], search: Search
) -> None:
    """The fields above the list; each is in the address."""
    months = view.months_until(visit.now())
    if month not in months:
        months.append(month)
    with ui.element("div").classes("toolbar").props('role=search aria-label="筛选"'):
        ui.select(
            months, value=month, label="月份", on_change=lambda e: search(month=e.value)
        ).props("outlined dense")
        ui.select(
            dict(view.CHOICES),
            value=state.choice("state", tuple(view.CHOICES), ""),
            label="状态",
            on_change=lambda e: search(state=e.value),
        ).props("outlined dense")
        region = state.text("region")
        ui.select(
            {"": "全部"} | cities,
            value=region if region in cities else "",
            label="行政区划",
            on_change=lambda e: search(region=e.value),
        ).props("outlined dense")
        ui.input(
            label="名称或统一社会信用代码",
            value=state.text("q"),
            on_change=lambda e: search(q=(e.value or "").strip()),
        ).props("outlined dense clearable debounce=400 maxlength=100").classes("grow")


def _files(visit: Visit, state: State, month: Callable[[], str], changed: Changed) -> None:
    """The template and the import, for whoever decides for all units."""
    with section("用 Excel 填报"):
        text(
            "下载模板填好后导入：有任何错误则整个文件都不导入，逐一指出行和列；导入的数据立即生效。",
            "p",
            "dull",
        )

        async def template() -> None:
            chosen, region = month(), state.text("region")
            content = await visit.do(
                Act.REPORTS_FILL,
                lambda store, _now: _template(visit, store, chosen, region),
                refusals=(ReportError,),
            )
            visit.download(f"填报-{chosen}{f'-{region}' if region else ''}.xlsx", content)

        ui.button("下载填报模板（所选月份和行政区划）", on_click=template).props("outline no-caps")
        done = ui.element("div").props("aria-live=polite")

        async def given(name: str, content: bytes) -> None:
            result = await with_progress(
                visit,
                "导入填报",
                Act.REPORTS_FILL,
                lambda store, now, progress: _taken(visit, store, now, progress, name, content),
            )
            done.clear()
            with done:
                _result(name, result)
            await changed()

        upload(visit, "导入填好的模板（.xlsx）", (".xlsx",), given).style("margin-top:.6rem")


def _template(visit: Visit, store: Store, month: str, region: str) -> bytes:
    with store.read() as conn:
        form = reports_blank.form(conn, visit.settings, month, (), region or None)
    return reports_template.write(form)


def _taken(
    visit: Visit, store: Store, now: datetime, progress: Progress, name: str, content: bytes
) -> Imported | FormError:
    """What the import did, or everything that is wrong with the file."""
    try:
        return report_states.import_file(
            store, visit.settings, visit.session, content, name, now, progress.at
        )
    except FormError as error:
        return error


def _result(name: str, result: Imported | FormError) -> None:
    if isinstance(result, FormError):
        notice(f"{name} 没有导入：\n{result}", "bad").style("white-space:pre-line")
        return
    notice(f"{name}：{result.month} 已导入 {len(result.units)} 个用能单位", "good")
    said = [
        f"{one.name}：{finding.kind.label}：{finding.subject} {finding.detail}"
        for one in result.units
        for finding in one.findings
    ]
    if said:
        shown = [*said[:SHOWN], *([f"另有 {len(said) - SHOWN} 处"] if len(said) > SHOWN else [])]
        notice("数据提示：\n" + "\n".join(shown), "warn").style("white-space:pre-line")


@page("/reports/{code}", "单位填报", Act.REPORTS_FILL)
async def unit_reports(visit: Visit, state: State, code: str) -> None:
    """A unit's months: where each stands, who changed it when, what the office said."""
    unit = await visit.ask(Act.REPORTS_FILL, lambda conn: view.unit_of(conn, code), code)
    if unit is None:
        empty(NOWHERE, "/reports" if visit.may(Act.REPORTS_FILL) else "/", "返回")
        return
    facts({"用能单位": unit.name, "统一社会信用代码": unit.code})
    due = view.last_month(visit.now())
    with ui.element("div").classes("toolbar"):
        ui.link(f"填报 {due}", f"/reports/{code}/{due}")
        if visit.may(Act.REPORTS_FILL):
            ui.link("全部用能单位", "/reports")

    async def fetch(wanted: Page) -> Rows:
        now = visit.now()
        found, total = await visit.ask(
            Act.REPORTS_FILL,
            lambda conn: view.of_unit(conn, code, now, limit=wanted.size, offset=wanted.offset),
            code,
        )
        return Rows([_row(one) for one in found], total)

    await listing(
        visit,
        state,
        [
            Column("month", "月份", link=lambda row: f"/reports/{code}/{row['month']}"),
            Column("state", "状态", badge=lambda row: str(row["badge"])),
            Column("filled", "已填（项）", number=True),
            Column("changed_at", "最近改动"),
            Column("changed_by", "改动人"),
            Column("taken_at", "数据生效"),
            Column("remark", "审核意见"),
        ],
        fetch,
        empty="还没有可以填报的月份。",
        caption=f"{unit.code} 各月的填报",
    )
