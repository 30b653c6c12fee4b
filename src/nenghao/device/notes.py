"""Notes in the database (便条): what the running device tells other processes, and they it.

Small values by name: whether uploads are paused, how far the clock is off, how the sources stand.
Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

PAUSED = "paused"
CLOCK = "clock_offset"
HEALTH = "sources"


def put(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Write a note in place of an earlier one."""
    connection.execute(
        "INSERT OR REPLACE INTO note VALUES (?, ?)", (name, msgspec.json.encode(value))
    )


def get(connection: sqlite3.Connection, name: str, kind: type[T]) -> T | None:
    """A note, None when there is none that can be read as `kind`."""
    row = connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    try:
        return msgspec.json.decode(row[0], type=kind)
    except msgspec.DecodeError:
        return None


def is_paused(connection: sqlite3.Connection) -> bool:
    """Whether an operator holds the uploads back."""
    return get(connection, PAUSED, bool) or False


def set_paused(connection: sqlite3.Connection, paused: bool) -> None:
    """Hold the uploads back, over restarts too, or let them go on."""
    put(connection, PAUSED, paused)
