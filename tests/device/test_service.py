"""Collecting and uploading in one process: schedule, hot reload, pausing, the clock's offset."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from nenghao.clock import CST
from nenghao.device import manual, notes, outbox
from nenghao.device.client import PlatformClient
from nenghao.device.collection.health import ClockOffset, SourceHealth
from nenghao.device.manual import Entry
from nenghao.device.service import Service
from nenghao.device.settings import DeviceSettings
from nenghao.standard.periods import StatType
from tests.device.collection.factory import ticks_of
from tests.device.collection.plants import Plant, collection_toml, gone, plants
from tests.device.collection.virtual import VirtualClock, play
from tests.device.world import DOWN, ELECTRICITY, World, configuration, settings

__all__ = ["plants"]

EVENING = datetime(2026, 3, 1, 22, 0)
DATA = "/uploadEnergyData"


def seconds(point: str, now: datetime) -> int:
    return (now - datetime(2026, 3, 1)) // timedelta(seconds=1)


class Bench:
    """A service over a world, in virtual time."""

    def __init__(self, world: World, begin: datetime = EVENING) -> None:
        self.world = world
        self.clock = VirtualClock(begin)
        self.settings: DeviceSettings = settings()
        self.world.platform.now = self.clock.now
        self.date_off = timedelta(0)
        self.service = Service(
            world.home,
            world.store,
            self.clock,
            load=lambda: self.settings,
            client_of=self._client,
        )

    def _client(
        self, settings: DeviceSettings, on_date: Callable[[datetime], None]
    ) -> PlatformClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            response = await self.world.platform(request)
            shown = (self.clock.now() + self.date_off).replace(tzinfo=CST)
            response.headers["date"] = format_datetime(shown)
            return response

        return PlatformClient(
            timeout=settings.timeout_seconds,
            transport=httpx.MockTransport(answer),
            on_date=on_date,
        )

    def play(self, script: Callable[[], Awaitable[None]], **extra: Any) -> None:
        async def work(stop: asyncio.Event) -> None:
            await self.service.run(stop, **extra)

        play(self.clock, work, script)

    async def pass_(self, **time: float) -> None:
        await self.clock.advance(timedelta(**time).total_seconds())


@pytest.fixture(autouse=True)
def _looking_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of virtual time is not to be spent looking at files."""
    monkeypatch.setattr("nenghao.device.service.LOOK_EVERY", 60.0)
    monkeypatch.setattr("nenghao.device.service.NOTE_EVERY", 1800.0)
    monkeypatch.setattr("nenghao.device.collection.collector.LOOK_EVERY", 600.0)
    monkeypatch.setattr("tests.device.collection.virtual.WAIT_STEP", 900.0)


def collecting(world: World, plants: dict[str, Plant]) -> None:
    plants["gate"] = Plant(seconds)
    world.home.collection_file.write_text(collection_toml("gate", poll=300), "utf-8")


