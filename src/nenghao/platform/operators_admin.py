"""Operators' accounts (操作员账户): made, given a role, given new secrets, locked.

Every function takes who acts (`by`) and asks `permissions` itself: a caller cannot forget to.
Nobody changes his own account here, whatever his role; and no single administrator can make
himself a second one: who makes an account knows its password and no role or one-time code, who
grants the role knows the one-time code and no password. `MACHINE` is whoever may use the
platform's folder, and with it every key: the first operators are made that way.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, insert

from nenghao.platform import audit, sessions
from nenghao.platform.operators import (
    OperatorError,
    Policy,
    activation_digest,
    change,
    find_row,
    purpose_of,
)
from nenghao.platform.permissions import NEEDS_TOTP, Act, Role
from nenghao.platform.sessions import NotPermitted, Session
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator
from nenghao.security import totp
from nenghao.security.passwords import ARGON2ID, Scheme, fresh_password, hash_password
from nenghao.security.sealing import MasterKey
from nenghao.standard import credit_code, forms

ISSUER: Final = "nenghao"
"""What an authenticator shows beside the name."""
NAME_LENGTH: Final = 40


class By(NamedTuple):
    """Who acts on an account."""

    session: Session | None
    address: str = ""

    @property
    def actor(self) -> str:
        return audit.OPERATOR if self.session is None else self.session.actor


MACHINE: Final = By(None)
"""Whoever gives a command on the platform's own machine without being logged in."""


class Issued(NamedTuple):
    """What the operator is handed with a role or a new authenticator, once: never shown again."""

    secret: str = ""
    """Of the authenticator, as it is typed into the app."""
    uri: str = ""
    """The same for a QR code."""
    activation: str = ""
    """Of an account without an authenticator: goes with the first password, until it is changed."""


def add(
    store: Store,
    by: By,
    name: str,
    full_name: str,
    now: datetime,
    *,
    scheme: Scheme = ARGON2ID,
) -> str:
    """Make an account without a role; its first password, which its owner must change.

    Until somebody else grants a role (`grant`) nobody can log in with it. Raises OperatorError
    and NotPermitted, like all here; the latter leaves an audit record.
    """
    with _writing(store, by, "add", name, now) as conn:
        _check(conn, by, Act.USERS_ADD, name, now)
        _check_name(conn, name, full_name)
        password = fresh_password()
        conn.execute(
            insert(operator).values(
                name=name,
                full_name=full_name,
                role="",
                credit_code="",
                password_hash=hash_password(password, scheme),
                must_change=True,
                totp_step=0,
                created_at=now,
                failures=0,
            )
        )
        _record(conn, by, now, "add", name, full_name)
    return password


def grant(
    store: Store,
    by: By,
    name: str,
    role: Role | None,
    now: datetime,
    *,
    master: MasterKey,
    unit: str = "",
    with_totp: bool = True,
    policy: Policy | None = None,
) -> Issued:
    """Give the account this role and no other; None takes its role away. Its sessions end.

    A unit's user is bound to `unit`, a credit code. With its first role an account gets its
    authenticator; a unit's user may go without (`with_totp` False) and gets an activation code,
    and so may everybody where the policy wants no one-time codes.
    """
    needed = NEEDS_TOTP if policy is None or policy.totp else frozenset[Role]()
    with _writing(store, by, "grant", name, now) as conn:
        row = _existing(conn, by, Act.USERS_GRANT, name, now)
        _check_unit(role, unit)
        change(conn, row.id, role=role or "", credit_code=unit)
        sessions.end_all(conn, row.id)
        made = Issued()
        words = [role.label if role is not None else "收回角色", *([unit] if unit else [])]
        if role is not None and row.totp is None:
            if with_totp or role in needed:
                made = _new_authenticator(conn, row, master)
                words.append("新动态口令")
            elif row.must_change:  # whoever made the password must not be the first to use it
                made = Issued(activation=secrets.token_hex(8))
                change(conn, row.id, activation=activation_digest(made.activation))
                words.append("激活码")
        _record(conn, by, now, "grant", name, "，".join(words))
    return made


def reset_password(
    store: Store, by: By, name: str, now: datetime, *, scheme: Scheme = ARGON2ID
) -> str:
    """A new first password for who has forgotten his. Sessions end, a lock by failures too.

    An account without an authenticator loses its role until it is granted again: else who resets
    the password could log in with it.
    """
    with _writing(store, by, "reset-password", name, now) as conn:
        row = _existing(conn, by, Act.USERS_PASSWORD, name, now)
        password = fresh_password()
        alone = row.totp is None and row.role != ""
        change(
            conn,
            row.id,
            password_hash=hash_password(password, scheme),
            must_change=True,
            failures=0,
            failing_since=None,
            locked_until=None,
            **({"role": "", "credit_code": ""} if alone else {}),
        )
        sessions.end_all(conn, row.id)
        _record(conn, by, now, "reset-password", name, "须重新授予角色" if alone else "")
    return password


