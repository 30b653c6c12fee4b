"""HTTP over TLS with national cryptography (国密 TLS 上的 HTTP): a transport for httpx.

httpx asks its connection pool for TCP and then for TLS; here the latter is `security.sm_tls`, with
the name in the address checked as ever. Time-outs and errors come out as those of the pool, so
that `client` explains them like any others.
"""

# ruff: noqa: ASYNC109 - the time-outs are parameters of the pool's own interface

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, cast

import httpcore
import httpx

from nenghao.device import way_out

if TYPE_CHECKING:
    from nenghao.security.sm_tls import SmContext

_SHUTDOWN_SECONDS = 5.0
_FOR_EVER = 3600.0


class SmHttpTransport(httpx.AsyncHTTPTransport):
    """httpx' own transport, its connections made by an `SmContext`."""

    def __init__(self, context: SmContext, limits: httpx.Limits, leave_by: str = "") -> None:
        # The pool wants a context of `ssl`; no connection of it ever sees this one.
        placeholder = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=placeholder, trust_env=False, limits=limits)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=placeholder,
            max_connections=limits.max_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(context, leave_by),
        )


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, context: SmContext, leave_by: str = "") -> None:
        self._context = context
        self._leave_by = leave_by

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        source = None if local_address is None else (local_address, 0)
        loop = asyncio.get_running_loop()
        async with _told(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
            if self._leave_by:
                tied = await way_out.connected(host, port, self._leave_by)
                transport, _ = await loop.create_connection(_Waiting, sock=tied)
            else:
                transport, _ = await loop.create_connection(
                    _Waiting, host, port, local_addr=source, happy_eyeballs_delay=0.25
                )
        return _Tcp(self._context, transport)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Waiting(asyncio.Protocol):
    """TCP that is there and not read yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).pause_reading()


class _Tcp(httpcore.AsyncNetworkStream):
    """A connection on which nothing was said: it can become TLS, or be closed."""

    def __init__(self, context: SmContext, transport: asyncio.Transport) -> None:
        self._context = context
        self._transport = transport

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            async with _told(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                transport = await self._context.start_tls(
                    self._transport,
                    protocol,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=_FOR_EVER if timeout is None else timeout,
                    ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
                )
        except BaseException:
            self._transport.abort()
            raise
        protocol.connection_made(transport)
        return _Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def aclose(self) -> None:
        self._transport.abort()


class _Stream(httpcore.AsyncNetworkStream):
    """TLS, with the buffers of asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        async with _told(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _told(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            self._writer.write(buffer)
            await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):  # a farewell is not worth waiting for
            async with asyncio.timeout(_SHUTDOWN_SECONDS):
                await self._writer.wait_closed()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of an idle connection: has the other end gone?
            return self._reader.at_eof() or self._writer.transport.is_closing()
        if info == "ssl_object":
            return self._writer.get_extra_info("ssl_object")
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket"}
        return self._writer.get_extra_info(names[info]) if info in names else None


@contextlib.asynccontextmanager
async def _told(
    timeout: float | None,
    late: type[Exception],
    broken: type[Exception],
) -> AsyncIterator[None]:
    """Errors as the pool names them, the system's own behind them."""
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except ssl.SSLError as error:
        if broken is httpcore.ReadError:  # the pool would forget what it came from
            raise
        raise broken(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
