from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.clock import china_now
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.opcua import OpcUaSettings
from tests.device.sources.broken_peers import (
    Behaviour,
    answers,
    free_port,
    hangs_up,
    peer,
    silent,
)
from tests.device.sources.opcua_peers import (
    Proxy,
    UaServer,
    ua_server,
)
from tests.device.sources.opcua_talk import (
    AT,
    fault_of,
    first_of,
    point,
    read_once,
    source,
    values,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UaServer]:
    with ua_server(tmp_path_factory.mktemp("opcua")) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device's directory, of which making the key takes its time."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_a_server_that_dies_is_unreachable_and_works_after_opening_again(
    server: UaServer, reading: str
) -> None:
    server.write("dying", 3.0, at=AT)

    async def run() -> tuple[SourceFault, SourceFault, list[Sample]]:
        proxy = Proxy(server)
        opened = source(server, point("a", server.node("dying")), url=proxy.url, reading=reading)
        async with proxy:
            await opened.open()
            await first_of(opened)
            await proxy.cut()
            gone = await fault_of(lambda: opened.read(china_now()))
            await opened.close()
        refused = await fault_of(opened.open)
        await opened.close()
        async with proxy:
            return gone, refused, await read_once(opened)

    gone, refused, found = asyncio.run(run())
    assert gone.kind is FaultKind.UNREACHABLE, gone.text
    assert refused.kind is FaultKind.UNREACHABLE
    assert "没有监听" in refused.text
    assert found[0] == Sample("a", AT, Decimal(3))


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_a_server_that_falls_silent_is_a_time_out_and_works_after_opening_again(
    server: UaServer, reading: str
) -> None:
    server.write("slow", 3.0, at=AT)

    async def run() -> tuple[SourceFault, list[Sample]]:
        async with Proxy(server) as proxy:
            settings: dict[str, Any] = {"url": proxy.url, "reading": reading}
            settings["timeout_seconds"] = 0.4
            opened = source(server, point("a", server.node("slow")), **settings)
            await opened.open()
            await first_of(opened)
            proxy.hold()
            fault = await fault_of(lambda: opened.read(china_now()))
            await opened.close()
            proxy.mend()
            return fault, await read_once(opened)

    fault, found = asyncio.run(run())
    assert fault.kind is FaultKind.TIMEOUT, fault.text
    assert values(found) == {"a": "3"}


def test_a_server_that_begins_to_talk_nonsense_is_garbage_and_works_after_opening_again(
    server: UaServer,
) -> None:
    server.write("mad", 3.0, at=AT)

    async def run() -> tuple[SourceFault, list[Sample]]:
        async with Proxy(server) as proxy:
            opened = source(server, point("a", server.node("mad")), url=proxy.url, reading="poll")
            await opened.open()
            await opened.read(china_now())
            proxy.spoil()
            fault = await fault_of(lambda: opened.read(china_now()))
            await opened.close()
            proxy.mend()
            return fault, await read_once(opened)

    fault, found = asyncio.run(run())
    assert fault.kind is FaultKind.GARBAGE, fault.text
    assert values(found) == {"a": "3"}


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (silent, FaultKind.TIMEOUT),
        (hangs_up, FaultKind.UNREACHABLE),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), FaultKind.GARBAGE),
        (answers(b"\0" * 64), FaultKind.GARBAGE),
        (answers(b"ACKF\x10\0\0\0\xff\xff\xff\xff\0\0\0\0"), FaultKind.GARBAGE),
    ],
    ids=["silent", "hangs-up", "http", "zeros", "short-acknowledge"],
)
@pytest.mark.parametrize("security", ["None", "Basic256Sha256"])
def test_a_peer_that_is_no_server_is_named(
    server: UaServer, home: Path, behaviour: Behaviour, kind: FaultKind, security: str
) -> None:
    async def run() -> SourceFault:
        async with peer(behaviour) as port:
            opened = source(
                server,
                point("a", "ns=2;s=x"),
                home=home,
                url=f"opc.tcp://127.0.0.1:{port}/",
                security=security,
                timeout_seconds=0.4,
            )
            fault = await fault_of(opened.open)
            await opened.close()
            return fault

    fault = asyncio.run(run())
    assert fault.kind is kind, fault.text


def test_after_the_end_nothing_runs_on(server: UaServer) -> None:
    server.write("end", 3.0)

    async def run() -> set[str]:
        await read_once(source(server, point("a", server.node("end"))))
        await asyncio.sleep(0)
        return {str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_closing_twice_or_unopened_is_harmless(server: UaServer) -> None:
    async def run() -> SourceFault:
        opened = source(server, point("a", "ns=2;s=x"), url=f"opc.tcp://127.0.0.1:{free_port()}")
        await opened.close()
        await opened.close()
        return await fault_of(lambda: opened.read(china_now()))

    assert asyncio.run(run()).kind is FaultKind.UNREACHABLE


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": "http://10.1.1.1"}, "url"),
        ({"url": "opc.tcp://reader:secret@10.1.1.1"}, "url"),
        ({"security": "Basic128Rsa15"}, "security"),
        ({"colour": "red"}, "colour"),
        ({"points": []}, "points"),
        ({"password": "x"}, "username"),
        ({"username": "u", "user_certificate": "c", "user_private_key": "k"}, "只能给出一个"),
        ({"certificate": "c.der"}, "应同时给出"),
        ({"server_certificate": "c.der"}, "security 为 None"),
        ({"points": [{"name": "a", "node": "i=1"}] * 2}, "名称重复：a"),
        ({"points": [{"name": "a", "node": "Boiler"}]}, "采集点 a：节点 'Boiler' 不合法"),
        ({"points": [{"name": "a", "node": "i=1", "scale": "x"}]}, "采集点 a：scale"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(change: dict[str, Any], word: str) -> None:
    good: dict[str, Any] = {
        "type": "opcua",
        "name": "集控",
        "url": "opc.tcp://10.1.1.1:4840/server",
        "points": [{"name": "a", "node": "ns=2;s=a"}],
    }
    assert msgspec.convert(good, OpcUaSettings)
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(good | change, OpcUaSettings)
