"""What a source remembers across restarts (采集书签): one small JSON file per source.

    DIR/sources/<type>-<name>.json

Written whole or not at all, and only after the samples it speaks of are on the disk: a crash in
between reads some rows twice, which changes nothing, and never skips one.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from nenghao.device.home import write_file
from nenghao.device.sources.base import FaultKind, SourceFault

T = TypeVar("T")

FOLDER = "sources"
_LONGEST = 180
"""Bytes of a name that go into a file name."""


class StateFile(Generic[T]):
    """One source's file; `shape` is what it holds."""

    def __init__(self, home_dir: Path, source_type: str, name: str, shape: type[T]) -> None:
        self.path = home_dir / FOLDER / f"{source_type}-{_file_name(name)}.json"
        self._shape = shape

    def load(self) -> T | None:
        """What was saved last; None: nothing yet. SourceFault for a file of something else."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(f"无法读取书签文件 {self.path}：{error.strerror}") from error
        try:
            return msgspec.json.decode(content, type=self._shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _fault(
                f"书签文件 {self.path} 的内容不合法（删除后将从头读取）：{error}"
            ) from error

    def save(self, state: T) -> None:
        """In place in one step, on the disk when this returns; SourceFault when it cannot be."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            write_file(self.path, msgspec.json.format(msgspec.json.encode(state), indent=1))
        except OSError as error:
            raise _fault(f"无法写入书签文件 {self.path}：{error.strerror}") from error


def _fault(text: str) -> SourceFault:
    return SourceFault(FaultKind.CONFIGURATION, text)


def _file_name(name: str) -> str:
    """The source's name where a file name allows it: Chinese stays, slashes do not."""
    safe = re.sub(r"[^\w-]", lambda found: f"%{ord(found[0]):X}", name)
    if len(safe.encode()) <= _LONGEST:
        return safe
    head = safe.encode()[:_LONGEST].decode(errors="ignore")
    return f"{head}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
