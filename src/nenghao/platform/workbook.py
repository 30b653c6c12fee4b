"""Excel workbooks (.xlsx) from outside, read by a child process that may choke on them.

A workbook is hostile until read: a few kilobytes may unpack to gigabytes, a row may have millions
of cells. So its size is bounded before anything is unpacked, and the rest happens in a process of
its own with limits on memory and time. Formulas are never computed and their cached results never
believed: a cell that has one comes as `Formula`, an error value as `ErrorValue`.

`read` is the platform's side; `python -m nenghao.platform.workbook` is the child, which takes the
workbook from its standard input and writes one JSON array per row that has anything in it.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Final

import msgspec
from msgspec import Struct

MOST_BYTES: Final = 20_000_000
"""Bytes of a workbook that is looked at at all."""
MOST_UNPACKED: Final = 200_000_000
"""Bytes that its parts may have unpacked, all together."""
MOST_PARTS: Final = 1_000
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space of the child."""
SECONDS: Final = 60
"""How long the child may take, of the clock and of the processor."""
MOST_SCANNED: Final = 200_000
"""Rows that are passed through, empty ones included."""

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
"""How old .xls files begin, and .xlsx files with a password."""


class WorkbookError(Exception):
    """A workbook that cannot be read; says why, in Chinese."""


class Formula(Struct, frozen=True, tag_field="is", tag="formula"):
    """A cell with a formula."""


class ErrorValue(Struct, frozen=True, tag_field="is", tag="error"):
    """A cell with an error value, such as #DIV/0!."""

    text: str


class Time(Struct, frozen=True, tag_field="is", tag="time"):
    """A cell with a date, or date and time."""

    at: datetime


Cell = None | bool | int | float | str | Formula | ErrorValue | Time


class Sheet(Struct, frozen=True):
    """The rows of a sheet that have anything in them, by their number from 1 on."""

    rows: dict[int, list[Cell]]


class _Row(Struct, array_like=True):
    number: int
    cells: list[Cell]


class _Verdict(Struct):
    """What the child says last."""

    bad: str = ""
    done: bool = False


def read(
    content: bytes,
    sheet: str = "",
    *,
    most_rows: int,
    most_columns: int,
    memory: int = MEMORY,
    seconds: int = SECONDS,
) -> Sheet:
    """A sheet of a workbook (no name: the first); WorkbookError.

    Columns beyond `most_columns` are not looked at; more than `most_rows` rows are an error.
    """
    check(content)
    limits = map(str, (most_rows, most_columns, memory, seconds))
    command = [sys.executable, "-m", __name__, sheet, *limits]
    environment = {
        **os.environ,
        "PYTHONSAFEPATH": "1",  # nothing that lies in the working directory is imported
        "OPENBLAS_NUM_THREADS": "1",  # numpy comes along; its threads would take address space
    }
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and module, no shell
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WorkbookError(f"{seconds} 秒内没有读完，请拆分") from None
    return _received(child.stdout)


def check(content: bytes) -> None:
    """Refuse what is no workbook or would unpack to too much, without unpacking it."""
    if len(content) > MOST_BYTES:
        raise WorkbookError(f"文件超过 {MOST_BYTES // 1_000_000} MB")
    if content.startswith(_OLE):
        raise WorkbookError("是旧的 .xls 文件或设有打开密码，请去掉密码并另存为 .xlsx")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OverflowError, NotImplementedError):
        raise WorkbookError("不是 .xlsx 工作簿") from None
    if len(parts) > MOST_PARTS:
        raise WorkbookError(f"工作簿有 {len(parts)} 个部件，超过 {MOST_PARTS}")
    # zipfile gives no more of a part than it declares, so what is declared bounds what comes.
    if sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise WorkbookError(f"解压后超过 {MOST_UNPACKED // 1_000_000} MB")


def _received(output: bytes) -> Sheet:
    *lines, last = output.splitlines() or [b""]
    try:
        verdict = msgspec.json.decode(last, type=_Verdict)
        rows = [_decoder.decode(line) for line in lines]
    except msgspec.DecodeError:
        verdict, rows = _Verdict(), []
    if verdict.bad:
        raise WorkbookError(verdict.bad)
    if not verdict.done:
        raise WorkbookError("读取进程异常结束（文件损坏，或所需内存、时间过多）")
    return Sheet({row.number: row.cells for row in rows})


_decoder = msgspec.json.Decoder(_Row)


# --- the child -----------------------------------------------------------------------------------


def _main(sheet: str, most_rows: int, most_columns: int, memory: int, seconds: int) -> None:
    _limit(memory, seconds)
    encode = msgspec.json.encode
    out = sys.stdout.buffer
    try:
        content = io.BytesIO(sys.stdin.buffer.read())
        for row in rows_of(content, sheet, most_rows, most_columns):
            out.write(encode(row) + b"\n")
        verdict = _Verdict(done=True)
    except WorkbookError as error:
        verdict = _Verdict(str(error))
    except MemoryError:
        verdict = _Verdict("工作簿过大，内存不足")
    except Exception as error:  # whatever openpyxl makes of a broken file
        verdict = _Verdict(f"不是完好的 .xlsx 工作簿（{type(error).__name__}）")
    out.write(encode(verdict) + b"\n")
    out.flush()


def _limit(memory: int, seconds: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rows_of(content: io.BytesIO, sheet: str, most_rows: int, most_columns: int) -> Iterator[_Row]:
    """The rows of a sheet that have anything in them."""
    import openpyxl

    book = openpyxl.load_workbook(content, read_only=True, data_only=False, keep_links=False)
    if sheet and sheet not in book.sheetnames:
        raise WorkbookError(f"没有工作表“{sheet}”，现有：{'、'.join(book.sheetnames[:20])}")
    page = book[sheet] if sheet else book.worksheets[0]
    page.reset_dimensions()  # some programs write a wrong one, and rows would be lost
    found = 0
    for number, row in enumerate(page.iter_rows(max_col=most_columns), start=1):
        if number > MOST_SCANNED:
            raise WorkbookError(f"超过 {MOST_SCANNED} 行")
        cells = [_plain(cell) for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            continue
        found += 1
        if found > most_rows:
            raise WorkbookError(f"有内容的行超过 {most_rows}，请拆分")
        yield _Row(number, cells)


def _plain(cell: Any) -> Cell:
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == "f":
        return Formula()
    if cell.data_type == "e":
        return ErrorValue(str(value))
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return Time(value)
    if isinstance(value, date):
        return Time(datetime.combine(value, time()))
    return str(value)


if __name__ == "__main__":
    _main(sys.argv[1], *map(int, sys.argv[2:6]))
