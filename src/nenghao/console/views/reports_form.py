"""A unit's form of a month (填报表), with what the platform computed of uploaded data beside it.

The sheet that typed values are held against comes along, so that a page can judge them while one
types without asking the database again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from nenghao.console.views.reports import names_of
from nenghao.platform import report_cells, report_log, reports, reports_blank
from nenghao.platform.packing import ONLINE
from nenghao.platform.report_cells import Cell, Sheet, cell_of
from nenghao.platform.report_log import Cells, Report
from nenghao.platform.reports_form import USAGES, FormKind
from nenghao.platform.totals import inputs
from nenghao.platform.totals.inputs import MONTHS, Gathered
from nenghao.standard import data_code, energy_amounts, energy_checks, periods
from nenghao.standard.energy_amounts import Period
from nenghao.standard.periods import StatType

FAR: Final = 5.0
"""How far, in per cent, a reported value may be from the computed one before it is marked."""


@dataclass(frozen=True)
class Computed:
    """What the platform made of the unit's uploaded data."""

    amount: int
    """In 10⁻¹⁰ of the type's unit."""
    summed: bool
    """Whether it was added up of days; else the device sent it for the month."""
    missing: int
    """How many days the sum lacks."""

    @property
    def text(self) -> str:
        """The amount as one would type it."""
        return energy_checks.plain(self.amount)

    @property
    def origin(self) -> str:
        """Where it comes from, in Chinese."""
        if not self.summed:
            return "设备上传的月数据"
        return f"日数据合计，缺 {self.missing} 天" if self.missing else "日数据合计"


@dataclass(frozen=True)
class Done:
    """A step of the form's history."""

    at: datetime
    who: str
    act: str
    remark: str
    filled: int


@dataclass(frozen=True)
class FormPage:
    """Everything that the page of a form shows."""

    report: Report
    changed_by: str
    """Who changed it last, in words."""
    sheet: Sheet
    first: list[str]
    """The energy types that are offered first: configured ones, filled ones, known ones."""
    computed: Mapping[Cell, Computed]
    history: list[Done]

    def in_force(self, at: Cell) -> str:
        """The reported value of a field that is in force, "" where there is none."""
        value = self.sheet.held.get(_code(at))
        return "" if value is None else energy_checks.plain(value)


@dataclass(frozen=True)
class Compared:
    """A filled field beside what the platform has."""

    kind: str
    usage: str
    unit: str
    typed: str
    computed: str
    origin: str
    apart: str
    """How far the typed value is from the computed one, in per cent; "" where that is not known."""
    far: bool
    in_force: str
    said: str
    """What is wrong or odd about it."""


def form_page(
    conn: Connection, settings: reports.Settings, code: str, month: str, now: datetime
) -> FormPage | None:
    """A unit's form of a month; None where no such unit is registered."""
    report = report_log.find(conn, code, month)
    if report is None:
        return None
    peer = report_cells.peer_of(report.unit_id, report.code, report.name)
    sheet = report_cells.sheet(conn, settings, peer, month, now)
    computed = _computed(conn, settings, report.unit_id, month, now)
    steps = report_log.history(conn, report.unit_id, month)
    people = names_of(conn, {report.changed_by, *(step.actor for step in steps)} - {""})
    history = [
        Done(step.at, people[step.actor], step.act.label, step.remark, step.filled)
        for step in steps
    ]
    first = _first(conn, settings, sheet, report.cells, computed)
    changed_by = people.get(report.changed_by, "")
    return FormPage(report, changed_by, sheet, first, computed, history)


def blank_of(conn: Connection, settings: reports.Settings, code: str, month: str) -> list[str]:
    """The energy types of a unit's empty form, as the Excel template lists them."""
    form = reports_blank.form(conn, settings, month, [code])
    return [kind.code for kind in form.units[0].kinds]


def _first(
    conn: Connection,
    settings: reports.Settings,
    sheet: Sheet,
    cells: Cells,
    computed: Mapping[Cell, Computed],
) -> list[str]:
    listed = set(blank_of(conn, settings, sheet.code, sheet.month))
    if len(listed) == len(sheet.kinds):  # nothing is configured: then all are offered, none first
        listed = {code for code, kind in sheet.kinds.items() if len(kind.usages) == 1}
    listed |= set(cells) | {at.kind for at in computed} | {cell_of(c).kind for c in sheet.held}
    return [code for code in sheet.kinds if code in listed]


def _computed(
    conn: Connection, settings: reports.Settings, unit_id: int, month: str, now: datetime
) -> dict[Cell, Computed]:
    start = datetime.strptime(month, "%Y-%m")
    year, number = place = periods.place(StatType.MONTH, start)
    wanted = {
        StatType.DAY: {year * MONTHS + number},
        StatType.MONTH: {year},
        StatType.YEAR: {0},
    }
    held = inputs.load(conn, unit_id, wanted, now)
    output = settings.output_value_code
    period = Gathered(held.sources[ONLINE], output).period(StatType.MONTH, place)
    found = {
        Cell("".join(kind), f"{usage:02d}"): _one(period, kind, usage, value)
        for kind, usages in period.amounts.items()
        for usage, value in usages.items()
        if f"{usage:02d}" in USAGES
    }
    if period.output_value is not None:
        found[cell_of(output)] = Computed(
            period.output_value, period.output_summed, period.output_missing
        )
    return found


def _one(period: Period, kind: energy_amounts.Kind, usage: int, value: int) -> Computed:
    missing = period.missing.get(kind, {}).get(usage, 0)
    return Computed(value, (kind, usage) in period.summed, missing)


def _code(at: Cell) -> str:
    return f"{data_code.WHOLE_PLANT_PREFIX}{at.kind}-{at.usage}"


def usages_of(kind: FormKind) -> list[tuple[str, str]]:
    """The fields of an energy type: usage and its name."""
    return [(usage, name) for usage, name in USAGES.items() if usage in kind.usages]


def compared(page: FormPage, cells: Cells, now: datetime) -> list[Compared]:
    """Every filled field beside what the platform has, in the order of the form."""
    judged = report_cells.judge(page.sheet, cells, now)
    odd: dict[Cell, list[str]] = {}
    for finding in judged.findings:
        odd.setdefault(cell_of(finding.subject), []).append(finding.kind.label)
    made = []
    for code, usages in report_cells.tidy(cells).items():
        kind = page.sheet.kinds.get(code)
        for usage, text in usages.items():
            at = Cell(code, usage)
            other = page.computed.get(at)
            apart = None if other is None else _apart(text, other.amount)
            said = [judged.problems.get(at, ""), judged.hints.get(at, ""), *odd.get(at, [])]
            made.append(
                Compared(
                    code if kind is None else f"{kind.name}（{code}）",
                    f"{usage} {USAGES.get(usage, '')}".strip(),
                    "" if kind is None else kind.unit,
                    text,
                    "" if other is None else other.text,
                    "" if other is None else other.origin,
                    "" if apart is None else f"{apart:+.1f}%",
                    apart is not None and abs(apart) > FAR,
                    page.in_force(at),
                    "；".join(filter(None, said)),
                )
            )
    return made


def _apart(text: str, computed: int) -> float | None:
    """How far a typed value is from a computed one, in per cent of the latter."""
    try:
        typed = energy_amounts.amount(float(text))
    except (ValueError, OverflowError):
        return None
    return None if not computed else (typed - computed) / abs(computed) * 100
