"""The collection.toml with which a device reads a simulated factory (采集设置), as text.

Every meter is a counter item in the dictionary's unit, read in the unit of its display; its rate
is read along, for the eye. Over Modbus when the factory speaks it, else over OPC UA. What the
keys mean is `nenghao.device.collection`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msgspec import Struct

from nenghao.conformance.factory import modbus_server, opcua_server
from nenghao.conformance.factory.plant import Meter, Plant
from nenghao.standard import data_code
from nenghao.standard.energy import ENERGY_TYPES

SOURCE: Final = "factory"
"""Name of the source in the file."""


class Where(Struct):
    """Under which addresses a factory is served."""

    host: str = "127.0.0.1"
    modbus_port: int | None = None
    opcua_url: str = ""


def point_of(meter: Meter) -> str:
    """The name of a meter's counter among the source's points."""
    return f"m{meter.number:02d}"


def text(plant: Plant, where: Where, poll_seconds: float = 10, interval: int = 15) -> str:
    """The whole file; ValueError when the factory is served nowhere."""
    return "\n".join([*_source(plant, where, poll_seconds), *_items(plant, interval)])


def _source(plant: Plant, where: Where, poll_seconds: float) -> Iterator[str]:
    modbus = where.modbus_port is not None
    if not modbus and not where.opcua_url:
        raise ValueError("the factory is served nowhere")
    yield "# 读取模拟工厂（nenghao device simulate）"
    yield "[[source]]"
    yield f'name = "{SOURCE}"'
    if modbus:
        yield 'type = "modbus_tcp"'
        yield f'host = "{where.host}"'
        yield f"port = {where.modbus_port}"
        yield f"unit_id = {modbus_server.UNIT_ID}"
    else:
        yield 'type = "opcua"'
        yield f'url = "{where.opcua_url}"'
    yield f"poll_seconds = {_plain(poll_seconds)}"
    for meter in plant.meters:
        rate = f"r{meter.number:02d}"
        if modbus:
            counter = modbus_server.counter_address(meter)
            yield from _point(
                point_of(meter), meter.unit, address=counter, data_type="uint64", scale=meter.step
            )
            address = modbus_server.rate_address(meter)
            yield from _point(rate, f"{meter.unit}/h", address=address, data_type="float32")
        else:
            node = opcua_server.node_id(meter, "Counter")
            yield from _point(point_of(meter), meter.unit, node=node)
            yield from _point(rate, f"{meter.unit}/h", node=opcua_server.node_id(meter, "Rate"))


def _point(
    name: str,
    unit: str,
    *,
    address: int | None = None,
    data_type: str = "",
    scale: Decimal = Decimal(1),
    node: str = "",
) -> Iterator[str]:
    yield "\n[[source.points]]"
    yield f'name = "{name}"'
    if address is not None:
        yield f"address = {address}"
        yield f'data_type = "{data_type}"'
    else:
        yield f'node = "{node}"'
    if scale != 1:
        yield f'scale = "{scale}"'
    yield f'unit = "{unit}"'


def _items(plant: Plant, interval: int) -> Iterator[str]:
    for meter in plant.meters:
        code = data_code.parse(meter.code)
        kind = ENERGY_TYPES.get(code.energy_class, code.energy_type)
        yield "\n[[item]]"
        yield f'data_code = "{meter.code}"'
        yield f'name = "{meter.name}"'
        yield 'kind = "counter"'
        yield f'value = "{SOURCE}.{point_of(meter)}"'
        yield f'unit = "{kind.unit if kind else meter.unit}"'
        yield f'modulus = "{_plain(meter.modulus * meter.step)}"'
        yield f"interval_minutes = {interval}"
    yield ""


def _plain(value: Decimal | float) -> str:
    number = format(Decimal(str(value)), "f")
    return number.rstrip("0").rstrip(".") if "." in number else number
