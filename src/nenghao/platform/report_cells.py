"""What is typed in a unit's monthly form (填报的内容): held against the same rules as a file.

A text is read as the cell of a workbook is (`reports_excel.value_of`); its value is remarked on as
the intake would (`remarks`), and the month as it would then stand is checked as the import checks
it (`energy_checks`). So what the console shows while one types is what will be found later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection

from nenghao.platform import intake, packing, reports
from nenghao.platform.packing import Labels
from nenghao.platform.registry import PLATFORM_DEVICE, Peer
from nenghao.platform.remarks import Context, remark
from nenghao.platform.report_log import Cells
from nenghao.platform.reports_blank import kinds_of
from nenghao.platform.reports_excel import value_of
from nenghao.platform.reports_form import (
    USAGES,
    Entry,
    Field,
    Filled,
    FormError,
    FormKind,
    Line,
)
from nenghao.platform.totals.inputs import Own
from nenghao.standard import data_code, energy_amounts, energy_checks
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX
from nenghao.standard.energy_checks import EnergyFinding
from nenghao.standard.findings import AdviceKind, quote
from nenghao.standard.periods import StatType

MOST_TEXT: Final = 40
"""Characters of a field."""


class Cell(NamedTuple):
    """A field of the form."""

    kind: str
    """Class and type, six digits."""
    usage: str


@dataclass(frozen=True)
class Sheet:
    """What a unit's form of a month is held against, read once."""

    code: str
    month: str
    kinds: Mapping[str, FormKind]
    """All that may be reported."""
    held: Own
    """The reported values of the month in force: amounts by data code."""
    converts: bool | None
    """Whether the unit says that it converts energy (是否能源加工转换类)."""
    context: Context
    strict: Collection[AdviceKind]


@dataclass(frozen=True)
class Judged:
    """What there is to say about what is typed."""

    problems: Mapping[Cell, str]
    """Fields that cannot be taken, each with why."""
    hints: Mapping[Cell, str]
    """Fields that are taken, each with what is odd about its value."""
    findings: list[EnergyFinding]
    """What the values of the month, as it would then stand, contradict in each other."""


def sheet(
    conn: Connection, settings: reports.Settings, peer: Peer, month: str, now: datetime
) -> Sheet:
    """What the unit's form of the month is held against."""
    context = intake.context_of(conn, peer, now)
    items = {
        key: items
        for key, items in context.items.items()
        if key[1] == StatType.MONTH and key[0].startswith(WHOLE_PLANT_PREFIX)
    }
    return Sheet(
        peer.credit_code,
        month,
        kinds_of(conn, settings),
        reports.in_force_of(conn, peer.unit_id, month, now),
        reports.converts_energy(conn, peer.unit_id),
        replace(context, items=items),
        settings.strict,
    )


def peer_of(unit_id: int, code: str, name: str) -> Peer:
    """The unit, spoken for by whoever fills its form in on the platform."""
    return Peer(unit_id, code, PLATFORM_DEVICE, name, "")


def cell_of(code: str) -> Cell:
    """The field that a data code of the whole plant stands in."""
    parts = data_code.parse(code)
    return Cell(parts.energy_class + parts.energy_type, parts.usage)


def tidy(cells: Cells) -> dict[str, dict[str, str]]:
    """What is typed, without blanks and without fields that are empty."""
    made = {
        kind: {usage: text.strip() for usage, text in sorted(usages.items()) if text.strip()}
        for kind, usages in sorted(cells.items())
    }
    return {kind: usages for kind, usages in made.items() if usages}


def judge(form: Sheet, cells: Cells, now: datetime) -> Judged:
    """What there is to say about what is typed, as of `now`."""
    problems: dict[Cell, str] = {}
    entries = dict(_entries(form, cells, problems))
    hints: dict[Cell, str] = {}
    records = [reports.record_of(form.month, at.kind, one, now) for at, one in entries.items()]
    if records:
        places = list(entries)
        context = replace(form.context, now=now)
        for one in remark(packing.pack(records, Labels(), now), records, context):
            told = problems if one.kind in form.strict else hints
            for number in one.records:
                said = f"{one.kind.label}：{one.detail}"
                told[places[number]] = one.detail if one.detail == one.kind.label else said
    then = dict(form.held)
    for record in records:
        if record.valid:
            then[record.data_code] = energy_amounts.amount(record.data_value)
        else:
            then.pop(record.data_code, None)
    found = energy_checks.checks(energy_amounts.gather(then), form.converts)
    return Judged(problems, hints, found)


def filled(form: Sheet, cells: Cells, now: datetime) -> Filled:
    """The form as `reports.take` wants it; FormError naming every field that is wrong."""
    judged = judge(form, cells, now)
    if judged.problems:
        raise FormError(
            [f"{_field(form, at)}：{reason}" for at, reason in sorted(judged.problems.items())]
        )
    lines: dict[str, list[Entry]] = {}
    for at, entry in _entries(form, cells, {}):
        lines.setdefault(at.kind, []).append(entry)
    if not lines:
        raise FormError(["没有填写任何数值"])
    made = [Line(row, form.code, *line) for row, line in enumerate(lines.items(), start=1)]
    return Filled(form.month, made, [])


def typed(told: Filled, code: str, month: str) -> dict[str, dict[str, str]]:
    """What a filled workbook says of one unit and month, as if it had been typed; FormError."""
    problems = list(told.problems)
    if told.month != month:
        problems.insert(0, f"文件是 {told.month} 的填报表，这里填报的是 {month}")
    others = sorted({line.unit for line in told.lines} - {code})
    if others:
        problems.insert(0, f"文件中有其他单位的行：{'、'.join(others[:5])}")
    if problems:
        raise FormError(problems)
    return {
        line.kind: {
            one.usage: "作废" if one.value is None else _plain(one.value) for one in line.entries
        }
        for line in told.lines
    }


def _plain(value: float) -> str:
    return energy_checks.plain(energy_amounts.amount(value))


def _entries(form: Sheet, cells: Cells, problems: dict[Cell, str]) -> Iterator[tuple[Cell, Entry]]:
    for kind, usages in tidy(cells).items():
        for usage, text in usages.items():
            at = Cell(kind, usage)
            try:
                yield at, Entry(_field(form, at), usage, _value(form, at, text))
            except ValueError as error:
                problems[at] = str(error)


def _value(form: Sheet, at: Cell, text: str) -> float | None:
    known = form.kinds.get(at.kind)
    if known is None:
        raise ValueError("基础数据中没有这个能源品种")
    if at.usage not in known.usages:
        raise ValueError(f"{known.name}不填报这一用途")
    if len(text) > MOST_TEXT:
        raise ValueError(f"至多 {MOST_TEXT} 个字符，收到 {quote(text)}")
    return value_of(text)


def _field(form: Sheet, at: Cell) -> Field:
    known = form.kinds.get(at.kind)
    label = f"{quote(at.usage)}" if at.usage not in USAGES else f"{at.usage} {USAGES[at.usage]}"
    return Field(quote(at.kind) if known is None else known.name, label)
