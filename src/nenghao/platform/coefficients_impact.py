"""What a change of coefficients would recompute (折标系数改动的影响), before it is made.

Nothing is written. The units that have data of the changed types are counted exactly; how much
standard coal the months come to is computed with the old and the new coefficients, for all of
these units or for an even sample of them, from which the province's change is then estimated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, or_, select

from nenghao.platform import coefficients
from nenghao.platform.coefficients import Change
from nenghao.platform.packing import ONLINE
from nenghao.platform.store.schema import frame, unit
from nenghao.platform.totals import inputs, places, roll_ups, settle
from nenghao.platform.totals.inputs import MONTHS
from nenghao.platform.totals.places import Places
from nenghao.platform.totals.settle import Rules, Work
from nenghao.standard import periods
from nenghao.standard.coefficients import Coefficients
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX
from nenghao.standard.indicators import INDICATORS, NANO
from nenghao.standard.periods import StatType

SAMPLE: Final = 24
"""Units that are computed unless all are asked for."""

_VALUE: Final = 2 * list(INDICATORS).index("nyxfzl") + 1
"""Where 能源消费总量 in 吨标准煤 stands among a total's numbers."""

Tell = Callable[[int, int], None]


class Span(NamedTuple):
    """The months whose totals a change touches, by number from 2000-01 on, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class Month:
    """A month of one source: what the province's 能源消费总量 is and would be, in 吨标准煤."""

    start: date
    source: int
    units: int
    """Units whose total would change, of those computed."""
    before: float
    change: float
    """Estimated where not all units were computed."""

    @property
    def after(self) -> float:
        """What it would be."""
        return self.before + self.change


@dataclass(frozen=True)
class Impact:
    """What would be recomputed and how the province's totals would change."""

    units: int
    """Units with data of the types in these months."""
    computed: int
    """Of these, how many were computed; the others are estimated by them."""
    unit_months: int
    """Months of units that would change, estimated like the change."""
    months: Sequence[Month]
    """Only those in which something would change."""

    @property
    def exact(self) -> bool:
        """Whether nothing is estimated."""
        return self.computed == self.units

    def change(self, source: int) -> float:
        """All months of one source together, 吨标准煤: sources are never added up."""
        return sum(month.change for month in self.months if month.source == source)


def _silent(done: int, total: int) -> None:
    """Nobody waits."""


def impact(
    conn: Connection,
    changes: Sequence[Change],
    now: datetime,
    most: int | None = SAMPLE,
    tell: Tell = _silent,
) -> Impact:
    """What these changes would do; `most` None computes every unit.

    `tell(done, total)` hears of each unit and may raise to call it off.
    """
    before = Rules.of(conn)
    after = Rules(coefficients.with_changes(before.coefficients, changes), before.arithmetic)
    spans = spans_of(changes, after.coefficients, now)
    units = units_of(conn, changes, spans)
    sample = even_sample(units, most)
    if not sample:
        return Impact(len(units), 0, 0, ())
    months = sorted({month for span in spans for month in range(span.first, span.last + 1)})
    moved: Counter[tuple[int, int]] = Counter()
    concerned: Counter[tuple[int, int]] = Counter()
    where = places.of(conn, sample)
    for done, unit_id in enumerate(sample):
        tell(done, len(sample))
        for key, difference in _of_unit(
            conn, unit_id, months, where[unit_id], (before, after), now
        ):
            moved[key] += difference
            concerned[key] += 1
    scale = len(units) / len(sample)
    made = _months(conn, moved, concerned, scale)
    return Impact(len(units), len(sample), round(sum(concerned.values()) * scale), made)


def spans_of(changes: Sequence[Change], known: Coefficients, now: datetime) -> list[Span]:
    """The months each change touches: up to the type's next dated row, or to the present month.

    `known` is what holds once the changes are made.
    """
    made = []
    for change in changes:
        last = periods.month_number(now)
        later = [
            one.valid_from
            for one in known
            if one.kind == change.kind and one.valid_from and one.valid_from > change.valid_from
        ]
        if later:
            last = min(last, _month_number(min(later) - timedelta(days=1)))
        made.append(Span(max(_month_number(change.valid_from), 0), last))
    return made


