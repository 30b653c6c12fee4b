"""Recomputes everything from the frames and compares it with what is kept (合计核对).

Two things must hold in one snapshot: each unit's totals are what its values come to, unless they
are marked; and the sums are those of the units' totals, always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from nenghao.platform import audit
from nenghao.platform.packing import Key
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import unit
from nenghao.platform.store.totals_schema import roll_up, total_mark, unit_total
from nenghao.platform.totals import marks, packed, places, settle
from nenghao.platform.totals.packed import Numbers, UnitTotals
from nenghao.platform.totals.places import Place
from nenghao.platform.totals.roll_ups import Changes, Row
from nenghao.platform.totals.settle import Kind, Rules, Work
from nenghao.standard import periods
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX
from nenghao.standard.periods import StatType

MOST: Final = 1000
"""Differences that are told in full; more are counted."""


@dataclass(frozen=True)
class Difference:
    """A total that is not what it should be; None: there is none."""

    what: str
    """A unit's credit code, or the cell of a sum, `2101*/*`."""
    stat_type: int
    source: int
    start: datetime
    kept: list[Any] | None
    computed: list[Any] | None

    def plain(self) -> dict[str, Any]:
        """For a report; numbers in 10⁻⁹."""
        return {
            "what": self.what,
            "statType": self.stat_type,
            "source": ("online", "report")[self.source],
            "statDate": periods.format_time(self.start),
            "kept": self.kept,
            "computed": self.computed,
        }


@dataclass
class Verified:
    """What a verification found."""

    units: int = 0
    skipped: int = 0
    """Units that something was uploaded for meanwhile."""
    totals: int = 0
    """Totals of units compared."""
    sums: int = 0
    """Sums compared."""
    damaged: list[tuple[str, Key]] = field(default_factory=list)
    """Credit code and frame of what cannot be read; it is in no total."""
    differences: list[Difference] = field(default_factory=list)
    more: int = 0
    """Differences beyond those told."""

    @property
    def ok(self) -> bool:
        """Whether all agrees and can be read."""
        return not self.differences and not self.damaged

    def differ(self, difference: Difference) -> None:
        """Note one."""
        if len(self.differences) < MOST:
            self.differences.append(difference)
        else:
            self.more += 1


def verify(store: Store, now: datetime) -> Verified:
    """Settle what is due, then compare everything, in one snapshot."""
    settle.settle(store, now)
    done = Verified()
    with store.read() as conn:
        rules = Rules.of(conn)
        query = select(total_mark.c.unit_id).distinct().where(total_mark.c.due <= now)
        dirty = set(conn.execute(query).scalars())
        for row in conn.execute(select(unit.c.id, unit.c.code).order_by(unit.c.id)).all():
            if row.id in dirty:
                done.skipped += 1
            else:
                _unit(conn, row.id, row.code, rules, now, done)
        _sums(conn, done)
    return done


def _unit(
    conn: Connection, unit_id: int, code: str, rules: Rules, now: datetime, done: Verified
) -> None:
    done.units += 1
    kept = _kept(conn, unit_id)
    work = Work.of(
        marks.Mark(stat_type, frame) for stat_type, frame in marks.frames_of(conn, unit_id)
    )
    for stat_type, frame, _ in kept:
        work.add(StatType(stat_type), frame, marks.slots_of(stat_type, frame))
    where = places.of(conn, [unit_id])[unit_id]
    made = settle.compute_unit(conn, unit_id, work, where, rules, now)
    done.damaged += [(code, key) for key in made.damaged]
    for kind in sorted(kept.keys() | made.totals.keys()):
        held = kept.get(kind, UnitTotals([], {}))
        computed = made.totals.get(kind, {})
        for slot in sorted(held.slots.keys() | computed.keys()):
            before, after = held.at(slot), computed.get(slot)
            if before is None and after is None:
                continue
            done.totals += 1
            if before != after:
                stat_type, frame, source = kind
                start = periods.time_of(StatType(stat_type), frame, slot)
                done.differ(
                    Difference(code, stat_type, source, start, _plain(before), _plain(after))
                )


def _plain(total: tuple[Place, Numbers] | None) -> list[Any] | None:
    return None if total is None else [*total[0], *total[1]]


def _kept(conn: Connection, unit_id: int) -> dict[Kind, UnitTotals]:
    table = unit_total
    query = select(table.c.stat_type, table.c.frame, table.c.source, table.c.totals)
    return {
        (stat_type, frame, source): packed.unit_from(totals)
        for stat_type, frame, source, totals in conn.execute(
            query.where(table.c.unit_id == unit_id)
        )
    }


def _sums(conn: Connection, done: Verified) -> None:
    """Hold each frame's sums against its units' totals."""
    for kind in _kinds(conn):
        stat_type, frame, source = kind
        table = unit_total
        changes = Changes()
        query = select(table.c.totals).where(
            table.c.stat_type == stat_type, table.c.frame == frame, table.c.source == source
        )
        for (totals,) in conn.execute(query):
            whole = packed.unit_from(totals)
            for slot in whole.slots:
                changes.move(kind, slot, None, whole.at(slot))
        added = changes.rows(keep_zeros=True)
        kept = dict(_kept_sums(conn, kind))
        for row in sorted(added.keys() | kept.keys()):
            mine, its = kept.get(row, {}), added.get(row, {})
            for slot in sorted(mine.keys() | its.keys()):
                done.sums += 1
                if mine.get(slot) != its.get(slot):
                    start = periods.time_of(StatType(stat_type), frame, slot)
                    what = f"{row.region}/{row.industry}"
                    done.differ(
                        Difference(what, stat_type, source, start, mine.get(slot), its.get(slot))
                    )


def _kinds(conn: Connection) -> list[Kind]:
    found: set[Kind] = set()
    for table in (unit_total, roll_up):
        query = select(table.c.stat_type, table.c.frame, table.c.source).distinct()
        found |= {(row.stat_type, row.frame, row.source) for row in conn.execute(query)}
    return sorted(found)


def _kept_sums(conn: Connection, kind: Kind) -> Iterator[tuple[Row, packed.Sums]]:
    stat_type, frame, source = kind
    table = roll_up
    query = select(table).where(
        table.c.stat_type == stat_type, table.c.frame == frame, table.c.source == source
    )
    for row in conn.execute(query):
        named = (row.stat_type, row.source, row.region, row.industry, row.frame)
        yield Row(*named), packed.sums_from(row.totals)


def recompute(store: Store, now: datetime) -> int:
    """Throw all totals away and compute them anew; how many units there are with any.

    Until it is done questions wait for what they need. For whoever found a difference.
    """
    with store.write() as conn:
        marks.hold(conn)
        for table in (unit_total, roll_up):
            conn.execute(delete(table))
        marks.touch_codes(conn, WHOLE_PLANT_PREFIX)
        audit.record(conn, now, audit.OPERATOR, "", "totals.recompute", "", detail="全部合计重算")
    return settle.settle(store, now)
