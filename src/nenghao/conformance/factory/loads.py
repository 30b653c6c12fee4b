"""What flows through a meter (负荷): exact cumulative counts over time, from the fleet or a file.

A count is the smallest step a meter shows (0.01 kWh, 1 kg …). Between two ticks a load runs
evenly and is cut down to whole counts; at a tick the count is the exact sum of all before it. So
the difference of a counter between two ticks is the interval's amount, to the last digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Protocol

from nenghao.conformance.fleet import FleetUnit, Item, ticks
from nenghao.conformance.load_shapes import SLOTS

QUARTER = timedelta(minutes=15)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_DAYS_KEPT = 8


class Load(Protocol):
    """Counts that have flowed since the load began; never falling."""

    def counts(self, moment: datetime) -> int:
        """How many counts by `moment`; 0 before the beginning."""

    def per_hour(self, moment: datetime) -> float:
        """Counts an hour that flow at `moment`."""


class FleetLoad:
    """An item of a fleet unit: the amounts of `fleet.ticks`, from midnight of `origin` on.

    Days are drawn when they are first asked for and kept; a long way from the origin costs about
    0.6 ms a day.
    """

    def __init__(self, unit: FleetUnit, item: Item, origin: date) -> None:
        self._unit = unit
        self._item = item
        self._origin = origin
        self._before: list[int] = [0]
        """Counts before each day from the origin on."""
        self._days: dict[date, list[int]] = {}

    def counts(self, moment: datetime) -> int:
        """See `Load`."""
        if moment.date() < self._origin:
            return 0
        steps = self._steps(moment.date())
        before = self._before[(moment.date() - self._origin).days]
        slot, part = divmod(moment - datetime.combine(moment.date(), time()), QUARTER)
        flowing = (steps[slot + 1] - steps[slot]) * (part // _MICROSECOND)
        return before + steps[slot] + flowing // (QUARTER // _MICROSECOND)

    def per_hour(self, moment: datetime) -> float:
        """See `Load`."""
        if moment.date() < self._origin:
            return 0.0
        steps = self._steps(moment.date())
        slot = (moment - datetime.combine(moment.date(), time())) // QUARTER
        return 4.0 * (steps[slot + 1] - steps[slot])

    def _steps(self, day: date) -> list[int]:
        """Counts since midnight at each of the day's 97 quarters; days before are summed up."""
        if (known := self._days.get(day)) is not None:
            return known
        number = (day - self._origin).days
        while len(self._before) <= number:
            last = self._origin + (len(self._before) - 1) * _DAY
            self._before.append(self._before[-1] + self._drawn(last)[SLOTS])
        steps = self._drawn(day)
        if len(self._days) >= _DAYS_KEPT:
            del self._days[next(iter(self._days))]
        self._days[day] = steps
        return steps

    def _drawn(self, day: date) -> list[int]:
        decimals = self._item.decimals
        amounts = ticks(self._unit, self._item, day)
        return list(accumulate((int(amount.scaleb(decimals)) for amount in amounts), initial=0))


class ReplayLoad:
    """Amounts of intervals from a file, end to end: each is `(end of its interval, counts)`.

    A missing interval is one in which nothing flowed. After the last the counter stands.
    """

    def __init__(self, amounts: Sequence[tuple[datetime, int]], interval: timedelta) -> None:
        if not amounts:
            raise ValueError("no amounts to play back")
        if any(late <= early for (early, _), (late, _) in pairwise(amounts)):
            raise ValueError("the times of amounts to play back must rise")
        for end, count in amounts:
            if count < 0:
                raise ValueError(f"{end} 的数值为负，不能作为累计表回放")
        self.begin = amounts[0][0] - interval
        """When the first interval begins."""
        self.end = amounts[-1][0]
        self._interval = interval
        self._ends = [end for end, _ in amounts]
        self._amounts = [count for _, count in amounts]
        self._before = list(accumulate(self._amounts, initial=0))

    @classmethod
    def of(
        cls, readings: Sequence[tuple[datetime, Decimal]], interval: timedelta
    ) -> tuple[ReplayLoad, int]:
        """From amounts with decimals: the load, and how many decimals a count has."""
        decimals = max((_decimals(amount) for _, amount in readings), default=0)
        amounts = [(end, int(amount.scaleb(decimals))) for end, amount in readings]
        return cls(amounts, interval), decimals

    def counts(self, moment: datetime) -> int:
        """See `Load`."""
        number = bisect_right(self._ends, moment)
        flowed = self._before[number]
        if number < len(self._ends):
            into = moment - (self._ends[number] - self._interval)
            if into > timedelta(0):
                whole = self._interval // _MICROSECOND
                flowed += self._amounts[number] * (into // _MICROSECOND) // whole
        return flowed

    def per_hour(self, moment: datetime) -> float:
        """See `Load`."""
        number = bisect_right(self._ends, moment)
        if number == len(self._ends) or moment < self._ends[number] - self._interval:
            return 0.0
        return self._amounts[number] * (timedelta(hours=1) / self._interval)


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{amount} is no amount")
    return max(0, -exponent)
