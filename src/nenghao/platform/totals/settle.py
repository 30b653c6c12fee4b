"""Computes dirty totals again and brings the sums up to date (合计结算).

One transaction takes the marks of a few units, computes what they name and whatever is made of
it (a day's month and year), and adds what changed to the roll-ups: so these are at any moment the
sum of the units' totals. It begins with the turn that one transaction has at a time, then locks
the units' heads in order; what it reads after that is what the marks were about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, Connection, delete, false, or_, select, tuple_

from nenghao.platform import coefficients
from nenghao.platform.packing import Key
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import unit_head
from nenghao.platform.store.totals_schema import total_mark, unit_total
from nenghao.platform.totals import inputs, marks, options, packed, places
from nenghao.platform.totals.inputs import MONTHS, Gathered, Inputs
from nenghao.platform.totals.marks import Mark
from nenghao.platform.totals.options import Arithmetic
from nenghao.platform.totals.packed import Numbers, UnitTotals
from nenghao.platform.totals.places import Place, Places
from nenghao.platform.totals.roll_ups import Changes
from nenghao.standard import indicators, periods
from nenghao.standard.coefficients import Coefficients, Lookup, last_day
from nenghao.standard.energy_amounts import Period
from nenghao.standard.periods import StatType

BATCH = 16
"""Units of one transaction: uploads of SQLite wait for it."""

_FEW_YEARS = 4

Kind = tuple[int, int, int]
"""statType, frame, source: a row of a unit."""


@dataclass(frozen=True)
class Rules:
    """What values are counted by, as it stands in one transaction."""

    coefficients: Coefficients
    arithmetic: Arithmetic

    @classmethod
    def of(cls, conn: Connection) -> Rules:
        """Those of the transaction."""
        return cls(coefficients.table(conn), options.of(conn))

    def lookup(self, kind: StatType, start: datetime) -> Lookup:
        """The coefficients that are valid for a period."""
        return partial(self.coefficients.of, day=last_day(kind, start))


def pending(conn: Connection, now: datetime, concerned: Collection[ColumnElement[bool]]) -> bool:
    """Whether something is due that meets one of the conditions."""
    query = select(total_mark.c.unit_id).where(total_mark.c.due <= now, *concerned).limit(1)
    return conn.execute(query).first() is not None


def due_units(
    store: Store, now: datetime, concerned: Collection[ColumnElement[bool]] = ()
) -> list[int]:
    """The units that have something due, in order."""
    query = select(total_mark.c.unit_id).distinct().where(total_mark.c.due <= now, *concerned)
    with store.read() as conn:
        return list(conn.execute(query.order_by(total_mark.c.unit_id)).scalars())


def concerning(kind: StatType, first: datetime, last: datetime) -> ColumnElement[bool]:
    """The marks that totals of the periods which begin from `first` to `last` may depend on."""
    table = total_mark
    days = (table.c.stat_type == int(StatType.DAY)) & table.c.frame.between(
        *_months(kind, first, last)
    )
    if kind is StatType.DAY:
        return days
    years = table.c.frame.between(first.year - periods.FIRST_YEAR, last.year - periods.FIRST_YEAR)
    months = (table.c.stat_type == int(StatType.MONTH)) & years
    if kind is StatType.MONTH:
        return or_(days, months)
    return or_(days, months, table.c.stat_type == int(StatType.YEAR))


def _months(kind: StatType, first: datetime, last: datetime) -> tuple[int, int]:
    if kind is StatType.YEAR:
        first, last = first.replace(month=1), last.replace(month=12)
    return periods.month_number(first), periods.month_number(last)


def settle(
    store: Store,
    now: datetime,
    concerned: Collection[ColumnElement[bool]] = (),
    go_on: Callable[[], bool] = lambda: True,
) -> int:
    """Settle every unit that has something due now that meets the conditions; how many.

    What comes in meanwhile may stay for the next time.
    """
    units = due_units(store, now, concerned)
    done = 0
    for start in range(0, len(units), BATCH):
        if not go_on():
            break
        some = units[start : start + BATCH]
        with store.write() as conn:
            settle_units(conn, some, now)
        done += len(some)
    return done


def settle_units(conn: Connection, unit_ids: Sequence[int], now: datetime) -> None:
    """Settle these units, in the write transaction of `conn`, which has locked nothing so far."""
    marks.hold(conn)
    heads = select(unit_head.c.unit_id).where(unit_head.c.unit_id.in_(unit_ids))
    conn.execute(heads.order_by(unit_head.c.unit_id).with_for_update()).all()
    due = _take(conn, unit_ids, now)
    if not due:  # another one was quicker
        return
    rules = Rules.of(conn)
    known = places.of(conn, due.keys())
    changes = Changes()
    for unit_id in sorted(due):
        if unit_id in known:
            work = Work.of(due[unit_id])
            made = compute_unit(conn, unit_id, work, known[unit_id], rules, now)
            _store(conn, unit_id, made.totals, changes)
            marks.put(conn, unit_id, made.later)
    changes.apply(conn)


def _take(conn: Connection, unit_ids: Sequence[int], now: datetime) -> dict[int, list[Mark]]:
    """The marks of the units that are due, taken away."""
    columns = (total_mark.c.unit_id, *(total_mark.c[name] for name in Mark._fields))
    statement = delete(total_mark).where(
        total_mark.c.unit_id.in_(unit_ids), total_mark.c.due <= now
    )
    taken: dict[int, list[Mark]] = {}
    for unit_id, *mark in conn.execute(statement.returning(*columns)):
        taken.setdefault(unit_id, []).append(Mark(*mark))
    return taken


@dataclass
class Work:
    """The periods of a unit that are to be computed: slots by statType and frame."""

    slots: dict[StatType, dict[int, set[int]]] = field(
        default_factory=lambda: {StatType.DAY: {}, StatType.MONTH: {}, StatType.YEAR: {}}
    )

    @classmethod
    def of(cls, marked: Iterable[Mark]) -> Work:
        """What the marks name, and all that is made of it."""
        work = cls()
        for mark in marked:
            work.add(StatType(mark.stat_type), mark.frame, marks.marked(mark))
        return work

    def add(self, kind: StatType, frame: int, slots: Iterable[int]) -> None:
        """These periods, and the months and years they lie in."""
        added = set(slots)
        if not added:
            return
        self.slots[kind].setdefault(frame, set()).update(added)
        if kind is StatType.DAY:
            self.add(StatType.MONTH, frame // MONTHS, {frame % MONTHS})
        elif kind is StatType.MONTH:
            self.add(StatType.YEAR, 0, {frame})

    def frames(self) -> dict[StatType, set[int]]:
        """The frames that it takes."""
        days, years = self.slots[StatType.DAY], self.slots[StatType.YEAR].get(0, ())
        return inputs.frames_for(days, years)


@dataclass
class Computed:
    """What a unit's values come to."""

    totals: dict[Kind, dict[int, tuple[Place, Numbers] | None]]
    """By row and slot; None: there is nothing to count."""
    later: list[Mark]
    """Periods that wait for their beginning."""
    damaged: list[Key]


