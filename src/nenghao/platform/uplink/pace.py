"""Leaves the machine to the intake while it is busy (上送让路): a backlog has time, a device not.

While uploads come in, each batch is followed by a rest as long as making it took; otherwise there
is none. That uploads come in shows in the marks: the latest is another one than a moment ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import marks

LOOK_SECONDS: Final = 2.0
"""Between two looks, and so long after the last upload the intake counts as busy."""
REST: Final = 1.0
"""Seconds of rest for each second of work."""


class Pace:
    """May be asked from any thread; `wait` sleeps, or returns early at the end."""

    def __init__(
        self,
        store: Store,
        wait: Callable[[float], object],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wait = wait
        self._ticks = ticks
        self._guard = threading.Lock()
        self._looked = float("-inf")
        self._latest: datetime | None = None
        self._busy = False

    def __call__(self, seconds: float) -> None:
        """After a batch that took so long to make."""
        if self._is_busy():
            self._wait(REST * seconds)

    def _is_busy(self) -> bool:
        with self._guard:
            moment = self._ticks()
            if moment - self._looked >= LOOK_SECONDS:
                first = self._looked == float("-inf")
                self._looked = moment
                with self._store.read() as conn:
                    latest = marks.latest(conn)
                self._busy = not first and latest is not None and latest != self._latest
                self._latest = latest
            return self._busy
