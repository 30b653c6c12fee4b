"""Sources of DL/T 645 meters as tests set them up: impatient, and without pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from nenghao.device.sources import dlt645
from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.dlt645 import Dlt645Settings, Dlt645Source
from tests.device.sources.dlt645_peers import Bus, Meter, serial_server

NOW = datetime(2026, 3, 2, 10, 0, 3)
ENERGY = [{"name": "总表", "item": "00010000"}]


def settings(**changes: Any) -> Dlt645Settings:
    """As collection.toml would give it, impatient and without pauses."""
    block: dict[str, Any] = {
        "type": "dlt645",
        "name": "配电室",
        "points": ENERGY,
        "timeout_seconds": 0.1,
        "pause_milliseconds": 0,
        "gap_milliseconds": 20,
        "attempts": 1,
    }
    return msgspec.convert(block | changes, Dlt645Settings)


def source(port: int, **changes: Any) -> Dlt645Source:
    return dlt645.make(settings(host="127.0.0.1", port=port, **changes), Path())


def behind_tcp(
    bus: Bus, work: Callable[[Dlt645Source], Coroutine[Any, Any, None]], **changes: Any
) -> None:
    """Does `work` with an open source whose meters are behind a serial server."""

    async def run() -> None:
        async with serial_server(bus) as port:
            opened = source(port, **changes)
            await opened.open()
            try:
                await work(opened)
            finally:
                await opened.close()

    asyncio.run(run())


def values(found: list[Sample]) -> dict[str, str]:
    return {one.point: str(one.value) for one in found}


def three_phases() -> Meter:
    return Meter(
        "161",
        x00010000="12345.67",
        x02010100="220.1",
        x02010200="221.2",
        x02010300="222.3",
        x02030000="-5.1234",
        x02030100="1.0000",
    )


PHASES = [
    {"name": "Ua", "item": "02010100"},
    {"name": "Ub", "item": "02010200"},
    {"name": "Uc", "item": "02 01 03 00"},
    {"name": "P", "item": "02030000", "scale": "100", "unit": "kW"},
    {"name": "总", "item": "00010000", "scale": "100"},
]


async def fault(opened: Dlt645Source) -> SourceFault:
    """What opening or reading fails with; the source is closed again."""
    try:
        await opened.open()
        await opened.read(NOW)
    except SourceFault as found:
        return found
    finally:
        await opened.close()
    raise AssertionError("the source works")
