"""Opens the platform's database and hands out its two kinds of transaction.

`read()` is one snapshot that cannot write; `write()` takes the write lock at its very beginning,
so that whatever it reads is still true when it commits. Left to SQLAlchemy's and sqlite3's
defaults a transaction begins at the first INSERT, after the reading, and concurrent updates
vanish without an error; that is why the BEGIN is ours here. On PostgreSQL writers run side by
side and lock the rows that they read to write (`unit_head`, `platform_state`).

Which tables there are is `schema`'s business, how they come to be `migrations`', what is special
to PostgreSQL `postgresql`'s.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as StoreTimeout
from sqlalchemy.sql.elements import ColumnElement

from nenghao.platform.store import postgresql as server
from nenghao.platform.store.postgresql import StoreError

MIGRATIONS = "nenghao.platform.store:migrations"
WAIT_SECONDS = 60
"""How long a transaction waits for others (threads, then processes) before it gives up."""

T = TypeVar("T")

_LAST_DEEDS = "nenghao.last_deeds"
"""Where a write transaction's connection keeps what `at_end` collects."""

Changes = Callable[[Any], Mapping[str, ColumnElement[Any]]]


class FairLock:
    """A mutex that is granted in the order of asking.

    SQLite lets waiting writers poll, so a late one can overtake an early one again and again;
    the threads of one process queue here instead, and only one of them polls against other
    processes.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    def acquire(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; False when the turn did not come."""
        me = threading.get_ident()
        with self._guard:
            if self._owner == me:
                raise RuntimeError("a write transaction is already open in this thread")
            if self._owner is None:
                self._owner = me
                return True
            ticket = (me, threading.Event())
            self._waiting.append(ticket)
        try:
            granted = ticket[1].wait(timeout)
        except BaseException:  # an interrupt must not leave the lock to one who is gone
            if self._withdraw(ticket):
                self.release()
            raise
        return granted or self._withdraw(ticket)

    def _withdraw(self, ticket: tuple[int, threading.Event]) -> bool:
        """Leave the queue; True when the lock was granted before that."""
        with self._guard:
            if ticket[1].is_set():
                return True
            self._waiting.remove(ticket)
            return False

    def queue_length(self) -> int:
        """How many threads wait for their turn."""
        with self._guard:
            return len(self._waiting)

    def release(self) -> None:
        """Pass the lock to whoever has waited longest."""
        with self._guard:
            if not self._waiting:
                self._owner = None
                return
            self._owner, granted = self._waiting.popleft()
            granted.set()


