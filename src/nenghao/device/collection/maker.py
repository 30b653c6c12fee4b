"""Makes the ticks that samples complete: which range anew, of which items together.

In order of time a tick is made once. What comes late, or lets a register fall, makes those anew
that it may concern; `history` finds out which of them changed. What the states of points and items
mean is said at their classes; `recorder` keeps them.

Functions over a connection of `DeviceStore`, inside the recorder's transaction. Times are
milliseconds since 2000-01-01.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field

from nenghao.device import history
from nenghao.device.collection import gaps, samples, ticks
from nenghao.device.collection.counters import HOUR, SPREAD, Event
from nenghao.device.collection.plan import PlannedItem
from nenghao.device.collection.samples import Column, moment
from nenghao.device.collection.signals import EMPTY, Series
from nenghao.device.collection.ticks import Span
from nenghao.device.history import HistoryError, Item, Reading
from nenghao.standard import periods

FAR = 10**15
"""Later than anything."""

RECENT = 4 * HOUR
"""Items whose work begins no more than this before the others' are done together."""


class Latest(Struct):
    """What was read of a point last."""

    time: int
    value: Decimal
    good: bool


class ItemEvent(Struct, frozen=True):
    """Something that a register did, for the page and the log."""

    item: str
    event: Event


class Taken(Struct):
    """What became of samples that were handed over."""

    kept: int = 0
    known: int = 0
    too_old: int = 0
    ahead: int = 0
    unusable: int = 0
    unknown: int = 0
    days: set[date] = field(default_factory=set)
    """Days whose ticks were added or changed."""
    events: list[ItemEvent] = field(default_factory=list)


class PointState(Struct):
    """A point that is read: `last` and `value` are of its newest good sample."""

    id: int
    own_time: bool
    closed: int
    """Samples from before this hour are not taken any more."""
    latest: Latest | None = None
    last: int | None = None
    value: Decimal = Decimal(0)
    odd: int | None = None
    """When it was seen to fall last."""


class ItemState(Struct):
    """An item that is made: `dirty` and `until` are the times of the first and the last sample
    that came since its ticks were made."""

    plan: PlannedItem
    kept: Item
    done: int
    """The boundary up to which ticks were made."""
    dirty: int | None = None
    until: int = 0
    late: bool = False
    """A sample concerns what was done already."""
    spiked: int | None = None
    """When a spike was spread last: what lies before it takes a long look back."""
    known: int | None = None
    """Of items from the register: the boundary from which a gap would begin."""
    latest: Latest | None = None

    @property
    def from_register(self) -> bool:
        """Whether what is counted in gaps is kept."""
        return self.plan.settings.day_from == "register"


Points = Mapping[str, PointState]


def reached(item: ItemState, lasts: Mapping[str, int | None]) -> int | None:
    """Up to when an item can be told, given the times that its points were read last."""
    known = [last for key in item.plan.points if (last := lasts[key]) is not None]
    if len(known) < len(item.plan.points):
        return None
    edge = min(known) + ticks.ahead(item.plan.program)
    return edge // item.plan.interval * item.plan.interval


def last_tick(connection: sqlite3.Connection, item: Item) -> Latest | None:
    """The last tick that history has of an item, for who has just been started."""
    span = history.span(connection, item)
    row = None if span is None else history.day_row(connection, item, span[1])
    if row is None or row.ticks is None:
        return None
    ends = enumerate(zip(periods.day_ticks(row.day), row.ticks, strict=True))
    known = [
        Latest(samples.milliseconds(end), amount, slot not in row.suspect)
        for slot, (end, amount) in ends
        if amount is not None
    ]
    return known[-1] if known else None


def make(
    connection: sqlite3.Connection,
    due: Sequence[ItemState],
    points: Points,
    now: datetime,
    taken: Taken,
) -> None:
    """Make the ticks of items that are due, and note in `taken` what came of it."""
    if not due:
        return
    begins = {id(item): _begin(connection, item, points) for item in due}
    newest = max(begins.values())
    together = [item for item in due if begins[id(item)] >= newest - RECENT]
    alone = [item for item in due if begins[id(item)] < newest - RECENT]
    for group in [together, *([item] for item in alone)]:
        begin = min(begins[id(one)] - _pad(one, points, begins[id(one)]) for one in group)
        end = max(_end(one) + ticks.reach(one.plan.program) for one in group)
        wanted = {points[key].id for item in group for key in item.plan.points}
        columns = samples.read(connection, wanted, begin, end)
        for item in group:
            _make_one(connection, item, points, begins[id(item)], columns, now, taken)


