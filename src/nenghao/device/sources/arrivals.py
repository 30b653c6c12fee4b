"""When something arrived (到达时间), for sources that are told rather than ask.

A stopwatch runs from the arrival to the next read, and the read's `now` says what it means.
"""

from __future__ import annotations

from datetime import datetime, timedelta

CLOCK_STEP = timedelta(seconds=5)
"""A clock that goes further off the stopwatch than this was set; less is its rounding."""


class Arrivals:
    """Says by clock when something happened that the stopwatch saw.

    The reads' `now` are whole seconds, often a bit in the past. The latest they can mean is kept,
    so that what came later is never dated earlier, unless the clock itself was set.
    """

    def __init__(self) -> None:
        self._origin: datetime | None = None

    def set(self, now: datetime, stopwatch: float) -> None:
        """The clock says `now` while the stopwatch stands at `stopwatch` seconds."""
        origin = now - timedelta(seconds=stopwatch)
        known = self._origin
        if known is None or origin > known or known - origin > CLOCK_STEP:
            self._origin = origin

    def at(self, stopwatch: float) -> datetime:
        """The time at which the stopwatch stood there; `set` comes first."""
        if self._origin is None:
            raise ValueError("the clock has not been set")
        return self._origin + timedelta(seconds=stopwatch)
