"""Curves of one item of a unit (数据曲线): values by tick, day or month, thinned out for a chart.

Values are shown as they were sent. A period counts as *missing* (缺失) when a day has passed in
which it should have been sent; *invalid* (无效) is what the device marked so. Of more points than
a chart can show, the least and the greatest of each stretch stay, so no peak is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from nenghao.platform import packing
from nenghao.platform.packing import Key
from nenghao.platform.store import frames_table
from nenghao.platform.store.frames_series import Bools
from nenghao.standard import periods
from nenghao.standard.periods import StatType

MOST_POINTS: Final = 3_000
"""Of all lines of one chart together."""
MOST_MARKS: Final = 300
"""Invalid points, and missing stretches, that a chart marks; the rest is counted."""
MOST_DAYS: Final = {StatType.REALTIME: 366, StatType.DAY: 3_660, StatType.MONTH: 36_600}
"""How long a range may be; a longer one is cut at its beginning."""

_TICKS = 96
_MONTHS = 12
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Against(StrEnum):
    """What a curve is compared with."""

    NOTHING = ""
    WEEK = "week"
    YEAR = "year"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return {"": "不比较", "week": "上周同期", "year": "去年同期"}[self.value]


@dataclass(frozen=True)
class Span:
    """The periods of one kind from the day `begin` to the day `end`, both included."""

    kind: StatType
    begin: date
    end: date

    @classmethod
    def of(cls, kind: StatType, begin: date, end: date) -> Span:
        """The range in order, within the years that data may bear, and not longer than may be."""
        first, last = date(periods.FIRST_YEAR, 1, 1), date(periods.LAST_YEAR, 12, 31)
        begin, end = sorted((min(max(begin, first), last), min(max(end, first), last)))
        return cls(kind, max(begin, end - timedelta(days=MOST_DAYS[kind] - 1)), end)

    @property
    def frames(self) -> range:
        """The frames that hold the range."""
        if self.kind is StatType.REALTIME:
            return range(periods.day_number(self.begin), periods.day_number(self.end) + 1)
        if self.kind is StatType.DAY:
            return range(periods.month_number(self.begin), periods.month_number(self.end) + 1)
        return range(self.begin.year - periods.FIRST_YEAR, self.end.year - periods.FIRST_YEAR + 1)

    @property
    def first(self) -> int:
        """The number of the first period, as `number` counts them."""
        return self.number(self.frames[0], self._slot(self.begin, 0))

    @property
    def size(self) -> int:
        """How many periods there are."""
        return self.number(self.frames[-1], self._slot(self.end, _TICKS - 1)) - self.first + 1

    def number(self, frame: int, slot: int) -> int:
        """The number of a period among all of its kind."""
        if self.kind is StatType.DAY:
            return periods.day_number(periods.month_of(frame)) + slot
        return frame * (_TICKS if self.kind is StatType.REALTIME else _MONTHS) + slot

    def time(self, place: int) -> datetime:
        """What the period at a place of the range is called: its statDate."""
        number = self.first + place
        if self.kind is StatType.REALTIME:
            return periods.time_of(self.kind, *divmod(number, _TICKS))
        if self.kind is StatType.DAY:
            return datetime.combine(periods.day_of(number), datetime.min.time())
        return periods.time_of(self.kind, *divmod(number, _MONTHS))

    def due(self, now: datetime) -> int:
        """How many periods of the range ended before today: their values should be here."""
        today = datetime(now.year, now.month, now.day)
        if self.kind is StatType.REALTIME:
            last = periods.day_number(today) * _TICKS
        elif self.kind is StatType.DAY:
            last = periods.day_number(today)
        else:
            last = periods.month_number(today)
        return min(max(last - self.first, 0), self.size)

    def earlier(self, against: Against) -> Span:
        """The range that it is compared with: at least as many periods, from the same place on."""
        if against is Against.WEEK:
            by = timedelta(days=7)
        elif self.kind is StatType.MONTH:
            first, last = self.begin.replace(day=1), self.end.replace(day=1)
            return Span(
                self.kind, first.replace(year=first.year - 1), last.replace(year=last.year - 1)
            )
        else:
            month = self.begin.replace(day=1)
            by = month - month.replace(year=month.year - 1)
        return Span(self.kind, self.begin - by, self.end - by)

    def _slot(self, day: date, tick: int) -> int:
        if self.kind is StatType.REALTIME:
            return tick
        return day.day - 1 if self.kind is StatType.DAY else day.month - 1


Point = tuple[str, float | None]
"""`YYYY-MM-DD HH:MM` and the value; None where the line has a gap."""


@dataclass(frozen=True)
class Curve:
    """A line with what is to be marked on it."""

    points: list[Point]
    compared: list[Point]
    """Of the earlier range, at the places of this one; empty where nothing is compared."""
    invalid: list[Point]
    missing: list[tuple[str, str]]
    """Stretches without values: from where to where the chart marks them."""
    periods: int
    """In the range, the future included."""
    due: int
    present: int
    invalid_count: int
    missing_count: int
    low: float | None
    high: float | None
    thinned: bool
    """Whether there are more values than points."""


@dataclass(frozen=True)
class Asked:
    """Which values: of one unit's item and source in a range."""

    unit_id: int
    data_code: str
    source: int
    span: Span
    against: Against = Against.NOTHING


