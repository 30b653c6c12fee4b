from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources import dlt645
from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.dlt645 import Dlt645Source
from nenghao.device.sources.dlt645_codec import MeterError
from tests.device.sources.broken_peers import answers, free_port, hangs_up, peer, silent
from tests.device.sources.dlt645_peers import Bus, Meter, pty, serial_server
from tests.device.sources.dlt645_world import (
    ENERGY,
    NOW,
    PHASES,
    behind_tcp,
    fault,
    settings,
    source,
    three_phases,
    values,
)

# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MeterError.NO_SUCH_DATA, FaultKind.CONFIGURATION),
        (MeterError.NOT_AUTHORISED, FaultKind.CREDENTIALS),
        (MeterError.OTHER, FaultKind.GARBAGE),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_standard(error: MeterError, kind: FaultKind) -> None:
    meter = Meter("1", x00010000="1")
    meter.errors = {"00010000": error}

    async def work(opened: Dlt645Source) -> None:
        found = await fault(opened)
        assert (found.kind, found.text.rpartition("：")[2]) == (kind, error.text)
        meter.errors = {}
        await opened.open()
        assert len(await opened.read(NOW)) == 1

    behind_tcp(Bus(meter), work)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (silent, FaultKind.TIMEOUT),
        (hangs_up, FaultKind.UNREACHABLE),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), FaultKind.GARBAGE),
        (answers(bytes.fromhex("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59")), FaultKind.GARBAGE),
    ],
)
def test_a_peer_that_is_no_help_is_named_and_a_meter_in_its_place_works(
    behaviour: Any, kind: FaultKind
) -> None:
    async def run() -> None:
        async with peer(behaviour) as port:
            opened = source(port)
            assert (await fault(opened)).kind is kind
        async with serial_server(Bus(three_phases()), port):
            await opened.open()
            assert values(await opened.read(NOW)) == {"总表": "12345.67"}
            await opened.close()

    asyncio.run(run())


def test_nobody_there_is_unreachable() -> None:
    assert asyncio.run(fault(source(free_port()))).kind is FaultKind.UNREACHABLE


def test_the_answer_of_another_meter_is_no_answer() -> None:
    async def work(opened: Dlt645Source) -> None:
        found = await fault(opened)
        assert (found.kind, "000000000009" in found.text) == (FaultKind.TIMEOUT, True)

    behind_tcp(Bus(three_phases()), work, meter="9")


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    meter = three_phases()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late = b""
        while question := await reader.read(4096):
            answer = meter.answer(question)
            writer.write(late + answer)
            late = answer

    async def run() -> None:
        async with peer(talk) as port:
            opened = source(port, points=PHASES, blocks=False)
            await opened.open()
            found = await opened.read(NOW)
            assert [str(one.value) for one in found[:3]] == ["220.1", "221.2", "222.3"]
            await opened.close()

    asyncio.run(run())


# --- serial --------------------------------------------------------------------------------------


@pytest.mark.clause("3.7-1")
@pytest.mark.parametrize("chunk", [0, 1, 5])
def test_a_serial_port_works_like_a_serial_server(chunk: int) -> None:
    bus = Bus(three_phases())
    bus.chunk = chunk

    async def run() -> None:
        async with pty(bus) as line:
            opened = dlt645.make(settings(parity="N", serial_port=line.name, points=PHASES), Path())
            await opened.open()
            assert values(await opened.read(NOW))["总"] == "1234567.00"
            again = dlt645.make(settings(parity="N", serial_port=line.name), Path())
            busy = await fault(again)
            assert (busy.kind, "占用" in busy.text) == (FaultKind.UNREACHABLE, True)
            await opened.close()
            await again.open()
            assert len(await again.read(NOW)) == 1
            await again.close()

    asyncio.run(run())


def test_an_adapter_that_is_pulled_out_is_unreachable() -> None:
    async def run() -> None:
        async with pty(Bus(three_phases())) as line:
            opened = dlt645.make(settings(parity="N", serial_port=line.name), Path())
            await opened.open()
            assert len(await opened.read(NOW)) == 1
            line.unplug()
            with pytest.raises(SourceFault) as caught:
                await opened.read(NOW)
            assert caught.value.kind is FaultKind.UNREACHABLE
            await opened.close()

    asyncio.run(run())


def test_a_file_that_is_no_serial_port_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = asyncio.run(fault(dlt645.make(settings(serial_port=str(tmp_path / "file")), Path())))
    assert found.kind is FaultKind.UNREACHABLE
    assert str(tmp_path / "file") in found.text


def test_a_silent_serial_line_is_a_time_out() -> None:
    async def run() -> None:
        async with pty(Bus()) as line:
            opened = dlt645.make(settings(parity="N", serial_port=line.name), Path())
            assert (await fault(opened)).kind is FaultKind.TIMEOUT

    asyncio.run(run())


def test_a_serial_port_that_is_not_there_says_so(tmp_path: Path) -> None:
    opened = dlt645.make(settings(serial_port=str(tmp_path / "ttyX")), Path())
    found = asyncio.run(fault(opened))
    assert found.kind is FaultKind.CONFIGURATION
    assert "ttyX" in found.text


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "serial_port"),
        ({"serial_port": "/dev/ttyS1", "host": "10.1.2.3", "port": 1}, "serial_port"),
        ({"host": "10.1.2.3"}, "port"),
        ({"serial_port": "x", "meter": "电表"}, "12 位"),
        ({"serial_port": "x", "points": []}, "length"),
        ({"serial_port": "x", "points": ENERGY * 2}, "重复"),
        ({"serial_port": "x", "points": [{"name": "a", "item": "0001"}]}, "数据标识"),
        ({"serial_port": "x", "points": [{"name": "a", "item": "0C010001"}]}, "decimals"),
        (
            {"serial_port": "x", "points": [{"name": "a", "item": "00010000", "scale": "0"}]},
            "scale",
        ),
        ({"serial_port": "x", "bauds": 9600}, "bauds"),
    ],
)
def test_settings_that_are_no_use_are_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        settings(**changes)


def test_a_meter_behind_a_serial_server_needs_no_serial_library() -> None:
    code = (
        "import sys, nenghao.device.sources.registry as r; r.module_of('dlt645');"
        "assert 'serial' not in sys.modules and 'pymodbus' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
