"""The province's energy in standard coal (能耗总览): this month and year, and the year before.

Everything comes from kept sums (`platform.totals`). What came in so far is the sum of the month or
year. Compared is what is complete in both years: of the present month whole days, the same dates;
of a month that is over all of it, or again its whole days where in either year some day is not. A
day is whole where no more than a tenth of the units of that month's fullest day (one at least) have
no data for it; a month of which only monthly values came in counts as complete. So a month is never
held against a longer one, nor this morning, when half of the devices have uploaded, against a full
day. Units are not matched one by one; how many there were on average is told, and said loudly where
it differs much. Collected online (在线) only: with what is filled in (填报) it would count twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from nenghao.console.views.overview_kept import kept
from nenghao.platform.packing import ONLINE
from nenghao.platform.store.totals_schema import roll_up, total_mark
from nenghao.platform.totals import packed
from nenghao.platform.totals.roll_ups import ANY
from nenghao.standard import periods
from nenghao.standard.indicators import INDICATORS, UNITS
from nenghao.standard.industries import GBT_4754
from nenghao.standard.periods import StatType
from nenghao.standard.regions import CITY, LIAONING

PeriodName = Literal["month", "year"]
MONTH: Final = "month"
YEAR: Final = "year"

SHOWN: Final = ("nyxfzl", "zhnyxfl")
"""The indicators one may look at: 能源消费总量, 综合能源消费量."""

FUELS: Final = ("coal", "coke", "oil", "gas", "elec", "hot", "other")
"""The groups of energy types (table B.6)."""

CITIES: Final = tuple((one.code, one.name) for one in LIAONING if one.type == CITY)
DIVISIONS: Final = {one.code: one.name for one in GBT_4754 if one.level == 2}
"""Industries by division (大类), C25 and the like."""

MOST_INDUSTRIES: Final = 12
MOST_TIMES: Final = 1000
"""A change beyond that many times is one of what was sent, not of energy."""
UNEVEN: Final = 0.05
"""From this share on the numbers of units of both years differ much."""

_MONTHS = 12
_PLACE = {code: place for place, code in enumerate(INDICATORS)}
Slots = dict[int, set[int]]
"""Slots by frame."""


class _Cell(NamedTuple):
    region: str
    industry: str


_ALL = _Cell(ANY, ANY)


def change_of(same: int, before: int) -> float | None:
    """By how many percent `same` is more than `before`; None where that says nothing."""
    if before <= 0 or abs(same - before) > MOST_TIMES * before:
        return None
    return (same - before) / before * 100


@dataclass(frozen=True)
class Comparison:
    """A month or a year so far. Amounts are 10⁻⁹ 吨标准煤 (`indicators.NANO`)."""

    label: str
    """`2026 年 11 月` or `2026 年`."""
    total: int | None
    """All that came in; None: nothing yet."""
    units: int
    """How many units it is of."""
    days: tuple[date, ...]
    """The days of this year that are compared."""
    months: tuple[int, ...]
    """The months of this year that are compared as a whole."""
    same: int
    """This year's amount in what is compared."""
    before: int
    """The same a year before."""
    units_now: int
    """Units on average, in what is compared."""
    units_before: int

    @property
    def change(self) -> float | None:
        """Percent more than a year before."""
        return change_of(self.same, self.before)

    @property
    def is_uneven(self) -> bool:
        """Whether the numbers of units differ so much that the change says little of energy."""
        most = max(self.units_now, self.units_before)
        return abs(self.units_now - self.units_before) > UNEVEN * most


@dataclass(frozen=True)
class Share:
    """A city's, an industry's or an energy type's part of the period, in 10⁻⁹ 吨标准煤."""

    code: str
    name: str
    total: int
    same: int
    before: int
    amount: int = 0
    """Of an energy type: how much in its own unit, in 10⁻⁹."""
    unit: str = ""

    @property
    def change(self) -> float | None:
        """Percent more than on the same days a year before."""
        return change_of(self.same, self.before)


@dataclass(frozen=True)
class Energy:
    """The energy side of the overview."""

    indicator: str
    name: str
    period: PeriodName
    month: Comparison
    year: Comparison
    cities: tuple[Share, ...]
    """All fourteen, in the order of their codes."""
    elsewhere: int
    """What units that are in none of them come to."""
    industries: tuple[Share, ...]
    """The largest, at most `MOST_INDUSTRIES`."""
    other_industries: int
    """What the others come to, and units that have told no industry yet."""
    fuels: tuple[Share, ...]
    """By energy type; what was consumed, so that they do not add up to the total."""
    waiting: int
    """Units of which something that came in is not yet in these sums."""

    @property
    def chosen(self) -> Comparison:
        """The period that cities, industries and energy types are shown of."""
        return self.month if self.period == MONTH else self.year


