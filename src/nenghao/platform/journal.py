"""The upload journal (上传日志): every accepted body, and for a while the refused ones.

An accepted body stays with its receipt, so that whatever was acknowledged can be read again even
where a later upload replaced its values (docs/decisions 6). Receipts of a unit are numbered
without a gap in the order in which they were merged, and each is chained to the one before it
(`chain`). A refused body is kept for the operator to look at, apart from the data, for some days
and up to some size (docs/decisions 2).

What a message means is its service's business; here it is bytes. How long bodies are kept is
`retention`'s.
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

from nenghao.platform import chain
from nenghao.platform.chain import DROPPED, ZSTD, JournalDamaged
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import receipt, refused_upload, unit, unit_head
from nenghao.standard import periods

ENERGY = "energy"
CONFIGURATION = "config"
PRUNE = chain.PRUNE
REBUILD = "rebuild"
"""The kinds of receipt: two of uploads, two of what an operator did to the journal or the data."""

UPLOADS = (ENERGY, CONFIGURATION)

KEEP_DAYS = 30
KEEP_MB = 64

LEVEL = 1
"""zstd's level for bodies: higher ones save little and cost several times as much."""

_NOTHING = "none"
_SMALLEST_ROW = 4096
"""What a refused upload counts at least, so that tiny ones cannot pile up without end."""


Covers = Mapping[int, tuple[datetime, datetime]]
"""By statType the first and the last period that an upload has values for (statDate; END)."""


class Sender(Protocol):
    """Who sent an upload: a unit's device (`registry.Peer`), or number 0 for the operator."""

    @property
    def unit_id(self) -> int: ...

    @property
    def credit_code(self) -> str: ...

    @property
    def device(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Body:
    """A received body, hashed and compressed: made before the unit is locked."""

    sha256: bytes
    size: int
    packed: bytes

    @classmethod
    def of(cls, body: bytes, packed: bytes = b"") -> Body:
        """Hash and compress `body`; `packed` is it as one zstd frame, if it came as such.

        A frame that does not tell its size is not kept as it came: whoever reads the journal
        wants to know what it unpacks to before it does.
        """
        if not packed or zstandard.frame_content_size(packed) != len(body):
            packed = zstandard.compress(body, LEVEL)
        return cls(hashlib.sha256(body).digest(), len(body), packed)


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
    size: int
    """Bytes of the body as it was received."""
    records: int
    covers: dict[int, tuple[datetime, datetime]]
    settings: dict[str, Any]
    """The settings in force (`in_force`)."""
    result: dict[str, Any]
    previous: str
    digest: str
    kept: bool
    """Whether the body is still there (`retention`)."""


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


def open_head(conn: Connection, unit_id: int) -> None:
    """Give a unit its head, if it has none yet."""
    # Another transaction may make it at the same time; whoever comes second waits for it.
    upsert(conn, unit_head, [{"unit_id": unit_id, "sequence": 0}], lambda _: {})


def lock(conn: Connection, unit_id: int) -> int:
    """Lock the unit's head until the transaction ends; the number of its last receipt.

    Whatever reads a unit's data to write them back does this first (docs/architecture). A unit
    that has no head yet gets one.
    """
    return _locked(conn, unit_id)[0]


def _locked(conn: Connection, unit_id: int) -> tuple[int, bytes]:
    """Number and digest of the unit's last receipt, its head being locked."""
    columns = (unit_head.c.sequence, unit_head.c.receipt_digest)
    query = select(*columns).where(unit_head.c.unit_id == unit_id).with_for_update()
    head = conn.execute(query).one_or_none()
    if head is None:
        open_head(conn, unit_id)
        head = conn.execute(query).one()
    return head.sequence, head.receipt_digest or chain.BEGINNING


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
    settings: Mapping[str, object] | None = None,
    covers: Covers | None = None,
) -> int:
    """Add the receipt of an accepted upload in the transaction that stores it; its number.

    `result` is what became of the upload, `settings` what was in force for it: JSON-able and
    without floats. `records` is how many it brought, `covers` for which times.
    """
    last, previous = _locked(conn, sender.unit_id)
    content = chain.Content(
        unit=sender.credit_code,
        sequence=last + 1,
        kind=kind,
        device=sender.device,
        received_at=now,
        address=address[:64],
        sha256=body.sha256,
        size=body.size,
        records=records,
        covers=_spelt(covers or {}),
        settings=settings or {},
        result=result,
    )
    digest = chain.digest(content, previous)
    conn.execute(
        insert(receipt).values(
            unit_id=sender.unit_id,
            sequence=content.sequence,
            kind=kind,
            device_number=sender.device,
            received_at=now,
            address=content.address,
            sha256=body.sha256,
            size=body.size,
            records=records,
            covers=chain.canonical(content.covers),
            settings=chain.canonical(content.settings),
            result=chain.canonical(result),
            previous_digest=previous,
            digest=digest,
            encoding=ZSTD,
            body=body.packed,
        )
    )
    conn.execute(
        update(unit_head)
        .where(unit_head.c.unit_id == sender.unit_id)
        .values(sequence=content.sequence, receipt_digest=digest)
    )
    return content.sequence


