"""Serving processes of their own (`served`), to be ended by signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nenghao
from nenghao.platform.web.binding import Listener
from tests.platform.web.wire import HOST, PATIENCE, EchoApp, Station
from tests.security.pki import Pki

ROOT = Path(__file__).parents[3]


def started(*arguments: object) -> subprocess.Popen[str]:
    """`python ARGUMENTS` with this package and these tests, its output to be read."""
    paths = [str(ROOT), str(Path(nenghao.__file__).parents[1])]
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for each in map(int, found) if alive(each)]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def halted(pid: int) -> Iterator[None]:
    """A process that does nothing for a while, so that another one must."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Process:
    """A serving process, or a parent with its workers."""

    def __init__(self, pki: Pki, *arguments: object) -> None:
        self.popen = started("-m", "tests.platform.web.served", pki.root, *arguments)
        self._pki = pki

    def ready(self) -> None:
        """Wait until it serves."""
        port = int(self.line().removeprefix("ready "))
        self.station = Station(self._pki, Listener("device", HOST, port, None), EchoApp())

    def line(self) -> str:
        """The next line that it prints."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def workers(self) -> list[int]:
        """The living workers' process ids."""
        return children(self.popen.pid)

    def signal(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.popen.pid, number)  # nobody has waited for it: the number is still its own

    def end(self) -> tuple[int, float, str]:
        """Wait for the end: (exit code, seconds that it took, stderr)."""
        began = time.monotonic()
        _, errors = self.popen.communicate(timeout=PATIENCE)
        return self.popen.returncode, time.monotonic() - began, errors

    def close(self) -> None:
        """Nothing of a failed test stays behind."""
        if self.popen.returncode is None:
            self.popen.kill()
            self.popen.communicate()


@contextlib.contextmanager
def process(
    pki: Pki, *, grace: float = 0.3, end: float = 7.5, workers: int = 1
) -> Iterator[Process]:
    """A process that is ready."""
    made = Process(pki, grace, end, workers)
    try:
        made.ready()
        yield made
    finally:
        made.close()
