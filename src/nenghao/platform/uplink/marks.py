"""What is not yet up (上送标记): put by whatever changes it, in the same transaction.

A mark is a row: the unit's registration, a device's configuration, or slots of a frame number of
one statType, for all its items. It may say too much, never too little. It is taken away only when
the nation has acknowledged what was read under it, and only if nobody marked it again meanwhile:
each marking gives it another `token`. What the nation refuses moves to a list of its own and joins
its mark again whenever that is put anew.

What a mark's state is, and how it is sent, is `sender`'s business: always the present one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, case, delete, func, select, tuple_

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.frames_columns import FrameColumns
from nenghao.platform.store.frames_series import Bools, Int64s
from nenghao.platform.store.schema import configuration, frame, unit
from nenghao.platform.store.uplink_schema import uplink_mark, uplink_refused
from nenghao.standard import periods
from nenghao.standard.periods import StatType

UNIT: Final = -2
CONFIGURATION: Final = -1
"""Kinds of mark beside the statTypes; a unit's marks go up in the order of their kinds."""

LAST_BIT: Final = 62
ALL: Final = (1 << LAST_BIT + 1) - 1


class Mark(NamedTuple):
    """Something of a unit that is not yet up."""

    kind: int
    number: int
    slots: int = ALL


@dataclass(frozen=True, slots=True)
class Held:
    """A mark as it was read."""

    kind: int
    number: int
    slots: int
    since: datetime
    """When it was put first."""
    received_at: datetime
    """When it was put last."""
    token: int

    @property
    def key(self) -> tuple[int, int]:
        return self.kind, self.number


@dataclass(frozen=True, slots=True)
class Refused:
    """What the nation refused, as the operator sees it."""

    code: str
    kind: int
    number: int
    since: datetime
    refused_at: datetime
    response_code: str
    words: str


def bits(realtime: Bools, slot: Int64s) -> Int64s:
    """Which bit of a mark stands for each slot: two ticks share one, years from 2062 on the last.

    So a mark is one number, and what is sent beyond need is a neighbour.
    """
    return np.where(realtime, slot >> 1, np.minimum(slot, LAST_BIT))


def put(conn: Connection, unit_id: int, marks: Iterable[Mark], now: datetime) -> None:
    """Add the marks to those that the unit has; needs a write transaction."""
    joined: dict[tuple[int, int], int] = {}
    for mark in marks:
        joined[mark[:2]] = joined.get(mark[:2], 0) | mark.slots
    token = secrets.randbits(62)
    rows = [
        {
            "unit_id": unit_id,
            "kind": kind,
            "number": number,
            "slots": slots,
            "since": now,
            "received_at": now,
            "token": token,
        }
        for (kind, number), slots in sorted(joined.items())
    ]
    upsert(conn, uplink_mark, rows, _added)


def _added(new: Any) -> dict[str, Any]:
    old = uplink_mark.c
    return {
        "slots": old.slots.bitwise_or(new.slots),
        "received_at": case(
            (new.received_at > old.received_at, new.received_at), else_=old.received_at
        ),
        "token": new.token,
    }


def uploaded(
    conn: Connection,
    unit_id: int,
    rows: Sequence[tuple[int, int]],
    columns: FrameColumns,
    now: datetime,
) -> None:
    """Values of these frames came in: `rows` are statType and number of each frame of `columns`.

    The unit's head is locked.
    """
    if rows:
        slots = _touched(rows, columns)
        put(conn, unit_id, (Mark(*row, some) for row, some in slots.items()), now)


