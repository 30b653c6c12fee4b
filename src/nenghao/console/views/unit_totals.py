"""A unit's totals in standard coal (合计), as they are kept, and how one of them came about.

Nobody sums raw values here: the totals are those of `platform.totals`, the explanation of a figure
is its `explain` in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from nenghao.console.views.unit_items import words
from nenghao.platform.packing import ONLINE, REPORT
from nenghao.platform.registry import unit_id_of
from nenghao.platform.store.engine import Store
from nenghao.platform.store.totals_schema import total_mark
from nenghao.platform.totals import explain as explaining
from nenghao.platform.totals import packed, settle
from nenghao.platform.totals.explain import Explained
from nenghao.standard import indicators, periods
from nenghao.standard.energy_explanation import Line
from nenghao.standard.indicators import INDICATORS, NANO, UNITS, Totals
from nenghao.standard.periods import StatType

KINDS: Final = {"day": StatType.DAY, "month": StatType.MONTH, "year": StatType.YEAR}
SHAPES: Final = {StatType.DAY: "%Y-%m-%d", StatType.MONTH: "%Y-%m", StatType.YEAR: "%Y"}
"""How a period of each kind is written."""
SOURCES: Final = {"online": ONLINE, "report": REPORT}
SOURCE_NAMES: Final = {"online": "在线采集", "report": "填报"}
CONSUMED: Final = ("coal", "coke", "elec", "oil", "gas", "hot", "other")
"""The indicators of single energies, whose values a chart stacks."""
IN_COAL: Final = tuple(code for code in INDICATORS if code != "gyzcz")
"""The indicators whose value is in 吨标准煤: all but the output value (工业总产值)."""
_LEGIBLE: Final = Decimal(10) ** 12


@dataclass(frozen=True)
class PeriodTotals:
    """The ten indicators of one period."""

    period: str
    """2026-03-01, 2026-03 or 2026."""
    value: dict[str, float]
    """吨标准煤 by indicator."""
    origin: dict[str, float]
    """In the indicator's own unit."""


@dataclass(frozen=True)
class Kept:
    """The totals of a frame of periods, and of the same a year before."""

    rows: list[PeriodTotals]
    before: dict[str, float]
    """能源消费总量 of the year before, by the period of this one."""
    pending: bool
    """Whether data have come in that these do not count yet."""


@dataclass(frozen=True)
class Figure:
    """One indicator of the explained period."""

    code: str
    name: str
    value: str
    """吨标准煤, "" of the output value."""
    origin: str
    unit: str


@dataclass(frozen=True)
class Reason:
    """One amount and what it adds, in words."""

    data_code: str
    name: str
    amount: str
    summed: str
    """How the amount came about."""
    coefficient: str
    basis: str
    route: str
    contribution: str
    indicators: str
    counted_in: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """How the totals of one period came about."""

    period: str
    source: str
    place: str
    figures: list[Figure]
    reasons: list[Reason]
    findings: list[str]
    agrees: bool
    """Whether what is kept is what the explanation comes to."""


def kept(
    conn: Connection,
    unit_id: int,
    kind: StatType,
    year: int,
    month: int,
    source: int,
    now: datetime,
) -> Kept:
    """The days of a month, the months of a year, or all years, as far as they have values."""
    frame = _frame(kind, year, month)
    earlier = {StatType.DAY: frame - 12, StatType.MONTH: frame - 1}.get(kind, frame)
    keys = [(int(kind), number, source) for number in {frame, earlier}]
    found = settle.stored_totals(conn, unit_id, keys)
    rows, before = [], {}
    for slot in range(periods.slots_in(kind, frame)):
        period = periods.time_of(kind, frame, slot).strftime(SHAPES[kind])
        held = _at(found, (int(kind), frame, source), slot)
        if held is not None:
            rows.append(_period(period, held))
        place = slot - 1 if kind is StatType.YEAR else slot
        last = _at(found, (int(kind), earlier, source), place)
        if last is not None:
            before[period] = _number(last["nyxfzl"].value)
    first = periods.time_of(kind, frame, 0)
    end = periods.time_of(kind, frame, periods.slots_in(kind, frame) - 1)
    concerned = [total_mark.c.unit_id == unit_id, settle.concerning(kind, first, end)]
    return Kept(rows, before, settle.pending(conn, now, concerned))


