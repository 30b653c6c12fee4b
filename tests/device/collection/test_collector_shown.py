"""What the collector tells others, in virtual time: remarks, faults in the log, live values."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import FrameType
from typing import Any

import structlog

from nenghao.device.collection.collector import Collector
from nenghao.device.sources.base import FaultKind, SourceFault
from tests.device.collection.bench import Bench, seconds
from tests.device.collection.factory import MORNING, QUARTER
from tests.device.collection.plants import Plant, collection_toml, gone, plants
from tests.device.world import ELECTRICITY, World

__all__ = ["plants"]


# --- remarks --------------------------------------------------------------------------------------


def test_what_a_source_left_out_is_shown_while_it_stands_and_logged_once(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))
    shown = []

    async def script() -> None:
        for remarks, fault in (
            (("第 3 行不是数值",), None),
            ((), None),
            (("第 3 行不是数值", "第 9 行不是数值"), None),
            (("第 3 行不是数值",), gone()),
            (("第 3 行不是数值",), None),
        ):
            plants["gate"].remarks, plants["gate"].fault = remarks, fault
            await bench.pass_(minutes=2)
            shown.append(bench.collector.health()[0].noticed)

    with structlog.testing.capture_logs() as logs:
        bench.play(script)
    assert shown == [("第 3 行不是数值",), (), ("第 3 行不是数值", "第 9 行不是数值"), (),
                     ("第 3 行不是数值",)]  # fmt: skip
    told = [entry["remarks"] for entry in logs if "remarks" in entry]
    assert told == [["第 3 行不是数值"], ["第 9 行不是数值"]]


def test_a_fault_of_another_kind_is_logged_anew_and_one_of_other_words_is_not(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds, fault=gone("第 1 次"))
    bench = Bench(world, collection_toml("gate"))

    async def script() -> None:
        await bench.pass_(minutes=2)
        plants["gate"].fault = gone("第 2 次")
        await bench.pass_(minutes=2)
        plants["gate"].fault = SourceFault(FaultKind.CREDENTIALS, "密码错误")
        await bench.pass_(minutes=2)

    with structlog.testing.capture_logs() as logs:
        bench.play(script)
    assert [entry["reason"] for entry in logs if "reason" in entry] == ["第 1 次", "密码错误"]


# --- live values ----------------------------------------------------------------------------------


def test_live_values_are_the_last_tick_of_items_and_the_last_sample_of_points(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))

    async def script() -> None:
        await bench.pass_(minutes=17)

    bench.play(script)
    item, point = bench.collector.live()
    assert (item.kind, item.code, item.value) == ("item", ELECTRICITY, Decimal(900))
    assert item.time == MORNING + QUARTER
    assert item.unit == "万千瓦时"
    assert (point.kind, point.name, point.good) == ("point", "gate.total", True)
    assert point.age is not None
    assert point.age < 10


def test_after_a_restart_the_last_tick_of_the_history_is_shown(
    world: World, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(seconds)
    bench = Bench(world, collection_toml("gate"))

    async def script() -> None:
        await bench.pass_(minutes=17)

    bench.play(script)
    before, _ = bench.collector.live()
    after, _ = Bench(world, collection_toml("gate")).collector.live()
    assert after.time == before.time == MORNING + QUARTER
    assert (after.value, after.good) == (before.value, True)


def test_the_work_of_live_values_grows_with_the_items_and_not_faster(
    world: World, plants: dict[str, Plant]
) -> None:
    def collected(items: int) -> Collector:
        points = "\n".join(f'  {{ name = "p{number}" }},' for number in range(items))
        blocks = "".join(
            f'[[item]]\ndata_code = "{number // 100 + 1:02d}-{number % 100:02d}-0000-023300-21"\n'
            f'kind = "counter"\nvalue = "gate.p{number}"\n'
            for number in range(items)
        )
        source = f'[[source]]\ntype = "scripted"\nname = "gate"\npoints = [\n{points}\n]\n'
        return Bench(world, source + blocks).collector

    def calls(collector: Collector, items: int) -> int:
        """Lines of Python that `live` runs: a measure that no busy machine changes."""
        count = 0

        def see(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal count
            count += event == "line"
            return see

        was = sys.gettrace()
        sys.settrace(see)
        try:
            values = collector.live()
        finally:
            sys.settrace(was)
        assert len(values) == 2 * items
        return count

    few, many = calls(collected(30), 30), calls(collected(120), 120)
    assert many < 5 * few