def comparisons(kind: StatType) -> tuple[Against, ...]:
    """What values of a kind can be compared with: months with no week."""
    return (Against.YEAR,) if kind is StatType.MONTH else (Against.WEEK, Against.YEAR)


def curve(conn: Connection, asked: Asked, now: datetime) -> Curve:
    """The curve; raises replies.DatabaseFault where a stored value is damaged."""
    span, budget = asked.span, MOST_POINTS
    value, valid = _values(conn, asked, span)
    compared: list[Point] = []
    if asked.against in comparisons(span.kind):
        budget = MOST_POINTS // 2
        before, _ = _values(conn, asked, span.earlier(asked.against), len(value))
        compared = _points(span, before, budget)
    here = ~np.isnan(value)
    due = span.due(now)
    wrong = np.flatnonzero(here & ~valid)
    absent = np.flatnonzero(~here[:due])
    some = value[here]
    return Curve(
        points=_points(span, value, budget),
        compared=compared,
        invalid=[(_text(span.time(at)), float(value[at])) for at in wrong[:MOST_MARKS].tolist()],
        missing=list(_stretches(span, absent))[:MOST_MARKS],
        periods=span.size,
        due=due,
        present=int(here.sum()),
        invalid_count=len(wrong),
        missing_count=len(absent),
        low=float(some.min()) if len(some) else None,
        high=float(some.max()) if len(some) else None,
        thinned=span.size > budget,
    )


def _values(
    conn: Connection, asked: Asked, span: Span, size: int | None = None
) -> tuple[Floats, Bools]:
    """The values of the range, NaN where there is none, and which are valid."""
    size = span.size if size is None else size
    value, valid = np.full(size, np.nan), np.zeros(size, np.bool_)
    rows = stored(conn, asked, span)
    if not rows:
        return value, valid
    columns = packing.opened_columns(rows)
    begins = np.array([span.number(key.frame, 0) for key, _ in rows], np.int64)
    places = begins[columns.frame_of_value()] + columns.slot - span.first
    inside = (places >= 0) & (places < size)
    value[places[inside]] = columns.value[inside]
    valid[places[inside]] = columns.valid[inside] != 0
    return value, valid


def stored(conn: Connection, asked: Asked, span: Span) -> list[tuple[Key, bytes]]:
    """The encoded frames of the range, in order."""
    kind = int(span.kind)
    wanted = [(kind, frame, asked.data_code, asked.source) for frame in span.frames]
    found = frames_table.stored(conn, asked.unit_id, wanted)
    return sorted((Key(*row), planes) for row, planes in found)


def _points(span: Span, value: Floats, most: int) -> list[Point]:
    """The values as points, at most so many; where nothing stands there is one empty point."""
    places = np.arange(len(value)) if len(value) <= most else _standing_out(value, most)
    shown = value[places].tolist()
    return [
        (_text(span.time(at)), None if number != number else number)
        for at, number in zip(places.tolist(), shown, strict=True)
    ]


def _standing_out(value: Floats, most: int) -> Places:
    """Of each of equal stretches the places of the least and the greatest value, in order."""
    chosen: list[int] = []
    for begin, part in _parts(value, most // 2):
        if np.isnan(part).all():
            chosen.append(begin)
            continue
        ends = sorted({int(np.nanargmin(part)), int(np.nanargmax(part))})
        chosen += [begin + at for at in ends]
    return np.array(chosen, np.intp)


def _parts(value: Floats, count: int) -> Iterator[tuple[int, Floats]]:
    begin = 0
    for part in np.array_split(value, count):
        yield begin, part
        begin += len(part)


def _stretches(span: Span, absent: Places) -> Iterator[tuple[str, str]]:
    """From half a period before the first to half a period after the last of each stretch."""
    half = {
        StatType.REALTIME: periods.TICK / 2,
        StatType.DAY: timedelta(hours=12),
    }.get(span.kind, timedelta(days=15))
    for part in np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1):
        if len(part):
            first, last = span.time(int(part[0])), span.time(int(part[-1]))
            yield _text(first - half), _text(last + half)


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
