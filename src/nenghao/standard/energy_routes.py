"""By which way a type's consumption is made of its usages (核算路径, docs/decisions 7).

A unit tells the same energy several ways: what it consumed, what it bought and has left, what it
bought and used. One route per unit, type and period, and parts are never added to their wholes:

(a) 20, 21 or 22 sent, or 30 or 40 without 10 or 11: consumption less what was produced and
    recovered, so that energy converted inside the fence counts once;
(b) else a month or year with both stocks and purchases: opening stock + bought − closing stock −
    supplied to others (60);
(c) else bought and used − supplied to others.

Terms are usages with a sign, so that whoever explains a total has them as they were added.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import NamedTuple

from nenghao.standard.energy_amounts import CLOSING_STOCK, OPENING_STOCK, Kind
from nenghao.standard.periods import StatType

Terms = tuple[tuple[int, int], ...]
"""(usage, 1 or −1) of each amount that is added or taken away; only usages that are there."""

PRODUCED = frozenset({30, 31, 32, 40})
"""Output (产出) and recovery (回收利用)."""

_SECONDARY = "02"
_KEPT = 4096
"""Sets of usages whose route is remembered: units send the same ones every day."""

_BOUGHT = (10, 11)


class Route(NamedTuple):
    """What of a type counts in which indicator."""

    name: str
    """a, b or c."""
    total: Terms
    """In nyxfzl (能源消费总量): net, with C20."""
    comprehensive: Terms
    """In zhnyxfl (综合能源消费量) of industry: net, with C21."""
    consumption: Terms
    """In the type's group: C, with C20; never below 0."""


def route(kind: Kind, usages: Collection[int], stat_type: StatType) -> Route:
    """The route of a type of which these usages are known in a period of that stat type."""
    return _route(kind.energy_class == _SECONDARY, frozenset(usages), stat_type)


@functools.lru_cache(maxsize=_KEPT)
def _route(secondary: bool, usages: frozenset[int], stat_type: StatType) -> Route:
    produced = _output(secondary, usages) + _present(usages, (40, 1))
    if any(usage in usages for usage in (20, 21, 22)) or (
        _any(usages, PRODUCED) and not _any(usages, _BOUGHT)
    ):
        less = tuple((usage, -sign) for usage, sign in produced)
        all_used = _all_used(usages)
        return Route("a", all_used + less, _industrial_use(usages) + less, all_used)
    supplied = _present(usages, (60, -1))
    purchases = purchased(usages)
    stocks = OPENING_STOCK in usages and CLOSING_STOCK in usages
    if purchases and stocks and stat_type in (StatType.MONTH, StatType.YEAR):
        net = ((OPENING_STOCK, 1), *purchases, (CLOSING_STOCK, -1), *supplied)
        return Route("b", net, net, net + produced)
    net = _bought_and_used(usages) + supplied
    return Route("c", net, net, net)


def purchased(usages: Collection[int]) -> Terms:
    """E10, else E11 + E12 where both are there; nothing when it is not known."""
    if 10 in usages:
        return ((10, 1),)
    return ((11, 1), (12, 1)) if 11 in usages and 12 in usages else ()


def _bought_and_used(usages: Collection[int]) -> Terms:
    """E11, else E10 − E12."""
    if 11 in usages:
        return ((11, 1),)
    return _present(usages, (10, 1), (12, -1)) if 10 in usages else ()


def _all_used(usages: Collection[int]) -> Terms:
    """C20: E20, else E21 + E22."""
    return ((20, 1),) if 20 in usages else _present(usages, (21, 1), (22, 1))


def _industrial_use(usages: Collection[int]) -> Terms:
    """C21: E21, else E20 − E22; with 22 alone nothing was used industrially."""
    if 21 in usages:
        return ((21, 1),)
    return _present(usages, (20, 1), (22, -1)) if 20 in usages else ()


def _output(secondary: bool, usages: Collection[int]) -> Terms:
    """E30′: E30, else E31 + E32; nothing for class 01: winning primary energy converts none."""
    if not secondary:
        return ()
    return ((30, 1),) if 30 in usages else _present(usages, (31, 1), (32, 1))


def _present(usages: Collection[int], *terms: tuple[int, int]) -> Terms:
    return tuple(term for term in terms if term[0] in usages)


def _any(usages: Collection[int], wanted: Collection[int]) -> bool:
    return any(usage in usages for usage in wanted)