def compute_unit(
    conn: Connection, unit_id: int, work: Work, where: Places, rules: Rules, now: datetime
) -> Computed:
    """Compute a unit's totals from its frames; writes nothing."""
    _leave_out_empty_years(conn, unit_id, work, now)
    return computed(inputs.load(conn, unit_id, work.frames(), now), work, where, rules)


def computed(loaded: Inputs, work: Work, where: Places, rules: Rules) -> Computed:
    """What a unit's values come to, of the periods of `work`."""
    output_code = rules.arithmetic.output_value_code
    totals: dict[Kind, dict[int, tuple[Place, Numbers] | None]] = {}
    for source, values in loaded.sources.items():
        gathered = Gathered(values, output_code)
        for kind, frames in work.slots.items():
            for frame, slots in frames.items():
                totals[int(kind), frame, source] = {
                    slot: total_of(gathered.period(kind, (frame, slot)), kind, start, where, rules)
                    for slot in sorted(slots)
                    for start in (periods.time_of(kind, frame, slot),)
                }
    return Computed(totals, _later(loaded, work), loaded.damaged)


def _leave_out_empty_years(conn: Connection, unit_id: int, work: Work, now: datetime) -> None:
    """Of a mark that names the whole century, leave the years that have a value or a total.

    Years of which only days or months have values are here because these are.
    """
    years = work.slots[StatType.YEAR].get(0, set())
    if len(years) <= _FEW_YEARS:
        return
    loaded = inputs.load(conn, unit_id, {StatType.YEAR: {0}}, now)
    kept = {slot for source in loaded.sources.values() for _, slot in source.own[StatType.YEAR]}
    kept |= {slot for _, slot in loaded.waiting_of(StatType.YEAR)}
    for totals in stored_totals(conn, unit_id, _year_rows()).values():
        kept |= totals.slots.keys()
    kept |= work.slots[StatType.MONTH].keys()
    years &= kept


