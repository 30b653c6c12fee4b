"""Accounts of other application platforms (其他应用平台账户): who may ask what, with which keys.

The operator's side: made, listed, given new keys, limited, locked. An account has a user name and
password (7.1-2), an `appId`, and at most two valid keys, so that a partner can change over without
a pause. The password is kept as a hash, the keys sealed under the platform's master key; both are
shown once. How a call proves itself is `admission`'s business, what it may then ask `exchange`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from nenghao.platform import audit
from nenghao.platform.dictionary import vocabulary
from nenghao.platform.store.exchange_schema import exchange_account, exchange_key
from nenghao.security.envelope import CIPHERS, GCM, CipherName, fresh_key
from nenghao.security.passwords import ARGON2ID, Scheme, fresh_password, hash_password
from nenghao.security.sealing import MasterKey
from nenghao.standard import forms
from nenghao.standard.messages.exchange import NAME
from nenghao.standard.messages.exchange_interfaces import INTERFACES

REQUESTS_PER_MINUTE = 600
USER_NAME_LENGTH = 40


# Made once: every call of the exchange asks it.
_FIND = (
    select(*exchange_account.c, exchange_key.c.sealed)
    .join(exchange_key, exchange_key.c.account_id == exchange_account.c.id)
    .where(
        exchange_account.c.app_id == bindparam("app_id"),
        exchange_key.c.kid == bindparam("kid"),
        exchange_key.c.retired_at.is_(None),
    )
)


class AccountError(Exception):
    """An account cannot be made or changed as asked; the text says why, in Chinese."""


class Scope(NamedTuple):
    """What an account may ask; empty: anything."""

    interfaces: tuple[str, ...] = ()
    """Names of some of the six, as the standard spells them."""
    region: str = ""
    """A region; what lies within it may be asked for."""
    industries: tuple[str, ...] = ()
    """Industries; what lies within one of them may be asked for."""


class Account(NamedTuple):
    """One account, without its secrets."""

    id: int
    app_id: str
    user_name: str
    password_hash: str
    cipher: CipherName
    plain: bool
    """May send annex C as it is printed, if the platform's setting says so."""
    scope: Scope
    requests_per_minute: int
    created_at: datetime
    locked_at: datetime | None
    """Since when the operator has locked it."""
    locked_until: datetime | None
    """Until when wrong passwords have locked it."""

    @property
    def actor(self) -> str:
        """How the audit trail names it."""
        return f"exchange:{self.user_name}"


class Key(NamedTuple):
    """One key of an account, sealed."""

    kid: str
    created_at: datetime
    retired_at: datetime | None


class Issued(NamedTuple):
    """What the partner is given, once; "" where it keeps what it has."""

    app_id: str
    user_name: str
    kid: str = ""
    key: bytes = b""
    password: str = ""


def add(
    conn: Connection,
    master: MasterKey,
    *,
    user_name: str,
    app_id: str,
    now: datetime,
    scope: Scope | None = None,
    plain: bool = False,
    cipher: CipherName = GCM,
    requests_per_minute: int = REQUESTS_PER_MINUTE,
    scheme: Scheme = ARGON2ID,
) -> Issued:
    """Make an account with a fresh key and password. Needs a write transaction.

    Raises AccountError for what breaks a form, exists already, or is no region or industry.
    """
    scope = scope or Scope()
    _check_names(conn, user_name, app_id)
    check_scope(conn, scope)
    if cipher not in CIPHERS:
        raise AccountError(f"加密方式应为 {'、'.join(CIPHERS)} 之一，收到 {cipher}")
    _check_rate(requests_per_minute)
    password = fresh_password()
    made = conn.execute(
        insert(exchange_account).values(
            app_id=app_id,
            user_name=user_name,
            password_hash=hash_password(password, scheme),
            cipher=cipher,
            plain=plain,
            **_scope_columns(scope),
            requests_per_minute=requests_per_minute,
            created_at=now,
            failures=0,
        )
    ).inserted_primary_key
    account = _account_of(conn, user_name)
    if made is None or made[0] != account.id:
        raise AssertionError("the account just made is not there")
    kid, key = _new_key(conn, master, account, now)
    detail = f"kid {kid}，{cipher}{'，允许明文' if plain else ''}，{described(scope)}"
    _audit(conn, now, "add", account, detail)
    return Issued(app_id, user_name, kid, key, password)


