"""The collector in virtual time: the grid, faults, back-off, reload, the clock, a full disk."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
import structlog

from nenghao.device.collection import disk
from nenghao.device.collection.collector import Collector
from nenghao.device.collection.health import ClockOffset
from nenghao.device.sources.base import FaultKind, SourceFault
from tests.device.collection.bench import START, Bench, seconds
from tests.device.collection.factory import MORNING, QUARTER
from tests.device.collection.plants import Plant, collection_toml, gone, plants
from tests.device.collection.virtual import VirtualClock, play
from tests.device.world import World

__all__ = ["plants"]


@pytest.mark.clause("3.7-1")
def test_every_source_is_read_at_once_and_then_on_its_grid(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"], plants["boiler"] = Plant(seconds), Plant(seconds)
    bench = Bench(world, collection_toml("gate", "boiler"))

    async def script() -> None:
        await bench.pass_(minutes=31)

    bench.play(script)
    for plant in plants.values():
        assert plant.reads[0] == START
        assert plant.reads[1:4] == [MORNING, MORNING + timedelta(seconds=10),
                                    MORNING + timedelta(seconds=20)]  # fmt: skip
        assert plant.taken == len(plant.reads)
        assert plant.closed == plant.opened == 1
    assert bench.ticks() == {MORNING + QUARTER: 900, MORNING + QUARTER * 2: 900}


def test_a_source_that_dies_is_opened_again_with_growing_pauses_and_named(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"], plants["boiler"] = Plant(seconds), Plant(seconds)
    bench = Bench(world, collection_toml("gate", "boiler"))
    states = []

    async def script() -> None:
        await bench.pass_(minutes=1)
        plants["boiler"].opening = plants["boiler"].fault = gone()
        await bench.pass_(minutes=5)
        states.extend(bench.collector.health())
        plants["boiler"].opening = plants["boiler"].fault = None
        await bench.pass_(minutes=2)
        states.extend(bench.collector.health())

    bench.play(script)
    gate, boiler, _, better = states
    assert gate.state == "good"
    assert (boiler.state, boiler.fault_kind, boiler.fault_text) == (
        "fault", FaultKind.UNREACHABLE, "连接被拒绝"
    )  # fmt: skip
    assert boiler.label == "无法连接"
    assert boiler.age is not None
    assert 280 < boiler.age < 310
    assert boiler.next_try is not None
    assert (better.state, better.fault_text) == ("good", "")
    # 1 + 2 + 5 + 10 + 30 + 60 + 60 + 60 … seconds: nine openings in five minutes, not thirty
    assert 7 <= plants["boiler"].opened <= 11
    assert len(plants["gate"].reads) == 1 + 48


@pytest.mark.parametrize(
    ("trouble", "kind", "word"),
    [
        (SourceFault(FaultKind.CREDENTIALS, "用户名或密码错误"), FaultKind.CREDENTIALS, "密码错误"),
        (SourceFault(FaultKind.GARBAGE, "应答长度不对"), FaultKind.GARBAGE, "长度"),
        (ZeroDivisionError("x"), FaultKind.GARBAGE, "程序出错：ZeroDivisionError"),
    ],
)
def test_whatever_a_source_does_concerns_no_other(
    world: World, plants: dict[str, Plant], trouble: Exception, kind: FaultKind, word: str
) -> None:
    plants["gate"], plants["bad"] = Plant(seconds), Plant(seconds, fault=trouble)
    bench = Bench(world, collection_toml("gate", "bad"))
    states = []

    async def script() -> None:
        await bench.pass_(minutes=16)
        states.extend(bench.collector.health())

    bench.play(script)
    assert states[0].state == "good"
    assert (states[1].fault_kind, word in states[1].fault_text) == (kind, True)
    assert len(bench.ticks()) == 1


def test_a_source_that_never_answers_is_a_time_out_and_no_more(
    world: World, plants: dict[str, Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nenghao.device.collection.feeder.READ_SECONDS", 0.01)
    plants["gate"], plants["slow"] = Plant(seconds), Plant(seconds, slow=True)
    text = collection_toml("gate", "slow").replace(
        'name = "slow"', 'name = "slow"\ntimeout_seconds = 0.001'
    )
    bench = Bench(world, text)
    states = []

    async def script() -> None:
        import asyncio

        await bench.pass_(seconds=5)
        await asyncio.sleep(0.05)
        await bench.pass_(minutes=16)
        states.extend(bench.collector.health())

    bench.play(script)
    assert states[0].state == "good"
    assert states[1].fault_kind is FaultKind.TIMEOUT
    assert len(bench.ticks()) == 1


def test_a_library_that_is_missing_is_a_fault_of_that_source(
    world: World, plants: dict[str, Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nenghao.device.sources import registry

    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))

    def missing(*_: object) -> None:
        raise registry.MissingLibrary("请安装：pip install nenghao[modbus]")

    monkeypatch.setattr(registry, "make", missing)
    states = []

    async def script() -> None:
        await bench.pass_(seconds=10)
        states.extend(bench.collector.health())

    bench.play(script)
    assert states[0].fault_kind is FaultKind.CONFIGURATION
    assert "nenghao[modbus]" in states[0].fault_text


# --- reload ---------------------------------------------------------------------------------------


def test_a_changed_file_is_taken_up_and_what_is_as_before_goes_on(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"], plants["boiler"], plants["new"] = (Plant(seconds) for _ in range(3))
    bench = Bench(world, collection_toml("gate", "boiler"))

    async def script() -> None:
        await bench.pass_(minutes=10)
        bench.write(collection_toml("gate", "new"))
        assert bench.collector.reload()
        await bench.pass_(minutes=10)

    bench.play(script)
    assert plants["gate"].opened == 1
    assert (plants["boiler"].opened, plants["boiler"].closed) == (1, 1)
    assert plants["boiler"].reads[-1] <= MORNING + timedelta(minutes=10)
    assert plants["new"].reads[0] >= MORNING + timedelta(minutes=9, seconds=50)
    assert bench.ticks() == {MORNING + QUARTER: 900}


def test_a_file_with_errors_changes_nothing_and_is_named(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))

    async def script() -> None:
        await bench.pass_(minutes=5)
        bench.write(collection_toml("gate").replace("kind", "kid"))
        assert not bench.collector.reload()
        assert "未知的键 kid" in "".join(bench.collector.faults)
        await bench.pass_(minutes=12)
        bench.write(collection_toml("gate"))
        assert bench.collector.reload()
        assert bench.collector.faults == ()

    bench.play(script)
    assert len(bench.ticks()) == 1


def test_a_device_without_a_collection_collects_nothing_and_runs(world: World) -> None:
    clock = VirtualClock(START)
    collector = Collector(world.home, world.store, clock)

    async def script() -> None:
        await clock.advance(60)

    play(clock, collector.run, script)
    assert collector.health() == []
    assert collector.live() == []


# --- the clock ------------------------------------------------------------------------------------


def test_a_clock_set_back_an_hour_goes_on_with_the_right_times(
    world: World, plants: dict[str, Plant]
) -> None:
    bench = Bench(world, "")
    plants["gate"] = Plant(lambda point, now: int(bench.clock.elapsed))
    bench.write(collection_toml("gate"))
    bench.collector.reload()

    async def script() -> None:
        await bench.pass_(hours=2)
        bench.clock.step(-3600)
        await bench.pass_(hours=2)

    bench.play(script)
    ticks = bench.ticks()
    assert max(ticks) == MORNING + timedelta(hours=3) - QUARTER
    assert all(value >= 0 for value in ticks.values())
    assert sum(ticks.values()) == 4 * 3600 - 900  # all four hours, up to the last whole tick


def test_a_clock_that_lost_its_time_is_not_believed_until_the_platform_agrees(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))
    states = []

    async def script() -> None:
        await bench.pass_(minutes=16)
        bench.clock.step(-86400 * 9000)
        await bench.pass_(minutes=30)
        states.extend(bench.collector.health())
        bench.clock.step(86400 * 9000 - 86400 * 30)
        await bench.pass_(minutes=3)
        states.extend(bench.collector.health())
        bench.collector.confirm_clock(ClockOffset(7200, bench.clock.now()))
        await bench.pass_(minutes=2)
        states.extend(bench.collector.health())
        bench.collector.confirm_clock(ClockOffset(1, bench.clock.now()))
        await bench.pass_(minutes=2)
        states.extend(bench.collector.health())

    with structlog.testing.capture_logs() as logs:
        bench.play(script)
    assert [state.state for state in states] == ["fault", "fault", "fault", "good"]
    assert "早于最近一次采集" in states[0].fault_text
    assert "不采集" in states[1].fault_text
    assert states[0].fault_text != states[1].fault_text  # the page shows the time as it is now
    said = [entry["event"] for entry in logs if entry.get("source") == "gate"]
    assert said == ["采集来源故障", "采集来源已恢复"]  # not every minute


# --- the disk -------------------------------------------------------------------------------------


class Disk:
    """A disk that can be full: for everything, or for growth only."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self._write = world.store.write

    def fill(self, patch: pytest.MonkeyPatch) -> None:
        def full() -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(self._store, "write", full)

    def clear(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(self._store, "write", self._write)

    def limit(self) -> None:
        (pages,) = self._store._connection.execute("PRAGMA page_count").fetchone()
        self._store._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_stops_collection_last_and_says_so(
    world: World, plants: dict[str, Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nenghao.device.collection.collector.MOST_WAITING", 200)
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))
    full = Disk(world)
    states = []

    async def script() -> None:
        await bench.pass_(minutes=16)
        full.fill(monkeypatch)
        await bench.pass_(minutes=30)
        states.extend(bench.collector.health())
        await bench.pass_(minutes=30)
        states.extend(bench.collector.health())
        full.clear(monkeypatch)
        await bench.pass_(minutes=2)
        states.extend(bench.collector.health())

    bench.play(script)
    waiting, stopped, better = states
    assert waiting.state == "good"
    assert "磁盘已满" in waiting.remark
    assert "个采样在内存中等待" in waiting.remark
    assert stopped.state == "fault"
    assert "磁盘已满，采集已停止" in stopped.fault_text
    assert (better.state, better.remark) == ("good", "")
    known = [time for time in bench.ticks() if time <= MORNING + timedelta(minutes=45)]
    assert len(known) == 3  # what waited in memory is there
    assert plants["gate"].taken < len(plants["gate"].reads)


def test_when_the_database_cannot_grow_older_raw_samples_are_given_up_and_collecting_goes_on(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))
    states = []

    async def script() -> None:
        await bench.pass_(minutes=16)
        Disk(world).limit()
        await bench.pass_(hours=1)
        states.extend(bench.collector.health())

    bench.play(script)
    assert (states[0].state, states[0].remark) == ("good", "")
    assert list(bench.ticks().values()) == [900] * 5


def test_the_reserve_is_given_up_and_restored(world: World) -> None:
    ballast = disk.Ballast(world.home.root)
    if not ballast.restore():
        pytest.skip("less than 72 MB free on this disk")
    file = world.home.root / "reserve.bin"
    assert file.stat().st_size == disk.RESERVE_BYTES
    assert ballast.release()
    assert not file.exists()
    assert not ballast.release()
