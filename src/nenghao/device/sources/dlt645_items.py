"""What the data items (数据标识) of DL/T 645-2007 hold: bytes, decimals, sign, unit.

The table is `dlt645_items.csv`. In its identifiers `TT` is a tariff (费率, 00 is the total) and
`SS` a settlement day (结算日, 00 is now). A block is what several items can be read with at once;
they follow each other in it in the order of DI1.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from decimal import Decimal
from importlib.resources import files

from msgspec import Struct

from nenghao.device.aggregation import EXACT
from nenghao.device.sources.dlt645_codec import BadFrame, decode_bcd, encode_bcd

MOST_TARIFF = 0x3F
MOST_SETTLEMENT = 0x0C


class Item(Struct, frozen=True):
    """One data item as a meter sends it."""

    identifier: str
    name: str
    length: int
    """Bytes."""
    decimals: int
    unit: str
    signed: bool
    block: str = ""
    """The block it can be read with; empty: it is read alone."""
    place: int = 0
    """Which one in the block, from 0."""

    def decode(self, raw: bytes) -> Decimal | None:
        """The value in the item's unit; None when the meter has none. BadFrame for no BCD."""
        if len(raw) != self.length:
            raise BadFrame(f"数据长 {len(raw)} 字节，应为 {self.length} 字节")
        number = decode_bcd(raw, signed=self.signed)
        return None if number is None else EXACT.scaleb(Decimal(number), -self.decimals)

    def encode(self, value: Decimal) -> bytes:
        """The inverse; BadFrame for a value with more digits than the item has."""
        number = EXACT.scaleb(value, self.decimals)
        if number != number.to_integral_value():
            raise BadFrame(f"{value} 的小数多于 {self.decimals} 位")
        return encode_bcd(int(number), self.length, signed=self.signed)


def find(identifier: str) -> Item | None:
    """The item of an identifier (eight hexadecimal digits); None for one that is not listed."""
    for pattern, row, first in _table():
        found = pattern.fullmatch(identifier)
        if found is None:
            continue
        parts = found.groupdict()
        if int(parts.get("tariff") or "0", 16) > MOST_TARIFF:
            return None
        if int(parts.get("settlement") or "0", 16) > MOST_SETTLEMENT:
            return None
        return Item(
            identifier=identifier,
            name=row["name"],
            length=int(row["bytes"]),
            decimals=int(row["decimals"]),
            unit=row["unit"],
            signed=row["signed"] == "1",
            block=row["block"].replace("SS", parts.get("settlement") or "SS"),
            place=int(identifier[4:6], 16) - first,
        )
    return None


@functools.cache
def _table() -> tuple[tuple[re.Pattern[str], dict[str, str], int], ...]:
    """Rows with their identifiers as patterns and the DI1 with which their blocks begin."""
    text = (files("nenghao.device.sources") / "dlt645_items.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    firsts: dict[str, int] = {}
    for row in rows:
        di1 = 0 if "TT" in row["item"] else int(row["item"][4:6], 16)
        firsts[row["block"]] = min(di1, firsts.get(row["block"], di1))
    return tuple((_pattern(row["item"]), row, firsts[row["block"]]) for row in rows)


def _pattern(text: str) -> re.Pattern[str]:
    hexadecimal = "[0-9A-F]{2}"
    text = text.replace("TT", f"(?P<tariff>{hexadecimal})")
    return re.compile(text.replace("SS", f"(?P<settlement>{hexadecimal})"))