@pytest.mark.clause("3.4-1")
@pytest.mark.clause("3.7-1")
@pytest.mark.clause("6.2.5-1")
def test_what_is_read_goes_up_at_the_minute_the_platform_gave(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    bench = Bench(world)

    async def script() -> None:
        await bench.pass_(hours=28)

    bench.play(script)
    uploads = [moment for moment, path in world.platform.times if path == DATA]
    assert len(uploads) == 2
    for upload, day in zip(uploads, (2, 3), strict=True):
        assert abs(upload - datetime(2026, 3, day, 1, 5)) <= timedelta(seconds=5)
    assert world.platform.days == ["2026-03-01", "2026-03-02"]
    values = world.platform.values()
    ticks = {key[2]: value for key, value in values.items() if key[1] == 0}
    assert len(ticks) == 8 + 96
    assert set(ticks.values()) == {900.0}
    assert values[ELECTRICITY, 1, "2026-03-02 00:00:00"] == 86400


def test_without_a_platform_collecting_goes_on_and_without_sources_uploading(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    bench = Bench(world)
    world.platform.trouble = lambda path, request: DOWN

    async def script() -> None:
        await bench.pass_(hours=30)
        plants["gate"].fault = plants["gate"].opening = gone()
        world.platform.trouble = lambda path, request: None
        await bench.pass_(hours=26)

    bench.play(script)
    assert world.platform.days == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert len([key for key in world.platform.values() if key[1] == 0]) == 8 + 96 + 16 + 0


def test_a_start_without_anybody_goes_on_from_what_is_kept(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)

    async def day(bench: Bench) -> None:
        await bench.pass_(hours=24)

    first = Bench(world)
    first.play(lambda: day(first))
    asked = len(world.platform.asked)
    world.platform.trouble = lambda path, request: DOWN
    second = Bench(world, datetime(2026, 3, 2, 22, 0))
    second.play(lambda: day(second))
    assert world.platform.count("/") == 1
    assert len(world.platform.asked) > asked
    with world.store.read() as connection:
        assert len(outbox.queued(connection)) == 1


def test_other_settings_are_taken_up_without_losing_the_queue(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    bench = Bench(world)
    world.platform.trouble = lambda path, request: DOWN if path == DATA else None

    async def script() -> None:
        await bench.pass_(hours=6)
        bench.settings = settings(timeout_seconds=7.0)
        world.home.settings_file.write_text("# changed\n")
        await bench.pass_(seconds=70)
        assert bench.service.settings.timeout_seconds == 7.0
        world.platform.trouble = lambda path, request: None
        await bench.pass_(hours=24)

    bench.play(script)
    assert world.platform.days == ["2026-03-01", "2026-03-02"]
    assert plants["gate"].opened == 1  # collecting was not interrupted


def test_a_changed_collection_and_configuration_are_taken_up_within_seconds(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    plants["new"] = Plant(seconds)
    bench = Bench(world)

    async def script() -> None:
        await bench.pass_(minutes=5)
        world.home.collection_file.write_text(collection_toml("new", poll=300), "utf-8")
        await bench.pass_(seconds=70)
        assert plants["new"].opened == 1
        world.configure(configuration())
        await bench.pass_(hours=26)

    bench.play(script)
    assert world.platform.count("/uploadConfigData") == 1


def test_a_pause_holds_batches_back_and_letting_go_sends_them(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    bench = Bench(world)

    async def script() -> None:
        await bench.pass_(minutes=5)
        bench.service.pause()
        assert bench.service.is_paused()
        await bench.pass_(hours=26)
        assert world.platform.taken == []
        with world.store.read() as connection:
            assert len(outbox.queued(connection)) == 1
        bench.service.resume()
        bench.service.send_now()
        await bench.pass_(seconds=30)
        assert world.platform.days == ["2026-03-01"]

    bench.play(script)


def test_send_now_does_not_wait_for_the_upload_time(world: World, plants: dict[str, Plant]) -> None:
    collecting(world, plants)
    bench = Bench(world)

    async def script() -> None:
        await bench.pass_(hours=2, minutes=10)
        assert world.platform.taken == []
        bench.service.send_now()
        await bench.pass_(seconds=30)

    bench.play(script)
    assert world.platform.count("/versionCheck") == 2


@pytest.mark.parametrize(("off", "wrong"), [(0, False), (45, False), (-61, True), (3600, True)])
def test_the_clock_is_compared_with_the_platforms(
    world: World, plants: dict[str, Plant], off: int, wrong: bool
) -> None:
    bench = Bench(world)
    bench.date_off = timedelta(seconds=-off)

    async def script() -> None:
        await bench.pass_(minutes=5)

    bench.play(script)
    offset = bench.service.clock_offset
    assert offset is not None
    assert (offset.seconds, offset.is_wrong) == (off, wrong)
    with world.store.read() as connection:
        assert notes.get(connection, notes.CLOCK, ClockOffset) == offset


def test_a_clock_that_is_wrong_is_warned_about_once_and_again_when_it_is_wrong_otherwise(
    world: World, plants: dict[str, Plant]
) -> None:
    bench = Bench(world)
    bench.date_off = timedelta(seconds=-90)

    async def script() -> None:
        await bench.pass_(minutes=5)
        bench.service.send_now()
        await bench.pass_(minutes=5)
        bench.date_off = timedelta(seconds=90)
        bench.service.send_now()
        await bench.pass_(minutes=5)

    with capture_logs() as logged:
        bench.play(script)
    told = [one["offset"] for one in logged if one["event"].startswith("本机时钟与平台相差")]
    assert told == ["比平台快 90 秒", "比平台慢 90 秒"]


def test_how_the_sources_stand_is_noted_when_it_changes(
    world: World, plants: dict[str, Plant]
) -> None:
    collecting(world, plants)
    bench = Bench(world)
    seen = []

    def noted() -> list[str]:
        with world.store.read() as connection:
            return [
                one.state for one in notes.get(connection, notes.HEALTH, list[SourceHealth]) or []
            ]

    async def script() -> None:
        await bench.pass_(minutes=2)
        seen.append(noted())
        plants["gate"].fault = plants["gate"].opening = gone()
        await bench.pass_(minutes=7)
        seen.append(noted())

    bench.play(script)
    assert seen == [["good"], ["fault"]]


def test_a_full_disk_stops_uploading_for_a_minute_and_not_the_device(
    world: World, plants: dict[str, Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting(world, plants)
    bench = Bench(world)
    write = world.store.write

    def full() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def script() -> None:
        await bench.pass_(hours=3)
        monkeypatch.setattr(world.store, "write", full)
        await bench.pass_(minutes=30)
        monkeypatch.setattr(world.store, "write", write)
        await bench.pass_(hours=23)

    bench.play(script)
    assert world.platform.days == ["2026-03-01"]
    ticks = ticks_of(world.store)
    assert len(ticks) == 8 + 96 + 2  # not one is missing: what was read meanwhile waited


def test_a_companion_that_fails_stops_nothing(world: World, plants: dict[str, Plant]) -> None:
    collecting(world, plants)
    bench = Bench(world)

    async def companion(service: Service, stop: asyncio.Event) -> None:
        raise RuntimeError("port taken")

    async def script() -> None:
        await bench.pass_(hours=4)

    bench.play(script, companions=(companion,))
    assert world.platform.days == ["2026-03-01"]


def test_what_is_entered_by_hand_goes_with_the_next_batch(world: World) -> None:
    bench = Bench(world)
    code = "00-00-0000-090100-80"
    entry = Entry(code, StatType.MONTH, datetime(2026, 2, 1), Decimal("12.5"))
    with world.store.write() as connection:
        manual.enter(connection, entry, EVENING, limits={})

    async def script() -> None:
        await bench.pass_(hours=30)

    bench.play(script)
    (receipt,) = world.platform.taken
    (record,) = receipt.upload.data
    assert (record.input_type, record.stat_type, record.stat_date, record.data_value) == (
        5, 2, "2026-02-01 00:00:00", 12.5
    )  # fmt: skip
    assert receipt.at.date() == date(2026, 3, 2)
