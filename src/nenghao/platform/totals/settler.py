"""Settles totals in the background, so that questions find little left to do (后台结算).

A thread of each serving process looks now and then whether anything is due and settles it; that
one at a time does so is `settle`'s business. What it cannot do it logs and tries again later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import structlog

from nenghao.platform.store.engine import Store
from nenghao.platform.totals import settle

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 2.0
"""Between two looks: as long as uploads of one unit may wait to be counted with others."""
AFTER_ERROR_SECONDS: Final = 30.0
_PATIENCE: Final = 3.0


@contextmanager
def settling(
    store: Store, clock: Callable[[], datetime], pause: float = PAUSE_SECONDS
) -> Iterator[None]:
    """Settle in a thread for the time of the block."""
    end = threading.Event()

    def work() -> None:
        while not end.wait(_turn(store, clock, pause, end)):
            pass

    thread = threading.Thread(target=work, name="nenghao-totals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(_PATIENCE)


def _turn(store: Store, clock: Callable[[], datetime], pause: float, end: threading.Event) -> float:
    """Settle what is due; the seconds to wait before the next time."""
    try:
        now = clock()
        with store.read() as conn:
            due = settle.pending(conn, now, ())
        if due:
            settle.settle(store, now, (), lambda: not end.is_set())
    except Exception:
        if not end.is_set():
            log.exception("合计结算出错，稍后再试", seconds=AFTER_ERROR_SECONDS)
        return AFTER_ERROR_SECONDS
    return pause