def _spelt(covers: Covers) -> dict[str, list[str]]:
    return {
        str(kind): [periods.format_time(first), periods.format_time(last)]
        for kind, (first, last) in covers.items()
    }


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
    packed = zstandard.compress(body, LEVEL)
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
                encoding=ZSTD if fits else _NOTHING,
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
    query = _listing(unit_id)
    if kind is not None:
        query = query.where(receipt.c.kind == kind)
    query = query.order_by(receipt.c.received_at.desc(), receipt.c.sequence.desc()).limit(limit)
    return [_receipt(row) for row in conn.execute(query)]


def receipts_after(conn: Connection, unit_id: int, sequence: int) -> list[Receipt]:
    """The unit's receipts with a higher number than `sequence`, in order."""
    query = _listing(unit_id).where(receipt.c.sequence > sequence).order_by(receipt.c.sequence)
    return [_receipt(row) for row in conn.execute(query)]


def receipt_of(conn: Connection, unit_id: int, sequence: int) -> Receipt:
    """One receipt; LookupError when there is none."""
    query = _listing(unit_id).where(receipt.c.sequence == sequence)
    return _receipt(_single(conn, query, f"unit {unit_id} has no receipt {sequence}"))


def _listing(unit_id: int | None) -> Select[Any]:
    columns = [column for column in receipt.c if column.name != "body"]
    query = select(unit.c.code.label("credit_code"), *columns).join(
        unit, unit.c.id == receipt.c.unit_id
    )
    return query if unit_id is None else query.where(receipt.c.unit_id == unit_id)


def body_of(conn: Connection, unit_id: int, sequence: int) -> bytes:
    """The body of a receipt as it was received.

    Raises LookupError when there is none, or none any longer; JournalDamaged when it is not what
    was received.
    """
    columns = (receipt.c.encoding, receipt.c.body, receipt.c.sha256, receipt.c.size)
    query = select(*columns).where(receipt.c.unit_id == unit_id, receipt.c.sequence == sequence)
    row = _single(conn, query, f"unit {unit_id} has no receipt {sequence}")
    if row.encoding == DROPPED:
        raise LookupError(f"the body of receipt {sequence} of unit {unit_id} was dropped")
    return chain.unpacked(row.encoding, row.body, row.sha256, row.size)


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
    try:
        return zstandard.decompress(row.body)
    except zstandard.ZstdError as error:
        raise JournalDamaged("原文无法解压") from error


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


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        credit_code=row.credit_code,
        sequence=row.sequence,
        kind=row.kind,
        device=row.device_number,
        received_at=row.received_at,
        address=row.address,
        sha256=row.sha256.hex(),
        size=row.size,
        records=row.records,
        covers={
            int(kind): (periods.parse_time(first), periods.parse_time(last))
            for kind, (first, last) in json.loads(row.covers).items()
        },
        settings=json.loads(row.settings),
        result=json.loads(row.result),
        previous=row.previous_digest.hex(),
        digest=row.digest.hex(),
        kept=row.encoding != DROPPED,
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