class Store:
    """The database of one platform.

    Open it in the process that uses it: a store must not be carried across a fork. Its methods
    may be called from any thread.
    """

    def __init__(self, url: URL, reader: Engine, writer: Engine, turn: FairLock | None) -> None:
        self.url = url
        self._reader = reader
        self._writer = writer
        self._turn = turn

    def __repr__(self) -> str:
        return f"Store({server.shown(self.url)})"

    @classmethod
    def open(cls, url: str) -> Store:
        """A store at `url` (`sqlite:////…/nenghao.db`, `postgresql+psycopg://…`).

        Connects to nothing yet. Raises StoreError for what is no address or another database,
        or for SQLite without a file: the memory of one connection cannot be shared by readers
        and writers. No error's text holds the password.
        """
        try:
            parsed = make_url(url)
            backend = parsed.get_backend_name()
        except (ArgumentError, ValueError):
            raise StoreError("不是数据库地址") from None
        if backend == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise StoreError("SQLite 数据库须是文件，不支持内存数据库")
            return cls._open_sqlite(parsed)
        if backend == "postgresql":
            parsed = server.normalised(parsed)
            reader, writer = server.engines(parsed, WAIT_SECONDS)
            return cls(parsed, reader, writer, turn=None)
        raise StoreError(f"不支持的数据库：{backend}（支持 sqlite、postgresql）")

    @classmethod
    def _open_sqlite(cls, url: URL) -> Store:
        reader = create_engine(url, pool_size=8, max_overflow=24, pool_timeout=WAIT_SECONDS)
        writer = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=WAIT_SECONDS)
        _prepare_sqlite(reader, begin="BEGIN", query_only=True)
        _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", query_only=False)
        return cls(url, reader, writer, _turn_of(str(Path(str(url.database)).resolve())))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One read-only snapshot: everything read in it belongs to the same moment."""
        with self._reader.begin() as conn:
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction: committed and durable on exit, rolled back on an exception.

        On SQLite it is the only writer from its first statement on. On PostgreSQL writers of
        different units run side by side; whoever writes a unit's data locks its `unit_head`
        first. Raises `sqlalchemy.exc.TimeoutError` when others hold the lock for too long.
        """
        with self._turn_taken(), self._writer.begin() as conn:
            conn.info[_LAST_DEEDS] = {}
            yield conn
            for work, given in conn.info.pop(_LAST_DEEDS).items():
                work(conn, given)

    def _turn_taken(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turn is None else _Turn(self._turn)

    @property
    def on_postgresql(self) -> bool:
        """Whether the database is a PostgreSQL server, and no file of this machine."""
        return self._turn is None

    def check(self) -> None:
        """Reach the database server, if it is one; StoreError saying why that fails."""
        if self.on_postgresql:
            server.check(self._writer, self.url)

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to `revision`, in one transaction; does nothing when it is there.

        Raises StoreError when the server cannot be reached, or when a newer version of this
        program has been at work in the database.
        """
        self.check()
        config = Config()
        config.set_main_option("script_location", MIGRATIONS)
        with self.write() as conn:
            if self.on_postgresql:
                server.lock_for_upgrade(conn)
            config.attributes["connection"] = conn
            try:
                command.upgrade(config, revision)
            except CommandError as error:
                raise StoreError(f"数据库的结构不是本版本程序所能使用的：{error}") from error

    def close(self) -> None:
        """Close every connection; the store may not be used afterwards."""
        self._reader.dispose()
        self._writer.dispose()


def at_end(conn: Connection, work: Callable[[Connection, list[T]], None]) -> list[T]:
    """What `work` will be given at the end of this write transaction, before it commits.

    For what locks a row that all writers need: so it is held for the commit alone, and no two
    transactions can wait for each other. Raises RuntimeError outside of `Store.write()`.
    """
    deeds = conn.info.get(_LAST_DEEDS)
    if deeds is None:
        raise RuntimeError("not within Store.write()")
    given: list[T] = deeds.setdefault(work, [])
    return given


def upsert(
    conn: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    changes: Changes | None = None,
    keys: Sequence[str] | None = None,
) -> None:
    """Insert `rows`, or change the row that has the same primary key (or unique `keys`).

    Without `changes` every other column takes the new value. `changes` receives the incoming
    row (SQL's `excluded`) and says which columns become what; none: the old row stays as it is.
    All rows have the same keys.
    """
    if not rows:
        return
    if keys is None:
        keys = [column.name for column in table.primary_key]
    names = list(rows[0])
    on_server = conn.dialect.name == "postgresql"
    parameters: Any = list(rows)
    values: postgresql.Insert | sqlite.Insert
    distinct = {tuple(row[key] for key in keys): row for row in rows} if on_server else {}
    if len(distinct) > 1 and (changes is None or len(distinct) == len(rows)):
        values, parameters = server.insert_all(table, list(distinct.values()))
    else:
        values = postgresql.insert(table) if on_server else sqlite.insert(table)
    if changes is None:
        new: Mapping[str, Any] = {name: values.excluded[name] for name in names if name not in keys}
    else:
        new = changes(values.excluded)
    statement: Insert
    if new:
        statement = values.on_conflict_do_update(index_elements=list(keys), set_=dict(new))
    else:
        statement = values.on_conflict_do_nothing(index_elements=list(keys))
    conn.execute(statement, parameters)


class _Turn:
    """Holds a FairLock for the time of a `with` block."""

    def __init__(self, lock: FairLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(WAIT_SECONDS):
            raise StoreTimeout("数据库写入排队超时")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


def _prepare_sqlite(engine: Engine, *, begin: str, query_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        if query_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(conn: Connection) -> None:
        conn.exec_driver_sql(begin)


_turns: dict[str, FairLock] = {}
_turns_guard = threading.Lock()


def _turn_of(path: str) -> FairLock:
    """The lock of one database file, shared by every store of this process that opens it."""
    with _turns_guard:
        return _turns.setdefault(path, FairLock())


def _forget_turns() -> None:
    """A forked child has none of its parent's writers: their locks must not stay taken."""
    global _turns_guard
    _turns_guard = threading.Lock()
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_turns)