def _touched(rows: Sequence[tuple[int, int]], columns: FrameColumns) -> dict[tuple[int, int], int]:
    """The bits of each frame number; only frames that are not full are looked into."""
    slots = dict.fromkeys(rows, 0)
    is_full = (columns.counts == columns.slots).tolist()
    rest = []
    for number, row in enumerate(rows):
        if is_full[number]:
            slots[row] = ALL
        else:
            rest.append(number)
    rest = [number for number in rest if slots[rows[number]] != ALL]
    if not rest:
        return slots
    some = columns.take(rest) if len(rest) < len(rows) else columns
    places = list(slots)
    number_of = {row: number for number, row in enumerate(places)}
    place = np.array([number_of[rows[number]] for number in rest], np.int64)
    kind = np.array([rows[number][0] for number in rest], np.int64)
    frame_of = some.frame_of_value()
    realtime = kind[frame_of] == int(StatType.REALTIME)
    came = np.flatnonzero(np.bincount(place[frame_of] * 64 + bits(realtime, some.slot)))
    for number in came.tolist():
        slots[places[number >> 6]] |= 1 << (number & 63)
    return slots


def mark_unit(conn: Connection, unit_id: int, now: datetime) -> None:
    """All there is of a unit: its registration, configurations and values."""
    introduce(conn, unit_id, now)
    frames = select(frame.c.stat_type, frame.c.frame).distinct()
    rows = conn.execute(frames.where(frame.c.unit_id == unit_id))
    put(conn, unit_id, [Mark(*row) for row in rows], now)


def introduce(conn: Connection, unit_id: int, now: datetime) -> None:
    """A unit's registration and configurations: what the nation knows it by."""
    devices = select(configuration.c.device_number).distinct()
    rows = conn.execute(devices.where(configuration.c.unit_id == unit_id))
    put(conn, unit_id, [Mark(UNIT, 0), *(Mark(CONFIGURATION, row[0]) for row in rows)], now)


def mark_days(conn: Connection, unit_id: int, first: date, last: date, now: datetime) -> int:
    """The unit's values of the days `first`..`last`; how many marks that are.

    A tick is of its frame's day, any other value of the day that its period begins on.
    """
    columns = (frame.c.stat_type, frame.c.frame)
    found = []
    for kind in StatType:
        numbers = _frames(kind, first, last)
        query = (
            select(*columns)
            .distinct()
            .where(
                frame.c.unit_id == unit_id,
                frame.c.stat_type == int(kind),
                frame.c.frame.between(numbers.start, numbers.stop - 1),
            )
        )
        for _, number in conn.execute(query):
            slots = _slots_between(kind, number, first, last)
            if slots:
                found.append(Mark(int(kind), number, slots))
    put(conn, unit_id, found, now)
    return len(found)


def _frames(kind: StatType, first: date, last: date) -> range:
    if kind is StatType.REALTIME:
        return range(periods.day_number(first), periods.day_number(last) + 1)
    if kind is StatType.DAY:
        return range(periods.month_number(first), periods.month_number(last) + 1)
    if kind is StatType.MONTH:
        return range(first.year - periods.FIRST_YEAR, last.year - periods.FIRST_YEAR + 1)
    return range(1)


def _slots_between(kind: StatType, number: int, first: date, last: date) -> int:
    if kind is StatType.REALTIME:
        return ALL
    slots = 0
    for slot in range(periods.slots_in(kind, number)):
        if first <= periods.time_of(kind, number, slot).date() <= last:
            slots |= 1 << min(slot, LAST_BIT)
    return slots


# --- reading and taking away ---------------------------------------------------------------------


def held(conn: Connection, unit_id: int) -> list[Held]:
    """The unit's marks in the order in which they go up, with what was refused there before."""
    mark, before = uplink_mark.c, uplink_refused.c
    joined = uplink_mark.outerjoin(
        uplink_refused,
        (mark.unit_id == before.unit_id)
        & (mark.kind == before.kind)
        & (mark.number == before.number),
    )
    query = (
        select(
            mark.kind,
            mark.number,
            mark.slots.bitwise_or(func.coalesce(before.slots, 0)),
            mark.since,
            mark.received_at,
            mark.token,
        )
        .select_from(joined)
        .where(mark.unit_id == unit_id)
        .order_by(mark.kind, mark.number)
    )
    return [Held(*row) for row in conn.execute(query)]


