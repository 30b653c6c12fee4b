"""Electricity meters for tests: behind a serial server, or at the end of a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from nenghao.device.sources import dlt645_codec as codec
from nenghao.device.sources import dlt645_items
from nenghao.device.sources.dlt645_codec import Frame, MeterError
from tests.device.sources.broken_peers import peer


class Meter:
    """A meter: data by identifier, blocks made of what it holds, long answers cut into frames."""

    def __init__(self, address: str, **values: str) -> None:
        self.address = codec.address(address)
        self.values = {name.removeprefix("x"): Decimal(text) for name, text in values.items()}
        self.raw: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.silent = False
        self.silent_to: set[str] = set()
        self.errors: dict[str, MeterError] = {}
        self.frame_size = 100
        self.echo = False
        self.noise = b""
        self.broken = 0
        """How many of the next answers arrive with a wrong checksum."""
        self.blocks = True

    def answer(self, question: bytes) -> bytes:
        """What comes over the line for what went out, the echo of some adapters included."""
        (request,) = codec.Decoder().feed(question)
        said = question if self.echo else b""
        frame = self._frame(request)
        if frame is None:
            return said
        raw = codec.encode(frame, wake_up=2)
        if self.broken:
            self.broken -= 1
            raw = raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:]
        return said + self.noise + raw

    def _frame(self, request: Frame) -> Frame | None:
        wanted = zip(request.address, self.address, strict=True)
        if self.silent or not all(one in ("A", own) for one, own in wanted):
            return None
        identifier = request.data[:4][::-1].hex().upper()
        self.asked.append(identifier)
        if identifier in self.silent_to:
            return None
        control = request.control | 0x80
        content = self._content(identifier)
        if identifier in self.errors or content is None:
            error = self.errors.get(identifier, MeterError.NO_SUCH_DATA)
            return Frame(self.address, control | 0x40, bytes([error]))
        sequence = request.data[4] if request.function == codec.Function.READ_MORE else 0
        part = content[sequence * self.frame_size : (sequence + 1) * self.frame_size]
        if (sequence + 1) * self.frame_size < len(content):
            control |= 0x20
        tail = bytes([sequence]) if sequence else b""
        return Frame(self.address, control, request.data[:4] + part + tail)

    def _content(self, identifier: str) -> bytes | None:
        if identifier in self.raw:
            return self.raw[identifier]
        if identifier in self.values:
            item = dlt645_items.find(identifier)
            assert item is not None
            return item.encode(self.values[identifier])
        if identifier[4:6] != "FF" or not self.blocks:
            return None
        parts = []
        for other, value in sorted(self.values.items()):
            item = dlt645_items.find(other)
            if item is not None and item.block == identifier:
                parts.append(item.encode(value))
        return b"".join(parts) or None


class Bus:
    """Meters on one line."""

    def __init__(self, *meters: Meter) -> None:
        self.meters = meters
        self.chunk = 0
        """Answers are written in pieces of so many bytes; 0: at once."""

    def answers(self, question: bytes) -> list[bytes]:
        said = b"".join(meter.answer(question) for meter in self.meters)
        if not self.chunk:
            return [said] if said else []
        return [said[at : at + self.chunk] for at in range(0, len(said), self.chunk)]


@asynccontextmanager
async def serial_server(bus: Bus, port: int = 0) -> AsyncIterator[int]:
    """The meters behind a serial server; gives its port on the loopback."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while question := await reader.read(4096):
            for piece in bus.answers(question):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    async with peer(talk, port) as bound:
        yield bound


class Pty:
    """The meters at the end of a pseudo-terminal."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)
        self._loop.add_reader(self.master, self._asked)

    def _asked(self) -> None:
        question = os.read(self.master, 4096)
        for piece in self._bus.answers(question):
            os.write(self.master, piece)

    def unplug(self) -> None:
        """The adapter is pulled out."""
        if self.master >= 0:
            self._loop.remove_reader(self.master)
            os.close(self.master)
            os.close(self._slave)
            self.master = -1


@asynccontextmanager
async def pty(bus: Bus) -> AsyncIterator[Pty]:
    made = Pty(bus)
    try:
        yield made
    finally:
        made.unplug()
