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

from sqlalchemy import Connection, RowMapping, insert, select

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
    )
    if wanted.actor:
        query = query.where(c.actor == wanted.actor)
    if wanted.action.endswith("."):
        query = query.where(c.action.startswith(wanted.action, autoescape=True))
    elif wanted.action:
        query = query.where(c.action == wanted.action)
    if wanted.result:
        query = query.where(c.result == wanted.result)
    if wanted.since is not None:
        query = query.where(c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(c.at < wanted.until)
    if before is not None:
        query = query.where(audit_link.c.sequence < before)
    return conn.execute(query).mappings().all()