def _is_odd(item: ItemState, points: Points) -> bool:
    """Whether what was done may have to be done again further back."""
    if item.late or item.dirty is None:
        return True
    far = item.dirty - ticks.reach(item.plan.program)
    odd = [points[key].odd for key in item.plan.points]
    return any(one is not None and one >= far for one in odd)


def _pad(item: ItemState, points: Points, begin: int) -> int:
    """How far before `begin` samples are needed."""
    program = item.plan.program
    spreads = bool(ticks.spread_rate(program))
    if spreads and (item.late or (item.spiked is not None and begin <= item.spiked)):
        return SPREAD + ticks.reach(program)
    return ticks.reach(program) if _is_odd(item, points) else ticks.gap(program)


def _begin(connection: sqlite3.Connection, item: ItemState, points: Points) -> int:
    """The boundary from which ticks are made anew."""
    begin = item.dirty or 0
    if _is_odd(item, points):
        begin -= ticks.reach(item.plan.program)
    elif ticks.settles_late(item.plan.program):
        begin -= ticks.gap(item.plan.program)
    closed = max(points[key].closed for key in item.plan.points) * HOUR
    begin = max(begin, closed, 0)
    if item.from_register:
        begin = begin if item.known is None else min(begin, item.known)
        begin = gaps.earliest(connection, item.kept, begin) if item.late else begin
    return begin // item.plan.interval * item.plan.interval


def _end(item: ItemState) -> int:
    """The boundary up to which ticks are made anew: late samples concern none long after."""
    if item.from_register or not item.until:
        return FAR  # a gap may end at any time
    end = item.until + ticks.reach(item.plan.program) + item.plan.interval
    return end // item.plan.interval * item.plan.interval


def _make_one(
    connection: sqlite3.Connection,
    item: ItemState,
    points: Points,
    begin: int,
    columns: dict[int, Column],
    now: datetime,
    taken: Taken,
) -> None:
    series: dict[str, Series] = {}
    for key in item.plan.points:
        column = columns.get(points[key].id)
        series[key] = column.series() if column is not None else EMPTY
    end = 0
    if all(one.times for one in series.values()):
        program = item.plan.program
        end = min(one.times[-1] for one in series.values()) + ticks.ahead(program)
        end = min(end, _end(item))
        first = max(one.times[0] for one in series.values())
        begin = max(begin, first - ticks.gap(program))
    events: list[Event] = []
    boundaries = ticks.grid(begin, end, item.plan.interval)
    found = ticks.spans(item.plan.program, series, boundaries, events)
    _put(connection, item, found, now, taken)
    if item.from_register and boundaries:
        _put_gaps(connection, item, boundaries, found)
    title = item.plan.settings.title
    # what looks like a drop at the end of what was read may turn out to be garbage
    taken.events += [ItemEvent(title, event) for event in events if event.time <= end]
    item.done = max(item.done, end // item.plan.interval * item.plan.interval)
    item.dirty, item.until, item.late = None, 0, False
    if found and (item.latest is None or found[-1].end >= item.latest.time):
        item.latest = Latest(found[-1].end, found[-1].amount, not found[-1].suspect)


def _put_gaps(
    connection: sqlite3.Connection,
    item: ItemState,
    boundaries: Sequence[int],
    found: Sequence[Span],
) -> None:
    fresh = [span for span in found if span.gap]
    for day in gaps.replace(connection, item.kept, boundaries[0], boundaries[-1], fresh):
        history.mark_dirty(connection, item.kept, day)
    if found:
        item.known = max(item.known or 0, found[-1].end)
    elif item.known is None:
        item.known = boundaries[-1]


def _put(
    connection: sqlite3.Connection,
    item: ItemState,
    found: Sequence[Span],
    now: datetime,
    taken: Taken,
) -> None:
    days: dict[date, list[Reading]] = {}
    for span in found:
        if not span.gap:
            day = moment(span.begin).date()
            days.setdefault(day, []).append(Reading(moment(span.end), span.amount, span.suspect))
    for readings in days.values():
        try:
            taken.days.update(history.put(connection, item.kept, readings, now).days)
        except HistoryError:
            taken.unusable += 1  # beyond all measure, or of a day forgotten long ago
