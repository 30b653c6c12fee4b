"""How a serving process is told to end: by signals, and by a clock when a service does not return.

What the end consists of is `server.Server.stop`; who signals workers is `workers`' business.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

END_SECONDS = 7.5
"""After a signal: when the process ends even if a service is still at work."""

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)
]
"""What a serving process may be told by."""


def obey_signals(ending: Ending) -> None:
    """The first signal asks for an orderly end, the second for a quick one."""

    def asked(number: int, frame: object) -> None:
        if ending.begun:
            ending.hurry()
        else:
            ending.begin()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)


class Ending:
    """The end of a serving process, to be called for by signal handlers of its main thread."""

    def __init__(self, hurry: Callable[[], None]) -> None:
        """`hurry` is called, in the event loop, when nobody is to be waited for any longer."""
        self.begun = False
        self._hurry = hurry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._watchdog = threading.Timer(END_SECONDS, _end_now)
        self._watchdog.daemon = True

    def begin(self) -> None:
        """Ask for an orderly end; asking again changes nothing."""
        if not self.begun:
            self.begun = True
            self._watchdog.start()
            self._wake(self._end.set)

    def hurry(self) -> None:
        """Ask for the end without grace."""
        self.begin()
        self._wake(self._hurry)

    async def wait(self) -> None:
        """Return when the end is asked for."""
        self._loop = asyncio.get_running_loop()
        if not self.begun:
            await self._end.wait()

    def done(self) -> None:
        """The end has come."""
        self._watchdog.cancel()

    def _wake(self, act: Callable[[], None]) -> None:
        if self._loop is not None:
            # From a signal handler only this wakes the loop.
            self._loop.call_soon_threadsafe(act)


def _end_now() -> None:
    log.critical("停止超时：仍有请求在处理，进程立即结束")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
