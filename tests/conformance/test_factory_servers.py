"""The simulated factory over real Modbus TCP and OPC UA: what is read is what the plant shows."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nenghao.clock import CST
from nenghao.conformance.factory import modbus_server, opcua_server
from nenghao.conformance.factory.clock import SetClock
from nenghao.conformance.factory.faults import Fault, FaultKind
from nenghao.conformance.factory.kinds import unit_of
from nenghao.conformance.factory.loads import ReplayLoad
from nenghao.conformance.factory.modbus_server import FactoryModbus
from nenghao.conformance.factory.opcua_server import FactoryOpcua
from nenghao.conformance.factory.plant import Character, Plant, fleet_plant, replay_plant

pytest.importorskip("pymodbus", reason="pip install nenghao[modbus]")
asyncua = pytest.importorskip("asyncua", reason="pip install nenghao[opcua]")

from pymodbus.client import AsyncModbusTcpClient  # noqa: E402

BEGIN = datetime(2026, 3, 1)
QUARTER = timedelta(minutes=15)
STEEL = unit_of("steel")


async def registers(client: AsyncModbusTcpClient, address: int, count: int) -> list[int]:
    answer = await client.read_holding_registers(address, count=count, device_id=1)
    assert not answer.isError(), answer
    return list(answer.registers)


async def connected(port: int) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5)
    assert await client.connect()
    return client


def number(words: list[int], form: str) -> Any:
    return struct.unpack(f">{form}", struct.pack(f">{len(words)}H", *words))[0]


def test_registers_hold_what_the_plant_shows_at_the_moment_of_reading() -> None:
    plant = fleet_plant(STEEL, BEGIN)
    clock = SetClock(BEGIN)

    async def run() -> None:
        async with FactoryModbus(plant, clock).serving() as port:
            client = await connected(port)
            for minutes in (0, 7, 15, 1440):
                clock.moment = BEGIN + timedelta(minutes=minutes)
                words = await registers(client, 0, 10 * len(plant.meters))
                for meter in plant.meters:
                    shown = plant.shown(meter, clock.moment)
                    block = words[modbus_server.counter_address(meter) :][:10]
                    assert number(block[0:4], "Q") == shown.counter
                    assert number(block[4:6], "f") == pytest.approx(shown.rate, rel=1e-6)
                    assert number(block[6:8], "I") == shown.counter % 2**32
                    assert block[8:] == [0, meter.decimals]
            client.close()

    asyncio.run(run())


def test_the_meters_clock_and_its_drift_stand_at_9000() -> None:
    plant = fleet_plant(STEEL, BEGIN, character=Character(drift=60, begin=BEGIN))
    clock = SetClock(BEGIN + timedelta(days=2))

    async def run() -> list[int]:
        async with FactoryModbus(plant, clock).serving() as port:
            client = await connected(port)
            words = await registers(client, modbus_server.CLOCK_ADDRESS, 6)
            client.close()
            return words

    assert asyncio.run(run()) == [2026, 3, 3, 0, 2, 0]


def test_a_silent_meter_gives_exception_11_and_its_neighbours_answer() -> None:
    silent = Fault(FaultKind.SILENT, 2, BEGIN, BEGIN + timedelta(hours=1))
    plant = fleet_plant(STEEL, BEGIN, faults=[silent])
    clock = SetClock(BEGIN)

    async def run() -> None:
        async with FactoryModbus(plant, clock).serving() as port:
            client = await connected(port)
            for address, count, code in ((10, 4, 11), (8, 3, 11), (0, 10, 0), (20, 10, 0)):
                answer = await client.read_input_registers(address, count=count, device_id=1)
                assert answer.exception_code == code, address
            clock.moment = silent.end
            assert len(await registers(client, 10, 4)) == 4
            client.close()

    asyncio.run(run())


def test_meters_cannot_be_written_and_nothing_lies_beyond_them() -> None:
    plant = fleet_plant(STEEL, BEGIN)

    async def run() -> list[int]:
        async with FactoryModbus(plant, SetClock(BEGIN)).serving() as port:
            client = await connected(port)
            written = await client.write_register(0, 1, device_id=1)
            beyond = await client.read_holding_registers(10 * len(plant.meters), count=1)
            client.close()
            return [written.exception_code, beyond.exception_code]

    assert asyncio.run(run()) == [1, 2]


def test_a_month_of_readings_is_played_back_to_the_last_digit_over_the_wire(
    steel_month: list[tuple[datetime, Decimal]],
) -> None:
    load, decimals = ReplayLoad.of(steel_month, QUARTER)
    plant = replay_plant(STEEL.items[0], load, decimals, rollover=timedelta(days=11, hours=3))
    (meter,) = plant.meters
    clock = SetClock(load.begin)

    async def run() -> list[int]:
        async with FactoryModbus(plant, clock).serving() as port:
            client = await connected(port)
            stands = []
            for tick in range(len(steel_month) + 1):
                clock.moment = load.begin + tick * QUARTER
                stands.append(number(await registers(client, 0, 4), "Q"))
            client.close()
            return stands

    stands = asyncio.run(run())
    assert sum(late < early for early, late in pairwise(stands)) == 1  # it rolled over once
    risen = [(late - early) % meter.modulus * meter.step for early, late in pairwise(stands)]
    assert risen == [amount for _, amount in steel_month]


@pytest.fixture
def steel_month() -> list[tuple[datetime, Decimal]]:
    """January 2018 of the steel plant: the end of each quarter hour and its kWh."""
    from nenghao.device.sources import csv_file

    path = Path(__file__).parents[2].parent / "shared/data/steel_plant_15min_2018.csv"
    if not path.exists():
        pytest.skip("没有钢厂数据 steel_plant_15min_2018.csv（UCI，CC BY 4.0）")
    source = csv_file.CsvFile(
        path=path, column="Usage_kWh", time_column="date", time_format="%d/%m/%Y %H:%M", label="end"
    )
    readings = csv_file.read(source).readings[: 31 * 96]
    assert readings[-1].time == datetime(2018, 2, 1)
    return [(one.time, one.value) for one in readings]


def test_two_servers_show_the_same_plant_and_a_taken_port_is_refused() -> None:
    plant = fleet_plant(STEEL, BEGIN)

    async def run() -> None:
        async with FactoryModbus(plant, SetClock(BEGIN)).serving() as port:
            with pytest.raises(OSError, match=str(port)):
                async with FactoryModbus(plant, SetClock(BEGIN), port=port).serving():
                    pass

    asyncio.run(run())


# --- OPC UA ---------------------------------------------------------------------------------------


async def opcua_values(url: str, plant: Plant) -> list[Any]:
    async with asyncua.Client(url) as client:
        nodes = [
            client.get_node(opcua_server.node_id(meter, name))
            for meter in plant.meters
            for name in ("Counter", "Rate", "Good")
        ]
        return [await node.read_data_value(raise_on_bad_status=False) for node in nodes]


def test_variables_hold_what_the_plant_shows_with_the_meters_own_time() -> None:
    plant = fleet_plant(STEEL, BEGIN, character=Character(drift=60, begin=BEGIN))
    clock = SetClock(BEGIN + timedelta(days=1))

    async def run() -> list[Any]:
        async with FactoryOpcua(plant, clock, port=0, refresh_seconds=None).serving() as url:
            return await opcua_values(url, plant)

    values = asyncio.run(run())
    for meter, counter, rate, good in zip(
        plant.meters, values[0::3], values[1::3], values[2::3], strict=True
    ):
        shown = plant.shown(meter, clock.moment)
        assert Decimal(repr(counter.Value.Value)) == shown.counter * meter.step
        assert rate.Value.Value == pytest.approx(shown.rate)
        assert good.Value.Value is True
        assert counter.StatusCode.is_good()
        stamp = counter.SourceTimestamp.replace(tzinfo=UTC).astimezone(CST)
        assert stamp.replace(tzinfo=None) == clock.moment + timedelta(seconds=60)


def test_status_codes_tell_of_faults_and_a_subscriber_hears_of_a_refresh() -> None:
    day = timedelta(days=1)
    told = [
        Fault(FaultKind.STUCK, 1, BEGIN, BEGIN + day),
        Fault(FaultKind.SILENT, 2, BEGIN, BEGIN + day),
    ]  # fmt: skip
    plant = fleet_plant(STEEL, BEGIN, faults=told)
    clock = SetClock(BEGIN)

    async def run() -> tuple[list[str], float]:
        factory = FactoryOpcua(plant, clock, port=0, refresh_seconds=None)
        async with factory.serving() as url:
            values = await opcua_values(url, plant)
            names = [one.StatusCode.name for one in values[0::3]]
            return names, await heard(factory, url)

    async def heard(factory: FactoryOpcua, url: str) -> float:
        news: asyncio.Queue[float] = asyncio.Queue()

        class Listener:
            def datachange_notification(self, node: object, value: float, data: object) -> None:
                news.put_nowait(value)

        async with asyncua.Client(url) as client:
            subscription = await client.create_subscription(20, Listener())
            node = client.get_node(opcua_server.node_id(plant.meters[2], "Counter"))
            await subscription.subscribe_data_change(node)
            async with asyncio.timeout(5):
                before = await news.get()
                clock.moment = BEGIN + timedelta(hours=6)
                await factory.refresh()
                return await news.get() - before

    names, risen = asyncio.run(run())
    assert names == ["UncertainLastUsableValue", "BadCommunicationError", *["Good"] * 5]
    meter = plant.meters[2]
    counts = meter.load.counts(BEGIN + timedelta(hours=6)) - meter.load.counts(BEGIN)
    assert risen == pytest.approx(counts / 1000, abs=1e-6)
