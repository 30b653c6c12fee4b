"""The upload journal (上传日志): every accepted body, and for a while the refused ones.

An accepted body stays with its receipt, so that whatever was acknowledged can be read again even
where a later upload replaced its values (docs/decisions 6). Receipts of a unit are numbered
without a gap in the order in which they were merged. A refused body is kept for the operator to
look at, apart from the data, for some days and up to some size (docs/decisions 2).

What a message means is its service's business; here it is bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import zstandard
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import receipt, refused_upload, unit, unit_head

ENERGY = "energy"
CONFIGURATION = "config"
"""The kinds of receipt."""

KEEP_DAYS = 30
KEEP_MB = 64

_ZSTD = "zstd"
_NOTHING = "none"
_SMALLEST_ROW = 4096
"""What a refused upload counts at least, so that tiny ones cannot pile up without end."""


class JournalDamaged(Exception):
    """A stored body is not the one whose SHA-256 stands in its receipt."""


class Sender(Protocol):
    """Who sent an upload: a unit's device (`registry.Peer`)."""

    @property
    def unit_id(self) -> int: ...

    @property
    def device(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Body:
    """A received body, hashed and compressed: made before the unit is locked."""

    sha256: bytes
    size: int
    packed: bytes

    @classmethod
    def of(cls, body: bytes) -> Body:
        """Hash and compress `body`."""
        return cls(hashlib.sha256(body).digest(), len(body), zstandard.compress(body))


@dataclass(frozen=True, slots=True)
class Receipt:
    """One accepted upload, without its body."""

    credit_code: str
    sequence: int
    kind: str
    device: int
    received_at: datetime
    address: str
    sha256: str
    records: int
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedUpload:
    """One refused upload, without its body; `kept` says whether the body is there."""

    credit_code: str
    number: int
    device: int
    received_at: datetime
    address: str
    path: str
    code: str
    text: str
    size: int
    kept: bool


def lock(conn: Connection, unit_id: int) -> int:
    """Lock the unit's head until the transaction ends; the number of its last receipt.

    Whatever reads a unit's data to write them back does this first (docs/architecture). A unit
    that has no head yet gets one.
    """
    query = select(unit_head.c.sequence).where(unit_head.c.unit_id == unit_id).with_for_update()
    last = conn.execute(query).scalar_one_or_none()
    if last is None:
        # Another transaction may make it at the same time; whoever comes second waits and reads.
        upsert(conn, unit_head, [{"unit_id": unit_id, "sequence": 0}], lambda _: {})
        last = conn.execute(query).scalar_one()
    return int(last)


def append(
    conn: Connection,
    sender: Sender,
    kind: str,
    body: Body,
    *,
    records: int,
    result: Mapping[str, object],
    now: datetime,
    address: str,
) -> int:
    """Add the receipt of an accepted upload in the transaction that stores it; its number.

    `result` is what became of the upload, JSON-able; `records` how many it brought.
    """
    sequence = lock(conn, sender.unit_id) + 1
    conn.execute(
        insert(receipt).values(
            unit_id=sender.unit_id,
            sequence=sequence,
            kind=kind,
            device_number=sender.device,
            received_at=now,
            address=address[:64],
            sha256=body.sha256,
            encoding=_ZSTD,
            body=body.packed,
            records=records,
            result=json.dumps(result, ensure_ascii=False),
        )
    )
    conn.execute(
        update(unit_head)
        .where(unit_head.c.unit_id == sender.unit_id)
        .values(sequence=sequence, receipt_digest=body.sha256)
    )
    return sequence


def keep_refused(
    store: Store,
    sender: Sender,
    *,
    path: str,
    code: str,
    text: str,
    body: bytes,
    now: datetime,
    address: str,
    keep_days: int = KEEP_DAYS,
    keep_mb: int = KEEP_MB,
) -> int:
    """Keep a refused body in a transaction of its own, and drop what is too old or too much.

    A body that alone exceeds the limit is noted without its bytes. Returns its number.
    """
    packed = zstandard.compress(body)
    limit = keep_mb * 1024 * 1024
    fits = len(packed) <= limit
    with store.write() as conn:
        lock(conn, sender.unit_id)
        newest = select(func.max(refused_upload.c.number)).where(
            refused_upload.c.unit_id == sender.unit_id
        )
        number = int(conn.execute(newest).scalar() or 0) + 1
        conn.execute(
            insert(refused_upload).values(
                unit_id=sender.unit_id,
                number=number,
                device_number=sender.device,
                received_at=now,
                address=address[:64],
                path=path[:40],
                code=code,
                text=text,
                encoding=_ZSTD if fits else _NOTHING,
                size=len(body),
                body=packed if fits else b"",
            )
        )
        _prune(conn, sender.unit_id, now - timedelta(days=keep_days), limit)
    return number


def receipts(
    conn: Connection, unit_id: int | None = None, *, kind: str | None = None, limit: int = 100
) -> list[Receipt]:
    """The latest receipts, newest first: of one unit, or of all."""
    columns = [column for column in receipt.c if column.name != "body"]
    query = select(unit.c.code.label("credit_code"), *columns).join(
        unit, unit.c.id == receipt.c.unit_id
    )
    if unit_id is not None:
        query = query.where(receipt.c.unit_id == unit_id)
    if kind is not None:
        query = query.where(receipt.c.kind == kind)
    query = query.order_by(receipt.c.received_at.desc(), receipt.c.sequence.desc()).limit(limit)
    return [_receipt(row) for row in conn.execute(query)]


def body_of(conn: Connection, unit_id: int, sequence: int) -> bytes:
    """The body of a receipt as it was received.

    Raises LookupError when there is none, JournalDamaged when it is not what was received.
    """
    query = select(receipt.c.encoding, receipt.c.body, receipt.c.sha256).where(
        receipt.c.unit_id == unit_id, receipt.c.sequence == sequence
    )
    row = _single(conn, query, f"unit {unit_id} has no receipt {sequence}")
    body = _unpacked(row.encoding, row.body)
    if hashlib.sha256(body).digest() != row.sha256:
        raise JournalDamaged(f"receipt {sequence} of unit {unit_id} does not match its SHA-256")
    return body


def refused_uploads(
    conn: Connection, unit_id: int | None = None, *, limit: int = 100
) -> list[RefusedUpload]:
    """The refused uploads that are kept, newest first: of one unit, or of all."""
    columns = [column for column in refused_upload.c if column.name != "body"]
    query = select(unit.c.code.label("credit_code"), *columns).join(
        unit, unit.c.id == refused_upload.c.unit_id
    )
    if unit_id is not None:
        query = query.where(refused_upload.c.unit_id == unit_id)
    query = query.order_by(
        refused_upload.c.received_at.desc(), refused_upload.c.number.desc()
    ).limit(limit)
    return [_refused(row) for row in conn.execute(query)]


def refused_body(conn: Connection, unit_id: int, number: int) -> bytes:
    """The body of a refused upload; LookupError when it is not, or no longer, there."""
    query = select(refused_upload.c.encoding, refused_upload.c.body).where(
        refused_upload.c.unit_id == unit_id, refused_upload.c.number == number
    )
    row = _single(conn, query, f"unit {unit_id} has no refused upload {number}")
    if row.encoding == _NOTHING:
        raise LookupError(f"the body of refused upload {number} was too large to keep")
    return _unpacked(row.encoding, row.body)


def _prune(conn: Connection, unit_id: int, before: datetime, limit: int) -> None:
    table = refused_upload
    mine = table.c.unit_id == unit_id
    conn.execute(delete(table).where(mine, table.c.received_at < before))
    sizes = select(table.c.number, func.length(table.c.body)).where(mine)
    total = 0
    for number, size in conn.execute(sizes.order_by(table.c.number.desc())):
        total += max(size, _SMALLEST_ROW)
        if total > limit:
            conn.execute(delete(table).where(mine, table.c.number <= number))
            return


def _single(conn: Connection, query: Select[Any], absent: str) -> Row[Any]:
    row = conn.execute(query).one_or_none()
    if row is None:
        raise LookupError(absent)
    return row


def _unpacked(encoding: str, packed: bytes) -> bytes:
    if encoding != _ZSTD:
        raise JournalDamaged(f"unknown encoding {encoding!r}")
    try:
        return zstandard.decompress(packed)
    except zstandard.ZstdError as error:
        raise JournalDamaged("the body cannot be unpacked") from error


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        credit_code=row.credit_code,
        sequence=row.sequence,
        kind=row.kind,
        device=row.device_number,
        received_at=row.received_at,
        address=row.address,
        sha256=row.sha256.hex(),
        records=row.records,
        result=json.loads(row.result),
    )


def _refused(row: Row[Any]) -> RefusedUpload:
    return RefusedUpload(
        credit_code=row.credit_code,
        number=row.number,
        device=row.device_number,
        received_at=row.received_at,
        address=row.address,
        path=row.path,
        code=row.code,
        text=row.text,
        size=row.size,
        kept=row.encoding != _NOTHING,
    )
