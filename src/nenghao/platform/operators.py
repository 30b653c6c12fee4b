"""Operators (操作员): who they are, how they log in, how they change their own password.

A login takes name, password and, where the role or the account wants it, a one-time code. Whatever
fails is answered with one and the same text, after the same work; the reason stands in the audit
trail. Wrong passwords and codes lock the account for a while; failures are also counted by
address, so that one address cannot keep trying names, nor keep us computing hashes.

Accounts are made and given rights in `operators_admin`; sessions are `sessions`' business.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, select, update

from nenghao.platform import audit, sessions
from nenghao.platform import exchange_memory as memory
from nenghao.platform.permissions import NEEDS_TOTP, Role
from nenghao.platform.sessions import Lasting, Session, actor_of
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator
from nenghao.security import totp
from nenghao.security.passwords import ARGON2ID, Scheme, hash_password, is_right
from nenghao.security.sealing import MasterKey
from nenghao.standard import periods

LOGIN: Final = "user.login"
"""What the audit trail calls every login."""
LEAST_PASSWORD: Final = 12
MOST_PASSWORD: Final = 128
LEAST_KINDS: Final = 3

_HASHING = threading.BoundedSemaphore(2)
"""A verification takes 19 MiB and tens of milliseconds of a core: two at a time."""


class OperatorError(Exception):
    """Something about an operator cannot be as asked; the text says why, in Chinese."""


class LoginRefused(Exception):
    """The login failed; the text is all that may be shown. The reason is in the audit trail."""

    def __init__(self) -> None:
        super().__init__("登录失败：用户名、口令或动态口令不正确，或账户已锁定")


class Policy(NamedTuple):
    """What a site may want stricter."""

    failures: int = 5
    """Wrong passwords or codes, each within `lock` of the first, that lock an account."""
    lock: timedelta = timedelta(minutes=15)
    address_failures: int = 30
    """Failed logins of an address in a minute beyond which it is refused unheard."""
    lasting: Lasting = Lasting()
    scheme: Scheme = ARGON2ID
    totp: bool = True
    """Whether the roles that need a one-time code do."""

    @classmethod
    def of(cls, settings: PlatformSettings) -> Policy:
        """What the platform's settings ask for."""
        lasting = Lasting(
            timedelta(minutes=settings.session_idle_minutes),
            timedelta(hours=settings.session_hours),
        )
        return cls(
            failures=settings.login_failures,
            lock=timedelta(minutes=settings.login_lock_minutes),
            lasting=lasting,
            scheme=settings.exchange_password_scheme,
            totp=settings.login_totp,
        )


@dataclass(frozen=True)
class Operator:
    """One operator, without secrets."""

    id: int
    name: str
    full_name: str
    role: Role | None
    """None until a role is granted, and after one was taken away: no login."""
    unit: str
    """The credit code that a unit's user is bound to, else ""."""
    has_totp: bool
    must_change: bool
    created_at: datetime
    last_login_at: datetime | None
    locked_at: datetime | None
    """Since when an administrator has locked it."""
    locked_until: datetime | None
    """Until when failed logins have locked it."""


def login(
    store: Store,
    name: str,
    password: str,
    totp_code: str,
    address: str,
    now: datetime,
    *,
    master: MasterKey,
    policy: Policy | None = None,
) -> Session:
    """Log in; raises `LoginRefused`. Takes tens of milliseconds: call it in a thread.

    `totp_code` is "" where the account has no authenticator; a first login without one takes the
    activation code there that came with the role. `master` is the home's, under which
    the secrets of the authenticators are sealed.
    """
    policy = policy or Policy()
    with store.read() as conn:
        if memory.times(conn, "login", address, now) >= policy.address_failures:
            raise LoginRefused
        found = find_row(conn, name)
    stored = found.password_hash if found is not None else _nobodys_hash(policy.scheme)
    right = _is_right(stored, password)
    with store.write() as conn:
        row = find_row(conn, name, lock=True)
        denial = _denial(row, right, stored, now, policy)
        token, step = None, 0
        if denial is None and row is not None:
            denial, step = _second(row, totp_code, master, now)
        if denial or row is None:
            _refused(conn, row, denial or _UNKNOWN, address, now, policy)
        else:
            token = sessions.begin(conn, row.id, address, now, policy.lasting)
            change(
                conn,
                row.id,
                totp_step=step,
                failures=0,
                failing_since=None,
                locked_until=None,
                last_login_at=now,
            )
            audit.record(conn, now, actor_of(row.name), address, LOGIN, row.name)
            memory.tidy(conn, now)
    begun = sessions.of(store, token, now) if token else None
    if begun is None:  # refused, or locked in that very moment
        raise LoginRefused
    return begun


def change_password(
    store: Store,
    session: Session,
    old: str,
    new: str,
    address: str,
    now: datetime,
    *,
    policy: Policy | None = None,
) -> None:
    """Set one's own password; all one's other sessions end.

    Raises OperatorError for a new password that breaks the rules, and LoginRefused for a wrong
    old one, which counts like a failed login: who has found an open page cannot try passwords.
    """
    policy = policy or Policy()
    if reason := objection(new, session.name):
        raise OperatorError(reason)
    if new == old:
        raise OperatorError("新口令应与原口令不同")
    with store.read() as conn:
        found = find_row(conn, session.name)
    stored = found.password_hash if found is not None else _nobodys_hash(policy.scheme)
    right = _is_right(stored, old)
    with _HASHING:
        hashed = hash_password(new, policy.scheme)
    with store.write() as conn:
        row = find_row(conn, session.name, lock=True)
        denial = _denial(row, right, stored, now, policy)
        if denial or row is None:
            _refused(conn, row, denial or _UNKNOWN, address, now, policy)
        else:
            change(
                conn,
                row.id,
                password_hash=hashed,
                must_change=False,
                activation=None,
                failures=0,
                failing_since=None,
            )
            sessions.end_all(conn, row.id, keep=session.token)
            audit.record(conn, now, session.actor, address, "user.password", session.name)
    if denial:
        raise LoginRefused


