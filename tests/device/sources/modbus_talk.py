"""Modbus sources for tests, and what they say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nenghao.device.sources import modbus
from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.modbus import ModbusRtuSettings, ModbusSource, ModbusTcpSettings
from nenghao.device.sources.modbus_settings import ModbusPoint

NOW = datetime(2026, 3, 1, 12, 0, 10)


def point(name: str, address: int, **rest: Any) -> ModbusPoint:
    return ModbusPoint(name=name, address=address, **rest)


def tcp_source(port: int, *points: ModbusPoint, **rest: Any) -> ModbusSource:
    rest.setdefault("timeout_seconds", 2)
    return modbus.make(
        ModbusTcpSettings(name="电表", host="127.0.0.1", port=port, points=list(points), **rest),
        Path("/nowhere"),
    )


def rtu_source(line: str, *points: ModbusPoint, **rest: Any) -> ModbusSource:
    rest.setdefault("timeout_seconds", 2)
    return modbus.make(
        ModbusRtuSettings(name="总线", port=line, points=list(points), **rest), Path("/nowhere")
    )


async def read_once(source: ModbusSource) -> list[Sample]:
    await source.open()
    try:
        return await source.read(NOW)
    finally:
        await source.close()


def values(samples: list[Sample]) -> dict[str, str]:
    return {one.point: str(one.value) for one in samples}


async def fault_of(call: Callable[[], Awaitable[object]]) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        await call()
    return caught.value
