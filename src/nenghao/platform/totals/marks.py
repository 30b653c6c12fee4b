"""Which periods of which units are to be computed again (合计待算标记).

Whatever changes what a total is made of marks it in its own transaction; so no total is answered
that an acknowledged upload would have changed. A mark may say too much, never too little. Taking
marks away is `settle`'s business, as is going from days up to months and years.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, case, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from nenghao.platform import state
from nenghao.platform.packing import Key
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import frame, unit
from nenghao.platform.store.totals_schema import total_mark, unit_total
from nenghao.platform.totals import packed
from nenghao.standard import energy, periods
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX
from nenghao.standard.periods import StatType

LAST_BIT: Final = 62
"""The bit that stands for its slot and all later ones: the column has 63."""
ALL: Final = (1 << LAST_BIT + 1) - 1
AT_ONCE: Final = periods.EPOCH
"""`due` of what is to be computed whenever somebody gets to it."""

_MONTHS = 12


class Mark(NamedTuple):
    """Slots of one frame, the row of the table but for its unit."""

    stat_type: int
    frame: int
    slots: int = ALL
    due: datetime = AT_ONCE


def bits(slots: Iterable[int]) -> int:
    """The slots as the column has them."""
    made = 0
    for slot in slots:
        made |= 1 << min(slot, LAST_BIT)
    return made


def slots_of(stat_type: int, number: int) -> range:
    """The slots that a frame can have."""
    return range(periods.slots_in(StatType(stat_type), number))


def marked(mark: Mark) -> list[int]:
    """The slots of the frame that the mark names."""
    every = slots_of(mark.stat_type, mark.frame)
    return [slot for slot in every if mark.slots >> min(slot, LAST_BIT) & 1]


def counts(data_code: str) -> bool:
    """Whether totals may be made of the code's values; true for some that are not.

    Energy, measured coefficients, and whatever a setting may name as output value.
    """
    return data_code.startswith(WHOLE_PLANT_PREFIX)


def _class(data_code: str) -> str:
    return data_code[len(WHOLE_PLANT_PREFIX) :][:2]


def hold(conn: Connection) -> None:
    """Keep everybody else from settling until the transaction ends.

    Whoever marks units whose heads it does not lock does this first, as settling does: so these
    two never meet half way. On SQLite there is one writer anyhow.
    """
    if conn.dialect.name != "sqlite":
        state.locked(conn, state.TOTALS_TURN, 0)


def uploaded(conn: Connection, unit_id: int, slots: Mapping[Key, int]) -> None:
    """Values of these frames came in or changed, in these slots; the unit's head is locked."""
    put(conn, unit_id, [mark for key, some in slots.items() for mark in _of(key, some)])


def _of(key: Key, some: int) -> Iterator[Mark]:
    """What a change of one frame's slots makes dirty."""
    if key.stat_type == StatType.REALTIME or not counts(key.data_code):
        return
    mark = Mark(key.stat_type, key.frame, some)
    yield mark
    if _class(key.data_code) in energy.COEFFICIENT_CLASSES:
        yield from below(mark)


def below(mark: Mark) -> Iterator[Mark]:
    """The periods within those of a mark: they go by the coefficients of what contains them."""
    if mark.stat_type == StatType.MONTH:
        first = mark.frame * _MONTHS
        yield from (Mark(StatType.DAY, first + slot, ALL, mark.due) for slot in marked(mark))
    elif mark.stat_type == StatType.YEAR:
        for year in marked(mark):
            months = Mark(StatType.MONTH, year, ALL, mark.due)
            yield months
            yield from below(months)


def put(conn: Connection, unit_id: int, new: Iterable[Mark]) -> None:
    """Add the marks to those that the unit has."""
    joined: dict[tuple[int, int], Mark] = {}
    for mark in new:
        held = joined.get(mark[:2], mark)
        joined[mark[:2]] = Mark(*mark[:2], mark.slots | held.slots, min(mark.due, held.due))
    rows = [{"unit_id": unit_id, **joined[key]._asdict()} for key in sorted(joined)]
    upsert(conn, total_mark, rows, _added)