def objection(password: str, name: str) -> str:
    """Why this may not be a password, in Chinese; "" where it may."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        return f"口令应为 {LEAST_PASSWORD} 至 {MOST_PASSWORD} 个字符"
    kinds = {_kind(character) for character in password}
    if len(kinds) < LEAST_KINDS:
        return "口令应含大写字母、小写字母、数字、其他字符中的至少三种"
    if name.lower() in password.lower():
        return "口令不得含有用户名"
    return ""


def named(conn: Connection, name: str) -> Operator | None:
    """The operator of that name."""
    row = find_row(conn, name)
    return None if row is None else _operator(row)


def listing(conn: Connection) -> list[Operator]:
    """All operators by name."""
    return [_operator(row) for row in conn.execute(select(operator).order_by(operator.c.name))]


def find_row(conn: Connection, name: str, *, lock: bool = False) -> Row[Any] | None:
    """The stored operator, locked until the transaction ends where that is asked for."""
    query = select(operator).where(operator.c.name == name)
    return conn.execute(query.with_for_update() if lock else query).one_or_none()


def change(conn: Connection, operator_id: int, **values: object) -> None:
    """Set columns of an operator."""
    conn.execute(update(operator).where(operator.c.id == operator_id).values(**values))


def activation_digest(code: str) -> str:
    """What is kept of an activation code; it is random and needs no slow hash."""
    return hashlib.sha256(code.strip().encode("utf-8", "replace")).hexdigest()


def purpose_of(operator_id: int) -> str:
    """What the secret of an operator's authenticator is sealed for."""
    return f"operator totp|{operator_id}"


class _Denial(NamedTuple):
    reason: str
    counts: bool = False
    """Whether it is a failure that may lock the account."""


_UNKNOWN: Final = _Denial("没有这个操作员")


def _denial(
    row: Row[Any] | None, right: bool, stored: str, now: datetime, policy: Policy
) -> _Denial | None:
    """Why there is no login even before the one-time code is looked at.

    Asked with the row locked: of many guesses at the same moment none passes after the lock.
    """
    if row is None:
        return _UNKNOWN
    if row.locked_at is not None:
        return _Denial("账户已停用")
    if row.locked_until is not None and now < row.locked_until:
        return _Denial(f"账户因登录失败锁定至 {periods.format_time(row.locked_until)}")
    if not right or row.password_hash != stored:
        return _Denial("口令不正确", counts=True)
    if row.role == "":
        return _Denial("账户尚未授予角色")
    if policy.totp and row.totp is None and Role(row.role) in NEEDS_TOTP:
        return _Denial("账户没有动态口令，而其角色须有")
    return None


def _second(
    row: Row[Any], code: str, master: MasterKey, now: datetime
) -> tuple[_Denial | None, int]:
    """The one-time or activation code: why it does not do, and the step it was good for."""
    if row.totp is not None:
        secret = master.open(row.totp, purpose_of(row.id))
        step = totp.matching_step(secret, code, now, after=row.totp_step)
        if step is None:
            return _Denial("动态口令不正确或已用过", counts=True), 0
        return None, step
    if row.activation is not None and not hmac.compare_digest(
        row.activation, activation_digest(code)
    ):
        return _Denial("激活码不正确", counts=True), 0
    return None, row.totp_step


def _refused(
    conn: Connection,
    row: Row[Any] | None,
    denial: _Denial,
    address: str,
    now: datetime,
    policy: Policy,
) -> None:
    """Count and record a failure. A name that nobody has may be a mistyped password: not kept."""
    reason = denial.reason
    memory.count(conn, "login", address, now)
    if row is not None and denial.counts:
        since = row.failing_since
        begun = since is None or now - since > policy.lock
        failures = 1 if begun else row.failures + 1
        locks = failures >= policy.failures
        change(
            conn,
            row.id,
            failures=0 if locks else failures,
            failing_since=None if locks else (now if begun else since),
            **({"locked_until": now + policy.lock} if locks else {}),
        )
        if locks:
            reason += f"，账户锁定 {policy.lock // timedelta(minutes=1)} 分钟"
    if memory.times(conn, "login", address, now) >= policy.address_failures:
        reason += f"（本分钟内此地址的失败已达 {policy.address_failures} 次，其余不再受理和记录）"
    actor = actor_of(row.name) if row is not None else "user?"
    subject = row.name if row is not None else ""
    audit.record(conn, now, actor, address, LOGIN, subject, audit.REFUSED, detail=reason)


def _is_right(stored: str, password: str) -> bool:
    if len(password) > MOST_PASSWORD:
        return False
    with _HASHING:
        return is_right(stored, password)


@cache
def _nobodys_hash(scheme: Scheme) -> str:
    """What the password is verified against where there is no such operator: as slow."""
    return hash_password("", scheme)


def _kind(character: str) -> str:
    if character.isupper():
        return "upper"
    if character.islower():
        return "lower"
    return "digit" if character.isdigit() else "other"


def _operator(row: Row[Any]) -> Operator:
    return Operator(
        id=row.id,
        name=row.name,
        full_name=row.full_name,
        role=Role(row.role) if row.role else None,
        unit=row.credit_code,
        has_totp=row.totp is not None,
        must_change=row.must_change,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        locked_at=row.locked_at,
        locked_until=row.locked_until,
    )
