"""Running a device's agent in a `World`: once, or for days of simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx

from nenghao.device import outbox
from nenghao.device.agent import Agent, Summary
from nenghao.device.outbox import Batch
from tests.device.world import Answer, SimulatedClock, World, a_day, put, settings

DATA = "/uploadEnergyData"
BEGIN = datetime(2026, 3, 1, 12, 0)
FIRST = date(2026, 3, 1)


def once(world: World, at: datetime, **changes: Any) -> Summary:
    """`nenghao device run --once --at …`: a fresh agent, as a fresh process has."""

    async def run() -> Summary:
        async with world.platform.client() as client:
            agent = Agent(world.home, settings(**changes), world.store, client)
            return await agent.run_once(at)

    return asyncio.run(run())


def live(world: World, clock: SimulatedClock, **changes: Any) -> None:
    """`nenghao device run` from the clock's moment to its end."""

    async def run() -> None:
        async with world.platform.client() as client:
            agent = Agent(world.home, settings(**changes), world.store, client)
            await agent.run(asyncio.Event(), clock)

    world.platform.now = clock.now
    asyncio.run(run())


def waiting(world: World) -> list[Batch]:
    with world.store.read() as connection:
        return outbox.waiting(connection)


def on_data(answer: Answer, times: int = 10**9) -> Callable[[str, httpx.Request], Answer | None]:
    """Trouble with the first `times` data uploads."""
    left = iter(range(times))

    def trouble(path: str, request: httpx.Request) -> Answer | None:
        return answer if path == DATA and next(left, None) is not None else None

    return trouble


def reading_every_day(world: World) -> Callable[[datetime], None]:
    """A meter: whenever time has passed, every day that is over has its ticks."""
    known: set[date] = set()

    def happens(moment: datetime) -> None:
        day = FIRST
        while day < moment.date():
            if day not in known:
                known.add(day)
                put(world.store, a_day(day), moment)
            day += timedelta(days=1)

    return happens
