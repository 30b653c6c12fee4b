"""Unit categories (单位类别编码, A.7): the registration types of enterprises.

Table A.7 lists 25 codes; its head rows (一级分类 100, 200, 300 and 二级分类 140, 150, 170) are
codes too, since A.2 shows 100 (docs/decisions 6).
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from nenghao.standard import code_tables


class UnitCategory(msgspec.Struct, frozen=True):
    """One registration type of enterprises."""

    code: str
    """Three digits."""
    name: str
    pcode: str
    """The head row above it, "" above the first level."""
    level: int
    """1, 2 or 3, the column of table A.7."""


UNIT_CATEGORIES: Mapping[str, UnitCategory] = MappingProxyType(
    {
        row["code"]: UnitCategory(row["code"], row["name"], row["pcode"], int(row["level"]))
        for row in code_tables.load("unit_categories")
    }
)
"""All 31 rows by code, in the order of their codes."""

HEADS = frozenset(category.pcode for category in UNIT_CATEGORIES.values()) - {""}
"""The codes of the head rows, which stand above others."""


def name(code: str) -> str:
    """The category's name, "" when unknown."""
    category = UNIT_CATEGORIES.get(code)
    return category.name if category else ""
