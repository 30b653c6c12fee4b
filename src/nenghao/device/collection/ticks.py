"""From the samples of points to the ticks of an item, on the exact grid (6.2.5-3).

A *program* says how an item's value is made; `spans` runs it over a grid of boundaries. A span of
one interval is a tick, and a tick that a gap longer than `max_gap` touches is none: it stays
absent. Of counters it is known all the same what they counted from before a gap to after it: such
a span is marked as a gap, and makes daily and monthly totals from the register.

Ticks of counters are differences of rounded positions, so that they add up to the difference of
the register to the last decimal. Pure: the same samples in any order give the same spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from nenghao.device.aggregation import EXACT, rounded
from nenghao.device.collection import counters, expressions, signals
from nenghao.device.collection.counters import CounterRule, Event, Track
from nenghao.device.collection.expressions import Node
from nenghao.device.collection.signals import EMPTY, InstantRule, IntervalRule, Series


class Span(Struct, frozen=True):
    """What an item amounts to from `begin` to `end`, milliseconds since 2000-01-01.

    `gap`: nothing was read for too long in between; a span that is none is a tick.
    """

    begin: int
    end: int
    amount: Decimal
    suspect: bool = False
    gap: bool = False


class CounterTerm(Struct, frozen=True):
    """A register in a sum: its point, what is known of it, and its factor."""

    point: str
    rule: CounterRule
    factor: Decimal


class Counted(Struct, frozen=True):
    """A sum of registers, each with a factor."""

    terms: tuple[CounterTerm, ...]


class Measured(Struct, frozen=True):
    """An expression over instantaneous values: its time-weighted mean, or its integral."""

    tree: Node
    """Names are points."""
    rule: InstantRule
    factor: Decimal
    """Of the mean, or of value × millisecond."""
    integral: bool


class Collected(Struct, frozen=True):
    """The amounts of one point, which come by the interval."""

    point: str
    rule: IntervalRule


class Combined(Struct, frozen=True):
    """An expression over what other programs give for the same tick."""

    tree: Node
    parts: dict[str, Program]
    """By the names of the tree."""
    factor: Decimal


Program = Counted | Measured | Collected | Combined


def points(program: Program) -> frozenset[str]:
    """The points that a program reads."""
    match program:
        case Counted(terms):
            return frozenset(term.point for term in terms)
        case Measured(tree):
            return frozenset(expressions.names(tree))
        case Collected(point):
            return frozenset((point,))
        case Combined(_, parts):
            return frozenset[str]().union(*map(points, parts.values()))


def gap(program: Program) -> int:
    """How many milliseconds before and after a boundary ordinary samples have a say in it."""
    match program:
        case Counted(terms):
            return max(term.rule.max_gap for term in terms)
        case Measured(_, rule):
            return rule.max_gap
        case Collected(_, rule):
            return 2 * rule.length
        case Combined(_, parts):
            return max(map(gap, parts.values()), default=0)


def reach(program: Program) -> int:
    """The same for samples that make others out to be garbage, and for late ones."""
    match program:
        case Counted():
            return gap(program) + counters.GLITCH
        case Combined(_, parts):
            return max(map(reach, parts.values()), default=0)
    return gap(program)


def ahead(program: Program) -> int:
    """How many milliseconds after a sample the tick can end that it completes."""
    match program:
        case Collected(_, rule):
            return rule.length if rule.label == "start" else 0
        case Combined(_, parts):
            return min(map(ahead, parts.values()), default=0)
    return 0


def settles_late(program: Program) -> bool:
    """Whether samples after a boundary still change the tick that ends there."""
    match program:
        case Collected():
            return True
        case Combined(_, parts):
            return any(map(settles_late, parts.values()))
    return False


def spread_rate(program: Program) -> dict[str, Decimal]:
    """The points whose spikes are spread, with the most that they can count in an hour."""
    match program:
        case Counted(terms):
            return {
                term.point: term.rule.max_rate
                for term in terms
                if term.rule.on_spike == "spread" and term.rule.max_rate is not None
            }
        case Combined(_, parts):
            return {k: v for part in parts.values() for k, v in spread_rate(part).items()}
    return {}


def grid(begin: int, end: int, interval: int) -> list[int]:
    """The boundaries from the one at or before `begin` to the one at or before `end`."""
    return list(range(begin // interval * interval, end + 1, interval))


def spans(
    program: Program,
    series: Mapping[str, Series],
    boundaries: Sequence[int],
    events: list[Event] | None = None,
) -> list[Span]:
    """What is known of an item over the grid, in order of time.

    `events`, if given, gets what the registers did besides counting.
    """
    match program:
        case Counted(terms):
            return _counted(terms, series, boundaries, events)
        case Measured():
            return _measured(program, series, boundaries)
        case Collected(point, rule):
            return _collected(series.get(point, EMPTY), rule, boundaries)
        case Combined():
            return _combined(program, series, boundaries, events)


# --- counters ------------------------------------------------------------------------------------


def _counted(
    terms: Sequence[CounterTerm],
    series: Mapping[str, Series],
    boundaries: Sequence[int],
    events: list[Event] | None,
) -> list[Span]:
    tracks = []
    for term in terms:
        known = series.get(term.point, EMPTY)
        tracks.append(counters.track(known.times, known.values, term.rule))
        if events is not None:
            events.extend(tracks[-1].events)
    found: list[Span] = []
    before: tuple[int, list[int], Decimal] | None = None
    for boundary in boundaries:
        nodes = _nodes(tracks, boundary)
        if nodes is None:
            continue
        position = rounded(_position(terms, tracks, nodes, boundary))
        if before is not None:
            begin, earlier, start = before
            excess = rounded(_excess(terms, tracks, earlier, nodes))
            amount = EXACT.add(EXACT.subtract(position, start), excess)
            courses = list(zip(tracks, earlier, nodes, strict=True))
            doubtful = any(one.doubtful(left, right, boundary) for one, left, right in courses)
            gap = any(one.broken(left, right, boundary) for one, left, right in courses)
            found.append(Span(begin, boundary, amount, doubtful, gap))
        before = boundary, nodes, position
    return found


def _nodes(tracks: Sequence[Track], boundary: int) -> list[int] | None:
    nodes = []
    for track in tracks:
        node = track.known(boundary)
        if node is None:
            return None
        nodes.append(node)
    return nodes


def _position(
    terms: Sequence[CounterTerm], tracks: Sequence[Track], nodes: Sequence[int], time: int
) -> Decimal:
    value = Decimal(0)
    for term, track, node in zip(terms, tracks, nodes, strict=True):
        part = EXACT.multiply(term.factor, track.position(node, time))
        value = EXACT.add(value, part)
    return value


def _excess(
    terms: Sequence[CounterTerm], tracks: Sequence[Track], first: list[int], last: list[int]
) -> Decimal:
    value = Decimal(0)
    for term, track, left, right in zip(terms, tracks, first, last, strict=True):
        more = EXACT.subtract(track.excess[right], track.excess[left])
        value = EXACT.add(value, EXACT.multiply(term.factor, more))
    return value


# --- instantaneous values, amounts, combinations -------------------------------------------------


def _measured(
    program: Measured, series: Mapping[str, Series], boundaries: Sequence[int]
) -> list[Span]:
    pieces = _course(program, series)
    found = []
    for begin, end in pairwise(boundaries):
        value = None
        for piece in pieces:
            if piece.times and piece.times[0] <= begin and end <= piece.times[-1]:
                value = signals.integral(piece, begin, end, program.rule)
        if value is None:
            continue
        if not program.integral:
            value = EXACT.divide(value, Decimal(end - begin))
        found.append(Span(begin, end, rounded(EXACT.multiply(value, program.factor))))
    return found


def _course(program: Measured, series: Mapping[str, Series]) -> list[Series]:
    """The expression's own course, in unbroken pieces: its value whenever a point was read.

    A moment at which one of the points is not known, or that divides by zero, ends a piece.
    """
    names = expressions.names(program.tree)
    if program.tree == expressions.Name(names[0]):
        return [series.get(names[0], EMPTY)]
    parts = {name: series.get(name, EMPTY) for name in names}
    pieces: list[Series] = []
    times: list[int] = []
    values: list[Decimal] = []
    for time in sorted({time for part in parts.values() for time in part.times}):
        at = {name: signals.value_at(part, time, program.rule) for name, part in parts.items()}
        known = {name: value for name, value in at.items() if value is not None}
        value = expressions.evaluate(program.tree, known) if len(known) == len(at) else None
        if value is not None:
            times.append(time)
            values.append(value)
        elif times:
            pieces.append(Series(times, values))
            times, values = [], []
    return [*pieces, Series(times, values)]


def _collected(series: Series, rule: IntervalRule, boundaries: Sequence[int]) -> list[Span]:
    if len(boundaries) < 2:
        return []
    amounts = signals.amounts(series, boundaries[0], boundaries[-1], rule)
    found = []
    for begin, end in pairwise(boundaries):
        value = signals.total(amounts, begin, end, rule)
        if value is not None:
            found.append(Span(begin, end, rounded(value)))
    return found


def _combined(
    program: Combined,
    series: Mapping[str, Series],
    boundaries: Sequence[int],
    events: list[Event] | None,
) -> list[Span]:
    parts = {
        name: {
            (span.begin, span.end): span
            for span in spans(part, series, boundaries, events)
            if not span.gap
        }
        for name, part in program.parts.items()
    }
    found = []
    for begin, end in pairwise(boundaries):
        of = {name: known[begin, end] for name, known in parts.items() if (begin, end) in known}
        if len(of) < len(parts):
            continue
        value = expressions.evaluate(program.tree, {name: span.amount for name, span in of.items()})
        if value is None:
            continue
        amount = rounded(EXACT.multiply(value, program.factor))
        found.append(Span(begin, end, amount, any(span.suspect for span in of.values())))
    return found