def look(
    conn: Connection, now: datetime, indicator: str = "nyxfzl", period: PeriodName = MONTH
) -> Energy:
    """How it stands; at most a minute old."""
    name = ("energy", indicator, period, now.date())
    return kept.of(conn, name, now, lambda: read(conn, now, indicator, period))


def read(conn: Connection, now: datetime, indicator: str, period: PeriodName) -> Energy:
    """How it stands, from the database."""
    whole = _comparable(conn, now.date())
    this_month = whole.of_month(now.month)
    month = _comparison(conn, MONTH, now, indicator, this_month)
    year = _comparison(conn, YEAR, now, indicator, whole)
    chosen, basis = (month, this_month) if period == MONTH else (year, whole)
    nodes = _Nodes(conn, period, now, basis)
    cities = _cities(nodes, indicator)
    industries = _industries(nodes, indicator)
    total = chosen.total or 0
    return Energy(
        indicator=indicator,
        name=INDICATORS[indicator],
        period=period,
        month=month,
        year=year,
        cities=cities,
        elsewhere=total - sum(one.total for one in cities),
        industries=industries[:MOST_INDUSTRIES],
        other_industries=total - sum(one.total for one in industries[:MOST_INDUSTRIES]),
        fuels=_fuels(nodes),
        waiting=waiting(conn, now),
    )


def waiting(conn: Connection, now: datetime) -> int:
    """How many units have totals that are to be settled now (待结算)."""
    query = select(func.count(total_mark.c.unit_id.distinct())).where(total_mark.c.due <= now)
    return int(conn.execute(query).scalar_one())


# --- what is compared -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Basis:
    """What is compared, of this year."""

    days: tuple[date, ...]
    months: tuple[int, ...]
    year: int

    def of_month(self, month: int) -> _Basis:
        """What of it lies in a month that is not over."""
        return _Basis(tuple(day for day in self.days if day.month == month), (), self.year)

    def slots(self, back: int) -> tuple[tuple[StatType, Slots], ...]:
        """It, so many years earlier, as frames and slots."""
        days: Slots = {}
        for day in self.days:
            frame = periods.month_number(day) - back * _MONTHS
            days.setdefault(frame, set()).add(day.day - 1)
        months = {self.year - back - periods.FIRST_YEAR: {month - 1 for month in self.months}}
        return (StatType.DAY, days), (StatType.MONTH, months if self.months else {})

    def __len__(self) -> int:
        return len(self.days) + len(self.months)


def _comparable(conn: Connection, today: date) -> _Basis:
    """What of this year, before today, can be held against the year before."""
    first = periods.month_number(date(today.year, 1, 1))
    here = range(first, periods.month_number(today) + 1)
    frames = [*here, *(frame - _MONTHS for frame in here)]
    whole = {
        frame: _whole(sums) for _, frame, sums in _rows(conn, StatType.DAY, frames, [ANY], [ANY])
    }
    years = [today.year - periods.FIRST_YEAR - back for back in (0, 1)]
    monthly = {
        frame * _MONTHS + slot
        for _, frame, sums in _rows(conn, StatType.MONTH, years, [ANY], [ANY])
        for slot in sums
    }
    days: list[date] = []
    months: list[int] = []
    for frame in here:
        sides = (frame, frame - _MONTHS)
        if frame < here[-1] and all(_is_full(one, whole, monthly) for one in sides):
            months.append(frame - first + 1)
            continue
        both = whole.get(frame, set()) & whole.get(frame - _MONTHS, set())
        found = [periods.time_of(StatType.DAY, frame, slot).date() for slot in sorted(both)]
        days += [day for day in found if day < today]
    return _Basis(tuple(days), tuple(months), today.year)