def _added(new: Any) -> dict[str, Any]:
    old = total_mark.c
    return {
        "slots": old.slots.bitwise_or(new.slots),
        "due": case((new.due < old.due, new.due), else_=old.due),
    }


def touch_unit(conn: Connection, unit_id: int, since: datetime | None = None) -> None:
    """The unit's place changed for periods that end after `since` (None: for all of them)."""
    table = unit_total
    query = select(table.c.stat_type, table.c.frame, table.c.totals)
    found = conn.execute(query.where(table.c.unit_id == unit_id))
    put(conn, unit_id, _ending_after(found.all(), since))


def _ending_after(rows: Iterable[Any], since: datetime | None) -> Iterator[Mark]:
    for stat_type, number, totals in rows:
        kind = StatType(stat_type)
        slots = [
            slot
            for slot in packed.unit_from(totals).slots
            if since is None
            or periods.period_end(kind, periods.time_of(kind, number, slot)) >= since
        ]
        if slots:
            yield Mark(stat_type, number, bits(slots))


def frames_of(conn: Connection, unit_id: int) -> list[tuple[int, int]]:
    """statType and number of the unit's frames that totals may be made of."""
    query = (
        select(frame.c.stat_type, frame.c.frame)
        .distinct()
        .where(
            frame.c.unit_id == unit_id,
            frame.c.stat_type.in_([int(StatType.DAY), int(StatType.MONTH), int(StatType.YEAR)]),
            frame.c.data_code.startswith(WHOLE_PLANT_PREFIX),
        )
    )
    return [(row.stat_type, row.frame) for row in conn.execute(query)]


def touch_kind(conn: Connection, kind: Sequence[str], since: date) -> int:
    """The coefficient of an energy type (class, code) changed from a day on.

    Needs a write transaction. How many frames of all units are concerned.
    """
    energy_class, code = kind
    return touch_codes(conn, f"{WHOLE_PLANT_PREFIX}{energy_class}{code}-", since)


def touch_codes(conn: Connection, prefix: str, since: date = date.min) -> int:
    """Mark all periods from the year of `since` on that have values of codes that begin so.

    The whole year: what holds on its last day holds for all of it, as a total.
    """
    hold(conn)
    first_year = max(since.year - periods.FIRST_YEAR, 0)
    touched = 0
    for kind, first in (
        (StatType.DAY, first_year * _MONTHS),
        (StatType.MONTH, first_year),
        (StatType.YEAR, 0),
    ):
        concerned = (
            select(frame.c.unit_id, frame.c.stat_type, frame.c.frame)
            .distinct()
            .where(
                # Named, so that the key's order serves: ticks, nearly all of the table, are not
                # looked at.
                frame.c.unit_id.in_(select(unit.c.id)),
                frame.c.stat_type == int(kind),
                frame.c.frame >= first,
                frame.c.data_code.startswith(prefix),
            )
        )
        touched += _mark_all(conn, concerned)
    return touched


def _mark_all(conn: Connection, concerned: Select[Any]) -> int:
    """Mark whole frames, which a query names; in one order, lest two of these meet crosswise."""
    named = concerned.subquery()
    rows = select(named, literal(ALL), literal(AT_ONCE)).order_by(*named.c)
    columns = [column.name for column in total_mark.c]
    on_server = conn.dialect.name == "postgresql"
    insert = postgresql.insert(total_mark) if on_server else sqlite.insert(total_mark)
    # SQLite takes ON CONFLICT after a SELECT for a join unless there is a WHERE.
    values = insert.from_select(columns, rows.where(named.c.unit_id.is_not(None)))
    done = conn.execute(
        values.on_conflict_do_update(
            index_elements=["unit_id", "stat_type", "frame"], set_=_added(values.excluded)
        )
    )
    return done.rowcount
