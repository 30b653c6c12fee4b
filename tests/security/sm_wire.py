"""Two ends of a connection of national cryptography in one event loop, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from nenghao.security.sm_tls import SmContext
from nenghao.security.sm_transport import SmTransport
from tests.security.sm_pki import HOST

PATIENCE = 20.0


class Recorder(asyncio.Protocol):
    """What a protocol is told, in order."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.told: list[str] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")
        self.changed.set()

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class _Raw(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self.transport = transport


async def upgraded(
    context: SmContext, sock: socket.socket, host: str | None, seconds: float, close: float
) -> tuple[SmTransport, Recorder]:
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    _, raw = await loop.connect_accepted_socket(_Raw, sock)
    recorder = Recorder()
    try:
        transport = await context.start_tls(
            raw.transport,
            recorder,
            server_hostname=host,
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=close,
        )
    except BaseException:
        raw.transport.abort()
        raise
    return transport, recorder


def sockets() -> tuple[socket.socket, socket.socket]:
    """A connection over loopback: (server's end, client's end)."""
    with socket.create_server((HOST, 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    return server, client


@contextlib.asynccontextmanager
async def pair(
    server: SmContext, client: SmContext, host: str = HOST, close: float = 5.0
) -> AsyncIterator[tuple[tuple[SmTransport, Recorder], tuple[SmTransport, Recorder]]]:
    """Both ends of a connection; leaving the block aborts what is left."""
    ours, theirs = sockets()
    both = await asyncio.gather(
        upgraded(server, ours, None, PATIENCE, close),
        upgraded(client, theirs, host, PATIENCE, close),
        return_exceptions=True,
    )
    made = [one for one in both if not isinstance(one, BaseException)]
    try:
        for one in both:
            if isinstance(one, BaseException):
                raise one
        yield made[0], made[1]
    finally:
        for transport, _ in made:
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


def spoken(transport: SmTransport) -> Any:
    return transport.get_extra_info("ssl_object")


def handshake(server: SmContext, client: SmContext, host: str = HOST) -> None:
    async def run() -> None:
        async with pair(server, client, host) as (_, (theirs, heard)):
            # in TLS 1.3 a client learns that it is refused only after its own last message
            theirs.write(b"x")
            await asyncio.sleep(0)
            del heard

    asyncio.run(run())
