"""What the overview found lately (总览缓存): many screens ask the same, the database is asked once.

For each process; a few results, none older than a minute. What is kept is small: never rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

LIFE: Final = timedelta(seconds=60)
"""So long a result is shown again."""


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    at: datetime | None = None
    value: Any = None

    def is_fresh(self, now: datetime) -> bool:
        """A result from the future is of a clock that was set back."""
        return self.at is not None and timedelta(0) <= now - self.at < LIFE


class Kept:
    """Results by database and name. Who asks for one that is being made waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def of(self, conn: Connection, name: Hashable, now: datetime, make: Callable[[], T]) -> T:
        """The kept result of that name, or what `make` finds now."""
        key = (str(conn.engine.url), name)
        with self._guard:
            for other, entry in list(self._entries.items()):
                if other != key and entry.at is not None and not entry.is_fresh(now):
                    del self._entries[other]
            entry = self._entries.setdefault(key, _Entry())
        with entry.lock:
            if not entry.is_fresh(now):
                entry.value, entry.at = make(), now
            found: T = entry.value
            return found

    def __len__(self) -> int:
        return len(self._entries)

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._guard:
            self._entries.clear()


kept = Kept()
"""Of this process."""
