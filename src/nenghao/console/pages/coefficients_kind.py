"""The page of one energy type's coefficients (品种的折标系数): dated rows, history, a new one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from nicegui import ui
from sqlalchemy import Connection

from nenghao.console.page import page
from nenghao.console.pages.coefficients_parts import Effects, day_field, day_of
from nenghao.console.parts import empty, facts, notice, plain_table, section
from nenghao.console.state import State
from nenghao.console.views import coefficients as view
from nenghao.console.views.base_data_words import who
from nenghao.console.views.coefficients import Detail, NoKind, Row
from nenghao.console.visit import Visit
from nenghao.platform import coefficients as service
from nenghao.platform.coefficients import Change, CoefficientError
from nenghao.platform.coefficients_file import SOURCE_LENGTH
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.standard import energy
from nenghao.standard.energy_amounts import Kind

PATH = "/coefficients"
READ, EDIT = Act.COEFFICIENTS_READ, Act.COEFFICIENTS_EDIT


@page(PATH + "/{kind}", "品种的折标系数", READ)
async def coefficients_kind(visit: Visit, state: State, kind: str) -> None:
    """One type: what holds, what held, what was changed."""
    ui.link("← 全部折标系数", PATH)
    today = visit.now().date()

    def read(conn: Connection) -> Detail | None:
        try:
            return view.detail(conn, kind, today)
        except NoKind:
            return None

    found = await visit.ask(READ, read)
    if found is None:
        empty(f"没有能源品种 {kind[:20]} 的折标系数。", PATH, "全部折标系数")
        return
    if state.flag("done"):
        notice("折标系数已改动，有关合计正在重新计算。", "good")
    _today(found.today)
    if visit.may(EDIT):
        _change(visit, found.today)
    _dated(found.dated, found.today)
    with section("变更记录"):
        if not found.history:
            empty("至今没有改动过，所用为基础数据的参考值。")
            return
        plain_table(
            ["时间", "由谁", "自何时起", "改动前", "改动后"],
            [
                [
                    f"{one.at:%Y-%m-%d %H:%M}",
                    who(one.actor),
                    view.day_text(one.valid_from),
                    view.source_words(one.before) or "—",
                    view.source_words(one.after),
                ]
                for one in found.history
            ],
        )


def _today(row: Row) -> None:
    facts(
        {
            "能源品种": f"{row.kind} {row.name}",
            "分类": row.class_name,
            "现行折标系数": f"{row.zbckz} {row.nhzbdw}",
            "单位折标系数": row.dwzbxs,
            "折合": f"{row.tce} 吨标准煤/{row.unit}",
            "实测系数的范围": row.bounds or "参考值的一半至两倍",
            "自何时起": row.valid_from,
            "来源": row.source,
        }
    )


def _dated(rows: Sequence[Row], today: Row) -> None:
    with section("各时段的折标系数"):
        plain_table(
            ["自何时起", "至何时", "折标系数", "实测范围", "来源", ""],
            [
                [
                    row.valid_from,
                    row.until or "—",
                    row.factor,
                    row.bounds or "—",
                    row.source,
                    "现行" if row is today else "",
                ]
                for row in rows
            ],
        )


class _Form:
    """The fields of a new coefficient."""

    def __init__(self, visit: Visit, row: Row) -> None:
        self._visit = visit
        self._kind = Kind(row.kind[:2], row.kind[2:])
        with ui.element("div").classes("toolbar").style("align-items:flex-start"):
            self._zbckz = ui.input(
                label=f"新的折标系数（{row.nhzbdw}）", value=row.zbckz, validation=_number
            )
            self._since = day_field("生效日期", date(visit.now().year, 1, 1))
            self._dwzbxs = ui.input(
                label="单位折标系数（不填：不变）", validation=_number_or_nothing
            )
            self._bounds = ui.input(label="实测范围，如 1.1-1.3（不填：不变）", validation=_range)
            self._source = ui.input(label="来源（文件名、文号）")
            self._source.props(f"maxlength={SOURCE_LENGTH}")
            for field in (self._zbckz, self._dwzbxs, self._bounds, self._source):
                field.props("outlined dense").style("width:19rem;max-width:100%")

    def proposal(self) -> _Proposal:
        """What is in the fields; `Shown` without a day, CoefficientError when it is read."""
        zbckz, dwzbxs, bounds, source = (
            str(field.value or "").strip()
            for field in (self._zbckz, self._dwzbxs, self._bounds, self._source)
        )
        since = day_of(self._visit, self._since)
        return _Proposal(self._kind, zbckz, dwzbxs, bounds, source, since)


class _Proposal:
    """A coefficient as it was filled in."""

    def __init__(
        self, kind: Kind, zbckz: str, dwzbxs: str, bounds: str, source: str, since: date
    ) -> None:
        self.kind, self.since, self.source = kind, since, source[:SOURCE_LENGTH]
        self._zbckz, self._dwzbxs, self._bounds = zbckz, dwzbxs, bounds

    def change(self, conn: Connection) -> list[Change]:
        """What it would change. Raises CoefficientError."""
        change = service.propose(
            service.table(conn),
            self.kind,
            service.decimal(self._zbckz),
            valid_from=self.since,
            dwzbxs=service.decimal(self._dwzbxs) if self._dwzbxs else None,
            bounds=_bounds_of(self._bounds),
            source=self.source,
        )
        return [] if change is None else [change]


def _change(visit: Visit, row: Row) -> None:
    effects = Effects(visit)

    async def look() -> None:
        proposal = form.proposal()

        async def confirmed() -> None:
            def work(store: Store, now: datetime) -> int:
                with store.write() as conn:
                    changes = proposal.change(conn)
                    for change in changes:
                        service.apply(conn, change, now)
                return len(changes)

            count = await visit.do(EDIT, work, refusals=(CoefficientError,))
            visit.go(State.link(f"{PATH}/{row.kind}", done=1 if count else None))

        await effects.show(proposal.change, confirmed)

    with section("设置新的折标系数"):
        form = _Form(visit, row)
        ui.button("查看影响", on_click=look)
        effects.place()


def _bounds_of(given: str) -> tuple[Decimal, Decimal] | None:
    if not given:
        return None
    try:
        return energy.parse_range(given)
    except ValueError as error:
        raise CoefficientError(f"实测范围：{error}") from None


def _number(value: object) -> str | None:
    try:
        service.decimal(str(value or "").strip())
    except CoefficientError as error:
        return str(error)
    return None


def _number_or_nothing(value: object) -> str | None:
    return _number(value) if str(value or "").strip() else None


def _range(value: object) -> str | None:
    try:
        _bounds_of(str(value or "").strip())
    except CoefficientError as error:
        return str(error)
    return None
