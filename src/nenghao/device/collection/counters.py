"""Counters (累计量): what a register that only counts up has counted, from its readings.

A drop is never negative consumption. It is, in this order: garbage, if the readings come back to
where they were within an hour; an overflow, if the register's modulus makes a plausible increment
of it; a reset to zero, if the new reading is no more than can have been counted since; else a
replacement, of which only the counting from the new reading on is known. A rise that no meter can
have counted (`max_rate`) is a spike: flagged, or spread over the time in which the register stood
still. All of it is a pure function of the readings.

Times are milliseconds since 2000-01-01, values exact decimals in the point's unit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from nenghao.device.aggregation import EXACT

HOUR = 3_600_000
GLITCH = HOUR
"""How long readings may be away from their course and still count as garbage."""
SPREAD = 24 * HOUR
"""The longest standstill over which a spike is spread."""


class CounterRule(Struct, frozen=True):
    """What is known of a register."""

    max_gap: int
    """Milliseconds between two readings beyond which nothing is said about the time between."""
    modulus: Decimal | None = None
    """The reading at which it starts over, in the point's unit."""
    max_rate: Decimal | None = None
    """The most that it can count in an hour."""
    on_spike: Literal["flag", "spread"] = "flag"
    step: bool = False
    """Count at the moment of the reading instead of evenly since the one before."""


class Drop(StrEnum):
    """What a drop was taken for."""

    GARBAGE = "garbage"
    OVERFLOW = "overflow"
    RESET = "reset"
    REPLACED = "replaced"
    SPIKE = "spike"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _LABELS[self]


_LABELS = {
    Drop.GARBAGE: "读数异常，已剔除",
    Drop.OVERFLOW: "表计翻转",
    Drop.RESET: "表计清零",
    Drop.REPLACED: "换表或读数回退",
    Drop.SPIKE: "读数突增",
}


class Event(Struct, frozen=True):
    """Something that a register did besides counting."""

    time: int
    kind: Drop
    before: Decimal
    after: Decimal


class Track(Struct):
    """The course of a register: nodes, and between two of them what was counted."""

    rule: CounterRule
    times: list[int]
    values: list[Decimal]
    counted: list[Decimal] = field(default_factory=list)
    """Per segment, from node to node."""
    suspect: list[bool] = field(default_factory=list)
    bridged: list[bool] = field(default_factory=list)
    """Per segment: a standstill that a spike was spread over, however long."""
    excess: list[Decimal] = field(default_factory=list)
    """Sum over the segments before each node of what was counted beyond the difference of the
    readings: 0 unless the register started over."""
    events: list[Event] = field(default_factory=list)

    def known(self, time: int) -> int | None:
        """The node at or before `time` if the register's course is known there."""
        node = bisect_right(self.times, time) - 1
        if node < 0:
            return None
        if self.times[node] == time:
            return node
        return None if node + 1 == len(self.times) or self._is_gap(node) else node

    def _is_gap(self, node: int) -> bool:
        pause = self.times[node + 1] - self.times[node]
        return pause > self.rule.max_gap and not self.bridged[node]

    def broken(self, first: int, last: int, end: int) -> bool:
        """Whether nothing was read for too long between node `first` and the time `end`."""
        stop = last if self.times[last] == end else last + 1
        return any(self._is_gap(node) for node in range(first, stop))

    def position(self, node: int, time: int) -> Decimal:
        """The reading at `time` in the segment after `node`; counts on from the node's reading."""
        value = self.values[node]
        past = time - self.times[node]
        if past == 0 or self.rule.step:
            return value
        whole = Decimal(self.times[node + 1] - self.times[node])
        part = EXACT.divide(EXACT.multiply(self.counted[node], Decimal(past)), whole)
        return EXACT.add(value, part)

    def doubtful(self, first: int, last: int, end: int) -> bool:
        """Whether a segment from node `first` up to the time `end` after `last` is suspect."""
        stop = last if self.times[last] == end else last + 1
        return any(self.suspect[first:stop])


def track(times: Sequence[int], values: Sequence[Decimal], rule: CounterRule) -> Track:
    """The course of a register from its readings: in order of time, one at a time."""
    made = Track(rule, [], [])
    _without_garbage(made, times, values)
    if rule.on_spike == "spread":
        _bridge_standstills(made)
    else:
        made.bridged = [False] * max(0, len(made.times) - 1)
    made.excess = [Decimal(0)]
    for node in range(len(made.times) - 1):
        counted, suspect = _count(made, node)
        made.counted.append(counted)
        made.suspect.append(suspect)
        difference = EXACT.subtract(made.values[node + 1], made.values[node])
        made.excess.append(EXACT.add(made.excess[-1], EXACT.subtract(counted, difference)))
    made.events.sort(key=lambda event: event.time)
    return made


def _possible(rule: CounterRule, duration: int, quantum: Decimal = Decimal(0)) -> Decimal:
    """The most that can be counted in a time, plus one step of the register."""
    assert rule.max_rate is not None  # noqa: S101 - callers have seen it
    return EXACT.add(EXACT.divide(EXACT.multiply(rule.max_rate, duration), HOUR), quantum)


def _quantum(value: Decimal) -> Decimal:
    """One step of a register, as its readings are written."""
    exponent = value.as_tuple().exponent
    return Decimal(1).scaleb(min(exponent, 0)) if isinstance(exponent, int) else Decimal(0)


