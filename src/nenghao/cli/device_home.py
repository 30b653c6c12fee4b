"""What all commands of `nenghao device` share: the `--home` option and how failures are said."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.device.download import DownloadError
from nenghao.device.history import HistoryError
from nenghao.device.home import DeviceHome, HomeError
from nenghao.device.sources.csv_file import SourceError
from nenghao.device.store import DeviceStore, StoreError
from nenghao.device.urls import BadAddress
from nenghao.settings import SettingsError
from nenghao.standard import periods, replies

HomeOption = Annotated[Path, typer.Option(help="端设备目录", metavar="DEV")]
JsonOption = Annotated[bool, typer.Option("--json", help="标准输出为一个 JSON 值")]


@contextmanager
def failures() -> Iterator[None]:
    """Turn what the device's modules raise into what the command line says."""
    try:
        yield
    except BadAddress as error:
        raise output.Misuse(str(error)) from error
    except SourceError as error:
        raise output.Failure("\n  ".join(("没有导入任何数据：", *error.lines))) from error
    except replies.RequestError as error:
        lines = [finding.text() for finding in error.findings]
        if error.total > len(lines):
            lines.append(f"另有 {error.total - len(lines)} 处")
        raise output.Failure("\n  ".join(("配置不合法：", *lines))) from error
    except (HomeError, HistoryError, StoreError, SettingsError, DownloadError) as error:
        raise output.Failure(str(error)) from error
    except sqlite3.Error as error:
        raise output.Failure(f"数据库 device.db 无法使用：{error}") from error


@contextmanager
def opened(home: Path) -> Iterator[tuple[DeviceHome, DeviceStore]]:
    """An existing device's directory and its database, closed in the end."""
    device = DeviceHome.open(home)
    with device.store() as store:
        yield device, store


def moment(option: str, text: str) -> datetime:
    """The time that an option names."""
    try:
        time = periods.parse_time(text)
    except ValueError as error:
        raise output.Misuse(f"{option} {error}，收到 {text}") from None
    if not periods.in_years(time):
        raise output.Misuse(f"{option} 的年份应在 2000 至 2099 之间，收到 {text}")
    return time
