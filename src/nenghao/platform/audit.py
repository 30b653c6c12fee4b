"""The audit trail (审计记录): who did what, from where, with which result.

Refusals of identity, registrations, certificates and operators' changes are recorded; the data
themselves have the journal. A record never carries a password, a key or a body.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select

from nenghao.platform.store.schema import audit

OPERATOR = "operator"
"""The actor of a command given on the platform's own machine."""

OK = "ok"
REFUSED = "refused"


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
    """Add one record. `actor` is a credit code with device number, or `OPERATOR`."""
    conn.execute(
        insert(audit).values(
            at=now,
            actor=actor[:64],
            address=address[:64],
            action=action,
            subject=subject,
            result=result,
            detail=detail,
        )
    )


def entries(conn: Connection, limit: int = 100) -> list[RowMapping]:
    """The latest records, newest first: at, actor, address, action, subject, result, detail."""
    columns = [column for column in audit.c if column.name != "id"]
    query = select(*columns).order_by(audit.c.id.desc()).limit(limit)
    return list(conn.execute(query).mappings())
