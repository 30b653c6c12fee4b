"""The chain of a unit's receipts (回执链): what is hashed, and how it is checked.

Every receipt carries an SM3 digest over its own fields and over the digest of the receipt before
it; `unit_head` carries the digest of the last. So nothing of the journal can be changed, taken out
or cut off without breaking the chain from there on (docs/journal). Writing receipts is `journal`'s
business; here is pure arithmetic, and the walk that checks.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Any

import zstandard
from cryptography.hazmat.primitives.hashes import SM3, Hash
from sqlalchemy import Connection, Row, select, union

from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import frame, receipt, unit, unit_head

FORM = 1
"""The version of the canonical form, hashed with it."""

BEGINNING = bytes(32)
"""What stands for the digest before a unit's first receipt."""

ZSTD = "zstd"
DROPPED = "dropped"
"""How a receipt's body is stored: compressed, or no longer there (`retention`)."""

PRUNE = "prune"
"""The kind of the receipt that records which bodies were dropped."""

_PAGE = 64


class JournalDamaged(Exception):
    """A stored body is not the one whose SHA-256 stands in its receipt."""


@dataclass(frozen=True, slots=True)
class Content:
    """All that a receipt's digest is over, but the digest before it."""

    unit: str
    """The credit code (统一社会信用代码)."""
    sequence: int
    kind: str
    device: int
    received_at: datetime
    address: str
    sha256: bytes
    size: int
    records: int
    covers: Mapping[str, Any]
    settings: Mapping[str, Any]
    result: Mapping[str, Any]


