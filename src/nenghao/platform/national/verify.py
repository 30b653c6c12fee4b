"""Compares what a province has with what the nation has of it (对账), and sends the rest again.

Both sides reckon counts and digests by unit and day (`digests`); the days that differ are marked
for the uplink. What only the nation has is told, too, though nothing can be sent of it. Values on
their way meanwhile show as differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from nenghao.platform import journal
from nenghao.platform.national import digests
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import unit
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.line import HttpsLine
from nenghao.standard.messages.uplink import DIGESTS, DigestsAnswer, DigestsRequest, DigestUnit

AT_ONCE = 300
"""Units times days that one question asks for: the answer takes seconds, not minutes."""
STRETCH = 31
"""Days that one question spans."""


@dataclass(frozen=True)
class Difference:
    """A day of a unit that is not the same on both sides: how many values each has."""

    code: str
    day: date
    here: int
    there: int


def verify(
    store: Store,
    line: HttpsLine,
    device_id: str,
    first: date,
    last: date,
    now: datetime,
    on_progress: Callable[[int], None] = lambda units: None,
) -> list[Difference]:
    """All differences of the days `first`..`last`, which are marked to be sent again.

    `device_id` is the province's own. Raises NotSent, RefusedUp and TooLarge of the line,
    DatabaseFault for a damaged stored frame.
    """
    with store.read() as conn:
        units = conn.execute(select(unit.c.id, unit.c.code).order_by(unit.c.code)).all()
    found: list[Difference] = []
    for begin, end in stretches(first, last):
        many = max(1, AT_ONCE // ((end - begin).days + 1))
        for at in range(0, len(units), many):
            some = {row.code: row.id for row in units[at : at + many]}
            asked = [DigestUnit(code) for code in some]
            request = DigestsRequest(
                device_id=device_id, begin=begin.isoformat(), end=end.isoformat(), units=asked
            )
            told: dict[str, dict[date, digests.Held]] = {}
            for one in line.ask(DIGESTS, request, DigestsAnswer).data:
                held = digests.Held(one.count, one.digest)
                told.setdefault(one.enterprise_code, {})[date.fromisoformat(one.day)] = held
            for code, unit_id in some.items():
                there = told.get(code, {})
                found += _compare(store, unit_id, code, begin, end, there, now)
            on_progress(len(some))
    return found


def _compare(
    store: Store,
    unit_id: int,
    code: str,
    first: date,
    last: date,
    there: dict[date, digests.Held],
    now: datetime,
) -> Sequence[Difference]:
    """The differences of one unit, marked."""
    with store.read() as conn:
        here = digests.of_unit(conn, unit_id, first, last)
    nothing = digests.Held(0, "")
    differences = [
        Difference(code, day, here.get(day, nothing).count, there.get(day, nothing).count)
        for day in sorted(here.keys() | there.keys())
        if here.get(day) != there.get(day)
    ]
    if differences:
        with store.write() as conn:
            journal.lock(conn, unit_id)
            for one in differences:
                marks.mark_days(conn, unit_id, one.day, one.day, now)
    return differences


def stretches(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days in stretches that one question may span."""
    while first <= last:
        end = min(first + timedelta(days=STRETCH - 1), last)
        yield first, end
        first = end + timedelta(days=1)
