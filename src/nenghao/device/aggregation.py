"""From ticks to days, months and years (汇总, 3.4), exactly and without inventing anything.

Readings are amounts of an interval, so a day is the sum of its ticks, a month of its days, a year
of its months, in `Decimal` arithmetic. Stocks are never summed: the opening stock is the first,
the closing stock the last. Coefficients and intensities have no total at all. A missing tick is
missing, never 0: the total of what is there is marked incomplete. What becomes of an incomplete
total is `batches`' business, where readings lie is `history`'s. Pure: no clock, no database.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import Enum

from msgspec import Struct

from nenghao.standard.data_code import DataCode

TICKS_OF_DAY = 96
"""Ticks of a day at the standard interval of 15 minutes, 00:15 … 24:00 (6.2.5-3)."""

INTERVALS = (15, 30, 60)
"""Minutes between two ticks: the standard's 15, or 30 or 60 where 15 is hard (6.2.5-3)."""

EXACT = Context(prec=80)
"""Sums of a century of readings stay exact in here."""

DECIMALS = 10
"""Decimals of a dataValue on the wire, at most (docs/decisions 3)."""

_LAST_DECIMAL = Decimal(1).scaleb(-DECIMALS)

_OPENING_STOCK, _CLOSING_STOCK = "51", "52"
_UNSUMMABLE_CLASSES = frozenset({"05", "06", "07", "08"})
"""Standard coal coefficients and efficiency indicators: ratios, of table B.2."""
_CARBON_INTENSITY = ("12", "1200")


def rounded(value: Decimal) -> Decimal:
    """`value` with at most the ten decimals that the wire has; exact where it has no more."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS:
        return value.quantize(_LAST_DECIMAL, ROUND_HALF_UP, EXACT)
    return value


class Rule(Enum):
    """How the parts of a period make its total."""

    SUM = "sum"
    FIRST = "first"
    LAST = "last"
    NONE = "none"


class Total(Struct, frozen=True):
    """What a period amounts to, in the item's unit; `complete` if no part of it was missing.

    `suspect` if a part of it is doubtful: a jump that no meter can have counted.
    """

    value: Decimal
    complete: bool
    suspect: bool = False


def rule_of(code: DataCode) -> Rule:
    """The rule for a data code, by its class and usage (docs/decisions 7: stocks)."""
    if code.energy_class in _UNSUMMABLE_CLASSES:
        return Rule.NONE
    if (code.energy_class, code.energy_type) == _CARBON_INTENSITY:
        return Rule.NONE
    if code.usage == _OPENING_STOCK:
        return Rule.FIRST
    if code.usage == _CLOSING_STOCK:
        return Rule.LAST
    return Rule.SUM


def expected_slots(interval: int) -> range:
    """The slots (0 = 00:15 … 95 = 24:00) that a day of `interval` minutes has ticks in.

    >>> list(expected_slots(60))[:3]
    [3, 7, 11]
    """
    step = interval // 15
    return range(step - 1, TICKS_OF_DAY, step)


def day_total(
    rule: Rule, interval: int, ticks: Sequence[Decimal | None], suspect: Container[int] = ()
) -> Total | None:
    """The total of a day from its 96 slots; None without any tick or with `Rule.NONE`.

    Only the slots of the interval are asked for; a tick beside them (a finer remainder of an
    earlier interval) would count a stretch of time twice and is left out. `suspect` are the slots
    whose tick is doubtful.
    """
    parts: list[Total | None] = []
    for slot in expected_slots(interval):
        tick = ticks[slot]
        parts.append(None if tick is None else Total(tick, True, slot in suspect))
    return total(rule, parts)


def total(rule: Rule, parts: Sequence[Total | None]) -> Total | None:
    """The total of a period from its parts in order, None standing for a part that is missing."""
    present = [part for part in parts if part is not None]
    if rule is Rule.NONE or not present:
        return None
    if rule is Rule.FIRST:
        whole = parts[0] is not None and parts[0].complete
        return Total(present[0].value, whole, present[0].suspect)
    if rule is Rule.LAST:
        whole = parts[-1] is not None and parts[-1].complete
        return Total(present[-1].value, whole, present[-1].suspect)
    value = Decimal(0)
    for part in present:
        value = EXACT.add(value, part.value)
    whole = len(present) == len(parts) and all(part.complete for part in present)
    return Total(value, whole, any(part.suspect for part in present))