def canonical(value: object) -> str:
    """`value` as canonical JSON (RFC 8785): sorted keys, no blanks, UTF-8.

    Raises TypeError for floats, which have no one spelling, and for what JSON has not.
    """
    _refuse_floats(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(content: Content, previous: bytes) -> bytes:
    """The SM3 digest of a receipt, 32 bytes: over the canonical JSON of the fields named here."""
    fields = {
        "form": FORM,
        "unit": content.unit,
        "sequence": content.sequence,
        "kind": content.kind,
        "device": content.device,
        "receivedAt": content.received_at.isoformat(" "),
        "address": content.address,
        "sha256": content.sha256.hex(),
        "size": content.size,
        "records": content.records,
        "covers": content.covers,
        "settings": content.settings,
        "result": content.result,
        "previous": previous.hex(),
    }
    hashed = Hash(SM3())
    hashed.update(canonical(fields).encode())
    return hashed.finalize()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a receipt holds no floats")
    if isinstance(value, Mapping):
        for each in value.values():
            _refuse_floats(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_floats(each)


class Fault(StrEnum):
    """What can be wrong with a chain, each with its Chinese text."""

    text: str

    def __new__(cls, value: str, text: str = "") -> Fault:
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    GAP = "gap", "缺少回执"
    CONTENT = "content", "回执内容与其摘要不符"
    LINK = "link", "与上一回执的摘要不相连"
    BODY = "body", "原文与回执中的 SHA-256 不符"
    MISSING_BODY = "missing_body", "原文已不在，且没有相应的清除回执"
    TAIL = "tail", "末尾的回执被截去"
    HEAD = "head", "链头与最后一份回执不符"
    NOTED = "noted", "与先前记下的摘要不符"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong."""

    sequence: int
    """The receipt at which it shows; a missing one counts."""
    fault: Fault
    detail: str = ""


@dataclass(slots=True)
class Checked:
    """What the walk along one unit's chain found."""

    credit_code: str
    receipts: int = 0
    bodies: int = 0
    """Bodies read and found right."""
    dropped: int = 0
    """Bodies dropped by the retention setting, as a receipt says."""
    sequence: int = 0
    digest: str = ""
    """Number and digest of the last receipt: kept elsewhere, they prove what came before."""
    breaks: list[Break] = field(default_factory=list)


Noted = Mapping[str, tuple[int, str]]
"""What an earlier walk found, kept outside of the database: number and digest by credit code."""


def check(
    store: Store, unit_ids: Sequence[int], *, bodies: bool = True, noted: Noted | None = None
) -> Iterator[Checked]:
    """Walk the chains of the units, each within one snapshot; `bodies` reads those too.

    With `noted` each chain must still hold the receipt that an earlier walk ended with: who can
    write the whole database can also make a whole chain anew, but not that digest.
    """
    for unit_id in unit_ids:
        with store.read() as conn:
            checked = check_unit(conn, unit_id, bodies=bodies)
            _compare_noted(conn, unit_id, checked, noted or {})
        yield checked


def _compare_noted(conn: Connection, unit_id: int, checked: Checked, noted: Noted) -> None:
    sequence, expected = noted.get(checked.credit_code, (0, ""))
    if not sequence:
        return
    query = select(receipt.c.digest).where(
        receipt.c.unit_id == unit_id, receipt.c.sequence == sequence
    )
    found = conn.execute(query).scalar()
    if found is None or found.hex() != expected:
        checked.breaks.append(Break(sequence, Fault.NOTED))


def units(conn: Connection) -> list[int]:
    """Every unit that is registered, or has a head or receipts."""
    ids = union(select(unit.c.id), select(unit_head.c.unit_id), select(receipt.c.unit_id))
    return sorted(conn.execute(ids).scalars())


def check_unit(conn: Connection, unit_id: int, *, bodies: bool = True) -> Checked:
    """Walk one unit's chain from its first receipt to its head."""
    code = conn.execute(select(unit.c.code).where(unit.c.id == unit_id)).scalar()
    checked = Checked(code or f"unit {unit_id}")
    dropping = _Dropping(conn, unit_id)
    previous, last = BEGINNING, 0
    for row in _rows(conn, unit_id, bodies=bodies):
        if row.sequence != last + 1:
            missing = f"缺少编号 {last + 1}" + (
                f" 至 {row.sequence - 1}" if row.sequence > last + 2 else ""
            )
            checked.breaks.append(Break(last + 1, Fault.GAP, missing))
        elif row.previous_digest != previous:
            checked.breaks.append(Break(row.sequence, Fault.LINK))
        if not _is_sealed(row, checked.credit_code):
            checked.breaks.append(Break(row.sequence, Fault.CONTENT))
        _check_body(row, checked, dropping, bodies=bodies)
        checked.receipts += 1
        previous, last = row.digest, row.sequence
    checked.sequence, checked.digest = last, previous.hex() if last else ""
    _check_head(conn, unit_id, checked, previous)
    return checked


def _rows(conn: Connection, unit_id: int, *, bodies: bool) -> Iterator[Row[Any]]:
    """The receipts in order, a page at a time: a chain may be longer than the memory."""
    columns = [column for column in receipt.c if bodies or column.name != "body"]
    query = select(*columns).where(receipt.c.unit_id == unit_id).order_by(receipt.c.sequence)
    last = 0
    while page := conn.execute(query.where(receipt.c.sequence > last).limit(_PAGE)).all():
        yield from page
        last = page[-1].sequence


class _Dropping:
    """The receipts of a unit that record a dropping of bodies."""

    def __init__(self, conn: Connection, unit_id: int) -> None:
        query = (
            select(receipt.c.sequence, receipt.c.result)
            .where(receipt.c.unit_id == unit_id, receipt.c.kind == PRUNE)
            .order_by(receipt.c.sequence.desc())
        )
        self._sequences: list[int] = []
        befores: list[datetime] = []
        for row in conn.execute(query):
            try:
                befores.append(datetime.fromisoformat(json.loads(row.result)["before"]))
            except (ValueError, TypeError, KeyError):
                continue  # a changed one: its own digest tells, and it explains nothing
            self._sequences.append(-row.sequence)
        self._latest = list(accumulate(befores, max))

    def explains(self, sequence: int, received_at: datetime) -> bool:
        """Whether a later receipt says that bodies of that time were dropped."""
        later = bisect_left(self._sequences, -sequence)
        return later > 0 and received_at < self._latest[later - 1]


def _is_sealed(row: Row[Any], code: str) -> bool:
    """Whether the receipt's fields are those that its digest was made over."""
    try:
        content = Content(
            unit=code,
            sequence=row.sequence,
            kind=row.kind,
            device=row.device_number,
            received_at=row.received_at,
            address=row.address,
            sha256=row.sha256,
            size=row.size,
            records=row.records,
            covers=json.loads(row.covers),
            settings=json.loads(row.settings),
            result=json.loads(row.result),
        )
        return digest(content, row.previous_digest) == bytes(row.digest)
    except (ValueError, TypeError):
        return False


def _check_body(row: Row[Any], checked: Checked, dropping: _Dropping, *, bodies: bool) -> None:
    if row.encoding == DROPPED:
        if dropping.explains(row.sequence, row.received_at):
            checked.dropped += 1
        else:
            checked.breaks.append(Break(row.sequence, Fault.MISSING_BODY))
    elif bodies:
        try:
            unpacked(row.encoding, row.body, row.sha256, row.size)
            checked.bodies += 1
        except JournalDamaged as error:
            checked.breaks.append(Break(row.sequence, Fault.BODY, str(error)))


def _check_head(conn: Connection, unit_id: int, checked: Checked, previous: bytes) -> None:
    query = select(unit_head.c.sequence, unit_head.c.receipt_digest)
    head = conn.execute(query.where(unit_head.c.unit_id == unit_id)).one_or_none()
    data = select(frame.c.unit_id).where(frame.c.unit_id == unit_id).limit(1)
    last = checked.sequence
    if not last and conn.execute(data).first() is not None:
        checked.breaks.append(Break(1, Fault.TAIL, "有数据而没有任何回执"))
    elif head is None and last:
        checked.breaks.append(Break(last, Fault.HEAD, "链头不在"))
    elif head is None:
        return
    elif head.sequence > last:
        detail = f"链头编号为 {head.sequence}，最后一份回执为 {last}"
        checked.breaks.append(Break(last + 1, Fault.TAIL, detail))
    elif head.sequence < last or (head.receipt_digest or BEGINNING) != previous:
        checked.breaks.append(Break(last, Fault.HEAD))


def unpacked(encoding: str, packed: bytes, sha256: bytes, size: int) -> bytes:
    """A stored body as it was received; JournalDamaged when it is not what was hashed."""
    if encoding != ZSTD:
        raise JournalDamaged(f"原文的编码 {encoding!r} 未知")
    try:
        if zstandard.frame_content_size(packed) != size:  # or it might take all the memory
            raise JournalDamaged("原文的长度不符")
        body = zstandard.decompress(packed)
    except zstandard.ZstdError as error:
        raise JournalDamaged("原文无法解压") from error
    if hashlib.sha256(body).digest() != sha256:
        raise JournalDamaged("原文的 SHA-256 不符")
    return body
