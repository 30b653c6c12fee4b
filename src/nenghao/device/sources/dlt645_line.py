"""The line (通信线路) to DL/T 645 meters: a serial port, or a serial server behind TCP.

Bytes only; frames are `dlt645_codec`'s. pyserial is imported when a serial port is opened: a
meter behind a serial server needs no library.
"""

from __future__ import annotations

import asyncio
import termios
from contextlib import suppress
from typing import Any, Literal, Protocol

from msgspec import Struct

from nenghao.device.sources import network
from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.modbus_faults import no_line

_CHUNK = 4096

Parity = Literal["N", "E", "O"]


class Line(Protocol):
    """An open line. SourceFault (unreachable) when it is gone."""

    async def send(self, content: bytes) -> None: ...

    async def receive(self) -> bytes:
        """What has come, at least one byte."""

    def discard(self) -> None:
        """Forget what has come and nobody asked for."""

    async def close(self) -> None: ...


class _Inbox:
    """What has come and was not read yet, and why nothing more will."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._fault: SourceFault | None = None
        self._news = asyncio.Event()

    def put(self, received: bytes) -> None:
        self._content += received
        self._news.set()

    def end(self, fault: SourceFault) -> None:
        self._fault = self._fault or fault
        self._news.set()

    async def take(self) -> bytes:
        while not self._content:
            if self._fault is not None:
                raise self._fault
            self._news.clear()
            await self._news.wait()
        content = bytes(self._content)
        self._content.clear()
        return content

    def discard(self) -> None:
        self._content.clear()


# --- TCP -----------------------------------------------------------------------------------------


class _Incoming(asyncio.Protocol):
    def __init__(self, peer: str, inbox: _Inbox) -> None:
        self._peer = peer
        self._inbox = inbox

    def data_received(self, data: bytes) -> None:
        self._inbox.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            self._inbox.end(network.unreachable(self._peer, exc))
        else:
            self._inbox.end(SourceFault(FaultKind.UNREACHABLE, f"{self._peer} 关闭了连接"))


class TcpLine:
    """A serial server in transparent mode (串口服务器透传)."""

    def __init__(self, transport: asyncio.Transport, inbox: _Inbox) -> None:
        self._transport = transport
        self._inbox = inbox

    @classmethod
    async def open(cls, host: str, port: int, seconds: float) -> TcpLine:
        """SourceFault when nobody is there in time."""
        peer = f"{host}:{port}"
        inbox = _Inbox()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                transport, _ = await loop.create_connection(
                    lambda: _Incoming(peer, inbox), host, port
                )
        except TimeoutError:
            raise network.timed_out(peer, seconds) from None
        except OSError as error:
            raise network.unreachable(peer, error) from error
        return cls(transport, inbox)

    async def send(self, content: bytes) -> None:
        self._transport.write(content)  # a lost connection is told by `receive`

    async def receive(self) -> bytes:
        return await self._inbox.take()

    def discard(self) -> None:
        self._inbox.discard()

    async def close(self) -> None:
        self._transport.abort()


# --- serial --------------------------------------------------------------------------------------


class SerialSettings(Struct, frozen=True):
    """How a serial port is set: DL/T 645 meters come with 2400 8E1."""

    port: str
    baudrate: int
    bytesize: int
    parity: Parity
    stopbits: int


class SerialLine:
    """A serial port (RS-485 或红外), used by nobody else while it is open."""

    def __init__(self, settings: SerialSettings, port: Any) -> None:
        self._name = settings.port
        self._port = port
        self._inbox = _Inbox()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(port.fileno(), self._arrived)

    @classmethod
    async def open(cls, settings: SerialSettings, seconds: float) -> SerialLine:
        """SourceFault when there is no such port, or it is in use."""
        try:
            import serial  # type: ignore[import-untyped]
        except ModuleNotFoundError:
            raise SourceFault(
                FaultKind.CONFIGURATION,
                "串口来源缺少 pyserial，请安装：pip install nenghao[modbus]",
            ) from None
        try:
            async with asyncio.timeout(seconds):
                port = await in_background(
                    serial.Serial,
                    settings.port,
                    baudrate=settings.baudrate,
                    bytesize=settings.bytesize,
                    parity=settings.parity,
                    stopbits=settings.stopbits,
                    timeout=0,
                    write_timeout=0,
                    exclusive=True,
                )
        except TimeoutError:
            raise SourceFault(
                FaultKind.TIMEOUT, f"{seconds:g} 秒内没有打开串口 {settings.port}"
            ) from None
        except OSError as error:  # SerialException is one
            raise no_line(settings.port, error) from error
        except (ValueError, termios.error) as error:
            raise SourceFault(
                FaultKind.CONFIGURATION, f"串口 {settings.port} 的参数不合法：{error}"
            ) from error
        return cls(settings, port)

    async def send(self, content: bytes) -> None:
        try:
            sent = self._port.write(content)
        except OSError as error:  # SerialException is one
            raise self._gone(error) from error
        if sent != len(content):
            raise SourceFault(FaultKind.UNREACHABLE, f"串口 {self._name} 没有发出全部数据")

    async def receive(self) -> bytes:
        return await self._inbox.take()

    def discard(self) -> None:
        self._inbox.discard()

    async def close(self) -> None:
        with suppress(OSError, ValueError):
            self._loop.remove_reader(self._port.fileno())
        with suppress(OSError):
            self._port.close()

    def _arrived(self) -> None:
        try:
            self._inbox.put(self._port.read(_CHUNK))
        except OSError as error:  # SerialException is one
            self._loop.remove_reader(self._port.fileno())  # it would be called without end
            self._inbox.end(self._gone(error))

    def _gone(self, error: OSError) -> SourceFault:
        reason = error.strerror or str(error) or type(error).__name__
        return SourceFault(FaultKind.UNREACHABLE, f"串口 {self._name} 已断开：{reason}")