def reset_totp(store: Store, by: By, name: str, now: datetime, *, master: MasterKey) -> Issued:
    """A new authenticator for who has lost his. Sessions end."""
    with _writing(store, by, "reset-totp", name, now) as conn:
        row = _existing(conn, by, Act.USERS_TOTP, name, now)
        made = _new_authenticator(conn, row, master)
        sessions.end_all(conn, row.id)
        _record(conn, by, now, "reset-totp", name)
    return made


def lock(store: Store, by: By, name: str, now: datetime) -> None:
    """Lock the account until `unlock`; its sessions end."""
    with _writing(store, by, "lock", name, now) as conn:
        row = _existing(conn, by, Act.USERS_LOCK, name, now)
        change(conn, row.id, locked_at=row.locked_at or now)
        sessions.end_all(conn, row.id)
        _record(conn, by, now, "lock", name)


def unlock(store: Store, by: By, name: str, now: datetime) -> None:
    """Take away every lock, the one of failed logins as well."""
    with _writing(store, by, "unlock", name, now) as conn:
        row = _existing(conn, by, Act.USERS_LOCK, name, now)
        change(conn, row.id, locked_at=None, locked_until=None, failures=0, failing_since=None)
        _record(conn, by, now, "unlock", name)


def end_sessions(store: Store, by: By, name: str, now: datetime) -> int:
    """End all sessions of an operator; how many there were."""
    with _writing(store, by, "end-sessions", name, now) as conn:
        row = _existing(conn, by, Act.USERS_LOCK, name, now)
        ended = sessions.end_all(conn, row.id)
        _record(conn, by, now, "end-sessions", name, f"{ended} 个")
    return ended


@contextmanager
def _writing(store: Store, by: By, what: str, name: str, now: datetime) -> Iterator[Connection]:
    """A write transaction; that somebody was not permitted to is recorded in one of its own."""
    try:
        with store.write() as conn:
            yield conn
    except NotPermitted as refusal:
        with store.write() as conn:
            audit.record(
                conn,
                now,
                by.actor,
                by.address,
                f"user.{what}",
                name[:NAME_LENGTH],
                audit.REFUSED,
                detail=str(refusal),
            )
        raise


def _existing(conn: Connection, by: By, act: Act, name: str, now: datetime) -> Row[Any]:
    _check(conn, by, act, name, now)
    row = find_row(conn, name, lock=True)
    if row is None:
        raise OperatorError(f"没有用户名为 {name} 的操作员")
    return row


def _check(conn: Connection, by: By, act: Act, name: str, now: datetime) -> None:
    """Raise NotPermitted where who acts may not, now: not when his session began."""
    if by.session is None:
        return
    present = sessions.still(conn, by.session, now)
    if present is None or not present.may(act):
        raise NotPermitted(f"{by.session.role.label}不得：{act.label}")
    if by.session.name == name:
        raise NotPermitted("不得改变自己的账户")


def _check_name(conn: Connection, name: str, full_name: str) -> None:
    for what, text in (("用户名", name), ("姓名", full_name)):
        reason = forms.TEXT.fails(text)
        if reason or not text or text != text.strip():
            raise OperatorError(f"{what}{reason or '不得为空或以空白开头、结尾'}")
        if len(text) > NAME_LENGTH:
            raise OperatorError(f"{what}至多 {NAME_LENGTH} 个字符")
    if find_row(conn, name) is not None:
        raise OperatorError(f"用户名 {name} 已有账户")


def _check_unit(role: Role | None, unit: str) -> None:
    if role is not Role.UNIT:
        if unit:
            raise OperatorError(f"只有{Role.UNIT.label}属于一个用能单位")
        return
    if not unit:
        raise OperatorError(f"{Role.UNIT.label}须属于一个用能单位（统一社会信用代码）")
    if wrong := credit_code.explain(unit):
        raise OperatorError(f"统一社会信用代码{wrong}")


def _new_authenticator(conn: Connection, row: Row[Any], master: MasterKey) -> Issued:
    secret = totp.fresh_secret()
    sealed = master.seal(secret, purpose_of(row.id))
    change(conn, row.id, totp=sealed, totp_step=0, activation=None)
    return Issued(totp.shown(secret), totp.uri(secret, row.name, ISSUER))


def _record(
    conn: Connection, by: By, now: datetime, what: str, name: str, detail: str = ""
) -> None:
    audit.record(conn, now, by.actor, by.address, f"user.{what}", name, detail=detail)