def explained(
    store: Store, code: str, kind: StatType, moment: datetime, source: str, now: datetime
) -> Explanation:
    """How the figures of the period that holds `moment` came about; settles what waits of it.

    Raises totals.explain.UnknownUnit, DatabaseFault.
    """
    told = explaining.explain(store, code, kind, moment, SOURCES[source], now)
    with store.read() as conn:
        return _explanation(conn, told, kind, source)


def parse(kind: StatType, text: str) -> datetime | None:
    """The period that `2026-03-01`, `2026-03` or `2026` names; None for anything else."""
    try:
        moment = datetime.strptime(text, SHAPES[kind])
    except ValueError:
        return None
    return moment if moment.strftime(SHAPES[kind]) == text and periods.in_years(moment) else None


def _explanation(conn: Connection, told: Explained, kind: StatType, source: str) -> Explanation:
    naming = words(conn, _unit_id(conn, told.credit_code))
    found = told.explanation
    nothing = told.kept is None and not any(any(one) for one in found.totals.values())
    return Explanation(
        period=told.start.strftime(SHAPES[kind]),
        source=SOURCE_NAMES[source],
        place=f"地区 {told.place.region}，行业 {told.place.industry or '未知'}"
        + ("（工业）" if found.industrial else "（非工业）"),
        figures=[_figure(code, found.totals) for code in INDICATORS],
        reasons=[_reason(line, naming.name(line.data_code)) for line in found.lines],
        findings=[f"{one.subject} {one.kind.label}：{one.detail}" for one in found.findings],
        agrees=nothing or told.kept == found.totals,
    )


def _unit_id(conn: Connection, code: str) -> int:
    return unit_id_of(conn, code) or 0


def _figure(code: str, totals: Totals) -> Figure:
    total = totals[code]
    return Figure(
        code,
        INDICATORS[code],
        amount(indicators.rounded(total.value)) if code in IN_COAL else "",
        amount(indicators.rounded(total.origin)),
        UNITS[code],
    )


def _reason(line: Line, name: str) -> Reason:
    made = "各分期之和" if line.summed else "本期数据"
    if line.missing:
        made += f"（缺 {line.missing} 期）"
    return Reason(
        data_code=line.data_code,
        name=name,
        amount=f"{_plain(line.amount)} {line.unit}".strip(),
        summed=made,
        coefficient="" if line.coefficient is None else _plain(line.coefficient),
        basis=line.basis,
        route=line.route,
        contribution=_plain(line.contribution) if line.indicators else "不计入",
        indicators="、".join(INDICATORS[one] for one in line.indicators),
        counted_in=line.indicators,
    )


def amount(number: Decimal) -> str:
    """A number with its thousands apart; what is beyond all reason by its power of ten."""
    return f"{number:,}" if abs(number) < _LEGIBLE else f"{number:.4E}"


def _plain(number: Decimal) -> str:
    """Exact, without needless zeros; of very long ones the power of ten."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if len(text) <= 32 else f"{number:.6E}"


def _frame(kind: StatType, year: int, month: int) -> int:
    if kind is StatType.DAY:
        return periods.month_number(date(year, month, 1))
    return year - periods.FIRST_YEAR if kind is StatType.MONTH else 0


def _at(found: dict[settle.Kind, packed.UnitTotals], key: settle.Kind, slot: int) -> Totals | None:
    held = found.get(key)
    total = None if held is None else held.at(slot)
    return None if total is None else packed.totals_of(total[1])


def _period(period: str, totals: Totals) -> PeriodTotals:
    return PeriodTotals(
        period,
        {code: _number(total.value) for code, total in totals.items()},
        {code: _number(total.origin) for code, total in totals.items()},
    )


def _number(nano: int) -> float:
    """For charts and tables: two decimals, within what a browser can draw."""
    most = 10**15 * NANO
    return float(indicators.rounded(max(-most, min(nano, most))))
