"""Sends for all units as long as it runs (上送服务): who is due, on how many connections, when.

The oldest first. A unit that failed waits a while, twice as long each time; when nobody was
reached at all everybody waits, and then one of them tries. With `always` nobody waits longer than
ten seconds. Once a day what was refused is tried again, since the reason may be gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import lease, marks
from nenghao.platform.uplink.line import NotSent
from nenghao.platform.uplink.sender import Sender, Turn
from nenghao.platform.uplink.window import Window

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks when there is nothing to do."""
BEAT_SECONDS: Final = 3.0
LONGEST_PAUSE: Final = 10.0
"""Between two attempts with `always`."""
LONGEST_PAUSE_IN_WINDOW: Final = 60.0
RETRY_EVERY: Final = timedelta(days=1)
_UNITS_AT_ONCE = 64


@dataclass(slots=True)
class _Waiting:
    pause: float
    until: float


class Service:
    """One process's sending; `run` returns when `end` is set or the lease is another's."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        window: Window,
        clock: Callable[[], datetime],
        end: threading.Event,
        *,
        holder: str,
        connections: int = 4,
        daily: Callable[[datetime], None] = lambda now: None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._sender = sender
        self._window = window
        self._clock = clock
        self._end = end
        self._holder = holder
        self._connections = connections
        self._daily = daily
        self._ticks = ticks
        self._longest = LONGEST_PAUSE if window.is_always else LONGEST_PAUSE_IN_WINDOW
        self._waiting: dict[int, _Waiting] = {}
        self._everybody = _Waiting(0.0, 0.0)
        self._busy: dict[Future[Turn], tuple[int, Turn]] = {}
        self._beaten = float("-inf")
        self._done = Turn()
        self._failure = ""
        self._told = ""

    def run(self) -> bool:
        """Send until the end; False when another process has the lease."""
        if not lease.take(self._store, self._holder, self._clock()):
            return False
        next_day = self._clock()
        pool = ThreadPoolExecutor(self._connections, thread_name_prefix="nenghao-uplink")
        try:
            while not self._end.is_set():
                if not self._beat():
                    return False
                now = self._clock()
                if now >= next_day:
                    next_day = now + RETRY_EVERY
                    self._new_day(now, pool)
                if not self._window.holds(now):
                    self._end.wait(LOOK_SECONDS)
                    continue
                self._look(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._tell()
            lease.release(self._store, self._holder)
        return True

    def _new_day(self, now: datetime, pool: ThreadPoolExecutor) -> None:
        with self._store.write() as conn:
            marks.retry(conn, now)

        def daily() -> None:
            try:
                self._daily(now)
            except Exception:
                log.exception("上送的每日工作出错")

        pool.submit(daily)

    def _beat(self) -> bool:
        """Say that we live, and how it goes, every few seconds."""
        if self._ticks() - self._beaten < BEAT_SECONDS:
            return True
        if not lease.take(self._store, self._holder, self._clock()):
            log.warning("上送由另一进程承担")
            return False
        self._beaten = self._ticks()
        self._tell()
        return True

    def _tell(self) -> None:
        sent, self._done.sent = self._done.sent > 0, 0
        if sent or self._failure != self._told:
            lease.tell(self._store, self._clock(), sent=sent, failure=self._failure)
            self._told = self._failure

    def _look(self, pool: ThreadPoolExecutor) -> None:
        """Give every free connection a unit, then wait until one is through."""
        moment = self._ticks()
        trying = self._everybody.pause > 0
        if moment >= self._everybody.until and len(self._busy) < self._connections:
            for unit_id in self._due(moment):
                if trying and self._busy:
                    break
                done = Turn()
                self._busy[pool.submit(self._sender.unit, unit_id, done)] = unit_id, done
        if not self._busy:
            self._end.wait(LOOK_SECONDS)
            return
        ready, _ = wait(self._busy, BEAT_SECONDS, FIRST_COMPLETED)
        for future in ready:
            unit_id, done = self._busy.pop(future)
            self._done.add(done)  # also what was acknowledged before a failure
            self._through(unit_id, future)

    def _due(self, moment: float) -> list[int]:
        busy = {unit_id for unit_id, _ in self._busy.values()}
        limit = _UNITS_AT_ONCE + len(self._waiting) + len(busy)
        with self._store.read() as conn:
            found = marks.due_units(conn, limit)
        if len(found) < limit:  # another process may have sent what failed here
            self._forget(self._waiting.keys() - set(found))
        return [
            unit_id
            for unit_id in found
            if unit_id not in busy
            and (unit_id not in self._waiting or self._waiting[unit_id].until <= moment)
        ]

    def _forget(self, units: Collection[int]) -> None:
        """These are well."""
        for unit_id in list(units):
            self._waiting.pop(unit_id, None)
        if not self._waiting:
            self._failure = ""

    def _through(self, unit_id: int, future: Future[Turn]) -> None:
        moment = self._ticks()
        try:
            future.result()
        except NotSent as failure:
            if not failure.reached and moment >= self._everybody.until:
                self._everybody = self._longer(self._everybody.pause, moment)
            self._postpone(unit_id, str(failure), moment)
        except Exception as error:
            log.exception("上送出错，稍后再试")
            self._postpone(unit_id, f"内部错误：{error}", moment)
        else:
            self._everybody = _Waiting(0.0, 0.0)
            self._forget({unit_id})

    def _postpone(self, unit_id: int, reason: str, moment: float) -> None:
        if reason != self._failure:
            log.warning("上送未成，稍后再试", reason=reason)
        self._failure = reason
        before = self._waiting.get(unit_id)
        self._waiting[unit_id] = self._longer(before.pause if before else 0.0, moment)

    def _longer(self, pause: float, moment: float) -> _Waiting:
        longer = min(max(pause * 2, 1.0), self._longest)
        return _Waiting(longer, moment + longer)
