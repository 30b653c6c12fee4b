from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from nenghao.device.sources import modbus
from nenghao.device.sources.base import Sample
from tests.device.sources.modbus_peers import Units, bus, tcp
from tests.device.sources.modbus_talk import (
    NOW,
    point,
    read_once,
    rtu_source,
    tcp_source,
    values,
)


@pytest.mark.clause("3.7-1")
def test_registers_of_a_real_server_become_samples_in_the_points_unit() -> None:
    units = Units({1: {0: [0x0001, 0xE240], 10: [0x42F6, 0xE979], 20: [0xFFFE]}})

    async def run() -> list[Sample]:
        async with tcp(units) as port:
            return await read_once(
                tcp_source(
                    port,
                    point("总进线", 0, data_type="uint32", scale="0.01", unit="kWh"),
                    point("功率", 10, data_type="float32"),
                    point("温度", 20, data_type="int16", scale="0.1", offset="5"),
                )
            )

    assert asyncio.run(run()) == [
        Sample("总进线", NOW, Decimal("1234.56")),
        Sample("功率", NOW, Decimal("123.456")),
        Sample("温度", NOW, Decimal("4.8")),
    ]


def test_all_four_tables_are_read() -> None:
    async def run() -> list[Sample]:
        async with tcp(Units({1: {0: [7, 8]}})) as port:
            return await read_once(
                tcp_source(
                    port,
                    point("保持", 0),
                    point("输入", 1, table="input"),
                    point("线圈", 4, table="coil"),
                    point("离散", 4, table="discrete"),
                )
            )

    found = values(asyncio.run(run()))
    assert found == {"保持": "7", "输入": "8", "线圈": "1", "离散": "0"}


def test_fifty_values_side_by_side_take_one_request() -> None:
    units = Units({1: {0: list(range(200))}})

    async def run() -> list[Sample]:
        async with tcp(units) as port:
            points = [point(f"p{at}", at, data_type="uint32") for at in range(0, 100, 2)]
            return await read_once(tcp_source(port, *points))

    assert len(asyncio.run(run())) == 50
    assert units.asked == [(1, 0, 100)]


def test_units_behind_one_address_are_told_apart() -> None:
    async def run() -> list[Sample]:
        async with tcp(Units({1: {0: [11]}, 2: {0: [22]}, 3: {0: [33]}})) as port:
            return await read_once(
                tcp_source(
                    port, point("a", 0, unit_id=1), point("b", 0, unit_id=2), point("c", 0),
                    unit_id=3,
                )
            )  # fmt: skip

    assert values(asyncio.run(run())) == {"a": "11", "b": "22", "c": "33"}


def test_serial_frames_through_a_transparent_serial_server() -> None:
    async def run() -> list[Sample]:
        async with tcp(Units({5: {0: [55], 500: [66]}}), rtu=True) as port:
            points = [point("a", 0), point("b", 500)]
            return await read_once(tcp_source(port, *points, unit_id=5, framing="rtu"))

    assert values(asyncio.run(run())) == {"a": "55", "b": "66"}


@pytest.mark.clause("3.7-1")
def test_units_on_a_serial_line_are_read_over_a_pseudo_terminal() -> None:
    async def run() -> list[Sample]:
        async with bus(Units({1: {0: [11]}, 247: {0: [0x1234], 40: [0, 99]}})) as line:
            return await read_once(
                rtu_source(
                    line,
                    point("a", 0),
                    point("b", 0, unit_id=247, data_type="bcd16"),
                    point("c", 40, unit_id=247, data_type="uint32"),
                    baudrate=115_200,
                )
            )

    assert values(asyncio.run(run())) == {"a": "11", "b": "1234", "c": "99"}


# --- parts that cannot be read -------------------------------------------------------------------


def test_registers_that_do_not_exist_between_two_values_are_read_around() -> None:
    units = Units({1: {0: list(range(30))}})
    units.refused = {5: ExcCodes.ILLEGAL_ADDRESS}

    async def run() -> list[dict[str, str]]:
        async with tcp(units) as port:
            source = tcp_source(port, point("a", 2), point("b", 8))
            await source.open()
            first = values(await source.read(NOW))
            units.asked.clear()
            second = values(await source.read(NOW))
            await source.close()
            return [first, second]

    assert asyncio.run(run()) == [{"a": "2", "b": "8"}] * 2
    assert units.asked == [(1, 2, 1), (1, 8, 1)]  # the lesson is learnt


