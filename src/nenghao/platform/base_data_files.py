"""Base data tables as CSV or Excel files (基础数据表格文件): read with every check, and written.

What a table's rows must be is `dictionary_csv`'s business, how files are read `table_file`'s.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from nenghao.platform import dictionary_csv, table_file
from nenghao.platform.dictionary_csv import Row
from nenghao.platform.table_file import Line


def read(table: str, content: bytes, suffix: str) -> list[Row]:
    """The rows of a file. Raises FileError or TableError, naming rows and columns."""
    header = [column.wire for column in dictionary_csv.columns(table)]
    lines = table_file.read(content, suffix, header)
    return dictionary_csv.read(table, _csv(header, lines))


def written(table: str, rows: Iterable[Row], suffix: str) -> bytes:
    """The rows as the file of that suffix, `.csv` or `.xlsx`, has them."""
    header = [column.wire for column in dictionary_csv.columns(table)]
    texts = ({name: dictionary_csv.text_of(row[name]) for name in header} for row in rows)
    return table_file.written(suffix, header, texts, table)


def _csv(header: list[str], lines: Iterable[Line]) -> str:
    """As CSV in which every row has the number that it has in the file, so that errors name it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(_numbered(header, lines))
    return out.getvalue()


def _numbered(header: list[str], lines: Iterable[Line]) -> Iterator[list[str]]:
    yield header
    next_number = 2
    for number, cells in lines:
        for _ in range(next_number, number):
            yield []
        # A line break in a cell would shift the numbers; it is refused as a control character.
        yield [cell.replace("\r\n", "\x01").replace("\n", "\x01") for cell in cells]
        next_number = max(next_number, number) + 1
