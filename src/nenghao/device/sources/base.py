"""What every source of readings (采集来源) has in common: samples, faults, and how it is asked.

A source connects, is read on the collector's grid, and says in one of five kinds what is wrong.
Reconnecting with back-off, keeping samples and making ticks of them is `collection`'s business;
which module serves which type is `registry`'s. A source imports its own library and nobody else
does: a device without Modbus never pays for Modbus.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct


class Sample(Struct, frozen=True):
    """One value of one point at one moment, in the point's engineering unit."""

    point: str
    """Name of the point within its source."""
    time: datetime
    """Naive China Standard Time: the source's own time stamp if it has one, else `now`."""
    value: Decimal
    """After the point's scale and offset."""
    good: bool = True
    """The source's own quality flag."""


class FaultKind(StrEnum):
    """What is wrong with a source, as the page and the log name it."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    GARBAGE = "garbage"
    CREDENTIALS = "credentials"
    CONFIGURATION = "configuration"

    @property
    def label(self) -> str:
        """The kind in Chinese."""
        return _LABELS[self]


_LABELS = {
    FaultKind.UNREACHABLE: "无法连接",
    FaultKind.TIMEOUT: "超时",
    FaultKind.GARBAGE: "应答不合法",
    FaultKind.CREDENTIALS: "身份验证失败",
    FaultKind.CONFIGURATION: "配置有误",
}


class SourceFault(Exception):
    """A source cannot be read; `text` says why in Chinese and holds no secret."""

    def __init__(self, kind: FaultKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Source(Protocol):
    """One connection to readings. After a fault the collector calls `close` and `open` again."""

    async def open(self) -> None:
        """Connect; SourceFault."""

    async def read(self, now: datetime) -> list[Sample]:
        """One poll, or what came since the last one (subscriptions); SourceFault."""

    async def close(self) -> None:
        """Let go of the connection; never raises for one that is gone already."""


@runtime_checkable
class Bookmarked(Protocol):
    """A source that remembers how far it has read: told when its samples are on the disk."""

    async def taken(self) -> None:
        """All samples that `read` returned so far are durable; SourceFault."""


@runtime_checkable
class Probing(Protocol):
    """A source whose reading leaves traces, and that can be read without them."""

    def only_look(self) -> None:
        """From now on nothing is moved, marked or remembered."""


class CommonSettings(Protocol):
    """The fields that every source's settings have."""

    name: str
    poll_seconds: float
    timeout_seconds: float


def secret(text: str, file: str, home_dir: Path) -> str:
    """A password given in the settings, or the first line of the file that they name.

    Relative paths lie in the device's directory. SourceFault (configuration) for both, or for a
    file that cannot be read; the text never holds the secret.
    """
    if not file:
        return text
    if text:
        raise SourceFault(FaultKind.CONFIGURATION, "password 与 password_file 只能给出一个")
    try:
        lines = (home_dir / file).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "不是 UTF-8 文本"
        raise SourceFault(FaultKind.CONFIGURATION, f"无法读取密码文件 {file}：{reason}") from None
    return lines[0] if lines else ""
