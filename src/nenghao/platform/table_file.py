"""Lists as CSV or Excel files (表格文件): a header of known names, then rows of text.

Read and written here for projects and coefficients alike; what the cells mean is their business.
Nothing that is written can become a formula where a spreadsheet opens it: in CSV a cell that a
spreadsheet would compute gets an apostrophe in front, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from nenghao.platform import workbook
from nenghao.platform.dictionary_csv import TableError, decode
from nenghao.platform.workbook import Cell, ErrorValue, Formula, Time, WorkbookError

MOST_ROWS: Final = 100_000
MOST_CELLS_MORE: Final = 20
"""Columns beyond the header's that are looked at, to name them in an error."""
MOST_CSV_BYTES: Final = 50_000_000

EXCEL: Final = ".xlsx"
CSV: Final = ".csv"

_COMPUTED = re.compile(r"'*[=+\-@]")
_ESCAPED = re.compile(r"'+[=+\-@]")

Line = tuple[int, list[str]]
"""The number of a row in the file, from 1 on, and its cells."""


class FileError(Exception):
    """A file that is no such list; the text says why, by row and column."""


def read(content: bytes, suffix: str, header: Sequence[str]) -> list[Line]:
    """The rows below the header, their cells in the order of `header`; FileError.

    `suffix` is the file's: `.csv` or `.xlsx`. The columns may stand in any order.
    """
    match suffix.lower():
        case ".csv":
            lines = _csv_lines(content)
        case ".xlsx":
            lines = _excel_lines(content, len(header))
        case _:
            raise FileError(f"文件应为 {CSV} 或 {EXCEL}，收到 {suffix or '无扩展名'}")
    if not lines:
        raise FileError("文件是空的")
    order = _order(lines[0], header)
    return [(number, _ordered(number, cells, order)) for number, cells in lines[1:]]


def written(
    suffix: str, header: Sequence[str], rows: Iterable[Mapping[str, str]], title: str
) -> bytes:
    """The list as the file of that suffix has it, `.csv` or `.xlsx`."""
    if suffix.lower() == EXCEL:
        return write_excel(header, rows, title)
    return write_csv(header, rows)


def write_csv(header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The list as CSV, UTF-8 with the mark that spreadsheets want."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_guarded(row[name]) for name in header])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def write_excel(header: Sequence[str], rows: Iterable[Mapping[str, str]], title: str) -> bytes:
    """The list as a workbook of one sheet, every cell text."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"

    def text(value: str, bold: bool = False) -> Any:
        cell = WriteOnlyCell(sheet, value or None)
        if value:
            cell.data_type = "s"  # never a formula
            cell.number_format = "@"
        if bold:
            cell.font = Font(bold=True)
        return cell

    sheet.append([text(name, bold=True) for name in header])
    for row in rows:
        sheet.append([text(row[name]) for name in header])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _guarded(value: str) -> str:
    return f"'{value}" if _COMPUTED.match(value) else value


def _csv_lines(content: bytes) -> list[Line]:
    if len(content) > MOST_CSV_BYTES:
        raise FileError(f"文件超过 {MOST_CSV_BYTES // 1_000_000} MB")
    try:
        text = decode(content)
    except TableError as error:
        raise FileError(str(error)) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[Line] = []
    try:
        for cells in reader:
            if any(cells):
                plain = [cell[1:] if _ESCAPED.match(cell) else cell for cell in cells]
                lines.append((reader.line_num, plain))
            if len(lines) > MOST_ROWS + 1:
                raise FileError(f"超过 {MOST_ROWS} 行，请拆分")
    except csv.Error as error:
        raise FileError(f"第 {reader.line_num} 行不是合法的 CSV：{error}") from None
    return lines


def _excel_lines(content: bytes, columns: int) -> list[Line]:
    try:
        sheet = workbook.read(
            content, most_rows=MOST_ROWS + 1, most_columns=columns + MOST_CELLS_MORE
        )
    except WorkbookError as error:
        raise FileError(str(error)) from None
    errors: list[str] = []
    lines: list[Line] = []
    names: list[str] = []
    for number, cells in sheet.rows.items():
        texts = []
        for column, cell in enumerate(cells):
            name = names[column] if column < len(names) else f"第 {column + 1}"
            try:
                texts.append(text_of(cell))
            except ValueError as error:
                errors.append(f"第 {number} 行 {name} 列：{error}")
                texts.append("")
        names = names or texts
        lines.append((number, texts))
    if errors:
        shown = errors[:20] + ([f"另有 {len(errors) - 20} 处"] if len(errors) > 20 else [])
        raise FileError("\n".join(shown))
    return lines


def text_of(cell: Cell) -> str:
    """A cell's text; ValueError saying why it has none."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case int() | float():
            return format(Decimal(repr(cell)).normalize(), "f")
        case Formula():
            raise ValueError("是公式，请改为它的值")
        case ErrorValue():
            raise ValueError(f"是错误值 {cell.text}")
        case Time():
            return cell.at.strftime("%Y-%m-%d")
    raise TypeError(f"no text for {type(cell).__name__}")


def _order(line: Line, header: Sequence[str]) -> list[int]:
    """Of each name of the header, which cell of a row it is."""
    number, cells = line
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    errors = [f"未知的列 {name or '（空）'}" for name in names if name not in header]
    errors += [f"缺少列 {name}" for name in header if name not in names]
    errors += [f"列 {name} 重复" for name in header if names.count(name) > 1]
    if errors:
        raise FileError(f"第 {number} 行（表头）：{'；'.join(errors)}；表头应为 {','.join(header)}")
    return [names.index(name) for name in header]


def _ordered(number: int, cells: list[str], order: Sequence[int]) -> list[str]:
    extra = [cell for cell in cells[len(order) :] if cell.strip()]
    if extra:
        raise FileError(f"第 {number} 行：应有 {len(order)} 列，实有 {len(cells)} 列")
    return [cells[index] if index < len(cells) else "" for index in order]
