"""Slow clients are let go within the deadlines; honest devices beside them notice nothing."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from nenghao.platform.web.limits import Limits
from tests.platform.web.wire import HOST, Station, head, station
from tests.security.pki import Pki

SLACK = 2.0
"""Seconds for a busy machine."""


@dataclass(frozen=True)
class Kind:
    """A way of being slow: what is sent, after the handshake if there is one."""

    talk: Callable[[asyncio.StreamWriter, float], Awaitable[None]]
    tls: bool
    deadline: Callable[[Limits], float]


async def silent(writer: asyncio.StreamWriter, pause: float) -> None:
    await asyncio.sleep(3600)


async def dripping_header(writer: asyncio.StreamWriter, pause: float) -> None:
    for byte in b"POST /echo HTTP/1.1\r\n" + b"X: y\r\n" * 100_000:
        writer.write(bytes([byte]))
        await asyncio.sleep(pause)


async def dripping_body(writer: asyncio.StreamWriter, pause: float) -> None:
    writer.write(head(length=1_000_000))
    while True:
        writer.write(b" ")
        await asyncio.sleep(pause)


async def stalled(writer: asyncio.StreamWriter, pause: float) -> None:
    writer.write(head(length=1_000_000) + b" " * 1000)
    await asyncio.sleep(3600)


KINDS = {
    "no ClientHello": Kind(silent, False, lambda limits: limits.handshake_seconds),
    "silent": Kind(silent, True, lambda limits: limits.header_seconds),
    "one header byte at a time": Kind(dripping_header, True, lambda limits: limits.header_seconds),
    "one body byte at a time": Kind(dripping_body, True, lambda limits: limits.body_seconds),
    "stalled": Kind(stalled, True, lambda limits: limits.body_seconds),
}


async def endured(running: Station, kind: Kind, context: ssl.SSLContext, pause: float) -> float:
    """Be slow until let go; how many seconds that took."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(
        HOST,
        running.listener.port,
        ssl=context if kind.tls else None,
        local_addr=("127.0.0.2", 0),
    )
    talk = asyncio.ensure_future(kind.talk(writer, pause))
    try:
        while await reader.read(65536):
            pass
    except OSError:
        pass
    finally:
        talk.cancel()
        writer.transport.abort()
    return time.monotonic() - began


async def honest(running: Station, context: ssl.SSLContext, times: int, size: int) -> int:
    """A device that uploads on one connection; how many answers were right."""
    reader, writer = await asyncio.open_connection(HOST, running.listener.port, ssl=context)
    right = 0
    for _ in range(times):
        writer.write(head(length=size) + b" " * size)
        await writer.drain()
        top = await reader.readuntil(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        right += top.startswith(b"HTTP/1.1 200") and b'"length": %d' % size in answer
        await asyncio.sleep(0.01)
    writer.transport.abort()
    return right


async def side_by_side(
    running: Station, context: ssl.SSLContext, limits: Limits, each: int, times: int, pause: float
) -> None:
    slow = [
        (kind.deadline(limits), asyncio.ensure_future(endured(running, kind, context, pause)))
        for kind in KINDS.values()
        for _ in range(each)
    ]
    await asyncio.sleep(0.1)
    right = await asyncio.gather(*(honest(running, context, times, 20_000) for _ in range(100)))
    assert right == [times] * 100
    for deadline, task in slow:
        assert await task <= deadline + SLACK


@pytest.mark.clause("5.3-1")
def test_a_hundred_devices_upload_while_slow_clients_of_all_kinds_are_let_go(pki: Pki) -> None:
    limits = Limits(handshake_seconds=2.5, header_seconds=2.5, body_seconds=2.5)
    with station(pki, limits) as running:
        context = pki.client_context()
        asyncio.run(side_by_side(running, context, limits, each=5, times=3, pause=0.05))


@pytest.mark.soak
def test_the_same_with_the_documented_deadlines(pki: Pki) -> None:
    limits = Limits()
    with station(pki, limits) as running:
        context = pki.client_context()
        asyncio.run(side_by_side(running, context, limits, each=20, times=200, pause=1.0))
