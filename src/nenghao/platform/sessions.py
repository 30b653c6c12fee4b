"""Sessions of operators (操作员会话): begun by a login, found by their token, and sure to end.

A session ends when nobody has used it for a while, when it has lasted its longest, at logout, and
when the operator is locked or gets another role, password or one-time code. The token is known to
the browser alone; the database has its SHA-256. Who may begin one is `operators`' business, what
one may do `permissions`'.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from nenghao.platform import audit
from nenghao.platform.permissions import Act, Role, reaches
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator, operator_session

TOUCH: Final = timedelta(seconds=30)
"""A session's last use is written down at most so often: reading a page is no write."""


class NotPermitted(Exception):
    """Who asks may not do that; the text says so in Chinese."""


class Lasting(NamedTuple):
    """How long sessions last, and how many an operator has at most; then the oldest ends."""

    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)
    most: int = 3


@dataclass(frozen=True)
class Session:
    """An operator who is logged in."""

    operator_id: int
    name: str
    full_name: str
    role: Role
    unit: str
    """The credit code that a unit's user is bound to, "" for everybody else."""
    must_change: bool
    """The password is one that was given to him: until he has set his own he may do nothing."""
    address: str
    """From where he logged in."""
    created_at: datetime
    expires_at: datetime
    """The latest end."""
    token: str = field(repr=False)
    """For the cookie and nothing else: not for logs, pages or addresses."""

    def may(self, act: Act, unit: str | None = None) -> bool:
        """Whether he may do it: to the unit of that credit code, else to all (or none).

        A unit's user may do what is about units (`permissions.ABOUT_UNITS`) only with the credit
        code of his own unit given.
        """
        if self.must_change and act is not Act.OWN_ACCOUNT:
            return False
        return reaches(self.role, self.unit, act, unit)

    @property
    def actor(self) -> str:
        """How the audit trail names him."""
        return actor_of(self.name)


class Listed(NamedTuple):
    """One session as an administrator sees it: nothing in it opens anything."""

    name: str
    role: str
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def actor_of(name: str) -> str:
    """How the audit trail names an operator."""
    return f"user:{name}"


def begin(conn: Connection, operator_id: int, address: str, now: datetime, lasting: Lasting) -> str:
    """Begin a session; its token. Drops his that are over, and the oldest beyond the most.

    The operator's row is locked by the caller.
    """
    c = operator_session.c
    conn.execute(delete(operator_session).where(c.operator_id == operator_id, c.expires_at <= now))
    mine = select(c.digest).where(c.operator_id == operator_id).order_by(c.created_at, c.digest)
    digests = list(conn.execute(mine).scalars())
    for old in digests[: max(0, len(digests) + 1 - lasting.most)]:
        conn.execute(delete(operator_session).where(c.digest == old))
    token = secrets.token_urlsafe(32)
    conn.execute(
        insert(operator_session).values(
            digest=_digest(token),
            operator_id=operator_id,
            address=address[:64],
            created_at=now,
            seen_at=now,
            idle_seconds=int(lasting.idle.total_seconds()),
            expires_at=now + lasting.longest,
        )
    )
    return token


def of(store: Store, token: str, now: datetime) -> Session | None:
    """The session of that token, used just now; None when there is none or it is over.

    Ask for every request, and for every message of a WebSocket that does something.
    """
    found, seen_at = None, now
    with store.read() as conn:
        if asked := _find(conn, token, now):
            found, seen_at = asked
    if found is not None and now - seen_at >= TOUCH:
        with store.write() as conn:
            _touch(conn, token, now)
    return found


def still(conn: Connection, session: Session, now: datetime) -> Session | None:
    """The session as it is now, in the caller's transaction; None when it is over."""
    asked = _find(conn, session.token, now)
    return None if asked is None else asked[0]


def require(
    store: Store, session: Session, act: Act, now: datetime, address: str, unit: str | None = None
) -> None:
    """Raise NotPermitted, and leave an audit record, unless `session.may(act, unit)`."""
    if session.may(act, unit):
        return
    if session.must_change:
        reason = "请先修改初始口令"
    elif session.may(act, session.unit or None):
        reason = f"{session.role.label}只能对自己的用能单位：{act.label}"
    else:
        reason = f"{session.role.label}不得：{act.label}"
    with store.write() as conn:
        detail = f"{act.label}{f'，{unit}' if unit else ''}"
        audit.record(
            conn, now, session.actor, address, "permission", act.value, audit.REFUSED, detail
        )
    raise NotPermitted(reason)


def end(store: Store, session: Session, now: datetime, address: str) -> None:
    """Log out."""
    with store.write() as conn:
        gone = delete(operator_session).where(operator_session.c.digest == _digest(session.token))
        if conn.execute(gone).rowcount:
            audit.record(conn, now, session.actor, address, "user.logout", session.name)


def end_others(store: Store, session: Session, now: datetime, address: str) -> int:
    """End one's own sessions but this one; how many there were."""
    with store.write() as conn:
        ended = end_all(conn, session.operator_id, keep=session.token)
        if ended:
            detail = f"自己的其他会话，{ended} 个"
            audit.record(
                conn, now, session.actor, address, "user.end-sessions", session.name, detail=detail
            )
    return ended


def end_all(conn: Connection, operator_id: int, keep: str = "") -> int:
    """End the operator's sessions but the one of the token `keep`; how many there were."""
    c = operator_session.c
    gone = delete(operator_session).where(
        c.operator_id == operator_id, c.digest != (_digest(keep) if keep else "")
    )
    return int(conn.execute(gone).rowcount)


def listing(conn: Connection, now: datetime, name: str = "") -> list[Listed]:
    """The sessions that are not over, by operator and age."""
    c = operator_session.c
    query = (
        select(
            operator.c.name,
            operator.c.role,
            c.address,
            c.created_at,
            c.seen_at,
            c.expires_at,
            c.idle_seconds,
        )
        .join(operator, operator.c.id == c.operator_id)
        .order_by(operator.c.name, c.created_at)
    )
    if name:
        query = query.where(operator.c.name == name)
    return [
        Listed(*row[:6])
        for row in conn.execute(query)
        if _lasts(row.seen_at, row.idle_seconds, row.expires_at, now)
    ]


def _find(conn: Connection, token: str, now: datetime) -> tuple[Session, datetime] | None:
    c, o = operator_session.c, operator.c
    query = (
        select(operator_session, o.name, o.full_name, o.role, o.credit_code, o.must_change)
        .join(operator, o.id == c.operator_id)
        .where(c.digest == _digest(token), o.locked_at.is_(None), o.role != "")
    )
    row = conn.execute(query).one_or_none()
    if row is None or not _lasts(row.seen_at, row.idle_seconds, row.expires_at, now):
        return None
    session = Session(
        operator_id=row.operator_id,
        name=row.name,
        full_name=row.full_name,
        role=Role(row.role),
        unit=row.credit_code,
        must_change=row.must_change,
        address=row.address,
        created_at=row.created_at,
        expires_at=row.expires_at,
        token=token,
    )
    return session, row.seen_at


def _lasts(seen_at: datetime, idle_seconds: int, expires_at: datetime, now: datetime) -> bool:
    return now < expires_at and now - seen_at < timedelta(seconds=idle_seconds)


def _touch(conn: Connection, token: str, now: datetime) -> None:
    """An ended session is not there any more, and one over by now is not brought back."""
    c = operator_session.c
    conn.execute(
        update(operator_session)
        .where(c.digest == _digest(token), c.seen_at < now)
        .values(seen_at=now)
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
