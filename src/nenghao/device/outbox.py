"""The queue of batches (上传队列, 6.2.5-8): what waits, what was refused, what was accepted.

A batch is one day's records as they go over the wire, without the device id, which is written at
sending. It is *queued* once the transaction that wrote it is on the disk; *accepted* when the
platform said so (its row stays, its body goes); *refused* when the platform said E2xxx: kept with
the reason until somebody looks at it, never sent again by itself and in nobody's way.
*Discarded* is an operator's decision about a refused one. When batches are sent is `session`'s
business, what is in them `batches`'.

Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from nenghao.device.packing import Body, Packed, Packer, each
from nenghao.standard import periods


class BatchState(StrEnum):
    """Where a batch stands."""

    QUEUED = "queued"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    DISCARDED = "discarded"


class Batch(Struct, frozen=True, rename="camel"):
    """A batch as `nenghao device queue --json` lists it; times as the wire spells them.

    `day` is the day whose ticks it holds, `size` the bytes of its records, `attempts` how often
    it was sent in all, `last_error` what came of the last failed attempt, `reason` why it was
    refused.
    """

    id: int
    day: str
    state: BatchState
    attempts: int
    records: int
    size: int
    created_at: str
    last_error: str
    reason: str
    upload_date: str
    last_attempt_at: str | None
    closed_at: str | None


_BATCH = (
    "SELECT id, day, state, attempts, records, size, created_at, last_error, reason, upload_date,"
    " last_attempt_at, closed_at FROM batch"
)


class NewBatch(Struct, frozen=True):
    """Records that are to be queued, `day` the day they are of."""

    day: date
    packed: Packed
    upload_date: str
    refused: str = ""
    """Why the device's own check of the form refused it; empty: it is good and queued."""


def add(connection: sqlite3.Connection, new: NewBatch, enterprise_code: str, now: datetime) -> int:
    """Put a batch at its place in the queue; its id."""
    state = BatchState.REFUSED if new.refused else BatchState.QUEUED
    cursor = connection.execute(
        "INSERT INTO batch (sequence, day, state, enterprise_code, upload_date, records, size,"
        " data, reason, created_at) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(new.day.isoformat(), state, enterprise_code, new.upload_date, new.packed.records),
            *(new.packed.size, new.packed.data, new.refused, periods.format_time(now)),
        ),
    )
    number = cursor.lastrowid or 0
    connection.execute("UPDATE batch SET sequence = id WHERE id = ?", (number,))
    return number


def get(connection: sqlite3.Connection, number: int) -> Batch | None:
    """The batch with an id."""
    row = connection.execute(f"{_BATCH} WHERE id = ?", (number,)).fetchone()
    return None if row is None else _batch(row)


def waiting(connection: sqlite3.Connection) -> list[Batch]:
    """Everything that is not done with, refused ones included, oldest day first."""
    rows = connection.execute(
        f"{_BATCH} WHERE state IN ('queued', 'refused') ORDER BY day, sequence, id"
    )
    return [_batch(row) for row in rows]


def queued(connection: sqlite3.Connection) -> tuple[int, ...]:
    """The ids of what is to be sent, oldest day first; of one day in the order of making."""
    rows = connection.execute(
        "SELECT id FROM batch WHERE state = 'queued' ORDER BY day, sequence, id"
    )
    return tuple(number for (number,) in rows)


def counts(connection: sqlite3.Connection) -> dict[BatchState, int]:
    """How many batches stand in each state."""
    rows = connection.execute("SELECT state, count(*) FROM batch GROUP BY state").fetchall()
    found = {BatchState(state): number for state, number in rows}
    return {state: found.get(state, 0) for state in BatchState}


def body(connection: sqlite3.Connection, number: int, device_id: str) -> Body | None:
    """The request of A.5 for a queued batch; None when it is not queued (any more)."""
    row = connection.execute(
        "SELECT enterprise_code, data, records, size FROM batch WHERE id = ? AND state = 'queued'",
        (number,),
    ).fetchone()
    return None if row is None else request(device_id, row[0], Packed(*row[1:]))


def records(
    connection: sqlite3.Connection, number: int, wanted: Collection[int]
) -> dict[int, bytes]:
    """Some records of a batch as they go over the wire, by their place in it (from 0).

    None once it is accepted, and none at places that it has not.
    """
    row = connection.execute("SELECT data FROM batch WHERE id = ?", (number,)).fetchone()
    if not wanted or row is None or row[0] is None:
        return {}
    return {place: record for place, record in enumerate(each(row[0])) if place in wanted}


