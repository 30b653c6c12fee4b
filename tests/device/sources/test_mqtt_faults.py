from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from tests.device.sources.broken_peers import (
    Behaviour,
    answers,
    free_port,
    hangs_up,
    peer,
    silent,
)
from tests.device.sources.mosquitto import Broker, needs_mosquitto
from tests.device.sources.mqtt_talk import (
    CONNACK,
    NOW,
    SUBACK,
    fault_of,
    loss_of,
    point,
    publish,
    samples_of,
    source,
    values,
    works,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("mosquitto"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@needs_mosquitto
def test_a_broker_that_dies_is_unreachable_and_works_after_opening_again(
    own_broker: Broker,
) -> None:
    async def run() -> tuple[list[Sample], SourceFault, SourceFault, list[Sample]]:
        opened = source(own_broker.open, point("a", "a"))
        await opened.open()
        await publish(own_broker.open, ("a", "1"))
        before = await samples_of(opened, 1)
        own_broker.stop()
        gone = await loss_of(opened)
        await opened.close()
        refused = await fault_of(opened.open)
        await opened.close()
        own_broker.start()
        await opened.open()
        await publish(own_broker.open, ("a", "2"))
        after = await samples_of(opened, 1)
        await opened.close()
        return before, gone, refused, after

    before, gone, refused, after = asyncio.run(run())
    assert values(before) == [("a", "1")]
    assert gone.kind is FaultKind.UNREACHABLE
    assert refused.kind is FaultKind.UNREACHABLE
    assert "没有监听" in refused.text
    assert values(after) == [("a", "2")]


@needs_mosquitto
def test_samples_that_came_before_the_connection_broke_are_not_lost(own_broker: Broker) -> None:
    async def run() -> tuple[list[Sample], SourceFault]:
        opened = source(own_broker.open, point("a", "a"))
        await opened.open()
        await publish(own_broker.open, ("a", "1"))
        await opened.arrived.wait()
        own_broker.stop()
        assert opened._listening is not None
        async with asyncio.timeout(5):
            await asyncio.wait([opened._listening])
        found = await opened.read(NOW)
        fault = await fault_of(lambda: opened.read(NOW))
        await opened.close()
        return found, fault

    found, fault = asyncio.run(run())
    assert values(found) == [("a", "1")]
    assert fault.kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize(
    ("behaviour", "kind", "word"),
    [
        (silent, FaultKind.TIMEOUT, "0.3 秒内"),
        (hangs_up, FaultKind.UNREACHABLE, "断开了连接"),
        (answers(b"HTTP/1.1 400 Bad Request\r\n"), FaultKind.GARBAGE, "不是 MQTT"),
        (answers(b"\0\0\0\0\0\0"), FaultKind.GARBAGE, "不是 MQTT"),
        (answers(b"\x20\xff\xff\xff\xff\xff"), FaultKind.GARBAGE, "不是 MQTT"),
        (answers(b"\x20\x01\0"), FaultKind.GARBAGE, "不是 MQTT"),
        (answers(b"\x20\x02\0\5"), FaultKind.CREDENTIALS, "拒绝登录"),
        (answers(b"\x20\x02\0\3"), FaultKind.UNREACHABLE, "拒绝服务"),
        (answers(b"\x20\x02\0\2"), FaultKind.CONFIGURATION, "client_id"),
        (answers(CONNACK), FaultKind.TIMEOUT, "0.3 秒内"),
        (answers(CONNACK + b"\x90\x03\0\x01\x80"), FaultKind.CREDENTIALS, "不允许订阅主题 a"),
    ],
    ids=[
        "silent",
        "hangs-up",
        "http",
        "zeros",
        "endless-length",
        "short-connack",
        "not-authorised",
        "unavailable",
        "identifier",
        "no-suback",
        "denied-topic",
    ],
)
def test_a_peer_that_gives_no_session_is_named(
    behaviour: Behaviour, kind: FaultKind, word: str
) -> None:
    async def run() -> SourceFault:
        async with peer(behaviour) as port:
            opened = source(port, timeout_seconds=0.3)
            fault = await fault_of(opened.open)
            await opened.close()
            assert len(asyncio.all_tasks()) <= 2  # nothing of the client is left
            return fault

    fault = asyncio.run(run())
    assert (fault.kind, word in fault.text) == (kind, True), fault.text


@needs_mosquitto
def test_after_a_peer_that_was_no_broker_a_broker_works(own_broker: Broker) -> None:
    own_broker.stop()

    async def nonsense() -> SourceFault:
        async with peer(answers(b"HTTP/1.1 400\r\n"), own_broker.open):
            return await fault_of(source(own_broker.open, timeout_seconds=0.3).open)

    assert asyncio.run(nonsense()).kind is FaultKind.GARBAGE
    own_broker.start()
    assert works(own_broker.open) == [("a", "7")]


def test_a_topic_that_is_denied_costs_its_own_points() -> None:
    async def run() -> tuple[str, ...]:
        reply = CONNACK + b"\x90\x04\0\x01\x01\x80"
        async with peer(answers(reply)) as port:
            opened = source(port, point("a", "a"), point("b", "b"), timeout_seconds=2)
            await opened.open()
            await opened.read(NOW)
            remarks = opened.remarks
            await opened.close()
            return remarks

    assert asyncio.run(run()) == ("没有权限订阅主题 b",)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (b"\0\0\0\0", FaultKind.GARBAGE),
        (b"", FaultKind.UNREACHABLE),
    ],
)
def test_a_session_that_breaks_says_how(words: bytes, kind: FaultKind) -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(CONNACK)
        await reader.read(100)
        writer.write(SUBACK + words)
        await writer.drain()
        if words:
            await silent(reader, writer)

    async def run() -> SourceFault:
        async with peer(session) as port:
            opened = source(port)
            await opened.open()
            fault = await loss_of(opened)
            await opened.close()
            return fault

    assert asyncio.run(run()).kind is kind


