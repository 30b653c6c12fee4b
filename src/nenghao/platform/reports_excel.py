"""Reads the monthly form as it comes back in Excel (填报导入): every filled cell with its place.

A workbook comes from outside: `workbook` takes it apart, here every cell is looked at and every
one that is wrong is named. What the values mean is `reports`' business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Final

from nenghao.platform import workbook
from nenghao.platform.reports_form import (
    CODE,
    FIXED,
    HEADER_ROW,
    KIND,
    MOST_ROWS,
    SHEET,
    SPARE_ROWS,
    USAGES,
    VERSION,
    WITHDRAWN,
    Entry,
    Filled,
    FormError,
    Line,
    Place,
    letter,
)
from nenghao.platform.workbook import Cell, ErrorValue, Formula, Time, WorkbookError
from nenghao.standard.findings import quote

MOST_COLUMNS: Final = 60
LARGEST: Final = 10**15
STEP: Final = Decimal("1e-10")
"""The finest step of a value (docs/decisions 3)."""

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]+)?")
_USAGE = re.compile(r"([0-9]{2})\s.*", re.DOTALL)


def read(content: bytes) -> Filled:
    """The filled cells of a form, and those that are wrong; FormError where it is no form."""
    try:
        sheet = workbook.read(
            content,
            SHEET,
            most_rows=MOST_ROWS + SPARE_ROWS + HEADER_ROW,
            most_columns=MOST_COLUMNS,
        )
    except WorkbookError as error:
        raise FormError([str(error)]) from None
    return filled(sheet.rows)


def filled(rows: Mapping[int, Sequence[Cell]]) -> Filled:
    """The same of the rows of the sheet, by their number."""
    told = list(rows.get(2, ()))
    if len(told) < 4 or told[3] != VERSION:
        raise FormError(
            ["不是本平台生成的填报模板，请用 nenghao platform reports template 重新生成"]
        )
    problems: list[str] = []
    month = _month(told[1], problems)
    columns = _columns(rows.get(HEADER_ROW, ()), problems)
    if problems:
        raise FormError(problems)
    lines = []
    firsts: dict[tuple[str, str], int] = {}
    for row, cells in rows.items():
        if row <= HEADER_ROW:
            continue
        line = _line(row, cells, columns, problems)
        if line is None:
            continue
        first = firsts.setdefault((line.unit, line.kind), row)
        if first != row and line.unit and line.kind:
            problems.append(f"第 {row} 行 {FIXED[CODE]}、{FIXED[KIND]} 列：与第 {first} 行重复")
        lines.append(line)
    if not lines:
        raise FormError(["没有填写任何数值"])
    return Filled(month, lines, problems)


def _month(cell: Cell, problems: list[str]) -> str:
    text = cell.at.strftime("%Y-%m") if isinstance(cell, Time) else cell
    if isinstance(text, str) and re.fullmatch(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", text):
        return text
    problems.append(f"第 2 行 月份 列（B2）：应为 YYYY-MM，收到 {_shown(cell)}")
    return ""


def _columns(header: Sequence[Cell], problems: list[str]) -> dict[int, str]:
    """Of each column of values the usage; the fixed ones are where the form has them."""
    for column, name in enumerate(FIXED):
        if column >= len(header) or header[column] != name:
            problems.append(
                f"第 {HEADER_ROW} 行（表头）{letter(column)} 列应为“{name}”，请勿改动表头"
            )
    columns: dict[int, str] = {}
    for column, cell in enumerate(header[len(FIXED) :], start=len(FIXED)):
        if cell is None:
            continue
        match = _USAGE.fullmatch(cell) if isinstance(cell, str) else None
        where = f"第 {HEADER_ROW} 行（表头）{letter(column)} 列"
        if match is None or match[1] not in USAGES:
            problems.append(f"{where}：未知的用途 {_shown(cell)}")
        elif match[1] in columns.values():
            problems.append(f"{where}：用途 {match[1]} 重复")
        else:
            columns[column] = match[1]
    return columns


def _line(
    row: int, cells: Sequence[Cell], columns: Mapping[int, str], problems: list[str]
) -> Line | None:
    """The row; None where no value is filled in."""
    entries: list[Entry] = []
    empty = True
    for column, cell in enumerate(cells):
        if column < len(FIXED) or cell is None:
            continue
        empty = False
        usage = columns.get(column)
        if usage is None:
            problems.append(f"第 {row} 行 {letter(column)} 列：表头没有这一列，不应有内容")
            continue
        place = Place(row, column, f"{usage} {USAGES[usage]}")
        try:
            entries.append(Entry(place, usage, value_of(cell)))
        except ValueError as error:
            problems.append(f"{place}：{error}")
    if empty:
        return None
    unit = _text(row, cells, CODE, problems)
    kind = _text(row, cells, KIND, problems)
    return Line(row, unit, kind, entries)


def _text(row: int, cells: Sequence[Cell], column: int, problems: list[str]) -> str:
    cell = cells[column] if column < len(cells) else None
    if column == KIND and isinstance(cell, int | float) and not isinstance(cell, bool):
        cell = f"{cell:06.0f}"  # typed as a number, it lost its zeros
    if isinstance(cell, str) and cell.strip():
        return cell.strip()
    place = Place(row, column, FIXED[column])
    problems.append(f"{place}：缺失" if cell is None else f"{place}：应为文本，收到 {_shown(cell)}")
    return ""


def value_of(cell: Cell) -> float | None:
    """The value that a cell, or a field of the console, is filled with; None: withdrawn (作废).

    Raises ValueError saying, in Chinese, what it should be.
    """
    match cell:
        case Formula():
            raise ValueError("是公式，请改为数值（粘贴为数值）")
        case ErrorValue():
            raise ValueError(f"是错误值 {cell.text}，请改为数值")
        case Time():
            raise ValueError("是日期，请改为数值")
        case str() if cell.strip() == WITHDRAWN:
            return None
        case str() if _NUMBER.fullmatch(cell.strip()):
            number = Decimal(cell.strip())
        case int() | float() if not isinstance(cell, bool) and isfinite(cell):
            number = Decimal(repr(cell))
        case _:
            raise ValueError(f"应为数值或“{WITHDRAWN}”，收到 {_shown(cell)}")
    if abs(number) >= LARGEST:
        raise ValueError(f"数值过大，收到 {_shown(cell)}")
    # A double that a spreadsheet computed has noise beyond what a value may have.
    return float(number.quantize(STEP, ROUND_HALF_UP))


def _shown(cell: Cell) -> str:
    match cell:
        case Formula():
            return "公式"
        case ErrorValue():
            return cell.text
        case Time():
            return f"{cell.at:%Y-%m-%d}"
    return quote(cell)
