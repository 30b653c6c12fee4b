"""A web service on the loopback, and how tests ask it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources import http_json
from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.http_json import HttpJsonSettings, HttpJsonSource

NOW = datetime(2026, 3, 2, 10, 0, 30)
POINTS = [{"name": "总进线", "path": "data.meters[id=M-01].value"}]
DOCUMENT = '{"data": {"meters": [{"id": "M-01", "value": 12.50}, {"id": "M-02", "value": 7}]}}'


def settings(**changes: Any) -> HttpJsonSettings:
    block: dict[str, Any] = {
        "type": "http_json",
        "name": "网关",
        "url": "http://127.0.0.1:1/",
        "points": POINTS,
    }
    return msgspec.convert(block | changes, HttpJsonSettings)


class Service:
    """A web service: what it answers, and the requests that it heard."""

    def __init__(self, document: str | bytes = DOCUMENT) -> None:
        self.document = document if isinstance(document, bytes) else document.encode()
        self.status = "200 OK"
        self.headers = ""
        self.wanted: Callable[[str], bool] = lambda head: True
        self.requests: list[tuple[str, bytes]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = [
                int(line.partition(":")[2])
                for line in head.splitlines()
                if line.lower().startswith("content-length")
            ]
            body = await reader.readexactly(*length) if length else b""
            self.requests.append((head, body))
            status = self.status if self.wanted(head) else "401 Unauthorized"
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{self.headers}"
                f"content-length: {len(self.document)}\r\n\r\n".encode()
                + self.document
            )
            await writer.drain()


@asynccontextmanager
async def served(service: Service, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of the service on the loopback, over TLS with a context."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await service.talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}/api"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def ask(source: HttpJsonSource, now: datetime = NOW) -> list[Sample]:
    await source.open()
    try:
        return await source.read(now)
    finally:
        await source.close()


def read(service: Service, home: Path = Path(), **changes: Any) -> list[Sample]:
    """One poll of the service."""

    async def run() -> list[Sample]:
        async with served(service) as url:
            return await ask(http_json.make(settings(**({"url": url} | changes)), home))

    return asyncio.run(run())


def fault(service: Service, home: Path = Path(), **changes: Any) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        read(service, home, **changes)
    return caught.value