def test_a_broker_that_answers_no_heartbeat_is_a_time_out() -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(CONNACK)
        await reader.read(100)
        writer.write(SUBACK)
        await silent(reader, writer)

    async def run() -> SourceFault:
        async with peer(session) as port:
            opened = source(port, keepalive_seconds=1)
            await opened.open()
            fault = await loss_of(opened)
            await opened.close()
            return fault

    assert asyncio.run(run()).kind is FaultKind.TIMEOUT


@needs_mosquitto
def test_nonsense_in_one_topic_is_a_remark_until_sense_follows(broker: Broker) -> None:
    async def run() -> list[tuple[str, ...]]:
        opened = source(broker.open, point("bad", "sense/bad", path="v"), point("ok", "sense/ok"))
        await opened.open()
        await publish(broker.open, ("sense/bad", "<xml/>"), ("sense/ok", "1"))
        await samples_of(opened, 1)
        seen = [opened.remarks]
        await publish(broker.open, ("sense/bad", {"v": 1}))
        await samples_of(opened, 1)
        seen.append(opened.remarks)
        await opened.close()
        return seen

    seen = asyncio.run(run())
    assert seen == [("采集点 bad：主题 sense/bad：报文不是合法的 JSON",), ()]


@needs_mosquitto
def test_nothing_but_nonsense_is_garbage_and_works_after_opening_again(broker: Broker) -> None:
    async def run() -> tuple[SourceFault, list[Sample]]:
        opened = source(broker.open, point("a", "nonsense"))
        await opened.open()
        await publish(broker.open, ("nonsense", "<xml/>"))
        fault = await loss_of(opened)
        await opened.close()
        await opened.open()
        await publish(broker.open, ("nonsense", "5"))
        found = await samples_of(opened, 1)
        await opened.close()
        return fault, found

    fault, found = asyncio.run(run())
    assert fault.kind is FaultKind.GARBAGE
    assert values(found) == [("a", "5")]


def test_closing_twice_or_unopened_is_harmless() -> None:
    async def run() -> SourceFault:
        opened = source(free_port())
        await opened.close()
        await opened.close()
        return await fault_of(lambda: opened.read(NOW))

    assert asyncio.run(run()).kind is FaultKind.UNREACHABLE
