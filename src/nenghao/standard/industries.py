"""Industries (行业, B.1.2): the codes of GB/T 4754-2017 with their letter, C ⊃ C25 ⊃ C251 ⊃ C2511.

Containment goes by prefix, so that it also holds for codes that the table does not list.

`jgzh` says whether an industry is one of energy conversion (能源加工转换). It is true for B06, C25
and D45 with all that lies under them, and of D44 for 4411, 4412, 4417 and 4430 (docs/decisions
6); a class above those is true only when everything under it is, so D443 is and D441, D44, D, C
and B are not. An operator may edit it; nothing computes with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nenghao.standard import code_tables

TOP: Final = "0"
"""The parent of every section (门类); it has no row of its own."""

INDUSTRIAL_SECTIONS: Final = frozenset("BCD")
"""Mining, manufacturing, and supply of electricity, heat, gas and water: industry (工业)."""


class Industry(msgspec.Struct, frozen=True):
    """One industry as base data know it (6.3.2.2-d)."""

    code: str
    """A letter and 0, 2, 3 or 4 digits."""
    name: str
    pcode: str
    """The code above it; `TOP` above a section."""
    level: int
    """1 section (门类), 2 division (大类), 3 group (中类), 4 class (小类)."""
    jgzh: bool
    """Whether it is an industry of energy conversion (是否能源加工转换类)."""


def contains(code: str, inner: str) -> bool:
    """Whether the industry `inner` is `code` or lies under it, by prefix; `TOP` holds all."""
    return code == TOP or inner.startswith(code)


def is_industrial(code: str) -> bool:
    """Whether the code lies in the sections B, C or D."""
    return code[:1] in INDUSTRIAL_SECTIONS


class IndustryTable:
    """A classification of industries from rows with code, name, pcode, level and jgzh.

    `jgzh` is a bool or the text "true"/"false"; ValueError names the row that is wrong.
    """

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._industries: dict[str, Industry] = {}
        for number, row in enumerate(rows, start=1):
            industry = _industry(number, row)
            if industry.code in self._industries:
                raise ValueError(f"行业第 {number} 行：编码 {industry.code} 重复")
            self._industries[industry.code] = industry

    def __iter__(self) -> Iterator[Industry]:
        return iter(self._industries.values())

    def __len__(self) -> int:
        return len(self._industries)

    def __contains__(self, code: object) -> bool:
        return code in self._industries

    def get(self, code: str) -> Industry | None:
        """The industry of that code, None when the table does not know it."""
        return self._industries.get(code)

    def name(self, code: str) -> str:
        """The industry's name, "" when unknown."""
        industry = self.get(code)
        return industry.name if industry else ""

    def parent(self, code: str) -> Industry | None:
        """The industry above; None above a section and for unknown codes."""
        industry = self.get(code)
        return self.get(industry.pcode) if industry else None

    def children(self, code: str) -> tuple[Industry, ...]:
        """The industries directly below, in the table's order; `TOP` has the sections."""
        return tuple(industry for industry in self if industry.pcode == code)

    def subtree(self, code: str) -> frozenset[str]:
        """The codes of the table that are `code` or lie under it."""
        return frozenset(one for one in self._industries if contains(code, one))

    @staticmethod
    def contains(code: str, inner: str) -> bool:
        """Whether `inner` is `code` or lies under it, by prefix, listed or not."""
        return contains(code, inner)


_JGZH: dict[object, bool] = {True: True, False: False, "true": True, "false": False}


def _industry(number: int, row: Mapping[str, object]) -> Industry:
    try:
        return Industry(
            code=str(row["code"]),
            name=str(row["name"]),
            pcode=str(row["pcode"]),
            level=int(str(row["level"])),
            jgzh=_JGZH[row["jgzh"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"行业第 {number} 行不完整或不合法：{error}") from None


GBT_4754 = IndustryTable(code_tables.load("industries"))
"""The 1,971 industries of GB/T 4754-2017."""
