"""The chain of the audit records (审计链): linked, verified, exported.

Every record gets a link when its transaction commits: the next number, and an SM3 digest over the
record, that number and the digest before. `platform_state` knows the last. So no record can be
changed, taken out, put in or cut off at the end without a trace; and whoever keeps the digest that
`verify` ends with outside of the database also finds a chain that was made anew as a whole.

Links are made at the very end of a transaction, because the head is one row for the whole
platform: taken earlier it would be held while a transaction works, and two of them could wait for
each other (a device's registration, a partner's call).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SM3, Hash
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from nenghao.platform.chain import BEGINNING, canonical
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.operators_schema import audit_link
from nenghao.platform.store.schema import audit, platform_state

FORM: Final = 1
"""The version of the canonical form, hashed with it."""
HEAD: Final = "audit_head"
_PAGE: Final = 500

Head = tuple[int, bytes]
"""Number and digest of the last link."""


class Fault(StrEnum):
    """What can be wrong with the chain, each with its Chinese text."""

    text: str

    def __new__(cls, value: str, text: str = "") -> Fault:
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    GAP = "gap", "缺少链节"
    MISSING = "missing", "记录已不在"
    CONTENT = "content", "记录与其摘要不符，或与上一条不相连"
    UNLINKED = "unlinked", "有记录不在链上"
    HEAD = "head", "链头与最后一条不符（末尾被截去或改写）"
    NOTED = "noted", "与先前记下的摘要不符"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong, at the record of that number."""

    sequence: int
    fault: Fault
    detail: str = ""


@dataclass(slots=True)
class Checked:
    """What the walk along the chain found."""

    records: int = 0
    sequence: int = 0
    digest: str = ""
    """Number and digest of the last link: kept elsewhere, they prove what came before."""
    breaks: list[Break] = field(default_factory=list)


def plain(row: Row[Any]) -> dict[str, Any]:
    """A record as it is hashed and exported."""
    return {
        "at": row.at.isoformat(" "),
        "actor": row.actor,
        "address": row.address,
        "action": row.action,
        "subject": row.subject,
        "result": row.result,
        "detail": row.detail,
    }


def digest(sequence: int, record: dict[str, Any], previous: bytes) -> bytes:
    """The SM3 digest of a link, 32 bytes."""
    fields = {"form": FORM, "sequence": sequence, "previous": previous.hex(), **record}
    hashed = Hash(SM3())
    hashed.update(canonical(fields).encode())
    return hashed.finalize()


def begin(conn: Connection) -> None:
    """Make the chain of a database that had none: all records so far, in the order they came."""
    upsert(conn, platform_state, [{"name": HEAD, "value": _written((0, BEGINNING))}])
    last = 0
    while ids := list(
        conn.execute(
            select(audit.c.id).where(audit.c.id > last).order_by(audit.c.id).limit(_PAGE)
        ).scalars()
    ):
        link(conn, ids)
        last = ids[-1]


def link(conn: Connection, ids: Sequence[int]) -> None:
    """Put the records of these ids at the end of the chain. The last deed of a transaction."""
    locked = select(platform_state.c.value).where(platform_state.c.name == HEAD).with_for_update()
    sequence, previous = _read(str(conn.execute(locked).scalar_one()))
    rows = []
    for start in range(0, len(ids), _PAGE):
        query = select(audit).where(audit.c.id.in_(ids[start : start + _PAGE]))
        # Those of a savepoint that was undone are not there any more.
        for row in conn.execute(query.order_by(audit.c.id)):
            sequence += 1
            previous = digest(sequence, plain(row), previous)
            rows.append({"sequence": sequence, "audit_id": row.id, "digest": previous})
    if not rows:
        return
    conn.execute(insert(audit_link), rows)
    conn.execute(
        update(platform_state)
        .where(platform_state.c.name == HEAD)
        .values(value=_written((sequence, previous)))
    )


def last(conn: Connection) -> int:
    """The number of the last link, as its head says; 0 where that is not there."""
    query = select(platform_state.c.value).where(platform_state.c.name == HEAD)
    try:
        return _read(str(conn.execute(query).scalar_one_or_none()))[0]
    except ValueError:
        return 0