def acknowledged(conn: Connection, unit_id: int, done: Sequence[Held]) -> None:
    """Take away what the nation has, unless it was marked again; the unit's head is locked."""
    for mark in done:
        gone = conn.execute(delete(uplink_mark).where(*_is(uplink_mark, unit_id, mark)))
        if gone.rowcount:
            # What was refused there is part of what was sent (`held`); unless marked again.
            conn.execute(delete(uplink_refused).where(*_is(uplink_refused, unit_id, mark)))


def refused(
    conn: Connection, unit_id: int, mark: Held, code: str, words: str, now: datetime
) -> None:
    """Move a mark to the list of what was refused, unless it was marked again meanwhile."""
    gone = conn.execute(delete(uplink_mark).where(*_is(uplink_mark, unit_id, mark)))
    if not gone.rowcount:
        return
    row = {
        "unit_id": unit_id,
        "kind": mark.kind,
        "number": mark.number,
        "slots": mark.slots,
        "since": mark.since,
        "received_at": mark.received_at,
        "refused_at": now,
        "code": code[:5],
        "words": words[:2000],
    }
    upsert(conn, uplink_refused, [row])


def retry(conn: Connection, now: datetime, code: str = "") -> int:
    """Mark again what was refused, of one unit or of all; how many marks that are."""
    query = select(uplink_refused)
    if code:
        query = query.join(unit, unit.c.id == uplink_refused.c.unit_id).where(unit.c.code == code)
    rows = conn.execute(query.order_by(uplink_refused.c.unit_id)).all()
    for row in rows:
        put(conn, row.unit_id, [Mark(row.kind, row.number, row.slots)], now)
        mine = tuple_(uplink_refused.c.unit_id, uplink_refused.c.kind, uplink_refused.c.number)
        conn.execute(delete(uplink_refused).where(mine == (row.unit_id, row.kind, row.number)))
    return len(rows)


def _is(table: Any, unit_id: int, mark: Held) -> Iterator[Any]:
    yield table.c.unit_id == unit_id
    yield table.c.kind == mark.kind
    yield table.c.number == mark.number
    if table is uplink_mark:
        yield table.c.token == mark.token


def due_units(conn: Connection, limit: int) -> list[int]:
    """Units that have marks, those of the oldest first.

    Without those whose registration was refused: of these the nation takes nothing.
    """
    stuck = select(uplink_refused.c.unit_id).where(uplink_refused.c.kind == UNIT)
    fresh = select(uplink_mark.c.unit_id).where(uplink_mark.c.kind == UNIT)
    unit_id = uplink_mark.c.unit_id
    query = (
        select(unit_id)
        .where(unit_id.not_in(stuck) | unit_id.in_(fresh))
        .group_by(unit_id)
        .order_by(func.min(uplink_mark.c.since), unit_id)
        .limit(limit)
    )
    return [row[0] for row in conn.execute(query)]


def latest(conn: Connection) -> datetime | None:
    """When the last of the marks was put, None when there is none."""
    found: datetime | None = conn.execute(select(func.max(uplink_mark.c.received_at))).scalar()
    return found


def backlog(conn: Connection) -> tuple[int, datetime | None]:
    """How many marks there are, and when the oldest was put."""
    count, oldest = conn.execute(select(func.count(), func.min(uplink_mark.c.since))).one()
    return int(count), oldest


def all_refused(conn: Connection) -> list[Refused]:
    """What was refused and not sent again, newest first."""
    table = uplink_refused.c
    query = (
        select(
            unit.c.code,
            table.kind,
            table.number,
            table.since,
            table.refused_at,
            table.code,
            table.words,
        )
        .join_from(uplink_refused, unit, unit.c.id == table.unit_id)
        .order_by(table.refused_at.desc(), unit.c.code, table.kind, table.number)
    )
    return [Refused(*row) for row in conn.execute(query)]
