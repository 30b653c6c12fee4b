"""Whose data come in today (今日到达): units by state, and arrivals against the upload schedule.

States are `unit_state`'s. A device counts as arrived at the quarter hour in which its first energy
data of the day were accepted; the schedule is the upload times handed out (上报时间点). What an
operator fills in is no arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import accumulate, pairwise
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, true

from nenghao.console.views import unit_state
from nenghao.console.views.overview_kept import kept
from nenghao.console.views.unit_state import UnitState
from nenghao.platform import journal
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import device, receipt, unit, unit_head
from nenghao.standard import periods

QUARTERS: Final = 96
MOST_NAMED: Final = 5
"""So many silent units are named."""

_QUARTER: Final = timedelta(minutes=15)
_STEPS: Final = (0, 2, 16, 128, 1024, 4096)
"""So many of a unit's latest receipts are looked at, step by step, while they are of today. Who
sends more than that is counted by its latest."""


@dataclass(frozen=True)
class Named:
    """A unit that an alarm names."""

    code: str
    name: str
    last: datetime | None
    """When its devices last sent something; None: never."""


@dataclass(frozen=True)
class Arrival:
    """The coming in of data today."""

    units: int
    states: Mapping[UnitState, int]
    devices: int
    batches: int
    """Uploads of energy data accepted today."""
    labels: tuple[str, ...]
    """`HH:MM`, the ends of the quarter hours that are drawn."""
    due: tuple[int, ...]
    """Devices whose upload time has come by then."""
    arrived: tuple[int | None, ...]
    """Devices that have sent something today by then; None where that time has not come."""
    troubled: Mapping[str, int]
    """Late and silent units by the first four digits of their region."""
    silent: tuple[Named, ...]
    """Some of the silent ones, those that fell silent last first."""

    @property
    def due_now(self) -> int:
        """Devices whose upload time has come."""
        return self._latest(self.due)

    @property
    def arrived_now(self) -> int:
        """Devices that have sent something today."""
        return self._latest([one or 0 for one in self.arrived])

    def _latest(self, counts: Sequence[int]) -> int:
        known = [at for at, one in enumerate(self.arrived) if one is not None]
        return counts[known[-1]] if known else 0


def look(conn: Connection, now: datetime) -> Arrival:
    """How it stands; at most a minute old."""
    return kept.of(conn, "arrival", now, lambda: read(conn, now))


def read(conn: Connection, now: datetime) -> Arrival:
    """How it stands, from the database."""
    stated = unit_state.states(now).subquery()
    region = func.coalesce(company.c.region, unit.c.region)
    query = (
        select(stated.c.unit_id, stated.c.state, stated.c.last_upload, region.label("region"))
        .join_from(stated, unit, unit.c.id == stated.c.unit_id)
        .outerjoin(company, company.c.unit_id == unit.c.id)
    )
    rows = conn.execute(query).all()
    states = Counter(UnitState(row.state) for row in rows)
    troubled = Counter(row.region[:4] for row in rows if row.state != UnitState.ONLINE)
    silent = [row for row in rows if row.state == UnitState.SILENT]
    silent.sort(key=lambda row: (row.last_upload or periods.EPOCH, row.unit_id), reverse=True)
    midnight = datetime.combine(now, time())
    today = [r.unit_id for r in rows if r.last_upload is not None and r.last_upload >= midnight]
    came = list(_receipts(conn, today, midnight))
    times = [_clock(text) for text in conn.execute(select(device.c.upload_time)).scalars()]
    labels, due, arrived = _curves(times, _firsts(came), now)
    return Arrival(
        units=len(rows),
        states={state: states[state] for state in UnitState},
        devices=len(times),
        batches=len(came),
        labels=labels,
        due=due,
        arrived=arrived,
        troubled=troubled,
        silent=_named(conn, silent[:MOST_NAMED]),
    )


def _named(conn: Connection, rows: Sequence[Any]) -> tuple[Named, ...]:
    ids = [row.unit_id for row in rows]
    query = select(unit.c.id, unit.c.code, unit.c.name).where(unit.c.id.in_(ids))
    told = {row.id: row for row in conn.execute(query)}
    return tuple(
        Named(told[row.unit_id].code, told[row.unit_id].name, row.last_upload) for row in rows
    )


def _clock(text: str) -> timedelta:
    """`HH:MM:SS` since midnight."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


