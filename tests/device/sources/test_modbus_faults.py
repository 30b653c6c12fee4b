from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.modbus import ModbusRtuSettings, ModbusTcpSettings
from tests.device.sources.broken_peers import (
    Behaviour,
    answers,
    free_port,
    hangs_up,
    peer,
    silent,
)
from tests.device.sources.modbus_peers import Units, bus, serial_line, tcp
from tests.device.sources.modbus_talk import (
    NOW,
    fault_of,
    point,
    read_once,
    rtu_source,
    tcp_source,
    values,
)


def test_nobody_there_is_unreachable_and_works_once_somebody_is() -> None:
    async def run() -> tuple[SourceFault, list[Sample]]:
        port = free_port()
        source = tcp_source(port, point("a", 0))
        fault = await fault_of(source.open)
        await source.close()
        async with tcp(Units({1: {0: [5]}}), port):
            return fault, await read_once(source)

    fault, samples = asyncio.run(run())
    assert fault.kind is FaultKind.UNREACHABLE
    assert "端口没有监听" in fault.text
    assert values(samples) == {"a": "5"}


def test_a_peer_that_dies_is_unreachable_and_works_after_opening_again() -> None:
    async def run() -> tuple[SourceFault, list[Sample]]:
        units = Units({1: {0: [5]}})
        async with tcp(units) as port:
            source = tcp_source(port, point("a", 0))
            await source.open()
            await source.read(NOW)
        fault = await fault_of(lambda: source.read(NOW))
        await source.close()
        async with tcp(units, port):
            return fault, await read_once(source)

    fault, samples = asyncio.run(run())
    assert fault.kind is FaultKind.UNREACHABLE
    assert values(samples) == {"a": "5"}


@pytest.mark.parametrize(
    ("behaviour", "kind", "word"),
    [
        (silent, FaultKind.TIMEOUT, "在 0.2 秒内没有应答"),
        (hangs_up, FaultKind.UNREACHABLE, "断开了连接"),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), FaultKind.GARBAGE, "不是合法的 Modbus"),
        (answers(b"\0\1\0\0\0\4\1\3\2\0"), FaultKind.GARBAGE, "应答"),
        (answers(b"\0\1\0\0\0\3\1\x55\2"), FaultKind.GARBAGE, "应答"),
        (answers(b"\0\1\0\0\0\x09\1\3\6\0\1\0\2\0\3"), FaultKind.GARBAGE, "应答 3 个寄存器"),
    ],
    ids=["silent", "hangs-up", "http", "short", "unknown-function", "too-many-registers"],
)
def test_a_peer_that_is_slow_or_talks_nonsense_is_named(
    behaviour: Behaviour, kind: FaultKind, word: str
) -> None:
    async def run() -> tuple[SourceFault, list[Sample]]:
        async with peer(behaviour) as port:
            source = tcp_source(port, point("a", 0), timeout_seconds=0.2)
            await source.open()
            fault = await fault_of(lambda: source.read(NOW))
            await source.close()
        async with tcp(Units({1: {0: [5]}}), port):
            return fault, await read_once(source)

    fault, samples = asyncio.run(run())
    assert (fault.kind, word in fault.text) == (kind, True), fault.text
    assert values(samples) == {"a": "5"}


def test_a_unit_nobody_knows_is_named_by_its_number() -> None:
    async def run() -> SourceFault:
        async with tcp(Units({1: {0: [5]}})) as port:
            source = tcp_source(port, point("a", 0, unit_id=77))
            await source.open()
            fault = await fault_of(lambda: source.read(NOW))
            await source.close()
            return fault

    fault = asyncio.run(run())
    assert fault.kind is FaultKind.UNREACHABLE
    assert "从站 77" in fault.text


def test_a_line_without_any_unit_is_a_time_out_and_works_once_there_is_one() -> None:
    async def run() -> tuple[SourceFault, dict[str, str]]:
        async with bus(Units({1: {0: [11]}})) as line:
            lost = rtu_source(line, point("a", 0, unit_id=9), timeout_seconds=0.2)
            await lost.open()
            fault = await fault_of(lambda: lost.read(NOW))
            await lost.close()
            return fault, values(await read_once(rtu_source(line, point("a", 0))))

    fault, found = asyncio.run(run())
    assert fault.kind is FaultKind.TIMEOUT
    assert found == {"a": "11"}


