"""Readings from a CSV file (CSV 文件导入): what metering systems everywhere can export.

A file is taken whole or not at all: with an error in any row nothing is imported, and the errors
are named by row and column as a spreadsheet counts them (the heading is row 1). Empty cells are
missing readings, which are left out and counted, never read as 0.

What the label of a row means is said by the caller. `end` (the standard's way): the interval ends
there; a 00:00 that follows later times of its own date is that date's 24:00, so the order of the
file decides, as it must (some systems close a day with its own date). `start`: it begins there.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from msgspec import Struct

from nenghao.device.aggregation import INTERVALS
from nenghao.device.history import LARGEST, Reading, scaled
from nenghao.standard import periods

Label = Literal["end", "start"]

MOST_SHOWN = 20
"""Errors of one file that are listed; the rest are counted."""

MIDNIGHT = time(0, 0)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_TWENTY_FOUR = re.compile(r"(?<![0-9])24(:?)00(?![0-9])")
_PROBE = datetime(2024, 11, 28, 13, 45)


class SourceError(Exception):
    """A file that cannot be imported; `lines` say why in Chinese, at most 20 of them."""

    def __init__(self, lines: Sequence[str]) -> None:
        shown = list(lines[:MOST_SHOWN])
        if len(lines) > len(shown):
            shown.append(f"另有 {len(lines) - len(shown)} 处错误")
        self.lines = tuple(shown)
        super().__init__("；".join(shown))


class CsvFile(Struct, frozen=True, kw_only=True):
    """Where readings stand in a file and what they mean."""

    path: Path
    column: str
    """Heading of the column with the values."""
    time_column: str
    time_format: str
    """As `datetime.strptime` has it: `%d/%m/%Y %H:%M`."""
    label: Label
    scale: Decimal = Decimal(1)
    """What a value is multiplied by, exactly: 0.0001 makes 万千瓦时 of kWh."""
    interval: int | None = None
    """Minutes per reading; None: as the labels show."""


class CsvReadings(Struct, frozen=True):
    """What a file holds: ticks in order of time, the interval, how many cells were empty."""

    readings: list[Reading]
    interval: int
    blanks: int


class _Row(Struct):
    number: int
    label: datetime
    value: Decimal | None
    """None: the cell is empty. The row still tells the order and the grid of the file."""


def check_format(time_format: str) -> str:
    """Why a time format is of no use, in Chinese; empty when it can tell date, hour and minute."""
    try:
        read = datetime.strptime(_PROBE.strftime(time_format), time_format)
    except (ValueError, re.error):
        return f"时间格式 {time_format!r} 不合法"
    if read.tzinfo is not None:
        return f"时间格式 {time_format!r} 不应带时区：读数按北京时间"
    if read != _PROBE:
        return f"时间格式 {time_format!r} 应能分辨年、月、日、时、分"
    return ""


def read(source: CsvFile) -> CsvReadings:
    """All readings of a file; SourceError names every error by row and column."""
    if fault := check_format(source.time_format):
        raise SourceError([fault])
    errors: list[str] = []
    rows = _rows(source, errors)
    blanks = sum(row.value is None for row in rows)
    if len(rows) == blanks and not errors:
        raise SourceError([f"{source.path} 中没有读数"])
    interval = source.interval or _interval(rows)
    readings = _readings(source, rows, interval, errors)
    if errors:
        raise SourceError(errors)
    return CsvReadings(sorted(readings, key=lambda one: one.time), interval, blanks)


# --- the file ------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    """UTF-8 with or without BOM, else GB 18030: what spreadsheets in China write."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError([f"无法读取 {path}：{error.strerror}"]) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SourceError([f"{path} 既不是 UTF-8 也不是 GB 18030 编码"])


def _rows(source: CsvFile, errors: list[str]) -> list[_Row]:
    """The rows without errors, in the order of the file."""
    reader = csv.reader(io.StringIO(_text(source.path), newline=""), strict=True)
    rows: list[_Row] = []
    try:
        heading = [name.strip() for name in next(reader, [])]
        value_at = _column(heading, source.column)
        time_at = _column(heading, source.time_column)
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            row = _row(source, number, cells, len(heading), (time_at, value_at), errors)
            if row is not None:
                rows.append(row)
    except csv.Error as error:
        errors.append(f"第 {reader.line_num} 行不是合法的 CSV：{error}")
    return rows


def _column(heading: Sequence[str], name: str) -> int:
    found = heading.count(name.strip())
    if found == 1:
        return heading.index(name.strip())
    if found:
        raise SourceError([f"表头中 {name!r} 列出现 {found} 次"])
    raise SourceError([f"表头中没有 {name!r} 列，现有：{'、'.join(heading) or '（空）'}"])


