"""The files of a folder that another system drops readings into: which are there, which are done.

Blocking calls only (a network share may hang): `folder` makes them in the background.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from nenghao.device.sources.base import FaultKind, SourceFault

REJECTED = "rejected"
"""The folder beside the files into which bad ones are put, each with a .txt of the reasons."""

_UNFINISHED = ("~$", ".", "~")
"""How names begin of what office programs and copying tools have not finished."""


class Stamp(Struct, frozen=True):
    """By this a file that did not change is known without reading it."""

    size: int
    modified: int
    """Nanoseconds since 1970."""


def scan(folder: Path, patterns: Sequence[str], *, deep: bool) -> dict[str, Stamp]:
    """The files of the folder by their path in it, oldest first; SourceFault."""
    found: list[tuple[int, str, Stamp]] = []
    try:
        for name in _walk(folder, "", deep=deep):
            base = name.rpartition("/")[2]
            if base.startswith(_UNFINISHED):
                continue
            if any(fnmatch.fnmatch(base.casefold(), one.casefold()) for one in patterns):
                stamp = stamp_of(folder / name)
                if stamp is not None:
                    found.append((stamp.modified, name, stamp))
    except FileNotFoundError:
        raise SourceFault(FaultKind.UNREACHABLE, f"文件夹 {folder} 不存在") from None
    except PermissionError as error:
        raise SourceFault(FaultKind.CREDENTIALS, f"没有权限读取 {error.filename}") from None
    except NotADirectoryError:
        raise SourceFault(FaultKind.CONFIGURATION, f"{folder} 不是文件夹") from None
    except OSError as error:
        raise SourceFault(
            FaultKind.UNREACHABLE, f"无法读取文件夹 {folder}：{error.strerror}"
        ) from error
    return {name: stamp for _, name, stamp in sorted(found)}


def _walk(folder: Path, inside: str, *, deep: bool) -> list[str]:
    names: list[str] = []
    with os.scandir(folder / inside) as entries:
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if deep and entry.name != REJECTED and not entry.name.startswith("."):
                    names += _walk(folder, f"{name}/", deep=deep)
            elif entry.is_file():
                names.append(name)
    return names


def stamp_of(file: Path) -> Stamp | None:
    """What the file is like now; None when it is gone."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def open_whole(file: Path, stamp: Stamp) -> tuple[IO[bytes], str] | None:
    """The file and its SHA-256, if it is still as it was; None when it changes under our hands."""
    try:
        stream = file.open("rb", buffering=0)  # its place is shared with a child process
    except FileNotFoundError:
        return None
    try:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        unchanged = stamp_of(file) == stamp
    except BaseException:
        stream.close()
        raise
    if not unchanged:
        stream.close()
        return None
    return stream, digest


def put_aside(folder: Path, name: str, stamp: Stamp, reasons: Sequence[str]) -> bool:
    """Moves a bad file into `rejected/` beside it and writes the reasons there.

    False when it stays: it changed meanwhile, or the folder is read-only.
    """
    file = folder / name
    aside = file.parent / REJECTED
    try:
        if stamp_of(file) != stamp:
            return False
        aside.mkdir(exist_ok=True)
        target = _unused(aside, file)
        file.rename(target)
        # with a byte order mark: it will be opened with a double click
        text = "".join(f"{line}\r\n" for line in reasons)
        target.with_name(f"{target.name}.txt").write_text(text, "utf-8-sig", newline="")
    except OSError:
        return False
    return True


def _unused(aside: Path, file: Path) -> Path:
    target = aside / file.name
    count = 1
    while target.exists():
        count += 1
        target = aside / f"{file.stem}-{count}{file.suffix}"
    return target