def request(device_id: str, enterprise_code: str, packed: Packed) -> Body:
    """The upload request of A.5 around a packed array of records."""
    return Body(head(device_id, enterprise_code), packed, TAIL)


def head(device_id: str, enterprise_code: str) -> bytes:
    """What stands before the array of records in an upload request; `TAIL` stands behind it."""
    known = msgspec.json.encode({"deviceId": device_id, "enterpriseCode": enterprise_code})
    return known.removesuffix(b"}") + b',"data":'


TAIL = b"}"


def attempt(connection: sqlite3.Connection, number: int, now: datetime) -> None:
    """Count an attempt; before it is made, so that a crash cannot hide it."""
    connection.execute(
        "UPDATE batch SET attempts = attempts + 1, last_attempt_at = ? WHERE id = ?",
        (periods.format_time(now), number),
    )


def failed(connection: sqlite3.Connection, number: int, error: str) -> None:
    """Note what came of an attempt; the batch stays queued."""
    connection.execute(
        "UPDATE batch SET last_error = ? WHERE id = ? AND state = 'queued'", (error, number)
    )


def accept(connection: sqlite3.Connection, number: int, now: datetime) -> None:
    """The platform has it: the row stays, the body goes."""
    connection.execute(
        "UPDATE batch SET state = 'accepted', data = NULL, last_error = '', reason = '',"
        " closed_at = ? WHERE id = ? AND state = 'queued'",
        (periods.format_time(now), number),
    )


def refuse(connection: sqlite3.Connection, number: int, reason: str, now: datetime) -> None:
    """The platform will not have it: kept whole, with the reason, and not sent by itself."""
    connection.execute(
        "UPDATE batch SET state = 'refused', reason = ?, last_error = ?, closed_at = ?"
        " WHERE id = ? AND state = 'queued'",
        (reason, reason, periods.format_time(now), number),
    )


def retry(connection: sqlite3.Connection, number: int) -> bool:
    """Queue a refused batch again, at its place; whether there was such a one."""
    cursor = connection.execute(
        "UPDATE batch SET state = 'queued', reason = '', closed_at = NULL"
        " WHERE id = ? AND state = 'refused'",
        (number,),
    )
    return cursor.rowcount == 1


def discard(connection: sqlite3.Connection, number: int, now: datetime) -> bool:
    """Take a refused batch out of the queue; body and reason stay on file. Whether it was one."""
    cursor = connection.execute(
        "UPDATE batch SET state = 'discarded', closed_at = ? WHERE id = ? AND state = 'refused'",
        (periods.format_time(now), number),
    )
    return cursor.rowcount == 1


def split(connection: sqlite3.Connection, number: int, now: datetime) -> tuple[int, ...]:
    """Replace a queued batch by its two halves, at its place; their ids.

    Empty when it cannot be split any further (one record), or is not queued; nothing changes then.
    """
    row = connection.execute(
        "SELECT sequence, day, enterprise_code, upload_date, records, data FROM batch"
        " WHERE id = ? AND state = 'queued'",
        (number,),
    ).fetchone()
    if row is None:
        return ()
    sequence, day, enterprise_code, upload_date, count, data = row
    if count < 2:
        return ()
    parts = Packer(), Packer()
    for place, record in enumerate(each(data)):
        parts[place >= count // 2].add(record)
    halves = []
    for part in parts:
        half = NewBatch(date.fromisoformat(day), part.finish(), upload_date)
        halves.append(add(connection, half, enterprise_code, now))
    connection.executemany(
        "UPDATE batch SET sequence = ? WHERE id = ?", [(sequence, half) for half in halves]
    )
    connection.execute("DELETE FROM batch WHERE id = ?", (number,))
    return tuple(halves)


def latest_upload_date(connection: sqlite3.Connection, year: int) -> str | None:
    """The latest uploadDate that batches of a year's days bear."""
    (latest,) = connection.execute(
        "SELECT max(upload_date) FROM batch WHERE day >= ? AND day <= ?",
        (f"{year:04d}-01-01", f"{year:04d}-12-31"),
    ).fetchone()
    return None if latest is None else str(latest)


def _batch(row: Any) -> Batch:
    return Batch(row[0], row[1], BatchState(row[2]), *row[3:])