def _row(
    source: CsvFile,
    number: int,
    cells: Sequence[str],
    width: int,
    places: tuple[int, int],
    errors: list[str],
) -> _Row | None:
    """The row; None for one with errors, which are noted."""
    if len(cells) > width and any(cell.strip() for cell in cells[width:]):
        errors.append(f"第 {number} 行有 {len(cells)} 列，多于表头的 {width} 列")
        return None
    time_text, value_text = (cells[place].strip() if place < len(cells) else "" for place in places)
    label = _label(source, time_text)
    if isinstance(label, str):
        errors.append(f"第 {number} 行“{source.time_column}”列：{label}")
    value = _value(source, value_text) if value_text else None
    if isinstance(value, str):
        errors.append(f"第 {number} 行“{source.column}”列：{value}")
    if isinstance(label, str) or isinstance(value, str):
        return None
    return _Row(number, label, value)


def _label(source: CsvFile, text: str) -> datetime | str:
    """The time of a row, or what is wrong with it; 24:00 is the next day's 00:00."""
    if not text:
        return "时间为空"
    try:
        label = datetime.strptime(text, source.time_format)
    except ValueError:
        label = _twenty_four(source, text)  # type: ignore[assignment]
        if label is None:
            return f"时间 {text!r} 不符合格式 {source.time_format}"
    if label.second or label.microsecond or label.minute % 15:
        return f"时间 {text!r} 不在 15 分钟的整刻度上"
    if not datetime(2000, 1, 1) <= label < datetime(2100, 1, 1):
        return f"时间 {text!r} 的年份应在 2000 至 2099 之间"
    return label


def _twenty_four(source: CsvFile, text: str) -> datetime | None:
    found = list(_TWENTY_FOUR.finditer(text))
    if source.label != "end" or not found:
        return None
    last = found[-1]
    try:
        label = datetime.strptime(
            f"{text[: last.start()]}00{last[1]}00{text[last.end() :]}", source.time_format
        )
    except ValueError:
        return None
    return label + timedelta(days=1) if label.time() == MIDNIGHT else None


def _value(source: CsvFile, text: str) -> Decimal | str:
    """The scaled value of a cell, or what is wrong with it."""
    if _NUMBER.fullmatch(text) is None:
        return f"{text!r} 不是数值"
    value = scaled(Decimal(text), source.scale)
    return value if abs(value) < LARGEST else f"数值 {text!r} 过大"


# --- what labels mean ----------------------------------------------------------------------------


def _interval(rows: Sequence[_Row]) -> int:
    """60, 30 or 15 minutes: the coarsest grid that has all the labels."""
    if not rows:
        return INTERVALS[0]
    return math.gcd(60, *(row.label.minute for row in rows))


def _readings(
    source: CsvFile, rows: Sequence[_Row], interval: int, errors: list[str]
) -> list[Reading]:
    """Rows as ticks at interval ENDs; a tick that stands twice with two values is an error."""
    known: dict[datetime, _Row] = {}
    readings: list[Reading] = []
    for tick, row in _ticks(source, rows, interval):
        if (tick - datetime.combine(tick.date(), MIDNIGHT)).seconds % (interval * 60):
            errors.append(
                f"第 {row.number} 行“{source.time_column}”列：{row.label:%H:%M} 不在"
                f" {interval} 分钟的整刻度上"
            )
        elif row.value is None:
            continue
        elif tick not in known:
            known[tick] = row
            readings.append(Reading(tick, row.value))
        elif known[tick].value != row.value:
            errors.append(
                f"第 {row.number} 行“{source.column}”列：{periods.format_time(tick)} 与第"
                f" {known[tick].number} 行重复而数值不同"
            )
    return readings


def _ticks(source: CsvFile, rows: Sequence[_Row], interval: int) -> Iterator[tuple[datetime, _Row]]:
    if source.label == "start":
        for row in rows:
            yield row.label + timedelta(minutes=interval), row
        return
    begun: set[date] = set()
    for row in reversed(rows) if _newest_first(rows) else rows:
        day = row.label.date()
        if row.label.time() != MIDNIGHT:
            begun.add(day)
        # the 00:00 after later times of its own date closes that date: its 24:00
        closes = row.label.time() == MIDNIGHT and day in begun
        yield (row.label + timedelta(days=1) if closes else row.label), row


def _newest_first(rows: Sequence[_Row]) -> bool:
    """Whether the file runs backwards; its order is then read from the bottom.

    Told by the rows that are not midnights, since those are what the order is to decide about.
    """
    labels = [row.label for row in rows if row.label.time() != MIDNIGHT]
    pairs = list(itertools.pairwise(labels))
    return bool(pairs) and all(later < earlier for earlier, later in pairs)
