"""Runs the console beside the serving processes (控制台进程); a locked file says who does."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog

from nenghao.platform.children import Kind
from nenghao.platform.settings import PlatformSettings

LOCK: Final = "console.lock"
log = structlog.get_logger(__name__)


def kind(home: Path) -> Kind:
    """The console of the folder `home`, as `children` keeps it."""
    return Kind(
        "管理控制台",
        ("platform", "console"),
        _is_wanted,
        lambda: _is_held(home),
        _bury,
        _depends_on,
        heard=True,
    )


@contextmanager
def alone(home: Path) -> Iterator[bool]:
    """Whether nobody else runs the console of this folder; then nobody may within the block."""
    with (home / LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _is_wanted(settings: PlatformSettings) -> bool:
    if not settings.console_port:
        return False
    if find_spec("nicegui") is None:
        log.warning("没有安装 nenghao[console]，管理控制台不运行")
        return False
    return True


def _depends_on(settings: PlatformSettings) -> object:
    """Where it listens and what it opens; the rest it reads again by itself."""
    return (settings.host, settings.listen_address, settings.console_port, settings.database)


def _is_held(home: Path) -> bool:
    with alone(home) as free:
        return not free


def _bury(process: int) -> None:
    """The lock went with the process."""
