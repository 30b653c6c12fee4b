"""The last lines of the log, for the page (日志尾部): a processor that remembers what passes it.

The log itself goes where it always went. Lines below the configured level never come here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any, Final

import structlog
from msgspec import Struct

KEPT: Final = 500
LONGEST: Final = 2000
"""Characters of one line."""

LEVELS: Final = ("debug", "info", "warning", "error", "critical")


class Line(Struct, frozen=True):
    """One event: `level` is one of `LEVELS`, `text` the event with its values."""

    time: datetime
    level: str
    text: str


class LogTail(logging.Handler):
    """Remembers the last `KEPT` lines of structlog and of the libraries' own logging."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        self._lines: deque[Line] = deque(maxlen=KEPT)

    def lines(self, least: str = "debug", most: int = KEPT) -> list[Line]:
        """The latest lines of a level or above it, newest first."""
        floor = LEVELS.index(least)
        chosen = [one for one in reversed(self._lines) if LEVELS.index(one.level) >= floor]
        return chosen[:most]

    def __call__(
        self, _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Take note of an event and let it pass; a processor of structlog."""
        values = [
            f"{key}={_text(value)}"
            for key, value in event.items()
            if key not in _OWN and value is not None
        ]
        fault = event.get("exc_info")
        if isinstance(fault, BaseException):
            values.append(f"{type(fault).__name__}: {fault}")
        self._keep(_level(method), " ".join((str(event.get("event", "")), *values)))
        return event

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of what a library logs; a handler of `logging`."""
        self._keep(_level(record.levelname.lower()), f"{record.name}: {record.getMessage()}")

    def install(self) -> None:
        """Stand in the way of everything that is logged from now on."""
        before = [one for one in structlog.get_config()["processors"] if one is not self]
        structlog.configure(processors=[self, *before])
        logging.getLogger().addHandler(self)

    def remove(self) -> None:
        """Undo `install`."""
        before = [one for one in structlog.get_config()["processors"] if one is not self]
        structlog.configure(processors=before)
        logging.getLogger().removeHandler(self)

    def _keep(self, level: str, text: str) -> None:
        self._lines.append(Line(self._now(), level, text[:LONGEST]))


def _text(value: object) -> str:
    return "；".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


_OWN = frozenset({"event", "exc_info", "stack_info", "timestamp", "level"})


def _level(method: str) -> str:
    return {"warn": "warning", "exception": "error", "fatal": "critical"}.get(
        method, method if method in LEVELS else "info"
    )
