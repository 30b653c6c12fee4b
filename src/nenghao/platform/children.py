"""Keeps a process of its own going beside the serving processes (常驻子进程).

Work that would take turns with the intake in one interpreter, or that a library wants one process
for, is a command of our own: `platform uplink run`, `platform console`. Each serving process looks
every second whether the command is wanted and nobody runs it, and then begins it. The child ends
when its standard input does, that is with its parent, however that ends; it is begun anew when the
settings change, and when it died.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from nenghao.platform.home import open_home, settings_file
from nenghao.platform.settings import PlatformSettings
from nenghao.settings import SettingsError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
AFTER_DEATH_SECONDS = 2.0
LONGEST_SECONDS = 60.0
"""A child that dies again and again is begun ever more rarely, at last once a minute."""
_PATIENCE = 5.0


@dataclass(frozen=True)
class Kind:
    """What is to be kept going."""

    name: str
    """In Chinese, for the log."""
    words: tuple[str, ...]
    """The command after `nenghao`; `--child` and `--home` are added."""
    is_wanted: Callable[[PlatformSettings], bool]
    is_held: Callable[[], bool]
    """Whether somebody runs it already, in whatever process."""
    bury: Callable[[int], None]
    """Called with the number of a child that has ended."""
    depends_on: Callable[[PlatformSettings], object] = lambda settings: settings
    """What of the settings it cannot take up while it runs: another value begins it anew."""
    heard: bool = False
    """Whether what it prints goes where the parent's output goes."""

    def command(self, home: Path) -> Sequence[str]:
        """What is run; `--child` makes it end with its standard input."""
        return (sys.executable, "-P", "-m", "nenghao", *self.words, "--child", "--home", str(home))


@contextmanager
def running(home: Path, kind: Kind) -> Iterator[None]:
    """Keep it going for the time of the block, while the settings want it."""
    keeper = _Keeper(home, kind)
    thread = threading.Thread(target=keeper.work, name=f"nenghao-{kind.words[1]}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.end.set()
        thread.join(2 * _PATIENCE)


class _Keeper:
    def __init__(self, home: Path, kind: Kind) -> None:
        self.end = threading.Event()
        self._home = home
        self._kind = kind
        self._child: subprocess.Popen[bytes] | None = None
        self._seen = 0
        self._wanted = False
        self._depends_on: object = None
        self._deaths = 0

    def work(self) -> None:
        pause = 0.0
        while not self.end.wait(pause):
            try:
                pause = self._look()
            except Exception:
                if not self.end.is_set():
                    log.exception("子进程未能启动，稍后再试", what=self._kind.name)
                pause = AFTER_DEATH_SECONDS
        self._stop()

    def _look(self) -> float:
        """See to it that there is a child if there should be; seconds until the next look."""
        if self._changed():
            self._settle()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return LOOK_SECONDS
            self._kind.bury(self._child.pid)
            self._stop()
            if not code:
                return AFTER_DEATH_SECONDS
            pause: float = min(AFTER_DEATH_SECONDS * 2**self._deaths, LONGEST_SECONDS)
            self._deaths = min(self._deaths + 1, 10)
            log.error("子进程意外结束，稍后再启动", what=self._kind.name, code=code, seconds=pause)
            return pause
        if self._wanted and not self._kind.is_held():
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                self._kind.command(self._home),
                stdin=subprocess.PIPE,
                stdout=None if self._kind.heard else subprocess.DEVNULL,
            )
        return LOOK_SECONDS

    def _changed(self) -> bool:
        seen = settings_file(self._home).stat().st_mtime_ns
        changed, self._seen = seen != self._seen, seen
        return changed

    def _settle(self) -> None:
        """Go by the settings as they are now."""
        wanted, depends_on = False, None
        try:
            settings = open_home(self._home, os.environ).settings
            wanted, depends_on = self._kind.is_wanted(settings), self._kind.depends_on(settings)
        except (SettingsError, OSError) as error:
            log.error("平台设置无法读取，子进程停止", what=self._kind.name, reason=str(error))
        if (wanted, depends_on) != (self._wanted, self._depends_on):
            self._stop()
            self._wanted, self._depends_on = wanted, depends_on
            self._deaths = 0

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(OSError):
            if child.stdin is not None:
                child.stdin.close()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
