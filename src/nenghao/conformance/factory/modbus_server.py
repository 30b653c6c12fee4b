"""The plant over Modbus TCP: ten registers a meter, computed when they are read.

Unit id 1; holding and input registers are the same; big-endian words and bytes. Meter n begins
at address (n - 1) × 10:

    +0 … +3   the counter in counts, uint64
    +4, +5    the rate in display units an hour, float32
    +6, +7    the counter's lower 32 bits, uint32 (it rolls over at 2^32)
    +8        0: the meter is well, 1: it is not
    +9        decimals of the display: a count is 10^-decimals

and from 9000 the meters' clock: year, month, day, hour, minute, second. A silent meter answers
any request that touches its registers with exception 11 (网关目标设备无应答). pymodbus is imported
when a server is made.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from nenghao.conformance.factory.clock import Now
from nenghao.conformance.factory.plant import Meter, Plant

STRIDE: Final = 10
CLOCK_ADDRESS: Final = 9000
UNIT_ID: Final = 1
MOST_METERS: Final = CLOCK_ADDRESS // STRIDE
_CLOCK_LENGTH = 6
_RATE, _LOW, _STATUS, _DECIMALS = 4, 6, 8, 9


def counter_address(meter: Meter) -> int:
    """Where the meter's counter lies (uint64, 4 registers)."""
    return (meter.number - 1) * STRIDE


def rate_address(meter: Meter) -> int:
    """Where the meter's rate lies (float32, 2 registers)."""
    return counter_address(meter) + _RATE


def low_address(meter: Meter) -> int:
    """Where the lower half of the meter's counter lies (uint32, 2 registers)."""
    return counter_address(meter) + _LOW


def registers(plant: Plant, meter: Meter, now: Any) -> list[int] | None:
    """The meter's ten registers at `now`; None when it gives no answer."""
    shown = plant.shown(meter, now)
    if not shown.answers:
        return None
    packed = struct.pack(
        ">QfIHH",
        shown.counter,
        shown.rate,
        shown.counter % 2**32,
        0 if shown.good else 1,
        meter.decimals,
    )
    return list(struct.unpack(f">{STRIDE}H", packed))


class FactoryModbus:
    """The plant as a Modbus TCP server on one port; `port` 0 takes any free one.

    ```python
    async with FactoryModbus(plant, clock).serving() as port:
        ...
    ```
    """

    def __init__(self, plant: Plant, now: Now, host: str = "127.0.0.1", port: int = 0) -> None:
        if len(plant.meters) > MOST_METERS:
            raise ValueError(f"最多 {MOST_METERS} 块表，收到 {len(plant.meters)}")
        self._plant = plant
        self._meters = {meter.number: meter for meter in plant.meters}
        self._now = now
        self._address = (host, port)
        self.requests = 0
        """How many requests have been answered."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listen within the block; its port. OSError when the address cannot be bound."""
        from pymodbus.server import ModbusTcpServer

        server: Any = ModbusTcpServer(self._device(), address=self._address)
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:  # pymodbus has logged the errno and dropped it
            host, port = self._address
            raise OSError(f"无法监听 {host}:{port}") from error
        try:
            yield int(server.transport.sockets[0].getsockname()[1])
        finally:
            await server.shutdown()

    def _device(self) -> Any:
        from pymodbus.simulator import DataType, SimData, SimDevice

        blocks = [
            SimData(counter_address(meter), values=[0] * STRIDE, datatype=DataType.REGISTERS)
            for meter in self._plant.meters
        ]
        clock = SimData(CLOCK_ADDRESS, values=[0] * _CLOCK_LENGTH, datatype=DataType.REGISTERS)
        return SimDevice(UNIT_ID, [*blocks, clock], action=self._answer)

    async def _answer(
        self,
        _function: int,
        start: int,
        address: int,
        count: int,
        current: list[int],
        written: list[int] | list[bool] | None,
    ) -> Any:
        """Put what the registers hold now in `current`, which begins at address `start`."""
        from pymodbus.constants import ExcCodes

        self.requests += 1
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        now = self._now()
        for number in range(address // STRIDE + 1, (address + count - 1) // STRIDE + 2):
            if (meter := self._meters.get(number)) is None:
                continue
            held = registers(self._plant, meter, now)
            if held is None:
                return ExcCodes.GATEWAY_NO_RESPONSE
            first = counter_address(meter) - start
            current[first : first + STRIDE] = held
        if address + count > CLOCK_ADDRESS:
            clock = self._plant.meter_clock(now).timetuple()[:_CLOCK_LENGTH]
            current[CLOCK_ADDRESS - start : CLOCK_ADDRESS - start + _CLOCK_LENGTH] = clock
        return None