def rotate(
    conn: Connection,
    master: MasterKey,
    user_name: str,
    now: datetime,
    *,
    password: bool = False,
    scheme: Scheme = ARGON2ID,
) -> Issued:
    """Give an account a new key; the one it had stays valid until `retire` or the next rotation.

    With `password` a new password as well, which holds at once. Needs a write transaction.
    """
    account = _account_of(conn, user_name, lock=True)
    valid = [key.kid for key in keys(conn, account) if key.retired_at is None]
    _retire(conn, account, valid[:-1], now)
    kid, key = _new_key(conn, master, account, now)
    given = ""
    if password:
        given = fresh_password()
        _change(conn, account, password_hash=hash_password(given, scheme))
    still = f"，{valid[-1]} 仍有效" if valid else ""
    _audit(conn, now, "rotate", account, f"kid {kid}{still}{'，新口令' if password else ''}")
    return Issued(account.app_id, user_name, kid, key, given)


def retire(conn: Connection, user_name: str, now: datetime) -> tuple[str, ...]:
    """End a rotation: only the newest key stays valid. Says which were retired."""
    account = _account_of(conn, user_name, lock=True)
    valid = [key.kid for key in keys(conn, account) if key.retired_at is None]
    _retire(conn, account, valid[:-1], now)
    _audit(conn, now, "retire", account, f"停用 kid {'、'.join(valid[:-1]) or '（无）'}")
    return tuple(valid[:-1])


def lock(conn: Connection, user_name: str, now: datetime) -> None:
    """Lock an account until `unlock`."""
    account = _account_of(conn, user_name, lock=True)
    _change(conn, account, locked_at=account.locked_at or now)
    _audit(conn, now, "lock", account, "")


def unlock(conn: Connection, user_name: str, now: datetime) -> None:
    """Take away every lock of an account, the one of wrong passwords as well."""
    account = _account_of(conn, user_name, lock=True)
    _change(conn, account, locked_at=None, locked_until=None, failures=0, failing_since=None)
    _audit(conn, now, "unlock", account, "")


def limit(
    conn: Connection,
    user_name: str,
    now: datetime,
    *,
    scope: Scope | None = None,
    plain: bool | None = None,
    requests_per_minute: int | None = None,
) -> Account:
    """Change what an account may do; None leaves a thing as it is. The account as it then is."""
    account = _account_of(conn, user_name, lock=True)
    changes: dict[str, object] = {}
    if scope is not None:
        check_scope(conn, scope)
        changes |= _scope_columns(scope)
    if plain is not None:
        changes["plain"] = plain
    if requests_per_minute is not None:
        _check_rate(requests_per_minute)
        changes["requests_per_minute"] = requests_per_minute
    if changes:
        _change(conn, account, **changes)
    account = _account_of(conn, user_name)
    detail = f"{described(account.scope)}，每分钟 {account.requests_per_minute} 次"
    _audit(conn, now, "scope", account, detail + ("，允许明文" if account.plain else ""))
    return account


def find(conn: Connection, app_id: str, kid: str) -> tuple[Account, bytes] | None:
    """The account that has this key and the key, sealed; None for one that is not valid."""
    row = conn.execute(_FIND, {"app_id": app_id, "kid": kid}).mappings().one_or_none()
    return None if row is None else (_account(row), bytes(row["sealed"]))


def named(conn: Connection, user_name: str) -> Account | None:
    """The account of that user name."""
    query = select(exchange_account).where(exchange_account.c.user_name == user_name)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else _account(row)


def listing(conn: Connection) -> list[Account]:
    """All accounts by user name."""
    query = select(exchange_account).order_by(exchange_account.c.user_name)
    return [_account(row) for row in conn.execute(query).mappings()]


def keys(conn: Connection, account: Account) -> list[Key]:
    """All keys that an account ever had, oldest first."""
    c = exchange_key.c
    query = select(c.kid, c.created_at, c.retired_at).where(c.account_id == account.id)
    return sorted((Key(*row) for row in conn.execute(query)), key=lambda key: _number(key.kid))


def unsealed(master: MasterKey, account: Account, kid: str, sealed: bytes) -> bytes:
    """The key itself. Raises `sealing.SealingError`."""
    return master.open(sealed, _purpose(account, kid))


