"""Regions (行政区划, B.1.1): the codes of GB/T 2260 and who lies within whom.

Codes have six digits, two each for province, city and county, and containment goes by the digits
(docs/decisions 7), so that it also holds for codes that a table does not list. The default table
is Liaoning's of 2023; any other province's is loaded with `RegionTable`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nenghao.standard import code_tables

NATION: Final = "000000"
"""The parent of every province (全国); it has no row of its own."""

PROVINCE: Final = 1
CITY: Final = 2
COUNTY: Final = 3

_CODE = re.compile(r"[0-9]{6}")
_COLUMNS = ("code", "name", "pcode", "type")


class Region(msgspec.Struct, frozen=True):
    """One region as base data know it (6.3.2.2-c)."""

    code: str
    """Six digits."""
    name: str
    """The region's own name, e.g. 和平区."""
    pcode: str
    """The code above it; `NATION` above a province."""
    type: int
    """PROVINCE (省级) 1, CITY (市级) 2 or COUNTY (县级) 3."""


def prefix(code: str) -> str:
    """The digits that every code within `code` begins with: "2101" for 210100, "" for 000000."""
    if code == NATION:
        return ""
    if code.endswith("0000"):
        return code[:2]
    return code[:4] if code.endswith("00") else code


def contains(code: str, inner: str) -> bool:
    """Whether the region `inner` is `code` or lies within it, by the digits."""
    return inner.startswith(prefix(code))


def counted_in(told: str, registered: str) -> str:
    """Where a unit is (docs/decisions 7): the region `told` by its configuration, the one it
    `registered` with where it told none, or only the city that contains it.

    >>> counted_in("210100", "210102"), counted_in("210103", "210102"), counted_in("", "210102")
    ('210102', '210103', '210102')
    """
    is_city = told.endswith("00") and not told.endswith("0000")
    return registered if not told or (is_city and contains(told, registered)) else told


class RegionTable:
    """The regions of one or more provinces.

    `rows` are mappings with code, name, pcode and type, as a CSV or the database has them;
    ValueError names the row that is wrong.
    """

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._regions: dict[str, Region] = {}
        for number, row in enumerate(rows, start=1):
            region = _region(number, row)
            if region.code in self._regions:
                raise ValueError(f"行政区划第 {number} 行：编码 {region.code} 重复")
            self._regions[region.code] = region

    @classmethod
    def from_csv(cls, text: str) -> "RegionTable":
        """The table of a CSV text with the header code,name,pcode,type (other columns ignored)."""
        return cls(code_tables.read_rows(text))

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions.values())

    def __len__(self) -> int:
        return len(self._regions)

    def __contains__(self, code: object) -> bool:
        return code in self._regions

    def get(self, code: str) -> Region | None:
        """The region of that code, None when the table does not know it."""
        return self._regions.get(code)

    def name(self, code: str) -> str:
        """The region's own name, "" when unknown."""
        region = self.get(code)
        return region.name if region else ""

    def full_name(self, code: str) -> str:
        """The names from the province down, e.g. 辽宁省沈阳市和平区; "" when unknown."""
        names: list[str] = []
        region = self.get(code)
        while region is not None and len(names) < COUNTY:
            names.append(region.name)
            region = self.parent(region.code)
        return "".join(reversed(names))

    def parent(self, code: str) -> Region | None:
        """The region above; None above a province and for unknown codes."""
        region = self.get(code)
        return self.get(region.pcode) if region else None

    def children(self, code: str) -> tuple[Region, ...]:
        """The regions directly below, in the table's order; `NATION` has the provinces."""
        return tuple(region for region in self if region.pcode == code)

    def subtree(self, code: str) -> frozenset[str]:
        """The codes of the table that are `code` or lie within it."""
        start = prefix(code)
        return frozenset(one for one in self._regions if one.startswith(start))

    @staticmethod
    def contains(code: str, inner: str) -> bool:
        """Whether `inner` is `code` or lies within it, by the digits, listed or not."""
        return contains(code, inner)


def _region(number: int, row: Mapping[str, object]) -> Region:
    missing = [column for column in _COLUMNS if row.get(column) in (None, "")]
    if missing:
        raise ValueError(f"行政区划第 {number} 行：缺少 {'、'.join(missing)}")
    code, name, pcode, kind = (str(row[column]) for column in _COLUMNS)
    for column, value in (("code", code), ("pcode", pcode)):
        if _CODE.fullmatch(value) is None:
            raise ValueError(f"行政区划第 {number} 行：{column} 应为 6 位数字，收到 {value!r}")
    if kind not in ("1", "2", "3"):
        raise ValueError(f"行政区划第 {number} 行：type 应为 1、2 或 3，收到 {kind!r}")
    return Region(code, name, pcode, int(kind))


LIAONING = RegionTable(code_tables.load("regions"))
"""Liaoning's 129 regions (辽宁省) of 2023."""
