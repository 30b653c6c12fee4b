"""Modbus units for tests: pymodbus' own servers in the network and at the end of a serial line."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.device.sources.broken_peers import free_port


class Units:
    """Units with their holding registers, and a record of what was asked: (unit, address, count).

    Addresses in `refused` are answered with that exception code. Input registers hold the same as
    holding registers; coils are on at even addresses, discrete inputs at odd ones.
    """

    def __init__(self, registers: dict[int, dict[int, list[int]]]) -> None:
        self.registers = registers
        self.refused: dict[int, ExcCodes] = {}
        self.asked: list[tuple[int, int, int]] = []

    def devices(self) -> list[SimDevice]:
        return [self._device(unit, blocks) for unit, blocks in self.registers.items()]

    def _device(self, unit: int, blocks: dict[int, list[int]]) -> SimDevice:
        async def action(
            function: int,
            start: int,
            address: int,
            count: int,
            registers: list[int],
            new: Any,
        ) -> ExcCodes | None:
            self.asked.append((unit, address, count))
            for one in range(address, address + count):
                if one in self.refused:
                    return self.refused[one]
            return None

        words = [
            SimData(begin, values=content, datatype=DataType.REGISTERS)
            for begin, content in blocks.items()
        ]
        coils = SimData(0, values=[True, False] * 64, datatype=DataType.BITS)
        inputs = SimData(0, values=[False, True] * 64, datatype=DataType.BITS)
        return SimDevice(unit, simdata=([coils], [inputs], words, words), action=action)


@asynccontextmanager
async def tcp(units: Units, port: int = 0, *, rtu: bool = False) -> AsyncIterator[int]:
    """The units behind a port of the loopback."""
    port = port or free_port()
    framer = FramerType.RTU if rtu else FramerType.SOCKET
    server: Any = ModbusTcpServer(units.devices(), framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


@asynccontextmanager
async def serial_line() -> AsyncIterator[tuple[str, str]]:
    """Two pseudo-terminals joined by a null modem: what goes in at one comes out at the other."""
    loop = asyncio.get_running_loop()
    ends = [os.openpty(), os.openpty()]
    masters = [master for master, _ in ends]
    for master, slave in ends:
        tty.setraw(slave)
        os.set_blocking(master, False)

    def carry(source: int, target: int) -> None:
        try:
            os.write(target, os.read(source, 4096))
        except OSError:  # an end that nobody has open
            loop.remove_reader(source)

    loop.add_reader(masters[0], carry, masters[0], masters[1])
    loop.add_reader(masters[1], carry, masters[1], masters[0])
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


@asynccontextmanager
async def bus(units: Units) -> AsyncIterator[str]:
    """The units on a serial line; units that are not there say nothing. Gives the other end."""

    def only_those_that_are_there(sending: bool, frame: bytes) -> bytes:
        return b"" if sending and frame[0] not in units.registers else frame

    async with serial_line() as (near, far):
        server: Any = ModbusSerialServer(
            units.devices(),
            port=far,
            framer=FramerType.RTU,
            trace_packet=only_those_that_are_there,
        )
        await server.serve_forever(background=True)
        try:
            yield near
        finally:
            await server.shutdown()