def _whole(sums: packed.Sums) -> set[int]:
    """The days of a month of which nearly all units have data."""
    units = {slot: numbers[0] for slot, numbers in sums.items()}
    most = max(units.values(), default=0)
    least = most - max(1, most // 10)
    return {slot for slot, some in units.items() if some >= least}


def _is_full(month: int, whole: Mapping[int, set[int]], monthly: Collection[int]) -> bool:
    """Whether the sum of a month that is over is that of all of it."""
    days = whole.get(month)
    return month in monthly and (days is None or len(days) == periods.slots_in(StatType.DAY, month))


# --- sums -----------------------------------------------------------------------------------------


def _rows(
    conn: Connection,
    kind: StatType,
    frames: Collection[int],
    regions: Sequence[str],
    industries: Sequence[str],
) -> Iterator[tuple[_Cell, int, packed.Sums]]:
    """What is kept of these cells: cell, frame, and sums by slot, units first."""
    table = roll_up.c
    named: list[ColumnElement[bool]] = [
        table.stat_type == int(kind),
        table.source == ONLINE,
        table.region.in_(regions),
        table.industry.in_(industries),
        table.frame.in_(sorted(frames)),
    ]
    query = select(table.region, table.industry, table.frame, table.totals).where(*named)
    for region, industry, frame, totals in conn.execute(query):
        yield _Cell(region, industry), frame, packed.sums_from(totals)


def _added(
    conn: Connection,
    wanted: Sequence[tuple[StatType, Slots]],
    regions: Sequence[str],
    industries: Sequence[str],
) -> dict[_Cell, list[int]]:
    """Units and twenty sums of each cell, added up over the slots."""
    made: dict[_Cell, list[int]] = {}
    for kind, slots in wanted:
        if not slots:
            continue
        for cell, frame, sums in _rows(conn, kind, slots.keys(), regions, industries):
            rows = [numbers for slot, numbers in sums.items() if slot in slots[frame]]
            if cell in made:
                rows.append(made[cell])
            if rows:
                made[cell] = [sum(column) for column in zip(*rows, strict=True)]
    return made


def _period_slots(period: PeriodName, now: datetime) -> tuple[StatType, Slots]:
    kind = StatType.MONTH if period == MONTH else StatType.YEAR
    frame, slot = periods.place(kind, periods.period_start(kind, now))
    return kind, {frame: {slot}}


def _value(sums: Sequence[int] | None, indicator: str) -> int:
    """Standard coal of an indicator in units and twenty sums."""
    return 0 if sums is None else sums[2 + 2 * _PLACE[indicator]]


def _origin(sums: Sequence[int] | None, indicator: str) -> int:
    return 0 if sums is None else sums[1 + 2 * _PLACE[indicator]]


def _comparison(
    conn: Connection, period: PeriodName, now: datetime, indicator: str, basis: _Basis
) -> Comparison:
    kind, slots = _period_slots(period, now)
    total = _added(conn, ((kind, slots),), [ANY], [ANY]).get(_ALL)
    same, before = (_added(conn, basis.slots(back), [ANY], [ANY]).get(_ALL) for back in (0, 1))
    label = f"{now.year} 年 {now.month} 月" if period == MONTH else f"{now.year} 年"
    return Comparison(
        label=label,
        total=None if total is None else _value(total, indicator),
        units=0 if total is None else total[0],
        days=basis.days,
        months=basis.months,
        same=_value(same, indicator),
        before=_value(before, indicator),
        units_now=0 if same is None else round(same[0] / len(basis)),
        units_before=0 if before is None else round(before[0] / len(basis)),
    )


class _Nodes:
    """Cells of the chosen period: what came in, and both sides of the comparison."""

    def __init__(self, conn: Connection, period: PeriodName, now: datetime, basis: _Basis) -> None:
        self._conn = conn
        self._asked = ((_period_slots(period, now),), basis.slots(0), basis.slots(1))

    def of(
        self, regions: Sequence[str], industries: Sequence[str]
    ) -> tuple[Mapping[_Cell, list[int]], ...]:
        """By cell: the period so far, what is compared, the same a year before."""
        return tuple(_added(self._conn, each, regions, industries) for each in self._asked)


def _shares(
    found: tuple[Mapping[_Cell, list[int]], ...],
    cells: Mapping[_Cell, tuple[str, str]],
    indicator: str,
) -> Iterator[Share]:
    for cell, (code, name) in cells.items():
        total, same, before = (_value(each.get(cell), indicator) for each in found)
        yield Share(code, name, total, same, before)


def _cities(nodes: _Nodes, indicator: str) -> tuple[Share, ...]:
    cells = {_Cell(code[:4] + ANY, ANY): (code, name) for code, name in CITIES}
    found = nodes.of([cell.region for cell in cells], [ANY])
    return tuple(_shares(found, cells, indicator))


def _industries(nodes: _Nodes, indicator: str) -> tuple[Share, ...]:
    """Those that consumed, the largest first."""
    cells = {_Cell(ANY, code + ANY): (code, name) for code, name in DIVISIONS.items()}
    found = nodes.of([ANY], [cell.industry for cell in cells])
    shares = [one for one in _shares(found, cells, indicator) if one.total]
    return tuple(sorted(shares, key=lambda one: (-one.total, one.code)))


def _fuels(nodes: _Nodes) -> tuple[Share, ...]:
    found = [each.get(_ALL) for each in nodes.of([ANY], [ANY])]
    made = []
    for fuel in FUELS:
        total, same, before = (_value(sums, fuel) for sums in found)
        amount = _origin(found[0], fuel)
        made.append(Share(fuel, INDICATORS[fuel], total, same, before, amount, UNITS[fuel]))
    return tuple(made)
