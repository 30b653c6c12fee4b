"""OPC UA sources for tests, and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.device.sources import opcua
from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.opcua import OpcUaSettings, OpcUaSource
from nenghao.device.sources.opcua_points import OpcUaPoint
from tests.device.sources.opcua_peers import (
    UaServer,
)

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000)


def point(name: str, node: str, **rest: Any) -> OpcUaPoint:
    return OpcUaPoint(name=name, node=node, **rest)


def source(
    server: UaServer, *points: OpcUaPoint, home: Path = Path("/nowhere"), **rest: Any
) -> OpcUaSource:
    rest.setdefault("timeout_seconds", 5)
    rest.setdefault("url", f"opc.tcp://127.0.0.1:{server.port}/")
    rest.setdefault("publish_seconds", 0.05)
    return opcua.make(OpcUaSettings(name="集控", points=list(points), **rest), home)


async def read_once(opened: OpcUaSource) -> list[Sample]:
    await opened.open()
    try:
        return await first_of(opened)
    finally:
        await opened.close()


async def first_of(opened: OpcUaSource) -> list[Sample]:
    """The first samples, of a subscription when they come."""
    async with asyncio.timeout(5):
        while not (found := await opened.read(china_now())):
            await opened.arrived.wait()
        return found


async def until(opened: OpcUaSource, value: str) -> Sample:
    """The first sample with this value."""
    async with asyncio.timeout(5):
        while True:
            for one in await opened.read(china_now()):
                if one.value == Decimal(value):
                    return one
            await opened.arrived.wait()


async def fault_of(call: Callable[[], Awaitable[object]]) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        await call()
    return caught.value


def values(samples: list[Sample]) -> dict[str, str]:
    return {one.point: str(one.value) for one in samples}
