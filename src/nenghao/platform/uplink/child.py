"""Runs the uplink beside the serving processes (上送进程): a process of its own.

Packing and sending a backlog is work for a whole core; in a serving process it would take turns
with the intake in one interpreter. So each serving process looks every second whether there is a
national platform to send to and nobody sends, and then begins `nenghao platform uplink run`. The
child ends when its standard input does, that is with its parent, however that ends; it is begun
anew when the settings change, and when it died.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import structlog

from nenghao.platform.home import open_home, settings_file
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import lease
from nenghao.settings import SettingsError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
AFTER_DEATH_SECONDS = 2.0
_PATIENCE = 3.0


def command(home: Path) -> Sequence[str]:
    """What is run; `--child` makes it end with its standard input."""
    run = ("platform", "uplink", "run", "--child", "--home", str(home))
    return (sys.executable, "-P", "-m", "nenghao", *run)


@contextmanager
def running(home: Path, store: Store, clock: Callable[[], datetime]) -> Iterator[None]:
    """Keep the uplink going for the time of the block, if the settings name a national platform."""
    keeper = _Keeper(home, store, clock)
    thread = threading.Thread(target=keeper.work, name="nenghao-uplink", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.end.set()
        thread.join(2 * _PATIENCE)


class _Keeper:
    def __init__(self, home: Path, store: Store, clock: Callable[[], datetime]) -> None:
        self.end = threading.Event()
        self._home = home
        self._store = store
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._seen = 0
        self._wanted = False

    def work(self) -> None:
        pause = 0.0
        while not self.end.wait(pause):
            try:
                pause = self._look()
            except Exception:
                if not self.end.is_set():
                    log.exception("上送进程未能启动，稍后再试")
                pause = AFTER_DEATH_SECONDS
        self._stop()

    def _look(self) -> float:
        """See to it that there is a child if there should be; seconds until the next look."""
        if self._changed():
            self._stop()
            self._wanted = self._is_wanted()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return LOOK_SECONDS
            lease.bury(self._store, self._child.pid)
            self._stop()
            if code:
                log.error("上送进程意外结束，稍后再启动", code=code)
            return AFTER_DEATH_SECONDS
        if self._wanted and not self._is_held():
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                command(self._home), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
        return LOOK_SECONDS

    def _changed(self) -> bool:
        seen = settings_file(self._home).stat().st_mtime_ns
        changed, self._seen = seen != self._seen, seen
        return changed

    def _is_wanted(self) -> bool:
        try:
            return bool(open_home(self._home, os.environ).settings.uplink_to)
        except (SettingsError, OSError) as error:
            log.error("平台设置无法读取，上送停止", reason=str(error))
            return False

    def _is_held(self) -> bool:
        with self._store.read() as conn:
            return lease.standing(conn).is_held(self._clock())

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
