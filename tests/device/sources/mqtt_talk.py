"""MQTT sources for tests, what is published to them, and what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from nenghao.device.sources import mqtt
from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.mqtt import MqttSettings, MqttSource
from nenghao.device.sources.mqtt_payload import MqttPoint

NOW = datetime(2026, 3, 1, 12, 0, 10)
CONNACK = b"\x20\x02\0\0"
SUBACK = b"\x90\x03\0\x01\x01"


def point(name: str, topic: str, **rest: Any) -> MqttPoint:
    return MqttPoint(name=name, topic=topic, **rest)


def source(
    port: int,
    *points: MqttPoint,
    home: Path = Path("/nowhere"),
    stopwatch: Callable[[], float] | None = None,
    **rest: Any,
) -> MqttSource:
    rest.setdefault("timeout_seconds", 5)
    settings = MqttSettings(
        name="网关", host="127.0.0.1", port=port, points=list(points) or [point("a", "a")], **rest
    )
    if stopwatch is not None:
        return MqttSource(settings, home, stopwatch)
    return mqtt.make(settings, home)


async def publish(port: int, *messages: tuple[str, object], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic, payload in messages:
            text = payload if isinstance(payload, str) else json.dumps(payload)
            await client.publish(topic, text, qos=1, retain=retain)


async def samples_of(opened: MqttSource, count: int, now: datetime = NOW) -> list[Sample]:
    """So many samples, waiting for messages as they come."""
    found: list[Sample] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            await opened.arrived.wait()
            found += await opened.read(now)
    return found


def values(samples: list[Sample]) -> list[tuple[str, str]]:
    return [(one.point, str(one.value)) for one in samples]


async def fault_of(call: Callable[[], Awaitable[object]]) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        await call()
    return caught.value


async def loss_of(opened: MqttSource) -> SourceFault:
    """The fault that `read` tells once the connection has gone."""
    async with asyncio.timeout(10):
        await opened.arrived.wait()
    return await fault_of(lambda: opened.read(NOW))


def works(port: int, **settings: Any) -> list[tuple[str, str]]:
    """What a source reads of one message that is published after it was opened."""

    async def run() -> list[tuple[str, str]]:
        opened = source(port, point("a", "works"), **settings)
        await opened.open()
        try:
            await publish(port, ("works", "7"))
            return values(await samples_of(opened, 1))
        finally:
            await opened.close()

    return asyncio.run(run())
