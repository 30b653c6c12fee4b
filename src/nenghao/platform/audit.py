"""The audit trail (审计记录): who did what, from where, with which result.

Refusals of identity, registrations, certificates and operators' changes are recorded; the data
themselves have the journal. A record never carries a password, a key or a body. Records are only
ever added, and chained when their transaction commits (`audit_chain`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, or_, select

from nenghao.platform import audit_chain
from nenghao.platform.store.engine import at_end
from nenghao.platform.store.operators_schema import audit_link
from nenghao.platform.store.schema import audit

OPERATOR = "operator"
"""The actor of a command given on the platform's own machine by whoever may use its folder."""

OK = "ok"
REFUSED = "refused"

_acting: ContextVar[tuple[str, str] | None] = ContextVar("acting", default=None)


class Filter(NamedTuple):
    """Which records are asked for; what is empty does not limit."""

    actor: str = ""
    action: str = ""
    """An action, or with a dot at its end all that begin so."""
    result: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    who: str = ""
    """A part of the actor or of the address."""
    what: str = ""
    """A part of the subject or of the detail."""


@contextmanager
def acting(actor: str, address: str) -> Iterator[None]:
    """What is recorded as `OPERATOR`'s within the block is this actor's, from this address.

    The services record what an operator does as `OPERATOR`; whoever knows which one it is, such as
    the console, says so here. Holds for the present task and the threads that it calls.
    """
    before = _acting.set((actor, address))
    try:
        yield
    finally:
        _acting.reset(before)


def actor() -> str:
    """Who acts at present: whoever `acting` names, else `OPERATOR`."""
    known = _acting.get()
    return OPERATOR if known is None else known[0]


def record(
    conn: Connection,
    now: datetime,
    actor: str,
    address: str,
    action: str,
    subject: str,
    result: str = OK,
    detail: str = "",
) -> None:
    """Add one record. `actor` is a credit code with device number, a named one, or `OPERATOR`.

    `conn` is of a `Store.write()`, at whose end the record is chained.
    """
    known = _acting.get()
    if actor == OPERATOR and known is not None:
        actor, address = known
    added = conn.execute(
        insert(audit).values(
            at=now,
            actor=actor[:64],
            address=address[:64],
            action=action,
            subject=subject,
            result=result,
            detail=detail,
        )
    ).inserted_primary_key
    if added is None:
        raise AssertionError("an audit record without a number")
    at_end(conn, audit_chain.link).append(added[0])


def entries(conn: Connection, limit: int = 100) -> list[RowMapping]:
    """The latest records, newest first: at, actor, address, action, subject, result, detail."""
    columns = [column for column in audit.c if column.name != "id"]
    query = select(*columns).order_by(audit.c.id.desc()).limit(limit)
    return list(conn.execute(query).mappings())


def listing(
    conn: Connection, wanted: Filter, limit: int, before: int | None = None
) -> Sequence[RowMapping]:
    """The latest records that are asked for, newest first, with their number in the chain.

    `before`: only those of smaller numbers, for the next page.
    """
    c = audit.c
    columns = [column for column in c if column.name != "id"]
    query = (
        select(audit_link.c.sequence, *columns)
        .join(audit_link, audit_link.c.audit_id == c.id)
        .order_by(audit_link.c.sequence.desc())
        .limit(limit)
        .where(*conditions(wanted))
    )
    if before is not None:
        query = query.where(audit_link.c.sequence < before)
    return conn.execute(query).mappings().all()


def counted(conn: Connection, wanted: Filter, most: int) -> int:
    """How many records are asked for; `most` where there are more."""
    some = select(audit.c.id).where(*conditions(wanted)).limit(most).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """What is asked for, as conditions on the table."""
    c = audit.c
    made: list[ColumnElement[bool]] = []
    if wanted.actor:
        made.append(c.actor == wanted.actor)
    if wanted.action.endswith("."):
        made.append(c.action.startswith(wanted.action, autoescape=True))
    elif wanted.action:
        made.append(c.action == wanted.action)
    if wanted.result:
        made.append(c.result == wanted.result)
    if wanted.since is not None:
        made.append(c.at >= wanted.since)
    if wanted.until is not None:
        made.append(c.at < wanted.until)
    for text, columns in ((wanted.who, (c.actor, c.address)), (wanted.what, (c.subject, c.detail))):
        if text:
            made.append(or_(*(column.contains(text, autoescape=True) for column in columns)))
    return made
