"""One connection to a database (数据库连接) that may outlive the source that opened it.

A driver that waits for a dead server holds its thread and its connection for as long as it likes.
The source does not wait for it; whoever uses the connection last closes it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection


class SqlLine:
    """The connection, closed by whoever uses it last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._left = False
        self.connection: Connection | None = None

    @contextmanager
    def used(self) -> Iterator[None]:
        """While a thread works with the connection, or makes it."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                last = self._left and not self._users
            if last:
                self._close()

    def leave(self) -> None:
        """The source needs it no more; ends a query that still runs, where the driver can."""
        with self._lock:
            self._left = True
            idle = not self._users
        if idle:
            self._close()
        elif self.connection is not None:
            with suppress(Exception):
                driver = self.connection.connection.dbapi_connection
                driver.interrupt()  # type: ignore[union-attr] # SQLite's; PostgreSQL has a timeout

    def _close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
