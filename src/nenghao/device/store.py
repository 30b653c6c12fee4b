"""The device's one database file (`device.db`): opening it, its tables, its transactions.

The standard library's `sqlite3` and plain SQL: a device is a small machine that a unit runs for
years, one process writes one file, and what it needs of a database is a transaction that is on
the disk before anything is called queued. SQLAlchemy would double what has to be installed there.
WAL with `synchronous=FULL`: a commit has been fsynced when it returns.

What the tables mean is the business of `history`, `outbox`, `agent`, `manual` and
`collection.samples`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE item (
    id          INTEGER PRIMARY KEY,
    data_code   TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    input_type  INTEGER NOT NULL,
    interval    INTEGER NOT NULL            -- minutes between ticks: 15, 30 or 60
);
CREATE TABLE day (                          -- one item's day of readings
    item_id     INTEGER NOT NULL REFERENCES item (id),
    day         TEXT NOT NULL,
    interval    INTEGER NOT NULL,
    ticks       BLOB,                       -- 96 decimals between commas, deflated; NULL: forgotten
    digest      TEXT NOT NULL,              -- of the ticks, to know them again when forgotten
    total       TEXT,                       -- exact decimal; NULL when there is none to make
    complete    INTEGER NOT NULL,
    changed_at  TEXT NOT NULL,
    PRIMARY KEY (item_id, day)
) WITHOUT ROWID;
CREATE TABLE dirty (                        -- what changed since it was last put in a batch
    stat_type   INTEGER NOT NULL,           -- 1 a day with its ticks, 2 a month, 3 a year
    start       TEXT NOT NULL,
    item_id     INTEGER NOT NULL REFERENCES item (id),
    PRIMARY KEY (stat_type, start, item_id)
) WITHOUT ROWID;
CREATE TABLE batch (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence        INTEGER NOT NULL,       -- the halves of a split batch keep its place
    day             TEXT NOT NULL,
    state           TEXT NOT NULL,
    enterprise_code TEXT NOT NULL,
    upload_date     TEXT NOT NULL,
    records         INTEGER NOT NULL,
    size            INTEGER NOT NULL,       -- bytes of the uncompressed data array
    data            BLOB,                   -- deflated JSON array; NULL once accepted
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_attempt_at TEXT,
    last_error      TEXT NOT NULL DEFAULT '',
    reason          TEXT NOT NULL DEFAULT '',
    created_at      TEXT NOT NULL,
    closed_at       TEXT
);
CREATE INDEX batch_in_order ON batch (state, day, sequence, id);
CREATE TABLE session (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    state   BLOB NOT NULL
);
"""

_COLLECTION = """
ALTER TABLE day ADD COLUMN suspect TEXT NOT NULL DEFAULT '';  -- doubtful slots, a bit each, in hex
CREATE TABLE gap (                          -- what a register counted while ticks were missing
    item_id     INTEGER NOT NULL REFERENCES item (id),
    begin       TEXT NOT NULL,
    end         TEXT NOT NULL,
    amount      TEXT NOT NULL,
    suspect     INTEGER NOT NULL,
    PRIMARY KEY (item_id, begin)
) WITHOUT ROWID;
CREATE TABLE point (                        -- a measured point of a source
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    name        TEXT NOT NULL,
    own_time    INTEGER NOT NULL DEFAULT 0, -- whether the source stamps its samples itself
    closed      INTEGER NOT NULL DEFAULT 0, -- samples before this hour are forgotten
    UNIQUE (source, name)
);
CREATE TABLE raw_journal (                  -- samples as they came, until they are sorted in
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    first       INTEGER NOT NULL,           -- milliseconds since 2000
    last        INTEGER NOT NULL,
    samples     INTEGER NOT NULL,
    written     INTEGER NOT NULL,           -- hours since 2000
    data        BLOB NOT NULL
);
CREATE TABLE raw (                          -- one point's samples of one hour
    id          INTEGER PRIMARY KEY,
    hour        INTEGER NOT NULL,
    point_id    INTEGER NOT NULL REFERENCES point (id),
    written     INTEGER NOT NULL,
    data        BLOB NOT NULL,
    UNIQUE (point_id, hour)
);
CREATE TABLE manual (                       -- filled in by hand (手工填报)
    data_code   TEXT NOT NULL,
    stat_type   INTEGER NOT NULL,
    start       TEXT NOT NULL,
    value       TEXT NOT NULL,
    valid       INTEGER NOT NULL,
    entered_at  TEXT NOT NULL,
    dirty       INTEGER NOT NULL,
    PRIMARY KEY (data_code, stat_type, start)
) WITHOUT ROWID;
CREATE TABLE note (                         -- what the running device tells other processes
    name        TEXT PRIMARY KEY,
    value       BLOB NOT NULL
) WITHOUT ROWID;
"""

_UPGRADES = {1: _COLLECTION}
"""By the version that a file has: what makes the next one of it."""

BUSY_SECONDS = 30.0
"""How long a writer waits for another one, such as an import beside the running service."""


class StoreError(Exception):
    """The database file cannot be used; the text says why, in Chinese."""


class DeviceStore:
    """An open `device.db`. Belongs to the thread that opened it.

    `write()` is one transaction, durable when the block ends; `read()` sees one moment.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> DeviceStore:
        """Make the file with its tables; it must not exist."""
        if path.exists():
            raise StoreError(f"{path} 已经存在")
        store = cls(_connect(path))
        store._connection.execute("PRAGMA journal_mode = WAL")
        everything = "".join([_SCHEMA, *_UPGRADES.values()])
        store._connection.executescript(
            f"BEGIN;{everything}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
        )
        return store

    @classmethod
    def open(cls, path: Path) -> DeviceStore:
        """Open an existing file, an older one brought up to date in one transaction.

        StoreError when it is none of ours or of a newer version.
        """
        if not path.exists():
            raise StoreError(f"找不到 {path}")
        try:
            connection = _connect(path)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} 不是可用的数据库：{error}") from error
        if not 1 <= version <= SCHEMA_VERSION:
            connection.close()
            raise StoreError(f"{path} 的结构版本是 {version}，本程序需要 {SCHEMA_VERSION}")
        store = cls(connection)
        if version < SCHEMA_VERSION:
            store._upgrade()
        return store

    def _upgrade(self) -> None:
        with self.write() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for number in range(version, SCHEMA_VERSION):  # none, if another process was first
                for statement in _statements(_UPGRADES[number]):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it is on the disk afterwards, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have rolled back already
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that only reads and sees one moment throughout."""
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> DeviceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