def verify(
    conn: Connection,
    noted: tuple[int, str] | None = None,
    on_progress: Callable[[int], None] = lambda records: None,
) -> Checked:
    """Walk the whole chain within one snapshot.

    `noted`: number and digest that an earlier walk ended with, which must still stand there.
    `on_progress` is told now and then how many records were looked at; what it raises ends this.
    """
    checked = Checked()
    previous = BEGINNING
    seen = ""
    for row in _linked(conn):
        expected = checked.sequence + 1
        if row.sequence != expected:
            through = f" 至 {row.sequence - 1}" if row.sequence > expected + 1 else ""
            checked.breaks.append(Break(expected, Fault.GAP, f"缺少编号 {expected}{through}"))
        if row.id is None:
            checked.breaks.append(Break(row.sequence, Fault.MISSING))
        elif digest(row.sequence, plain(row), previous) != bytes(row.digest):
            checked.breaks.append(Break(row.sequence, Fault.CONTENT))
        previous = bytes(row.digest)
        if noted is not None and row.sequence == noted[0]:
            seen = previous.hex()
        checked.records += 1
        checked.sequence, checked.digest = row.sequence, previous.hex()
        if checked.records % _PAGE == 0:
            on_progress(checked.records)
    _check_head(conn, checked, previous)
    _check_unlinked(conn, checked)
    if noted is not None and noted[0] and seen != noted[1]:
        checked.breaks.append(Break(noted[0], Fault.NOTED))
    return checked


def exported(conn: Connection, *wanted: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    """Every record in the order of the chain, with its number and digest (hex).

    Enough to verify the export by itself: the digest is over the other fields, `form` and the
    digest of the line before (docs/operators). With conditions only those that meet them, which
    can be read but not verified.
    """
    for row in _linked(conn, *wanted):
        if row.id is not None:
            yield {"sequence": row.sequence, **plain(row), "digest": bytes(row.digest).hex()}


def verify_exported(lines: Iterable[str], noted: tuple[int, str] | None = None) -> Checked:
    """The same walk along an exported file, one JSON object a line; ValueError for another."""
    checked = Checked()
    previous = BEGINNING
    seen = ""
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            sequence, told = record.pop("sequence"), bytes.fromhex(record.pop("digest"))
            found = digest(sequence, record, previous)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"第 {number} 行不是导出的审计记录") from None
        if sequence != checked.sequence + 1:
            checked.breaks.append(Break(checked.sequence + 1, Fault.GAP))
        elif found != told:
            checked.breaks.append(Break(sequence, Fault.CONTENT))
        previous = told
        if noted is not None and sequence == noted[0]:
            seen = told.hex()
        checked.records += 1
        checked.sequence, checked.digest = sequence, told.hex()
    if noted is not None and noted[0] and seen != noted[1]:
        checked.breaks.append(Break(noted[0], Fault.NOTED))
    return checked


def _linked(conn: Connection, *wanted: ColumnElement[bool]) -> Iterator[Row[Any]]:
    """Links with their records, in order, a page at a time: a log may outgrow the memory."""
    query = (
        select(audit_link.c.sequence, audit_link.c.digest, *audit.c)
        .outerjoin(audit, audit.c.id == audit_link.c.audit_id)
        .where(*wanted)
        .order_by(audit_link.c.sequence)
        .limit(_PAGE)
    )
    last = 0
    while page := conn.execute(query.where(audit_link.c.sequence > last)).all():
        yield from page
        last = page[-1].sequence


def _check_head(conn: Connection, checked: Checked, previous: bytes) -> None:
    query = select(platform_state.c.value).where(platform_state.c.name == HEAD)
    try:
        head = _read(str(conn.execute(query).scalar_one_or_none()))
    except ValueError:
        checked.breaks.append(Break(checked.sequence, Fault.HEAD, "链头不在"))
        return
    if head != (checked.sequence, previous):
        detail = f"链头编号为 {head[0]}，最后一条为 {checked.sequence}"
        checked.breaks.append(Break(max(head[0], checked.sequence), Fault.HEAD, detail))


def _check_unlinked(conn: Connection, checked: Checked) -> None:
    query = (
        select(audit.c.id)
        .outerjoin(audit_link, audit_link.c.audit_id == audit.c.id)
        .where(audit_link.c.audit_id.is_(None))
        .order_by(audit.c.id)
        .limit(_PAGE)
    )
    if ids := list(conn.execute(query).scalars()):
        detail = f"{len(ids)} 条，第一条的 id 为 {ids[0]}"
        checked.breaks.append(Break(checked.sequence + 1, Fault.UNLINKED, detail))


def _written(head: Head) -> str:
    return f"{head[0]} {head[1].hex()}"


def _read(text: str) -> Head:
    number, _, found = text.partition(" ")
    return int(number), bytes.fromhex(found)
