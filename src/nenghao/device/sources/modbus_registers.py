"""What Modbus registers (寄存器) hold, and which of them are asked for together.

No I/O: registers are lists of 16-bit integers as they come off the wire, coils and discrete
inputs lists of booleans. The four orders are told by where the bytes of a 32-bit value ABCD lie:
ABCD (big endian), CDAB (words swapped), BADC (bytes swapped within words), DCBA (both); for wider
values "words swapped" means that the least significant word comes first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from nenghao.device.sources.values import of_float32, of_float64

Table = Literal["holding", "input", "coil", "discrete"]
"""保持寄存器 (function 3), 输入寄存器 (4), 线圈 (1), 离散输入 (2)."""

Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

DataType = Literal[
    "bool",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
    "bcd48",
    "bcd64",
]

BIT_TABLES: frozenset[Table] = frozenset({"coil", "discrete"})

MOST_REGISTERS = 125
"""Registers that one request may ask for (Modbus application protocol 6.3)."""

MOST_BITS = 2000
"""Coils that one request may ask for (6.1)."""

ADDRESSES = 65_536

_WORDS: dict[DataType, int] = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "bcd16": 1,
    "bcd32": 2,
    "bcd48": 3,
    "bcd64": 4,
}


class Span(Struct, frozen=True, order=True):
    """Neighbouring registers (or bits) of one table of one unit."""

    unit_id: int
    table: Table
    begin: int
    end: int
    """The first address behind."""

    @property
    def count(self) -> int:
        return self.end - self.begin


def width(data_type: DataType) -> int:
    """How many registers (or bits) a value takes."""
    return _WORDS[data_type]


def decode(data_type: DataType, order: Order, words: Sequence[int]) -> Decimal:
    """The raw number in a value's registers; ValueError (Chinese) when they hold none."""
    content = _bytes(order, words)
    if data_type.startswith("bcd"):
        digits = content.hex()
        if not digits.isdecimal():
            raise ValueError(f"{digits.upper()} 不是 BCD 码")
        return Decimal(digits)
    if data_type.startswith("float"):
        value = _FLOATS[data_type](content)
        if value is None:
            raise ValueError(f"{content.hex().upper()} 不是有效的浮点数（NaN 或无穷大）")
        return value
    return Decimal(int.from_bytes(content, "big", signed=data_type.startswith("int")))


def encode(data_type: DataType, order: Order, value: Decimal) -> list[int]:
    """The registers of a raw number, the reverse of `decode`: simulated meters speak with it.

    OverflowError for a number that the type cannot hold.
    """
    length = 2 * width(data_type)
    if data_type.startswith("bcd"):
        digits = str(int(value)).rjust(2 * length, "0")
        if value < 0 or len(digits) > 2 * length:
            raise OverflowError(f"{value} 超出 {data_type} 的范围")
        content = bytes.fromhex(digits)
    elif data_type.startswith("float"):
        content = struct.pack(">f" if length == 4 else ">d", float(value))
    else:
        signed = data_type.startswith("int")
        content = int(value).to_bytes(length, "big", signed=signed)
    words = [int.from_bytes(content[at : at + 2], "big") for at in range(0, length, 2)]
    return _words(order, words)


def batches(spans: Iterable[Span], *, most: int, gap: int) -> list[Span]:
    """The few requests that cover all spans.

    Spans with at most `gap` registers between them are asked for together, as long as a request
    stays within `most` registers; for bits both count sixteenfold, since 16 travel as a register.
    No span is ever split: the two halves of a value would be of two moments.
    """
    requests: list[Span] = []
    for span in sorted(set(spans)):
        bits = 16 if span.table in BIT_TABLES else 1
        last = requests[-1] if requests else None
        if (
            last is not None
            and (last.unit_id, last.table) == (span.unit_id, span.table)
            and span.begin - last.end <= gap * bits
            and span.end - last.begin <= min(most * bits, MOST_BITS)
        ):
            requests[-1] = Span(last.unit_id, last.table, last.begin, max(last.end, span.end))
        else:
            requests.append(span)
    return requests


def _float32(content: bytes) -> Decimal | None:
    return of_float32(struct.unpack(">f", content)[0])


def _float64(content: bytes) -> Decimal | None:
    return of_float64(struct.unpack(">d", content)[0])


_FLOATS: dict[str, Callable[[bytes], Decimal | None]] = {"float32": _float32, "float64": _float64}


def _bytes(order: Order, words: Sequence[int]) -> bytes:
    """The value's bytes, most significant first."""
    return b"".join(word.to_bytes(2, "big") for word in _words(order, words))


def _words(order: Order, words: Sequence[int]) -> list[int]:
    """Words of `order` as ABCD, and the other way round: either swap undoes itself."""
    if order in ("CDAB", "DCBA"):
        words = words[::-1]
    if order in ("BADC", "DCBA"):
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    return list(words)
