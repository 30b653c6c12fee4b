"""What the exchange remembers for minutes (随机数、次数、锁定), in the store of all workers.

Nonces of requests that were opened, so that none is opened twice; calls of an account and failures
from an address by the minute; wrong passwords of an account. Every function belongs into the
caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nenghao.platform.store.exchange_schema import (
    exchange_account,
    exchange_count,
    exchange_nonce,
)

NONCE_TIME: Final = timedelta(minutes=11)
"""Ten minutes are the longest that a request can be fresh (±300 s); one more for clocks."""
MOST_FAILURES: Final = 5
LOCK_TIME: Final = timedelta(minutes=15)
"""How long five wrong passwords lock an account, and how far apart they may lie."""

Counted = Literal["account", "address", "login"]

# Every call comes by here: the statements are made once, one for each kind of database.
_INSERTS: Final[dict[str, Callable[[Table], Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_SEEN: Final = select(exchange_nonce.c.nonce).where(
    exchange_nonce.c.account_id == bindparam("account"),
    exchange_nonce.c.nonce == bindparam("nonce"),
)
_TAKE: Final = {
    name: insert(exchange_nonce).on_conflict_do_nothing().returning(exchange_nonce.c.nonce)
    for name, insert in _INSERTS.items()
}
_TIMES: Final = select(exchange_count.c.times).where(
    exchange_count.c.kind == bindparam("kind"),
    exchange_count.c.subject == bindparam("subject"),
    exchange_count.c.minute == bindparam("minute"),
)
_COUNT: Final = {
    name: insert(exchange_count).on_conflict_do_update(
        index_elements=list(exchange_count.primary_key),
        set_={"times": exchange_count.c.times + 1},
    )
    for name, insert in _INSERTS.items()
}


def was_seen(conn: Connection, account: int, nonce: str) -> bool:
    """Whether a request of the account with this nonce was opened before."""
    return conn.execute(_SEEN, {"account": account, "nonce": nonce.lower()}).first() is not None


def take_nonce(conn: Connection, account: int, nonce: str, now: datetime) -> bool:
    """Enter a nonce; False when it is there already. Of two who do, only one hears True."""
    row = {"account_id": account, "nonce": nonce.lower(), "seen_at": now}
    return conn.execute(_TAKE[conn.dialect.name], row).first() is not None


def times(conn: Connection, kind: Counted, subject: str, now: datetime) -> int:
    """How often `count` was called for it in the present minute."""
    row = {"kind": kind, "subject": subject[:64], "minute": _minute(now)}
    return int(conn.execute(_TIMES, row).scalar() or 0)


def count(conn: Connection, kind: Counted, subject: str, now: datetime) -> None:
    """Once more in the present minute."""
    row = {"kind": kind, "subject": subject[:64], "minute": _minute(now), "times": 1}
    conn.execute(_COUNT[conn.dialect.name], row)


def wrong_password(conn: Connection, account: int, now: datetime) -> bool:
    """Enter a wrong password; True when that locks the account: the fifth within 15 minutes."""
    c = exchange_account.c
    query = select(c.failures, c.failing_since).where(c.id == account).with_for_update()
    failures, since = conn.execute(query).one()
    if since is None or now - since > LOCK_TIME:
        failures, since = 0, now
    failures += 1
    locks = failures >= MOST_FAILURES
    conn.execute(
        update(exchange_account)
        .where(c.id == account)
        .values(
            failures=0 if locks else failures,
            failing_since=None if locks else since,
            **({"locked_until": now + LOCK_TIME} if locks else {}),
        )
    )
    return bool(locks)


def is_locked(conn: Connection, account: int, now: datetime) -> bool:
    """Whether the account is locked just now, by the operator or by wrong passwords."""
    c = exchange_account.c
    query = select(c.locked_at, c.locked_until).where(c.id == account)
    locked_at, locked_until = conn.execute(query).one()
    return locked_at is not None or (locked_until is not None and now < locked_until)


def tidy(conn: Connection, now: datetime) -> None:
    """Drop what is older than anybody asks for."""
    conn.execute(delete(exchange_nonce).where(exchange_nonce.c.seen_at < now - NONCE_TIME))
    conn.execute(delete(exchange_count).where(exchange_count.c.minute < now - timedelta(hours=1)))


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