# --- today's receipts -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Came:
    unit_id: int
    device: int
    at: timedelta
    """Since midnight."""


def _receipts(conn: Connection, unit_ids: Sequence[int], midnight: datetime) -> Iterator[_Came]:
    """Energy data accepted since midnight from devices of these units.

    The journal has no index by time, and needs none: a unit's receipts are numbered as they came,
    so its last ones are looked at, then further ones of those whose last were all of today.
    """
    wanted: Collection[int] = unit_ids
    for skipped, last in pairwise(_STEPS):
        if not wanted:
            return
        oldest: dict[int, datetime] = {}
        for row in conn.execute(_latest(conn, wanted, skipped, last)):
            seen = oldest.get(row.unit_id, row.received_at)
            oldest[row.unit_id] = min(seen, row.received_at)
            fits = row.kind == journal.ENERGY and row.device_number > 0
            if fits and row.received_at >= midnight:
                yield _Came(row.unit_id, row.device_number, row.received_at - midnight)
        wanted = [unit_id for unit_id, at in oldest.items() if at >= midnight]


def _latest(conn: Connection, unit_ids: Collection[int], skipped: int, last: int) -> Select[Any]:
    """The units' receipts from the `skipped`th to the `last`th, counted from the newest."""
    columns = (receipt.c.unit_id, receipt.c.kind, receipt.c.device_number, receipt.c.received_at)
    mine = (
        receipt.c.unit_id == unit_head.c.unit_id,
        receipt.c.sequence > unit_head.c.sequence - last,
        receipt.c.sequence <= unit_head.c.sequence - skipped,
    )
    asked = unit_head.c.unit_id.in_(unit_ids)
    if conn.dialect.name == "sqlite":
        return select(*columns).join_from(unit_head, receipt, mine[0]).where(asked, *mine[1:])
    # So that the key is used for each unit, and the journal not read whole.
    newest = receipt.c.sequence.desc()
    few = select(*columns).where(*mine).order_by(newest).limit(last - skipped).correlate(unit_head)
    part = few.lateral()
    return select(part).select_from(unit_head.join(part, true())).where(asked)


def _firsts(came: Sequence[_Came]) -> list[timedelta]:
    """When each device first came."""
    first: dict[tuple[int, int], timedelta] = {}
    for one in came:
        key = (one.unit_id, one.device)
        first[key] = min(first.get(key, one.at), one.at)
    return list(first.values())


# --- curves ---------------------------------------------------------------------------------------


def _curves(
    due: Sequence[timedelta], arrived: Sequence[timedelta], now: datetime
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int | None, ...]]:
    """Labels and both counts by quarter hour, from a little before the first to after the last."""
    present = int((now - datetime.combine(now, time())) / _QUARTER)
    planned, came = _by_quarter(due), _by_quarter(arrived)
    busy = [at for at in range(QUARTERS) if planned[at] or came[at]]
    first = max(min([*busy, present]) - 1, 0)
    last = min(max([*busy, present]) + 1, QUARTERS - 1)
    drawn = range(first, last + 1)
    expected, actual = list(accumulate(planned)), list(accumulate(came))
    return (
        tuple(f"{(at + 1) // 4:02d}:{(at + 1) % 4 * 15:02d}" for at in drawn),
        tuple(expected[at] for at in drawn),
        tuple(actual[at] if at <= present else None for at in drawn),
    )


def _by_quarter(moments: Sequence[timedelta]) -> list[int]:
    counts = [0] * QUARTERS
    for moment in moments:
        counts[min(int(moment / _QUARTER), QUARTERS - 1)] += 1
    return counts
