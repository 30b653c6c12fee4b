"""Numbers as sources give them, as exact decimals in the point's unit (换算).

A reading of 1.1 in a 32-bit register is the decimal 1.1, not the 1.10000002384… that its bits
spell out: the shortest decimal that is the same number in its own width is what the meter meant.
Scale and offset are decimals written as text, so that 0.1 is 0.1.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal

from msgspec import Struct

from nenghao.device.aggregation import EXACT

LARGEST = Decimal(10) ** 18
"""What lies beyond is no reading of any meter, whatever its unit."""

MOST_DIGITS = 40
"""Digits of a number written as text that are taken: more is not a reading."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_FLOAT32 = struct.Struct(">f")


class Scaling(Struct, frozen=True):
    """What makes the point's engineering unit of a raw number: raw × scale + offset."""

    scale: Decimal
    offset: Decimal

    def apply(self, raw: Decimal) -> Decimal:
        """The exact value; ValueError (Chinese) for one that no meter can mean."""
        if not raw.is_finite() or raw.adjusted() > MOST_DIGITS:
            raise ValueError(f"数值 {raw} 不可用")
        value = EXACT.add(EXACT.multiply(raw, self.scale), self.offset)
        if abs(value) >= LARGEST:
            raise ValueError(f"数值 {raw} 过大")
        return value


def scaling(scale: str, offset: str) -> Scaling:
    """The scaling of a point's settings; ValueError (Chinese) names the ill-written one."""
    factor = _setting("scale", scale)
    if not factor:
        raise ValueError("scale 不能为 0")
    return Scaling(factor, _setting("offset", offset))


def number(text: str) -> Decimal | None:
    """A number written in ASCII digits, blanks around it allowed; None for anything else."""
    text = text.strip()
    if len(text) > MOST_DIGITS or _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text)


def of_float32(value: float) -> Decimal | None:
    """The shortest decimal that is the same 32-bit number; None for NaN and infinity."""
    if not math.isfinite(value):
        return None
    packed = _FLOAT32.pack(value)
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        try:
            if _FLOAT32.pack(float(text)) == packed:
                return Decimal(text)
        except OverflowError:  # rounded up beyond the largest of 32 bits
            continue
    return Decimal(f"{value:.9g}")


def of_float64(value: float) -> Decimal | None:
    """The shortest decimal that is the same 64-bit number; None for NaN and infinity."""
    return Decimal(repr(value).removesuffix(".0")) if math.isfinite(value) else None


def _setting(name: str, text: str) -> Decimal:
    value = number(text)
    if value is None or abs(value) >= LARGEST:
        raise ValueError(f"{name} 应为十进制数，收到 {text!r}")
    return value
