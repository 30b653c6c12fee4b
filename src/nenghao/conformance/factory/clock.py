"""The factory's time (模拟时间): the wall clock sped up, or whatever a test passes in.

A `Now` is all that the rest of the factory asks for: a function without arguments that gives
naive China Standard Time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

Now = Callable[[], datetime]
"""The present moment, microseconds allowed; it never goes back."""


class FastClock:
    """Shows `begin` when it is made and then runs `speed` times as fast as `seconds`.

    >>> wall = iter([100.0, 101.5])
    >>> clock = FastClock(datetime(2026, 3, 1), 60, lambda: next(wall))
    >>> clock()
    datetime.datetime(2026, 3, 1, 0, 1, 30)
    """

    def __init__(self, begin: datetime, speed: float, seconds: Callable[[], float]) -> None:
        self.begin = begin
        self.speed = speed
        self._seconds = seconds
        self._start = seconds()

    def __call__(self) -> datetime:
        """The factory's present moment."""
        return self.begin + timedelta(seconds=(self._seconds() - self._start) * self.speed)


class SetClock:
    """Stands still until it is set: the clock of a test."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self.moment
