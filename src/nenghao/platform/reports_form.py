"""The monthly form 能源购进、消费与库存 (月报): what it has in it, empty and filled.

`reports_template` makes a workbook of an empty one, `reports_excel` reads a filled one, and what
its values mean is `reports`' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from nenghao.standard.energy import USAGES as ALL_USAGES

SHEET: Final = "填报"
TITLE: Final = "能源购进、消费与库存（月报）"
VERSION: Final = "nenghao-report-1"

USAGES: Final = {code: usage.name for code, usage in ALL_USAGES.items() if "10" <= code <= "81"}
"""The usages that the form has, 10 to 81, with their names."""

FIXED: Final = ("统一社会信用代码", "单位名称", "品种编码", "能源品种", "计量单位")
CODE, NAME, KIND, KIND_NAME, UNIT = range(len(FIXED))
HEADER_ROW: Final = 4
SPARE_ROWS: Final = 50
"""Rows at the end, for types that a unit's rows lack."""

WITHDRAWN: Final = "作废"
"""What stands in a cell whose earlier value is to count no longer."""

MOST_ROWS: Final = 25_000
MOST_ERRORS: Final = 20

NOTES: Final = (
    "只填写白色单元格；灰色单元格由平台生成，已锁定。",
    "数值按“计量单位”一列填写，至多 10 位小数；没有发生的填 0，没有统计的留空。",
    "留空的单元格不改变平台已有的数据；要使已报的数据作废，填写“作废”。",
    "只能填写数值，不能填写公式；从其他表格复制时请选择“粘贴为数值”。",
    "表末的空行可填写表中没有的品种：填写统一社会信用代码和品种编码（见“单位”“品种”两表）。",
    "校验关系：20 = 21 + 22；10 = 11 + 12；23 ≤ 21；81 ≤ 20；52 = 51 + 10 − 20。"
    "不符的照常接收，并列入数据提示。",
    "导入：nenghao platform reports import --home 平台目录 本文件；有任何错误则整个文件都不导入。",
)


class FormError(Exception):
    """A workbook that is no filled form; `problems` says where and why, in Chinese."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        shown = self.problems[:MOST_ERRORS]
        if len(self.problems) > len(shown):
            shown.append(f"另有 {len(self.problems) - len(shown)} 处")
        super().__init__("\n".join(shown))


class FormKind(Struct, frozen=True):
    """What a row of the form is about: an energy type, or output value."""

    code: str
    """Class and type, six digits: `023300`."""
    name: str
    unit: str
    usages: frozenset[str]
    """The columns that are to be filled in."""


class FormUnit(Struct, frozen=True):
    """A unit of the form and the types of its rows."""

    code: str
    name: str
    region: str
    kinds: tuple[FormKind, ...]


class Form(Struct, frozen=True):
    """An empty form."""

    month: str
    """`2026-03`."""
    units: tuple[FormUnit, ...]
    kinds: tuple[FormKind, ...]
    """All that may be reported."""


class Place(NamedTuple):
    """A cell as errors name it."""

    row: int
    column: int
    """From 0 on."""
    label: str

    def __str__(self) -> str:
        return f"第 {self.row} 行 {self.label} 列（{letter(self.column)}{self.row}）"


class Field(NamedTuple):
    """A field of the form in the console, as errors name it."""

    kind: str
    """The energy type's name."""
    label: str

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"


class Entry(NamedTuple):
    """A filled cell, or field."""

    place: Place | Field
    usage: str
    value: float | None
    """None: withdrawn."""


class Line(NamedTuple):
    """A row with entries."""

    row: int
    unit: str
    kind: str
    entries: list[Entry]


class Filled(NamedTuple):
    """A filled form."""

    month: str
    lines: list[Line]
    problems: list[str]
    """The cells that are wrong; with any of them the form is not to be taken."""


def letter(column: int) -> str:
    """The name of a column that is counted from 0."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
