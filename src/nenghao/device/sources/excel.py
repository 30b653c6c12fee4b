"""Rows of an Excel workbook (.xlsx), read in a process of its own that ends with the file.

openpyxl brings numpy and keeps what it has taken: a small gateway would carry that for ever. And
a workbook comes from outside: a child with limits on memory and time may choke on it, the device
does not. `rows_of` is the device's side; `python -m nenghao.device.sources.excel` is the child,
which reads the workbook from its standard input and writes one JSON array per row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import IO, Any

import msgspec

from nenghao.device.sources.base import FaultKind, SourceFault

MEMORY = 1024 * 1024 * 1024
"""Bytes of address space of the child."""

MOST_UNPACKED = 256 * 1024 * 1024
"""Bytes that the parts of a workbook may have unpacked."""

_MILLISECOND = timedelta(milliseconds=1)


class Unreadable(Exception):
    """A workbook that cannot be read; says why in Chinese."""


# --- the device's side ---------------------------------------------------------------------------


def rows_of(
    workbook: IO[bytes], *, sheet: str, most_rows: int, seconds: float
) -> Generator[list[Any], None, None]:
    """The rows of a sheet (empty name: the first), cells as None, bool, number, text, datetime.

    Blocking; close the generator when no more rows are wanted. Unreadable when it is no workbook,
    has no such sheet, too many rows, or takes too long. SourceFault without openpyxl.
    """
    environment = {
        **os.environ,
        "PYTHONSAFEPATH": "1",  # nothing that lies in the working directory is imported
        "OPENBLAS_NUM_THREADS": "1",  # numpy comes along; its threads would take address space
    }
    module = "nenghao.device.sources.excel"
    command = [sys.executable, "-m", module, sheet, str(most_rows), str(round(seconds) + 1)]
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
        command,
        stdin=workbook,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield from _received(child.stdout or ())
    except Unreadable:
        if late.is_set():
            raise Unreadable(f"{seconds:g} 秒内没有读完") from None
        raise
    finally:
        timer.cancel()
        child.kill()
        child.communicate()


def _received(lines: Iterable[bytes]) -> Generator[list[Any], None, None]:
    for line in lines:
        try:
            value = msgspec.json.decode(line)
        except msgspec.DecodeError:
            break  # cut off in the middle
        if isinstance(value, list):
            yield [_cell(one) for one in value]
        elif value.get("missing"):
            raise SourceFault(
                FaultKind.CONFIGURATION,
                f"读取 Excel 文件缺少 {value['missing']}，请安装：pip install nenghao[excel]",
            )
        elif value.get("bad"):
            raise Unreadable(value["bad"])
        else:
            return
    raise Unreadable("读取进程异常结束（文件损坏，或所需内存、时间过多）")


def _cell(value: Any) -> Any:
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value


# --- the child -----------------------------------------------------------------------------------


def _main(sheet: str, most_rows: int, seconds: int) -> None:
    _limit(seconds)
    encode = msgspec.json.encode
    out = sys.stdout.buffer
    verdict: dict[str, Any] = {}
    try:
        for row in _rows(sys.stdin.buffer, sheet, most_rows):
            out.write(encode(row) + b"\n")
    except ModuleNotFoundError as error:
        verdict = {"missing": error.name}
    except Unreadable as error:
        verdict = {"bad": str(error)}
    except MemoryError:
        verdict = {"bad": "文件过大，内存不足"}
    except Exception as error:  # whatever openpyxl makes of a broken file
        verdict = {"bad": f"不是完好的 .xlsx 工作簿（{type(error).__name__}）"}
    out.write(encode(verdict) + b"\n")
    out.flush()


def _limit(seconds: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _rows(workbook: IO[bytes], sheet: str, most_rows: int) -> Iterator[list[Any]]:
    import openpyxl  # type: ignore[import-untyped, unused-ignore]

    if not zipfile.is_zipfile(workbook):
        raise Unreadable("不是 .xlsx 工作簿（旧的 .xls 请另存为 .xlsx）")
    with zipfile.ZipFile(workbook) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
            raise Unreadable(f"解压后超过 {MOST_UNPACKED // 1024 // 1024} MB")
    book = openpyxl.load_workbook(workbook, read_only=True, data_only=True)
    if sheet and sheet not in book.sheetnames:
        raise Unreadable(f"没有工作表 {sheet!r}，现有：{'、'.join(book.sheetnames)}")
    page = book[sheet] if sheet else book.worksheets[0]
    page.reset_dimensions()  # some systems write a wrong one, and rows would be lost
    for count, row in enumerate(page.iter_rows(values_only=True), start=1):
        if count > most_rows:
            raise Unreadable(f"超过 {most_rows} 行，请拆分")
        yield [_plain(cell) for cell in row]


def _plain(cell: object) -> object:
    """A cell as JSON has it; times are marked, since text may look like one."""
    if cell is None or isinstance(cell, bool | int | float | str):
        return cell
    if isinstance(cell, datetime):  # a day's fraction is a binary number: 00:15 comes inexact
        rounded = cell + _MILLISECOND / 2
        rounded -= timedelta(microseconds=rounded.microsecond % 1000)
        return {"time": rounded.isoformat()}
    if isinstance(cell, date):
        return {"time": datetime.combine(cell, time()).isoformat()}
    return str(cell)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