def _year_rows() -> list[Kind]:
    return [(int(StatType.YEAR), 0, source) for source in inputs.SOURCES]


def total_of(
    period: Period, kind: StatType, start: datetime, where: Places, rules: Rules
) -> tuple[Place, Numbers] | None:
    """Place and numbers of a period of a unit, None when there is nothing to count."""
    if not period:
        return None
    place = where.at(periods.period_end(kind, start))
    totals = indicators.compute(
        period,
        kind,
        rules.lookup(kind, start),
        rules.arithmetic.of_year(start.year),
        place.industry or None,
    )
    return place, packed.numbers_of(totals)


def _later(loaded: Inputs, work: Work) -> list[Mark]:
    """Marks for periods that wait: of the frames that were looked at, each for its beginning.

    One mark a frame: due with the first of its slots, it is renewed for the others then.
    """
    made = []
    for (stat_type, frame), slots in loaded.waiting.items():
        concerned = work.slots[StatType(stat_type)].get(frame, set()) & slots.keys()
        if concerned:
            due = min(slots[slot] for slot in concerned)
            mark = Mark(stat_type, frame, marks.bits(concerned), due)
            made += [mark, *marks.below(mark)]
    return made


def _store(
    conn: Connection,
    unit_id: int,
    computed: Mapping[Kind, Mapping[int, tuple[Place, Numbers] | None]],
    changes: Changes,
) -> None:
    """Write the unit's totals and note what they change in the sums."""
    stored = stored_totals(conn, unit_id, computed.keys())
    written = []
    for kind in sorted(computed):
        held = stored.get(kind, UnitTotals([], {}))
        before = dict(held.slots)
        for slot, total in computed[kind].items():
            changes.move(kind, slot, held.at(slot), total)
            held.put(slot, total)
        held = held.tidied()
        if held.slots:
            stat_type, frame, source = kind
            row = {"unit_id": unit_id, "stat_type": stat_type, "frame": frame, "source": source}
            written.append({**row, "totals": packed.unit_bytes(held)})
        elif before:
            named = zip(("stat_type", "frame", "source"), kind, strict=True)
            conn.execute(
                delete(unit_total).where(
                    unit_total.c.unit_id == unit_id,
                    *(unit_total.c[name] == part for name, part in named),
                )
            )
    upsert(conn, unit_total, written)


def stored_totals(
    conn: Connection, unit_id: int, kinds: Collection[Kind]
) -> dict[Kind, UnitTotals]:
    """The rows that the unit has, of those named."""
    table = unit_total
    key = (table.c.stat_type, table.c.frame, table.c.source)
    named = tuple_(*key).in_(sorted(kinds)) if kinds else false()
    query = select(*key, table.c.totals).where(table.c.unit_id == unit_id, named)
    return {
        (stat_type, frame, source): packed.unit_from(totals)
        for stat_type, frame, source, totals in conn.execute(query)
    }
