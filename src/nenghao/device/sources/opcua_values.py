"""What OPC UA data values mean (OPC UA 数据值): numbers, times and status codes, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from asyncua import ua

from nenghao.clock import CST
from nenghao.device.sources import values

_FIRST = datetime(2000, 1, 1)
_LAST = datetime(2100, 1, 1)


def number(variant: Any, index: int | None) -> Decimal:
    """The number in a value, or in one element of an array; ValueError (Chinese) otherwise."""
    value = None if variant is None else variant.Value
    if isinstance(value, list) and index is not None:
        if not -len(value) <= index < len(value):
            raise ValueError(f"数组只有 {len(value)} 个元素，没有第 {index} 个")
        value = value[index]
    elif isinstance(value, list) or index is not None:
        raise ValueError("值是数组，请给出 index" if index is None else "值不是数组")
    if value is None:
        raise ValueError("没有值")
    found: Decimal | None = None
    if isinstance(value, bool | int):
        found = Decimal(int(value))
    elif isinstance(value, float):
        narrow = variant.VariantType is ua.VariantType.Float
        found = values.of_float32(value) if narrow else values.of_float64(value)
    elif isinstance(value, str):
        found = values.number(value)
    if found is None:
        raise ValueError(f"{str(value)[:40]!r} 不是数值")
    return found


def local(moment: datetime | None) -> datetime | None:
    """A server's time (UTC) as naive China Standard Time; None for none or one that cannot be."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        found = moment.astimezone(CST).replace(tzinfo=None)
    except OverflowError:
        return None
    return found if _FIRST <= found < _LAST else None


def stamp(data: ua.DataValue) -> datetime | None:
    """When a value holds: by the source, else by the server; China Standard Time."""
    return local(data.SourceTimestamp) or local(data.ServerTimestamp)


def status_name(data: ua.DataValue) -> str:
    """The name of the status; empty for a good one."""
    code = data.StatusCode
    return "" if code is None or code.is_good() else str(code.name)
