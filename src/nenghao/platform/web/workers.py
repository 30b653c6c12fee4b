"""Several processes that share the listeners (工作进程): begun, watched, begun again, ended.

The parent binds all sockets and serves nobody: it forks the workers, which accept on the shared
sockets, each with its own event loop and a store that it opened itself. One queue of connections
for all, and not a socket for each (SO_REUSEPORT): whoever is idle takes the next connection, and
nobody's connections wait for a worker that is dead (docs/performance).

How they hold together:

- A pipe that only the parent can write to is open as long as the parent lives. Its end is the
  workers' sign to end in order, whether the parent closed it or was killed.
- A worker that dies is logged and begun again, at first at once, later after a pause that doubles
  up to half a minute; it counts as healthy again after a minute. One that dies before all have
  come up is a failure to start: `WorkersFailed`.
- SIGTERM or SIGINT to the parent ends everything within 8 s, a second one cuts the grace short.
  Workers do not listen to SIGINT (a terminal sends it to all of them) and take any number of
  SIGTERM for one, so whoever signals the whole group does no harm.

What a worker serves, and what its own end looks like, is `server`'s business.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog

from nenghao.platform.web import ending as endings
from nenghao.platform.web import metrics
from nenghao.platform.web.binding import Bound, Listener, adopt, bind
from nenghao.platform.web.ending import Ending
from nenghao.platform.web.server import run, run_bound

log = structlog.get_logger(__name__)

Opened = Callable[[], AbstractContextManager[Sequence[Listener]]]
"""Opens what a process serves, in that process, and closes it at the end."""

FIRST_PAUSE = 0.25
"""Seconds before a worker is begun again that died a second time; doubles each time."""
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 60.0
"""A worker that has lived so long begins with a clean record."""
_PATIENCE = 0.3
"""Seconds that workers get beyond their own `END_SECONDS` before they are killed."""


class WorkersFailed(Exception):
    """A worker did not come up; the text (Chinese) says where to look."""


def serve(
    places: Sequence[Listener], count: int, opened: Opened, on_ready: Callable[[Listener], None]
) -> None:
    """Serve until SIGTERM or SIGINT with `count` processes; returns normally. Main thread only.

    `places` say what is bound (their applications are not asked for), `opened` gives, in each
    worker, the listeners of the same names. `on_ready` is called for each place, with its real
    port, when every worker accepts. One process is no worker: it serves itself. Raises
    `BindError` before anything accepts, `WorkersFailed` when a worker does not come up.
    """
    if count == 1:
        with opened() as listeners:
            run(listeners, on_ready)
        return
    if not hasattr(os, "fork"):
        raise WorkersFailed("本系统不支持多个工作进程，请把设置项 workers 设为 1")
    bound = bind(places)
    try:
        with metrics.shared():
            _Parent(bound, count, opened).run(on_ready)
    finally:
        for each in bound:
            each.close()


@dataclass
class _Worker:
    """One place among the workers, and the process that fills it at present."""

    number: int
    pid: int = 0
    """0: none; it is begun at `due`."""
    ready: bool = False
    pipe: int = -1
    """Where it says that it accepts."""
    began: float = 0.0
    due: float = 0.0
    failures: int = field(default=0)

    def pause(self, now: float) -> float:
        """The process is gone: how many seconds to wait before the next."""
        self.failures = 1 if now - self.began >= HEALTHY_SECONDS else self.failures + 1
        if self.failures == 1:
            return 0.0
        return float(min(FIRST_PAUSE * 2 ** (self.failures - 2), LONGEST_PAUSE))


class _Parent:
    """The process that holds the sockets and watches the workers; it has no thread but this."""

    def __init__(self, bound: Sequence[Bound], count: int, opened: Opened) -> None:
        self._bound = tuple(bound)
        self._opened = opened
        self._workers = [_Worker(number) for number in range(1, count + 1)]
        self._selector = selectors.DefaultSelector()
        self._life, self._lifeline = os.pipe()
        self._announced = False
        self._failed = False
        self._signals = 0
        self._deadline = float("inf")
        """When whoever is still there is killed."""

    def run(self, on_ready: Callable[[Listener], None]) -> None:
        with self._signalled() as wakeup:
            try:
                while self._signals == 0 or self._alive:
                    self._begin_due()
                    self._listen(wakeup)
                    self._reap()
                    self._announce(on_ready)
                    self._kill_the_late()
            finally:
                self._kill_all()  # nobody, unless something unforeseen ended the loop
                self._let_go()
        if self._failed:
            raise WorkersFailed("工作进程没有启动，原因见日志")

    @property
    def _alive(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.pid]

    # --- beginning ----------------------------------------------------------------------

    def _begin_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.pid and worker.due <= now and self._signals == 0:
                self._fork(worker)

    def _fork(self, worker: _Worker) -> None:
        heard, said = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # No signal may reach the child while it still has the parent's handlers.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                os.close(heard)
                self._become_worker(said, held)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(said)
        worker.pid, worker.pipe, worker.ready = pid, heard, False
        worker.began = time.monotonic()
        self._selector.register(heard, selectors.EVENT_READ, worker)

    def _become_worker(self, said: int, held: set[int | signal.Signals]) -> None:
        """In the child: forget the parent, serve, and never come back."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            os.close(self._lifeline)
            self._selector.close()
            for worker in self._workers:
                if worker.pid:
                    os.close(worker.pipe)
            _end_with(self._life)
            self._work(said)
            code = 0
        except BaseException:
            log.exception("工作进程出错", pid=os.getpid())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _work(self, said: int) -> None:
        def accepts(_: Listener) -> None:
            nonlocal said
            if said >= 0:
                os.write(said, b".")
                os.close(said)
                said = -1

        with self._opened() as listeners:
            run_bound(adopt(self._bound, listeners), accepts, _obey)

    def _announce(self, on_ready: Callable[[Listener], None]) -> None:
        if not self._announced and all(worker.ready for worker in self._workers):
            self._announced = True
            for each in self._bound:
                on_ready(each.listener)

    # --- watching -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _signalled(self) -> Iterator[socket.socket]:
        """Signals as bytes on a socket, so that one wait serves for all that can happen."""
        heard, told = socket.socketpair()
        heard.setblocking(False)
        told.setblocking(False)
        previous = {number: signal.signal(number, _noted) for number in _SIGNALS}
        before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        self._selector.register(heard, selectors.EVENT_READ, None)
        try:
            yield heard
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in previous.items():
                signal.signal(number, handler)
            heard.close()
            told.close()

    def _listen(self, wakeup: socket.socket) -> None:
        times = [self._deadline]
        if self._signals == 0:
            times += [worker.due for worker in self._workers if not worker.pid]
        seconds = max(min(times) - time.monotonic(), 0)
        for key, _ in self._selector.select(None if seconds == float("inf") else seconds):
            worker: _Worker | None = key.data
            if worker is not None:
                worker.ready = os.read(worker.pipe, 1) != b""
                self._selector.unregister(worker.pipe)
                continue
            for number in wakeup.recv(4096):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._end()

    def _reap(self) -> None:
        now = time.monotonic()
        for worker in self._alive:
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            if worker.pipe in self._selector.get_map():
                self._selector.unregister(worker.pipe)
            os.close(worker.pipe)
            metrics.forget(worker.pid)
            worker.pid, worker.pipe = 0, -1
            if self._signals:
                continue
            told = {"worker": worker.number, "pid": pid, "reason": _reason(status)}
            if not self._announced:
                log.critical("工作进程没有启动", **told)
                self._failed = True
                self._end()
                continue
            pause = worker.pause(now)
            worker.due = now + pause
            log.error("工作进程意外结束，将重新启动", **told, pause_seconds=pause)

    # --- ending -------------------------------------------------------------------------

    def _end(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self._deadline = time.monotonic() + endings.END_SECONDS + _PATIENCE
            for each in self._bound:
                each.close()
            os.close(self._lifeline)
            self._lifeline = -1
        else:
            self._tell(signal.SIGUSR1)

    def _kill_the_late(self) -> None:
        if time.monotonic() >= self._deadline:
            for worker in self._alive:
                log.critical("工作进程没有按时结束", worker=worker.number, pid=worker.pid)
            self._kill_all()

    def _kill_all(self) -> None:
        self._tell(signal.SIGKILL)
        for worker in self._alive:
            os.waitpid(worker.pid, 0)
            worker.pid = 0

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._alive:
            os.kill(worker.pid, number)  # not reaped yet: the number is still that process

    def _let_go(self) -> None:
        self._selector.close()
        for each in (self._life, self._lifeline):
            if each >= 0:
                os.close(each)


_SIGNALS = (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGCHLD", signal.SIGTERM))


def _noted(number: int, frame: object) -> None:
    """The wake-up socket tells; a handler must be there for it to be told."""


def _obey(ending: Ending) -> None:
    """How a worker is told: the end by SIGTERM or the parent's, haste by SIGUSR1."""
    signal.signal(signal.SIGTERM, lambda *_: ending.begin())
    signal.signal(signal.SIGUSR1, lambda *_: ending.hurry())


def _end_with(life: int) -> None:
    """Turn the end of the parent, or of its patience, into SIGTERM for this process."""

    def watch() -> None:
        os.read(life, 1)  # nobody writes: it returns when the other end is closed
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="nenghao-parent", daemon=True).start()


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"退出码 {code}"
    try:
        return f"信号 {signal.Signals(-code).name}"
    except ValueError:
        return f"信号 {-code}"
