"""Samples out of a table in a file (表格文件): whole or not at all.

With an error in any row nothing of the file is taken, and every error is named by row and column
as a spreadsheet counts them. Cells of a CSV file are text; an Excel workbook's come from `excel`.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from nenghao.device.sources.base import Sample
from nenghao.device.sources.rows import BadLayout, Layout, Row, RowPoint, Rows, close_days

MOST_SAMPLES = 200_000
"""Values of one file: a year of quarter-hours of five points, and what a gateway has room for."""

_ENCODINGS = ("utf-8-sig", "gb18030")
"""What spreadsheets in China write."""


class Rejected(Exception):
    """A file that cannot be taken; `lines` say why in Chinese, one error each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("；".join(lines))
        self.lines = tuple(lines)


def csv_rows(
    content: bytes, *, encoding: str, delimiter: str, most_rows: int
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, counted from 1; Rejected, while they are read."""
    text = _text(content, encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number > most_rows:
                raise Rejected([f"超过 {most_rows} 行，请拆分"])
            yield number, cells
    except csv.Error as error:
        raise Rejected([f"第 {reader.line_num} 行不是合法的 CSV：{error}"]) from None


def _text(content: bytes, encoding: str) -> str:
    if not encoding and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    for one in (encoding,) if encoding else _ENCODINGS:
        try:
            return content.decode(one)
        except UnicodeDecodeError:
            continue
    raise Rejected([f"不是 {encoding or 'UTF-8，也不是 GB 18030'} 编码"])


def samples_of(
    rows: Iterable[tuple[int, Sequence[object]]],
    layout: Layout,
    points: Sequence[RowPoint],
    heading_row: int,
) -> list[Sample]:
    """The samples of a table whose heading stands in row `heading_row`; Rejected."""
    remaining = iter(rows)
    heading: list[str] = []
    for number, cells in remaining:
        if number == heading_row:
            heading = ["" if cell is None else str(cell).strip() for cell in cells]
            break
    try:
        reader = Rows(layout, points, heading)
    except BadLayout as bad:
        raise Rejected([str(bad)]) from None
    errors: list[str] = []
    read: list[tuple[int, Row]] = []
    count = 0
    for number, cells in remaining:
        if all(_blank(cell) for cell in cells):
            continue
        if any(not _blank(cell) for cell in cells[len(heading) :]):
            errors.append(f"第 {number} 行有 {len(cells)} 列，多于表头的 {len(heading)} 列")
            continue
        row = reader.read(cells)
        if layout.name_column and not reader.knows(row.series):
            continue
        errors += [f"第 {number} 行“{column}”列：{reason}" for column, reason in row.errors]
        if row.moment is not None and not row.errors:
            read.append((number, row))
            count += len(row.values)
        if count > MOST_SAMPLES:
            raise Rejected([f"读数超过 {MOST_SAMPLES} 个，请拆分"])
    found = _in_time(read, layout, errors)
    if errors:
        raise Rejected(errors)
    if not found:
        raise Rejected(["没有读数：表中没有所配置的采集点，或值全为空"])
    return found


def _in_time(read: Sequence[tuple[int, Row]], layout: Layout, errors: list[str]) -> list[Sample]:
    """The rows' values at the times that their labels mean; two values at one time are an error."""
    moments = _moments([row for _, row in read], layout)
    known: dict[tuple[str, datetime], tuple[int, Decimal]] = {}
    found: list[Sample] = []
    for (number, row), moment in zip(read, moments, strict=True):
        time = layout.times.sample_time(moment)
        for point, value in row.values:
            before = known.setdefault((point, time), (number, value))
            if before[1] != value:
                errors.append(
                    f"第 {number} 行：{point} 在 {time} 与第 {before[0]} 行重复而数值不同"
                )
            elif before[0] == number:
                found.append(Sample(point, time, value))
    return found


def _moments(rows: Sequence[Row], layout: Layout) -> list[datetime]:
    """The rows' times in their order; for interval ends, day ends are put where they belong."""
    moments = [row.moment for row in rows if row.moment is not None]
    if layout.times.label == "start":
        return moments
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.series, []).append(place)
    for series in places.values():
        closed = close_days([moments[place] for place in series])
        for place, moment in zip(series, closed, strict=True):
            moments[place] = moment
    return moments


def _blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