# --- garbage -------------------------------------------------------------------------------------


def _without_garbage(made: Track, times: Sequence[int], values: Sequence[Decimal]) -> None:
    index = 0
    while index < len(times):
        if made.values and values[index] < made.values[-1]:
            back = _comes_back(made, times, values, index)
            if back is not None:
                _garbage(made, times[index], made.values[-1], values[index])
                index = back
                continue
            was = _went_up(made, times[index], values[index])
            if was is not None:
                _garbage(made, made.times[was + 1], made.values[was], made.values[was + 1])
                del made.times[was + 1 :]
                del made.values[was + 1 :]
        made.times.append(times[index])
        made.values.append(values[index])
        index += 1


def _garbage(made: Track, time: int, before: Decimal, after: Decimal) -> None:
    made.events.append(Event(time, Drop.GARBAGE, before, after))


def _is_leap(rule: CounterRule, rise: Decimal, height: Decimal, duration: int) -> bool:
    """Whether a rise is most of an excursion's height, and not what the meter can have counted."""
    if rise * 2 < height:
        return False
    return rule.max_rate is None or rise > _possible(rule, duration)


def _comes_back(
    made: Track, times: Sequence[int], values: Sequence[Decimal], index: int
) -> int | None:
    """The reading that is back on the course which `index` fell from; None when none is."""
    before, lowest = made.values[-1], values[index]
    fell = before - values[index]
    for later in range(index + 1, len(times)):
        if times[later] - made.times[-1] > GLITCH:
            return None
        if values[later] < before:
            lowest = min(lowest, values[later])
            continue
        rise = values[later] - values[later - 1]
        height = before - lowest
        leaps = _is_leap(made.rule, rise, height, times[later] - times[later - 1])
        return later if leaps and fell * 2 >= height and values[later] - before < rise else None
    return None


def _went_up(made: Track, time: int, value: Decimal) -> int | None:
    """The node that a reading goes on from, if what lies between is an excursion upwards."""
    node = len(made.values) - 1
    highest = made.values[node]
    fell = highest - value
    while made.values[node] > value:
        highest = max(highest, made.values[node])
        node -= 1
        if node < 0 or time - made.times[node] > GLITCH:
            return None
    start = made.values[node]
    rise = made.values[node + 1] - start
    height = highest - start
    leaps = _is_leap(made.rule, rise, height, made.times[node + 1] - made.times[node])
    return node if leaps and fell * 2 >= height and value - start < rise else None


# --- counting ------------------------------------------------------------------------------------


def _count(made: Track, node: int) -> tuple[Decimal, bool]:
    """What was counted from a node to the next, and whether that is doubtful."""
    rule, before, after = made.rule, made.values[node], made.values[node + 1]
    duration = made.times[node + 1] - made.times[node]
    counted = EXACT.subtract(after, before)
    if counted >= 0:
        spike = _is_spike(made, node, counted)
        if spike:
            made.events.append(Event(made.times[node + 1], Drop.SPIKE, before, after))
        return counted, spike
    kind, counted = _after_drop(rule, before, after, duration)
    made.events.append(Event(made.times[node + 1], kind, before, after))
    return counted, False


def _after_drop(
    rule: CounterRule, before: Decimal, after: Decimal, duration: int
) -> tuple[Drop, Decimal]:
    if rule.modulus is not None:
        wrapped = EXACT.add(EXACT.subtract(after, before), rule.modulus)
        most = rule.modulus / 2
        if rule.max_rate is not None:
            most = _possible(rule, duration, _quantum(after))
        if 0 <= wrapped <= most and after >= 0:
            return Drop.OVERFLOW, wrapped
    if rule.max_rate is not None and 0 <= after <= _possible(rule, duration, _quantum(after)):
        return Drop.RESET, after
    return Drop.REPLACED, Decimal(0)


def _is_spike(made: Track, node: int, counted: Decimal) -> bool:
    """More than can have been counted since the register moved last (a little while ago)."""
    rule = made.rule
    if rule.max_rate is None or counted == 0:
        return False
    end = made.times[node + 1]
    begin = made.times[node]
    still = _standstill(made, node)
    if end - made.times[still] <= rule.max_gap:
        begin = made.times[still]  # a register that is brought up to date now and then
    return counted > _possible(rule, end - begin, _quantum(made.values[node + 1]))


def _standstill(made: Track, node: int) -> int:
    """The first node of the standstill that `node` is the last of."""
    value = made.values[node]
    while node > 0 and made.values[node - 1] == value:
        node -= 1
    return node


def _bridge_standstills(made: Track) -> None:
    """Take out the nodes of standstills that end in a spike, so that it spreads over them."""
    times, values = made.times, made.values
    made.times, made.values, made.bridged = times[:1], values[:1], []
    plain = Track(made.rule, times, values)
    for node in range(len(times) - 1):
        spread = False
        counted = values[node + 1] - values[node]
        if counted > 0 and _is_spike(plain, node, counted):
            first = _standstill(plain, node)
            while times[node + 1] - times[first] > SPREAD and first < node:
                first += 1
            dropped = node - first
            if dropped:
                spread = True
                event = Event(times[node + 1], Drop.SPIKE, values[node], values[node + 1])
                made.events.append(event)
                del made.times[-dropped:]
                del made.values[-dropped:]
                del made.bridged[-dropped:]
        made.times.append(times[node + 1])
        made.values.append(values[node + 1])
        made.bridged.append(spread)
