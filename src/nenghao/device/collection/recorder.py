"""Takes samples, keeps them, and makes their ticks: all of it in one transaction (6.2.5-3).

When `take` returns, the samples are on the disk and so is every tick that they complete. In order
of time a tick is made once, when all points of its item have been read at or after its end; late
and corrected samples make their ticks anew, and `history` re-opens the day if that changes them.
A tick that cannot be told is not made; one that stands is never taken back by samples, only by a
clock that turns out to have been ahead (`step_back`).

Belongs to the thread of its store. `now` comes from the collector.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from datetime import date, datetime
from decimal import Decimal

from nenghao.device import history
from nenghao.device.collection import gaps, samples, ticks
from nenghao.device.collection.counters import HOUR, SPREAD, Drop
from nenghao.device.collection.maker import (
    ItemEvent,
    ItemState,
    Latest,
    PointState,
    Taken,
    last_tick,
    make,
    reached,
)
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.samples import Raw, milliseconds, moment
from nenghao.device.sources.base import Sample
from nenghao.device.store import DeviceStore

AHEAD = 5 * 60_000
"""Milliseconds by which a source's clock may be ahead of ours."""

MOST_EVENTS = 200


class Recorder:
    """The samples and ticks of one device."""

    def __init__(self, store: DeviceStore, plan: Plan, now: datetime) -> None:
        self._store = store
        self._points: dict[str, PointState] = {}
        self._items: list[ItemState] = []
        self._of: dict[str, list[ItemState]] = {}
        self._told: dict[tuple[str, int, Drop], None] = {}
        self._unmade: list[ItemState] = []
        self.events: list[ItemEvent] = []
        """The last things that registers did, oldest first."""
        self.replan(plan, now)

    # --- the plan --------------------------------------------------------------------------------

    def replan(self, plan: Plan, now: datetime) -> None:
        """Go on with another plan. An item that is new gets its ticks from the samples there are
        (by `catch_up`)."""
        with self._store.write() as connection:
            points: dict[str, PointState] = {}
            for one in plan.points:
                known = samples.point(connection, one.source, one.name)
                points[one.key] = PointState(known.id, known.own_time, known.closed)
            newest = samples.newest(connection, [point.id for point in points.values()])
            for point in points.values():
                if (raw := newest.get(point.id)) is not None:
                    point.last, point.value = raw.time, raw.value
                    point.latest = Latest(raw.time, raw.value, True)
                    point.odd = raw.time  # what fell before a restart is not remembered
            lasts = {key: point.last for key, point in points.items()}
            items, unmade = [], []
            for planned in plan.items:
                kept = history.ensure_item(
                    connection,
                    planned.code,
                    interval=planned.settings.interval_minutes,
                    input_type=planned.input_type,
                    name=planned.name,
                    coarser=True,
                )
                item = ItemState(planned, kept, 0, latest=last_tick(connection, kept))
                edge = reached(item, lasts)
                if edge is not None:
                    item.done = item.known = edge
                    if history.span(connection, kept) is None:
                        unmade.append(item)
                items.append(item)
        self._points, self._items, self._unmade = points, items, unmade
        self._of = {key: [] for key in points}
        for item in items:
            for key in item.plan.points:
                self._of[key].append(item)

    def catch_up(self, now: datetime) -> bool:
        """Make the ticks of one new item from the samples there are; whether there is another."""
        if not self._unmade:
            return False
        item = self._unmade.pop()
        item.dirty, item.late = 0, True
        with self._store.write() as connection:
            make(connection, [item], self._points, now, Taken())
        return bool(self._unmade)

    # --- samples ---------------------------------------------------------------------------------

    def take(self, source: str, given: Sequence[Sample], now: datetime) -> Taken:
        """Keep samples of a source and make what ticks they complete; durable when it returns."""
        taken = Taken()
        clock = milliseconds(now)
        fresh = [raw for one in given if (raw := self._checked(source, one, clock, taken))]
        if not fresh:
            return taken
        before = [copy(item) for item in self._items]
        try:
            with self._store.write() as connection:
                fresh = self._without_known(connection, fresh, taken)
                samples.append(connection, [raw for _, raw in fresh], clock)
                taken.kept = len(fresh)
                due = self._touch(fresh)
                self._note_own_time(connection, fresh, clock)
                make(connection, due, self._points, now, taken)
        except BaseException:
            for item, was in zip(self._items, before, strict=True):  # nothing is on the disk
                item.dirty, item.until, item.late = was.dirty, was.until, was.late
                item.done, item.latest, item.known = was.done, was.latest, was.known
            raise
        self._see(fresh)
        self._tell(taken)
        return taken

    def _checked(
        self, source: str, sample: Sample, clock: int, taken: Taken
    ) -> tuple[str, Raw] | None:
        key = f"{source}.{sample.point}"
        point = self._points.get(key)
        if point is None:
            taken.unknown += 1
            return None
        raw = samples.raw(point.id, milliseconds(sample.time), sample.value, sample.good)
        if raw is None:
            taken.unusable += 1
        elif raw.time > clock + AHEAD:
            taken.ahead += 1
        elif raw.time // HOUR < point.closed:
            taken.too_old += 1
        else:
            return key, raw
        return None

    def _without_known(
        self,
        connection: sqlite3.Connection,
        given: list[tuple[str, Raw]],
        taken: Taken,
    ) -> list[tuple[str, Raw]]:
        """Leave out what is kept already: many systems tell the same rows again and again."""
        count = len(given)
        given = [(key, raw) for key, raw in given if not self._is_latest(key, raw)]
        taken.known = count - len(given)
        old = [
            (key, raw)
            for key, raw in given
            if (last := self._points[key].last) is not None and raw.time <= last
        ]
        if not old:
            return given
        begin, end = min(raw.time for _, raw in old), max(raw.time for _, raw in old)
        columns = samples.read(connection, {raw.point for _, raw in old}, begin, end)
        known = {
            (number, time): (mantissa, exponent, good)
            for number, column in columns.items()
            for time, mantissa, exponent, good in column.rows()
        }
        fresh = [
            (key, raw)
            for key, raw in given
            if known.get((raw.point, raw.time)) != (raw.mantissa, raw.exponent, raw.good)
        ]
        taken.known = count - len(fresh)
        return fresh

    def _is_latest(self, key: str, raw: Raw) -> bool:
        latest = self._points[key].latest
        if latest is None or latest.time != raw.time or latest.good != raw.good:
            return False
        return latest.value == raw.value

    def _touch(self, fresh: Iterable[tuple[str, Raw]]) -> list[ItemState]:
        """Mark the items that samples concern; those that have ticks to be made now."""
        touched: dict[int, ItemState] = {}
        last_of: dict[str, int] = {}
        value_of: dict[str, Decimal] = {}
        for key, raw in sorted(fresh, key=lambda one: one[1].time):
            point = self._points[key]
            last = last_of.get(key, point.last)
            late = last is not None and raw.time <= last
            if raw.good:
                if not late and last is not None and raw.value < value_of.get(key, point.value):
                    point.odd = raw.time
                last_of[key] = raw.time if last is None else max(last, raw.time)
                value_of[key] = raw.value
            elif not late:
                continue  # nothing was known there anyway
            for item in self._of[key]:
                begin = raw.time if late or last is None else last
                if not late and self._is_spread(item, key, raw, point):
                    begin -= SPREAD
                    item.late, item.spiked = True, raw.time
                item.dirty = begin if item.dirty is None else min(item.dirty, begin)
                item.until = max(item.until, raw.time)
                item.late = item.late or late
                touched[id(item)] = item
        ends = {key: last_of.get(key, point.last) for key, point in self._points.items()}
        due = []
        for item in touched.values():
            edge = reached(item, ends)
            if edge is None:
                continue
            if item.late or edge > item.done:
                due.append(item)
        return due

    @staticmethod
    def _is_spread(item: ItemState, key: str, raw: Raw, point: PointState) -> bool:
        rate = ticks.spread_rate(item.plan.program).get(key)
        if rate is None or point.last is None or raw.value <= point.value:
            return False
        return (raw.value - point.value) * HOUR > rate * (raw.time - point.last)

    def _note_own_time(
        self, connection: sqlite3.Connection, fresh: Iterable[tuple[str, Raw]], clock: int
    ) -> None:
        for key, raw in fresh:
            point = self._points[key]
            own = raw.time != clock
            if own != point.own_time:
                samples.note_own_time(connection, point.id, own)
                point.own_time = own

    def _see(self, fresh: Iterable[tuple[str, Raw]]) -> None:
        for key, raw in fresh:
            point = self._points[key]
            if point.latest is None or raw.time >= point.latest.time:
                point.latest = Latest(raw.time, raw.value, raw.good)
            if raw.good and (point.last is None or raw.time >= point.last):
                point.last, point.value = raw.time, raw.value

    def _tell(self, taken: Taken) -> None:
        """Leave of the events only those that were not told before."""
        fresh = []
        for one in taken.events:
            key = one.item, one.event.time, one.event.kind
            if key not in self._told:
                self._told[key] = None
                fresh.append(one)
        while len(self._told) > MOST_EVENTS * 10:
            del self._told[next(iter(self._told))]
        taken.events = fresh
        self.events = (self.events + fresh)[-MOST_EVENTS:]

    # --- the clock and the disk ------------------------------------------------------------------

    def newest(self) -> datetime | None:
        """The latest time that our own clock gave a sample."""
        own = [point.last for point in self._points.values() if not point.own_time]
        known = [last for last in own if last is not None]
        return moment(max(known)) if known else None

    def step_back(self, now: datetime) -> Collection[date]:
        """The clock was ahead and is right now: what it labelled later than `now` is undone.

        The days that lost ticks. Samples that bear their source's own time stay.
        """
        clock = milliseconds(now)
        wrong = {
            key: point
            for key, point in self._points.items()
            if not point.own_time and point.latest is not None and point.latest.time > clock
        }
        days: set[date] = set()
        if not wrong:
            return days
        with self._store.write() as connection:
            samples.cut(connection, [point.id for point in wrong.values()], clock, clock)
            newest = samples.newest(connection, [point.id for point in wrong.values()])
            for item in self._items:
                if not item.plan.points.isdisjoint(wrong):
                    days.update(self._undo(connection, item, clock, now))
        for point in wrong.values():
            raw = newest.get(point.id)
            point.latest = Latest(raw.time, raw.value, True) if raw else None
            point.last, point.value = (raw.time, raw.value) if raw else (None, Decimal(0))
        return days

    def _undo(
        self, connection: sqlite3.Connection, item: ItemState, clock: int, now: datetime
    ) -> tuple[date, ...]:
        interval = item.plan.interval
        first = clock // interval * interval + interval
        times = [moment(end) for end in range(first, item.done + 1, interval)]
        item.done = min(item.done, clock // interval * interval)
        item.dirty, item.until, item.late, item.latest = None, 0, False, None
        item.known = item.done
        gaps.replace(connection, item.kept, gaps.earliest(connection, item.kept, clock), 10**15, [])
        return history.withdraw(connection, item.kept, times, now)

    def tidy(self, now: datetime, keep_days: float) -> int:
        """Sort the journal in and forget what is old; how many hours were forgotten."""
        with self._store.write() as connection:
            samples.compact(connection, milliseconds(now))
            dropped = samples.forget(connection, milliseconds(now), keep_days)
            closed = dict(connection.execute("SELECT id, closed FROM point").fetchall())
        for point in self._points.values():
            point.closed = closed.get(point.id, point.closed)
        return dropped

    # --- what the page shows ---------------------------------------------------------------------

    def latest_of_point(self, key: str) -> Latest | None:
        """What was read of a point last."""
        point = self._points.get(key)
        return point.latest if point else None

    def latest_of_items(self) -> dict[str, Latest | None]:
        """The last tick of every item, by data code."""
        return {item.plan.code: item.latest for item in self._items}