def described(scope: Scope) -> str:
    """A scope in words."""
    return "，".join(
        (
            f"接口 {'、'.join(scope.interfaces) or '全部'}",
            f"地区 {scope.region or '全部'}",
            f"行业 {'、'.join(scope.industries) or '全部'}",
        )
    )


def check_scope(conn: Connection, scope: Scope) -> None:
    """Raise AccountError for an unknown interface, region or industry: nothing would be left."""
    unknown = [name for name in scope.interfaces if name not in INTERFACES]
    if unknown:
        raise AccountError(f"没有接口 {'、'.join(unknown)}；六个接口为 {'、'.join(INTERFACES)}")
    known = vocabulary(conn)
    if scope.region and not known.knows_region(scope.region):
        raise AccountError(f"基础数据中没有行政区划 {scope.region}")
    odd = [code for code in scope.industries if not known.knows_industry(code)]
    if odd:
        raise AccountError(f"基础数据中没有行业 {'、'.join(odd)}")


def without_nested(industries: Iterable[str]) -> tuple[str, ...]:
    """The industries without those that lie within another of them."""
    listed = sorted(set(industries))
    return tuple(
        one for one in listed if not any(one != other and one.startswith(other) for other in listed)
    )


def _check_names(conn: Connection, user_name: str, app_id: str) -> None:
    if NAME.fails(app_id):
        raise AccountError(f"appId {NAME.expected}，收到 {app_id!r}")
    reason = forms.TEXT.fails(user_name)
    if reason or not user_name or user_name != user_name.strip():
        raise AccountError(f"用户名{reason or '不得为空或以空白开头、结尾'}")
    if len(user_name) > USER_NAME_LENGTH:
        raise AccountError(f"用户名至多 {USER_NAME_LENGTH} 个字符")
    if named(conn, user_name) is not None:
        raise AccountError(f"用户名 {user_name} 已有账户")
    taken = select(exchange_account.c.id).where(exchange_account.c.app_id == app_id)
    if conn.execute(taken).first() is not None:
        raise AccountError(f"appId {app_id} 已有账户")


def _check_rate(requests_per_minute: int) -> None:
    if requests_per_minute < 1:
        raise AccountError("每分钟的请求数应不小于 1")


def _account_of(conn: Connection, user_name: str, *, lock: bool = False) -> Account:
    query = select(exchange_account).where(exchange_account.c.user_name == user_name)
    query = query.with_for_update() if lock else query
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise AccountError(f"没有用户名为 {user_name} 的账户")
    return _account(row)


def _account(values: RowMapping) -> Account:
    scope = Scope(_split(values["interfaces"]), values["region"], _split(values["industries"]))
    plain = {name: values[name] for name in Account._fields if name != "scope"}
    return Account(**plain, scope=scope)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _scope_columns(scope: Scope) -> dict[str, str]:
    return {
        "interfaces": ",".join(scope.interfaces),
        "region": scope.region,
        "industries": ",".join(without_nested(scope.industries)),
    }


def _change(conn: Connection, account: Account, **values: object) -> None:
    conn.execute(
        update(exchange_account).where(exchange_account.c.id == account.id).values(**values)
    )


def _new_key(
    conn: Connection, master: MasterKey, account: Account, now: datetime
) -> tuple[str, bytes]:
    """The next number's key: a number never comes twice."""
    kid = f"k{max((_number(key.kid) for key in keys(conn, account)), default=0) + 1}"
    key = fresh_key()
    sealed = master.seal(key, _purpose(account, kid))
    conn.execute(
        insert(exchange_key).values(account_id=account.id, kid=kid, sealed=sealed, created_at=now)
    )
    return kid, key


def _retire(conn: Connection, account: Account, kids: Sequence[str], now: datetime) -> None:
    c = exchange_key.c
    conn.execute(
        update(exchange_key)
        .where(c.account_id == account.id, c.kid.in_(list(kids)))
        .values(retired_at=now)
    )


def _number(kid: str) -> int:
    return int(kid.removeprefix("k"))


def _purpose(account: Account, kid: str) -> str:
    return f"exchange key|{account.app_id}|{kid}"


def _audit(conn: Connection, now: datetime, what: str, account: Account, detail: str) -> None:
    audit.record(
        conn, now, audit.OPERATOR, "", f"exchange.{what}", account.user_name, detail=detail
    )