def test_a_wrong_address_costs_its_own_point_and_is_named() -> None:
    units = Units({1: {0: list(range(60))}})
    units.refused = {20: ExcCodes.ILLEGAL_ADDRESS}

    async def run() -> tuple[list[Sample], tuple[str, ...]]:
        async with tcp(units) as port:
            source = tcp_source(port, *(point(f"p{at}", at) for at in range(40)))
            return await read_once(source), source.remarks

    samples, remarks = asyncio.run(run())
    assert sorted(values(samples)) == sorted(f"p{at}" for at in range(40) if at != 20)
    assert remarks == ("p20：从站 1 拒绝读取 holding 20–20：没有该地址（异常码 2）",)


def test_values_that_lie_within_each_other_are_tried_one_by_one() -> None:
    units = Units({1: {0: list(range(8))}})
    units.refused = {3: ExcCodes.ILLEGAL_ADDRESS}

    async def run() -> list[Sample]:
        async with tcp(units) as port:
            points = [point("wide", 0, data_type="uint64"), point("low", 0, data_type="uint32")]
            return await read_once(tcp_source(port, *points))

    assert values(asyncio.run(run())) == {"low": "1"}


def test_a_meter_behind_a_gateway_that_wakes_up_is_read_in_one_request_again() -> None:
    units = Units({1: {0: list(range(40))}})
    units.refused = dict.fromkeys(range(10, 20), ExcCodes.GATEWAY_NO_RESPONSE)

    async def run() -> tuple[int, int, tuple[str, ...]]:
        async with tcp(units) as port:
            source = tcp_source(port, *(point(f"p{at}", at) for at in range(40)))
            await source.open()
            asleep = len(await source.read(NOW))
            remarks = source.remarks
            units.refused.clear()
            awake = len(await source.read(NOW))
            units.asked.clear()
            await source.read(NOW)
            await source.close()
            assert source.remarks == ()
            return asleep, awake, remarks

    asleep, awake, remarks = asyncio.run(run())
    assert (asleep, awake) == (30, 40)
    assert "网关后的设备没有应答" in remarks[0]
    assert units.asked == [(1, 0, 40)]


def test_a_unit_that_refuses_everything_is_soon_left_alone() -> None:
    units = Units({1: {0: [1]}, 2: {0: list(range(100))}})
    units.refused = dict.fromkeys(range(10, 100), ExcCodes.ILLEGAL_ADDRESS)

    async def run() -> list[Sample]:
        async with tcp(units) as port:
            points = [point(f"p{at}", at, unit_id=2) for at in range(10, 100)]
            return await read_once(tcp_source(port, point("good", 0), *points))

    assert values(asyncio.run(run())) == {"good": "1"}
    assert len([one for one in units.asked if one[0] == 2]) == modbus.PATIENCE


def test_a_register_without_a_number_costs_its_own_point() -> None:
    async def run() -> tuple[list[Sample], tuple[str, ...]]:
        async with tcp(Units({1: {0: [0x7FC0, 0], 2: [0x12A4], 3: [5]}})) as port:
            source = tcp_source(
                port,
                point("nan", 0, data_type="float32"),
                point("bcd", 2, data_type="bcd16"),
                point("good", 3),
            )
            return await read_once(source), source.remarks

    samples, remarks = asyncio.run(run())
    assert values(samples) == {"good": "5"}
    assert "nan：7FC00000 不是有效的浮点数（NaN 或无穷大）" in remarks
    assert "bcd：12A4 不是 BCD 码" in remarks


def test_a_silent_unit_on_the_line_costs_its_own_points_and_is_asked_ever_less() -> None:
    units = Units({1: {0: [11]}})

    async def run() -> list[int]:
        async with bus(units) as line:
            source = rtu_source(line, point("a", 0), point("b", 0, unit_id=9), timeout_seconds=0.2)
            await source.open()
            requests = []
            inner = source._ask  # counts what goes out to the unit that never answers
            count = 0

            async def counting(span: Any) -> list[int]:
                nonlocal count
                count += span.unit_id == 9
                return await inner(span)

            source._ask = counting  # type: ignore[method-assign]
            for seconds in (0, 5, 10, 15, 41, 102):
                count = 0
                samples = await source.read(NOW + timedelta(seconds=seconds))
                assert values(samples) == {"a": "11"}
                assert "从站 9 在 0.2 秒内没有应答" in source.remarks[0]
                requests.append(count)
            await source.close()
            return requests

    assert asyncio.run(run()) == [1, 0, 1, 0, 1, 1]