def _month_number(day: date) -> int:
    return periods.month_number(datetime(day.year, day.month, 1))


def units_of(conn: Connection, changes: Sequence[Change], spans: Sequence[Span]) -> list[int]:
    """The units that have data of the changed types in those months, in order."""
    met = [
        _has(change, span)
        for change, span in zip(changes, spans, strict=True)
        if span.first <= span.last  # one that begins in the future touches nothing yet
    ]
    if not met:
        return []
    return list(conn.execute(select(unit.c.id).where(or_(*met)).order_by(unit.c.id)).scalars())


def _has(change: Change, span: Span) -> ColumnElement[bool]:
    prefix = f"{WHOLE_PLANT_PREFIX}{change.kind.energy_class}{change.kind.code}-"
    years = (span.first // MONTHS, span.last // MONTHS)
    named = ((StatType.DAY, span), (StatType.MONTH, years), (StatType.YEAR, (0, 0)))
    return or_(
        *(
            exists(
                select(frame.c.unit_id).where(
                    frame.c.unit_id == unit.c.id,
                    frame.c.stat_type == int(kind),
                    frame.c.frame.between(*between),
                    frame.c.data_code.startswith(prefix),
                )
            )
            for kind, between in named
        )
    )


def even_sample(units: Sequence[int], most: int | None) -> list[int]:
    """So many of the units, evenly spread; all of them where there are no more."""
    if most is None or len(units) <= most:
        return list(units)
    return [units[at * len(units) // most] for at in range(most)]


def _of_unit(
    conn: Connection,
    unit_id: int,
    months: Sequence[int],
    where: Places,
    rules: tuple[Rules, Rules],
    now: datetime,
) -> Iterator[tuple[tuple[int, int], int]]:
    """By source and month what the unit's total changes by, where it does."""
    work = Work()
    for month in months:
        slots = work.slots[StatType.MONTH].setdefault(month // MONTHS, set())
        slots.add(month % MONTHS)
    wanted = {
        StatType.DAY: set(months),
        StatType.MONTH: {month // MONTHS for month in months},
        StatType.YEAR: {0},
    }
    loaded = inputs.load(conn, unit_id, wanted, now)
    old, new = (settle.computed(loaded, work, where, one).totals for one in rules)
    for (kind, number, source), slots_now in new.items():
        for slot, total in slots_now.items():
            held = old[kind, number, source][slot]
            difference = _coal(total) - _coal(held)
            if difference:
                yield (source, number * MONTHS + slot), difference


def _coal(total: tuple[object, Sequence[int]] | None) -> int:
    return 0 if total is None else total[1][_VALUE]


def _months(
    conn: Connection,
    moved: Counter[tuple[int, int]],
    concerned: Counter[tuple[int, int]],
    scale: float,
) -> list[Month]:
    made = []
    kept = {source: _kept(conn, source, moved) for source in {source for source, _ in moved}}
    for source, month in sorted(moved):
        year, number = divmod(month, MONTHS)
        made.append(
            Month(
                start=date(periods.FIRST_YEAR + year, number + 1, 1),
                source=source,
                units=round(concerned[source, month] * scale),
                before=kept[source].get(month, 0) / NANO,
                change=moved[source, month] / NANO * scale,
            )
        )
    return sorted(made, key=lambda one: (one.source != ONLINE, one.start))


def _kept(conn: Connection, source: int, moved: Counter[tuple[int, int]]) -> dict[int, int]:
    """The province's kept 能源消费总量 by month, of the years concerned."""
    years = [month // MONTHS for one, month in moved if one == source]
    span = range(min(years), max(years) + 1)
    found: Counter[int] = Counter()
    for number, slot, sums in roll_ups.sums_of(conn, int(StatType.MONTH), source, span, "", [""]):
        found[number * MONTHS + slot] += sums[1 + _VALUE]
    return found
