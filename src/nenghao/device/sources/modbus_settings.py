"""Settings of Modbus sources: the units, their registers, and how many are asked for at once."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nenghao.device.sources import values
from nenghao.device.sources.modbus_registers import (
    ADDRESSES,
    BIT_TABLES,
    MOST_REGISTERS,
    DataType,
    Order,
    Table,
    width,
)

UnitId = Annotated[int, Meta(ge=0, le=255)]


class ModbusPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value in the registers of one unit."""

    name: Annotated[str, Meta(min_length=1)]
    unit_id: UnitId | None = None
    """Address of the unit (从站地址); None: the source's."""
    table: Table = "holding"
    address: Annotated[int, Meta(ge=0, lt=ADDRESSES)]
    """As it stands in the request, counted from 0: 40001 of many manuals is holding 0."""
    data_type: DataType | None = None
    """None: uint16, and bool for coils and discrete inputs."""
    order: Order = "ABCD"
    scale: str = "1"
    offset: str = "0"
    unit: str = ""

    def __post_init__(self) -> None:
        try:
            values.scaling(self.scale, self.offset)
        except ValueError as error:
            raise ValueError(f"采集点 {self.name}：{error}") from None
        if (self.table in BIT_TABLES) != (self.type == "bool"):
            raise ValueError(f"采集点 {self.name}：{self.table} 表不能按 {self.type} 读取")
        if self.address + width(self.type) > ADDRESSES:
            raise ValueError(f"采集点 {self.name}：地址 {self.address} 之后没有足够的寄存器")

    @property
    def type(self) -> DataType:
        return self.data_type or ("bool" if self.table in BIT_TABLES else "uint16")


class _Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What TCP and RTU have in common."""

    name: Annotated[str, Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    unit_id: UnitId = 1
    """Unit of the points that name none."""
    max_registers: Annotated[int, Meta(ge=4, le=MOST_REGISTERS)] = MOST_REGISTERS
    """Registers per request; some devices give fewer than the protocol's 125."""
    max_gap: Annotated[int, Meta(ge=0, le=MOST_REGISTERS)] = 8
    """Registers that nobody asked for and that are read along to save a request."""
    pause_milliseconds: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    """Silence between two requests; None: the 3.5 characters of RTU, nothing for TCP."""
    points: Annotated[list[ModbusPoint], Meta(min_length=1)]

    def __post_init__(self) -> None:
        names = [point.name for point in self.points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"采集点名称重复：{'、'.join(twice)}")


class ModbusTcp(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device, or a gateway with units behind it, in the network."""

    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    framing: Literal["tcp", "rtu"] = "tcp"
    """rtu: serial frames through a transparent serial server (串口服务器透传)."""


class ModbusRtu(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units on a serial line (RS-485)."""

    port: Annotated[str, Meta(min_length=1)]
    """The line's device file, such as /dev/ttyUSB0."""
    baudrate: Annotated[int, Meta(ge=300, le=4_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    bytesize: Literal[7, 8] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for point in self.points:
            unit_id = self.unit_id if point.unit_id is None else point.unit_id
            if not 1 <= unit_id <= 247:
                raise ValueError(f"采集点 {point.name}：串口上的从站地址应为 1 至 247")
