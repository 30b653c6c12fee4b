"""The clocks that a running device goes by; tests and fast demonstrations pass in their own.

The schedule of uploads asks for the time and waits for a time; polling asks for the moment, to the
millisecond, and waits for a duration, since the time may be set meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime, timedelta
from typing import Protocol

from nenghao.clock import china_moment

LONGEST_SLEEP = 30.0
"""Seconds after which a waiting device looks at the clock again, since clocks are set."""


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """China Standard Time."""

    async def wait(self, until: datetime, stop: asyncio.Event) -> None:
        """Return when it is `until`, or when `stop` is set."""


class PollClock(Protocol):
    """The moment, and waiting for a while."""

    def moment(self) -> datetime:
        """China Standard Time, to the millisecond."""

    async def sleep(self, seconds: float, stop: asyncio.Event) -> None:
        """Return after so many seconds, or when `stop` is set."""


class DeviceClock(Clock, PollClock, Protocol):
    """Both."""


class WallClock:
    """The machine's clock; with `begin` shifted so that it shows that moment now (`--at`), and
    with `speed` running that many times as fast from then on.
    """

    def __init__(self, begin: datetime | None = None, speed: float = 1.0) -> None:
        self._origin = china_moment()
        self._begin = self._origin if begin is None else begin
        self._speed = speed
        self._start = time.monotonic()

    def moment(self) -> datetime:
        if self._speed != 1.0:
            return self._begin + timedelta(seconds=(time.monotonic() - self._start) * self._speed)
        return china_moment() + (self._begin - self._origin)

    def now(self) -> datetime:
        return self.moment().replace(microsecond=0)

    async def wait(self, until: datetime, stop: asyncio.Event) -> None:
        while not stop.is_set() and (left := (until - self.moment()).total_seconds()) > 0:
            await self.sleep(min(left, LONGEST_SLEEP * self._speed), stop)

    async def sleep(self, seconds: float, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds) / self._speed):
                await stop.wait()