def test_noise_on_the_line_is_garbage() -> None:
    async def run() -> SourceFault:
        async with serial_line() as (near, far):
            noise = os.open(far, os.O_RDWR | os.O_NOCTTY)
            loop = asyncio.get_running_loop()
            loop.add_reader(noise, lambda: (os.read(noise, 99), os.write(noise, b"\1\3\2\0\7??")))
            source = rtu_source(near, point("a", 0), timeout_seconds=0.2)
            await source.open()
            fault = await fault_of(lambda: source.read(NOW))
            await source.close()
            loop.remove_reader(noise)
            os.close(noise)
            return fault

    fault = asyncio.run(run())
    assert fault.kind is FaultKind.GARBAGE, fault.text


def test_a_line_that_is_pulled_out_is_unreachable() -> None:
    async def run() -> SourceFault:
        master, slave = os.openpty()
        source = rtu_source(os.ttyname(slave), point("a", 0))
        os.close(slave)
        await source.open()
        asyncio.get_running_loop().call_soon(os.close, master)
        fault = await fault_of(lambda: source.read(NOW))
        await source.close()
        return fault

    assert asyncio.run(run()).kind is FaultKind.UNREACHABLE


def test_a_line_that_is_not_there_or_taken_says_so() -> None:
    async def run() -> tuple[SourceFault, SourceFault]:
        missing = await fault_of(rtu_source("/dev/nenghao-none", point("a", 0)).open)
        async with serial_line() as (near, _):
            first = rtu_source(near, point("a", 0))
            await first.open()
            taken = await fault_of(rtu_source(near, point("a", 0)).open)
            await first.close()
            return missing, taken

    missing, taken = asyncio.run(run())
    assert missing.kind is FaultKind.CONFIGURATION
    assert missing.text == "没有串口 /dev/nenghao-none"
    assert taken.kind is FaultKind.UNREACHABLE
    assert "占用" in taken.text


def test_closing_twice_or_unopened_is_harmless() -> None:
    async def run() -> SourceFault:
        source = tcp_source(free_port(), point("a", 0))
        await source.close()
        await source.close()
        return await fault_of(lambda: source.read(NOW))

    assert asyncio.run(run()).kind is FaultKind.UNREACHABLE


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"host": ""}, "host"),
        ({"port": 70000}, "port"),
        ({"colour": "red"}, "colour"),
        ({"max_registers": 126}, "max_registers"),
        ({"points": []}, "points"),
        ({"points": [{"name": "a", "address": 0}] * 2}, "名称重复：a"),
        ({"points": [{"name": "a", "address": 65535, "data_type": "uint32"}]}, "足够的寄存器"),
        ({"points": [{"name": "a", "address": 0, "data_type": "bool"}]}, "不能按 bool"),
        ({"points": [{"name": "a", "address": 0, "table": "coil", "data_type": "int16"}]}, "coil"),
        ({"points": [{"name": "a", "address": 0, "scale": "x"}]}, "采集点 a：scale"),
        ({"points": [{"name": "a", "address": 0, "order": "ACBD"}]}, "order"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(change: dict[str, Any], word: str) -> None:
    good = {
        "type": "modbus_tcp",
        "name": "电表",
        "host": "10.1.1.1",
        "points": [{"name": "a", "address": 0}],
    }
    assert msgspec.convert(good, ModbusTcpSettings)
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(good | change, ModbusTcpSettings)


def test_serial_units_have_numbers_from_1_to_247() -> None:
    with pytest.raises(ValueError, match="1 至 247"):
        ModbusRtuSettings(name="总线", port="/dev/ttyS0", points=[point("a", 0, unit_id=248)])


@pytest.mark.parametrize(
    ("source_type", "library"),
    [
        ("modbus_tcp", "pymodbus"),
        ("modbus_rtu", "pymodbus"),
        ("opcua", "asyncua"),
        ("mqtt", "aiomqtt"),
    ],
)
def test_a_library_is_imported_when_its_source_is_configured(
    source_type: str, library: str
) -> None:
    code = (
        "import sys; from nenghao.device.sources import registry;"
        "libraries = {'pymodbus', 'asyncua', 'aiomqtt'};"
        "assert not libraries & sys.modules.keys();"
        f"registry.settings_type({source_type!r});"
        f"assert libraries & sys.modules.keys() == {{{library!r}}}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
