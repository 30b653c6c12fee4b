"""Instantaneous values and interval amounts (瞬时量、区间量): what they come to in a time.

An instantaneous value is known between two samples that are no further apart than `max_gap`; its
integral there is exact (linear between samples, or held until the next). An interval amount is
known where all the intervals that a tick is made of have come. What is not known has no value:
None, never 0. Pure functions; times are milliseconds since 2000-01-01.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from nenghao.device.aggregation import EXACT

SNAP = 60_000
"""How far a time stamp may be off the end (or start) of its interval and still mean it."""


class Series(Struct, frozen=True):
    """The good samples of a point: in order of time, one at a time."""

    times: Sequence[int]
    values: Sequence[Decimal]


EMPTY = Series((), ())


class InstantRule(Struct, frozen=True):
    """How the course of an instantaneous value lies between its samples."""

    max_gap: int
    """Milliseconds between two samples beyond which nothing is known of the time between."""
    step: bool = False
    """The value holds until the next sample (what a subscription tells), instead of linear."""


class IntervalRule(Struct, frozen=True):
    """Which interval an amount belongs to."""

    length: int
    """Milliseconds."""
    label: Literal["end", "start", "polled"] = "end"
    """`polled`: the register shows the amount of the interval that was over last."""

    def end_of(self, time: int) -> int | None:
        """The end of the interval that a sample of `time` tells of; None when it tells of none."""
        if self.label == "polled":
            return time - time % self.length
        edge = (time + self.length // 2) // self.length * self.length
        if abs(time - edge) > min(SNAP, self.length // 2):
            return None
        return edge if self.label == "end" else edge + self.length


def integral(series: Series, begin: int, end: int, rule: InstantRule) -> Decimal | None:
    """∫ value dt over milliseconds from `begin` to `end`; None unless known all the way."""
    times, values = series.times, series.values
    node = bisect_right(times, begin) - 1
    if node < 0:
        return None
    doubled = Decimal(0)
    at = begin
    while at < end:
        if node + 1 >= len(times):
            return None
        left, right = times[node], times[node + 1]
        if right - left > rule.max_gap:
            return None
        upto = min(right, end)
        if rule.step:
            pair = values[node] * 2
        elif at == left and upto == right:
            pair = EXACT.add(values[node], values[node + 1])
        else:
            pair = EXACT.add(_between(series, node, at), _between(series, node, upto))
        doubled = EXACT.add(doubled, EXACT.multiply(pair, Decimal(upto - at)))
        at = upto
        node += 1
    return doubled / 2


def value_at(series: Series, time: int, rule: InstantRule) -> Decimal | None:
    """The value at a time, None where it is not known."""
    node = bisect_right(series.times, time) - 1
    if node < 0:
        return None
    if series.times[node] == time:
        return series.values[node]
    if node + 1 >= len(series.times) or series.times[node + 1] - series.times[node] > rule.max_gap:
        return None
    return series.values[node] if rule.step else _between(series, node, time)


def _between(series: Series, node: int, time: int) -> Decimal:
    left, right = series.times[node], series.times[node + 1]
    rise = EXACT.subtract(series.values[node + 1], series.values[node])
    part = EXACT.divide(EXACT.multiply(rise, Decimal(time - left)), Decimal(right - left))
    return EXACT.add(series.values[node], part)


def amounts(series: Series, begin: int, end: int, rule: IntervalRule) -> dict[int, Decimal]:
    """The amounts by the end of their interval, of those that end in (begin, end].

    Of several samples for one interval the latest counts.
    """
    first = bisect_left(series.times, begin - 2 * rule.length)
    last = bisect_right(series.times, end + 2 * rule.length)
    found: dict[int, Decimal] = {}
    for index in range(first, last):
        edge = rule.end_of(series.times[index])
        if edge is not None and begin < edge <= end:
            found[edge] = series.values[index]
    return found


def total(found: dict[int, Decimal], begin: int, end: int, rule: IntervalRule) -> Decimal | None:
    """The sum of the amounts that make (begin, end]; None unless all of them are there."""
    value = Decimal(0)
    for edge in range(begin + rule.length, end + 1, rule.length):
        if edge not in found:
            return None
        value = EXACT.add(value, found[edge])
    return value
