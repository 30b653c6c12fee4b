"""Virtual time for tests of the collector: it passes when everybody waits, and can be set."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

WAIT_STEP = 30.0
"""Seconds after which whoever waits for a time looks at the clock again."""


class VirtualClock:
    """A `DeviceClock` whose seconds pass only in `run`; `step` sets the wall clock."""

    def __init__(self, begin: datetime) -> None:
        self.elapsed = 0.0
        self._origin = begin
        self._heap: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()

    def moment(self) -> datetime:
        return self._origin + timedelta(seconds=self.elapsed)

    def now(self) -> datetime:
        return self.moment().replace(microsecond=0)

    def step(self, seconds: float) -> None:
        """Set the wall clock forwards or back."""
        self._origin += timedelta(seconds=seconds)

    async def sleep(self, seconds: float, stop: asyncio.Event) -> None:
        if stop.is_set():
            return
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self.elapsed + max(0.0, seconds), next(self._number), due)
        heapq.heappush(self._heap, entry)
        stopped = asyncio.ensure_future(stop.wait())
        both: set[asyncio.Future[Any]] = {due, stopped}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            due.cancel()

    async def wait(self, until: datetime, stop: asyncio.Event) -> None:
        while not stop.is_set() and (left := (until - self.moment()).total_seconds()) > 0:
            await self.sleep(min(left, WAIT_STEP), stop)

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, everybody doing what is due on the way."""
        end = self.elapsed + seconds
        while True:
            await settle()
            while self._heap and self._heap[0][2].done():
                heapq.heappop(self._heap)
            if not self._heap or self._heap[0][0] > end:
                break
            due, _, future = heapq.heappop(self._heap)
            self.elapsed = max(self.elapsed, due)
            if not future.done():
                future.set_result(None)
        self.elapsed = end
        await settle()


async def settle(rounds: int = 10) -> None:
    """Let everything run that can run without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def play(
    clock: VirtualClock,
    work: Callable[[asyncio.Event], Awaitable[None]],
    script: Callable[[], Awaitable[None]],
) -> None:
    """Run `work` in virtual time while `script` says what happens; then stop it."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.ensure_future(work(stop))
        try:
            await script()
        finally:
            stop.set()
            await settle()
            await asyncio.wait_for(task, 20)

    asyncio.run(run())
