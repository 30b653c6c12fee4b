"""A collector in virtual time over a world, for tests of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

from nenghao.device.collection.collector import Collector
from tests.device.collection.factory import MORNING, ticks_of
from tests.device.collection.virtual import VirtualClock, play
from tests.device.world import World

START = MORNING - timedelta(seconds=4)


def seconds(point: str, now: datetime) -> int:
    return (now - datetime(2026, 3, 1)) // timedelta(seconds=1)


class Bench:
    """A collector over a world, and the time."""

    def __init__(self, world: World, text: str) -> None:
        self.world = world
        self.write(text)
        self.clock = VirtualClock(START)
        self.collector = Collector(world.home, world.store, self.clock)

    def write(self, text: str) -> None:
        self.world.home.collection_file.write_text(text, "utf-8")

    def play(self, script: Callable[[], Awaitable[None]]) -> None:
        play(self.clock, self.collector.run, script)

    async def pass_(self, **time: float) -> None:
        await self.clock.advance(timedelta(**time).total_seconds())

    def ticks(self) -> dict[datetime, Decimal]:
        return ticks_of(self.world.store)
