"""A simulated factory on Modbus through a whole device to a platform: what was counted arrives.

The service polls a real Modbus server, makes ticks, days and months, and uploads on its schedule.
Time is virtual and goes on only when everybody waits, so that nothing is a matter of luck.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nenghao.conformance.factory.collection_file import Where, text
from nenghao.conformance.factory.faults import Fault, FaultKind
from nenghao.conformance.factory.kinds import unit_of
from nenghao.conformance.factory.loads import ReplayLoad
from nenghao.conformance.factory.modbus_server import FactoryModbus
from nenghao.conformance.factory.plant import Plant, fleet_plant, replay_plant
from nenghao.conformance.fleet import ticks
from nenghao.device.clocks import DeviceClock, WallClock
from nenghao.device.service import Service
from nenghao.device.sources import csv_file
from tests.device.world import ELECTRICITY, World, settings

pytest.importorskip("pymodbus", reason="pip install nenghao[modbus]")

QUARTER = timedelta(minutes=15)
STEEL = unit_of("steel")
READINGS = Path(__file__).parents[3] / "shared" / "data" / "steel_plant_15min_2018.csv"
KWH = Decimal("0.0001")
WAITERS = 5
"""Who waits by the clock: collector, feeder, agent, and the watchers of files and notes."""


class SharedClock:
    """Virtual time that goes on when all of `WAITERS` wait, however long their work takes."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._moment = begin
        self._end = end
        self._heap: list[tuple[datetime, int, asyncio.Future[Any]]] = []
        self._number = count()
        self.over = asyncio.Event()

    def moment(self) -> datetime:
        return self._moment

    def now(self) -> datetime:
        return self._moment.replace(microsecond=0)

    async def sleep(self, seconds: float, stop: asyncio.Event) -> None:
        due: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        until = self._moment + timedelta(seconds=max(0.001, seconds))
        heapq.heappush(self._heap, (until, next(self._number), due))
        self._go_on()
        stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({due, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            due.cancel()

    async def wait(self, until: datetime, stop: asyncio.Event) -> None:
        while not stop.is_set() and until > self._moment:
            await self.sleep((until - self._moment).total_seconds(), stop)

    def _go_on(self) -> None:
        self._heap = [entry for entry in self._heap if not entry[2].done()]
        heapq.heapify(self._heap)
        if len(self._heap) < WAITERS:
            return
        until, _, due = heapq.heappop(self._heap)
        if until > self._end:
            self.over.set()
            return
        self._moment = max(self._moment, until)
        due.set_result(None)


@pytest.fixture(autouse=True)
def _looking_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month of virtual time is not to be spent looking at files."""
    monkeypatch.setattr("nenghao.device.service.LOOK_EVERY", 7200.0)
    monkeypatch.setattr("nenghao.device.service.NOTE_EVERY", 7200.0)
    monkeypatch.setattr("nenghao.device.collection.collector.LOOK_EVERY", 3600.0)


def serve(
    world: World, plant: Plant, clock: DeviceClock, poll: float, over: Callable[[], asyncio.Event]
) -> None:
    """A device at work that reads the plant by this clock, until `over`."""

    async def run() -> None:
        world.platform.now = clock.now
        async with FactoryModbus(plant, clock.moment).serving() as port:
            written = text(plant, Where(modbus_port=port), poll)
            world.home.collection_file.write_text(written, "utf-8")
            service = Service(
                world.home,
                world.store,
                clock,
                load=settings,
                client_of=lambda known, on_date: world.platform.client(),
            )
            await service.run(over())

    asyncio.run(run())


def live(world: World, plant: Plant, begin: datetime, end: datetime, poll: float) -> None:
    """Let the device read the plant and upload, from one moment to the other."""
    world.store._connection.execute("PRAGMA synchronous = OFF")  # the disk itself is not tested

    clock = SharedClock(begin, end)
    serve(world, plant, clock, poll, lambda: clock.over)


def arrived(world: World, code: str, stat_type: int) -> dict[str, Decimal]:
    """What the platform has of an item, by statDate."""
    return {
        when: Decimal(repr(value))
        for (known, kind, when), value in world.platform.values().items()
        if (known, kind) == (code, stat_type)
    }


def labels(first: date, days: int) -> list[str]:
    """The statDates of all ticks of so many days."""
    midnight = datetime(first.year, first.month, first.day)
    return [str(midnight + (n + 1) * QUARTER) for n in range(96 * days)]


@pytest.mark.clause("3.4-1")
@pytest.mark.clause("6.2.5-3")
@pytest.mark.skipif(not READINGS.exists(), reason=f"the steel plant's year is not at {READINGS}")
def test_a_month_of_a_steel_plant_arrives_as_its_counter_counted_it(world: World) -> None:
    source = csv_file.CsvFile(
        path=READINGS, column="Usage_kWh", time_column="date", time_format="%d/%m/%Y %H:%M",
        label="end",
    )  # fmt: skip
    # moved to a January in which there are devices: a clock that shows 2018 is not believed
    later = datetime(2026, 1, 1) - datetime(2018, 1, 1)
    readings = [(one.time + later, one.value) for one in csv_file.read(source).readings[: 32 * 96]]
    load, decimals = ReplayLoad.of(readings, QUARTER)
    plant = replay_plant(STEEL.items[0], load, decimals, rollover=timedelta(days=11, hours=3))
    live(world, plant, datetime(2026, 1, 1), datetime(2026, 2, 1, 2), poll=450)

    sent = arrived(world, ELECTRICITY, 0)
    month = {str(time): value * KWH for time, value in readings[: 31 * 96]}
    assert sorted(sent) == sorted(month)
    worst = max(abs(sent[when] - value) for when, value in month.items())
    assert worst == 0  # asked for is 1e-6

    days = arrived(world, ELECTRICITY, 1)
    assert len(days) == 31
    for number, value in enumerate(days[when] for when in sorted(days)):
        assert value == sum(list(month.values())[96 * number : 96 * number + 96])
    assert arrived(world, ELECTRICITY, 2) == {"2026-01-01 00:00:00": sum(month.values())}


@pytest.fixture
def two_days(world: World) -> Callable[..., None]:
    """Two days of the steel works, with faults of its first meter in hours."""
    begin = datetime(2026, 3, 1)

    def run(*told: tuple[FaultKind, float, float], rollover: float | None = None) -> None:
        faults = [
            Fault(kind, 1, begin + timedelta(hours=first), begin + timedelta(hours=last))
            for kind, first, last in told
        ]
        rolls = None if rollover is None else timedelta(hours=rollover)
        plant = fleet_plant(STEEL, begin, faults=faults, rollover=rolls)
        live(world, plant, begin, begin + timedelta(days=2, hours=2), poll=300)

    return run


def test_every_item_of_a_works_arrives_across_the_rollover_of_its_counter(
    world: World, two_days: Callable[..., None]
) -> None:
    two_days(rollover=30.2)
    for item in STEEL.items:
        wanted = ticks(STEEL, item, date(2026, 3, 1)) + ticks(STEEL, item, date(2026, 3, 2))
        sent = arrived(world, item.code, 0)
        assert [sent[when] for when in labels(date(2026, 3, 1), 2)] == wanted


@pytest.mark.parametrize("hours", [1.5, 2.0])
def test_a_silent_meter_leaves_out_the_ticks_it_touches_and_no_other_meters(
    world: World, two_days: Callable[..., None], hours: float
) -> None:
    two_days((FaultKind.SILENT, 8.02, 8.02 + hours))
    first, last = datetime(2026, 3, 1, 8, 15), datetime(2026, 3, 1, 8, 15) + 4 * hours * QUARTER
    for item in STEEL.items[:2]:
        sent = arrived(world, item.code, 0)
        wanted = dict(
            zip(labels(date(2026, 3, 1), 1), ticks(STEEL, item, date(2026, 3, 1)), strict=True)
        )
        out = {
            when for when in wanted if item.code == ELECTRICITY and first <= moment(when) <= last
        }
        assert len(out) in (0, 4 * hours + 1)
        assert {when: sent[when] for when in wanted if when in sent} == {
            when: value for when, value in wanted.items() if when not in out
        }


def moment(when: str) -> datetime:
    return datetime.fromisoformat(when)


def test_a_dead_meter_counts_nothing_and_a_new_one_makes_no_negative_amount(
    world: World, two_days: Callable[..., None]
) -> None:
    two_days((FaultKind.DEAD, 4.0, 6.0), (FaultKind.REPLACED, 20.0, 10**4))
    sent = arrived(world, ELECTRICITY, 0)
    assert {sent[when] for when in labels(date(2026, 3, 1), 1)[16:24]} == {Decimal(0)}
    assert min(sent.values()) >= 0


@pytest.mark.soak
@pytest.mark.clause("6.2.5-3")
def test_an_evening_at_sixty_times_the_speed_of_the_wall_clock(
    world: World,
) -> None:
    """Nobody waits for anybody here: polls come late by milliseconds, which count sixtyfold."""
    begin = datetime(2026, 3, 1, 22, 35)
    clock = WallClock(begin, speed=60)
    plant = fleet_plant(STEEL, begin)
    until = datetime(2026, 3, 2, 1, 10)

    def over() -> asyncio.Event:
        event = asyncio.Event()
        seconds = (until - clock.moment()).total_seconds() / 60
        asyncio.get_running_loop().call_later(seconds, event.set)
        return event

    serve(world, plant, clock, 60, over)
    for item in STEEL.items:
        wanted = ticks(STEEL, item, date(2026, 3, 1))
        sent = arrived(world, item.code, 0)
        told = labels(date(2026, 3, 1), 1)[91:]
        assert sorted(sent) == told
        for when, before, value in zip(told, wanted[90:], wanted[91:], strict=False):
            # a reading late by a tenth of a second is late by six, of nine hundred
            assert abs(sent[when] - value) <= max(before, value) / 50, (item.code, when)
    (uploaded,) = [time for time, path in world.platform.times if path == "/uploadEnergyData"]
    assert abs(uploaded - datetime(2026, 3, 2, 1, 5)) <= 60 * timedelta(seconds=5)
