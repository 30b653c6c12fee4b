"""Who calls the exchange (接口调用的身份验证; 7.1), proven or denied, and what is left of a call.

A call proves itself by an envelope that opens with one of the account's keys, is near in time and
was not opened before, by user name and by password, in this order; only who holds the key can make
the platform compute a password's hash. All that fails is `Denied`: outside one answer, the reason
in the audit trail. Sealed calls that fail by their password lock the account for a while; what
proves no key is limited by address instead, so that nobody can lock a partner out.

Nonces, counts and locks are `exchange_memory`'s; the web decides in which thread what is done.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from nenghao.platform import accounts, audit
from nenghao.platform import exchange_memory as memory
from nenghao.platform.accounts import Account
from nenghao.platform.store.engine import Store
from nenghao.security import envelope as envelopes
from nenghao.security.envelope import EnvelopeError
from nenghao.security.sealing import MasterKey
from nenghao.standard import periods
from nenghao.standard.findings import Findings
from nenghao.standard.messages import read_value
from nenghao.standard.messages.codec import parse
from nenghao.standard.messages.exchange import SecurityParams
from nenghao.standard.replies import Refusal

ACTION = "exchange"
"""What the audit trail calls every call."""
_REASON_LENGTH = 400


@dataclass(frozen=True, repr=False)
class Caller:
    """Who calls, as far as the envelope proves it; the password is still to be verified."""

    account: Account
    kid: str
    key: bytes
    """b"" for a plain call."""
    nonce: str
    user_name: str
    password: str
    plaintext: bytes
    """The request of annex C."""

    @property
    def sealed(self) -> bool:
        return bool(self.key)


class Denied(Exception):
    """The call is not answered but with the one failure; the text is the reason, in Chinese."""

    def __init__(
        self,
        reason: str,
        *,
        claimed: str = "",
        account: Account | None = None,
        nonce: str = "",
        wrong_password: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.actor = account.actor if account else f"exchange?{claimed}"
        self.account = account
        self.nonce = nonce
        """Of a call that proved the key, for the first time: it is not answered again."""
        self.wrong_password = wrong_password
        self.settled = False
        """Whether its traces are left already."""


@dataclass
class Facts:
    """What the audit trail says of a call besides who called."""

    path: str
    address: str
    now: datetime
    code: str = ""
    reason: str = ""
    kid: str = ""
    params: dict[str, Any] | None = None
    rows: int | None = None
    ms: int = 0


def admit(
    conn: Connection, master: MasterKey, body: bytes, facts: Facts, *, plain: bool, limit: int
) -> Caller:
    """Who calls with this body. Raises `Denied`; the password is not verified yet.

    `plain`: whether bodies that are not sealed are taken at all. `limit` is how many failures a
    minute an address has before its plain calls are not even looked at.
    """
    findings = Findings()
    tree = parse(body, findings)
    if not findings and isinstance(tree.value, dict) and "securityParams" in tree.value:
        caller = _plain(conn, tree.value, body, facts, plain, limit)
    else:
        caller = _sealed(conn, master, body, facts)
    account = caller.account
    reason = ""
    if account.locked_at is not None:
        reason = "账户已停用"
    elif account.locked_until is not None and facts.now < account.locked_until:
        reason = f"账户因口令错误锁定至 {periods.format_time(account.locked_until)}"
    if reason:
        raise Denied(reason, account=account, nonce=caller.nonce)
    if not hmac.compare_digest(caller.user_name.encode(), account.user_name.encode()):
        raise Denied(
            "用户名与账户不符", account=account, nonce=caller.nonce, wrong_password=caller.sealed
        )
    return caller


def _sealed(conn: Connection, master: MasterKey, body: bytes, facts: Facts) -> Caller:
    try:
        envelope = envelopes.read_request(body)
    except EnvelopeError as error:
        raise Denied(str(error)) from None
    facts.kid = envelope.kid
    found = accounts.find(conn, envelope.app_id, envelope.kid)
    if found is None:
        raise Denied("没有这样的 appId 和 kid", claimed=envelope.app_id)
    account, sealed = found
    key = accounts.unsealed(master, account, envelope.kid, sealed)
    try:
        plaintext = envelopes.open_request(
            envelope, key=key, path=facts.path, cipher=account.cipher
        )
    except EnvelopeError as error:
        raise Denied(str(error), claimed=envelope.app_id) from None
    if not envelopes.is_near(envelope.timestamp, periods.to_epoch_ms(facts.now)):
        raise Denied("时间戳超出允许的 ±300 秒", account=account)
    if memory.was_seen(conn, account.id, envelope.nonce):
        raise Denied(REPLAYED, account=account)
    findings = Findings()
    value = parse(plaintext, findings).value
    if findings or not isinstance(value, dict):
        raise Denied("明文不是 JSON 对象", account=account, nonce=envelope.nonce)
    params = _params(value, account, envelope.nonce)
    return Caller(
        account,
        envelope.kid,
        key,
        envelope.nonce,
        params.user_name,
        params.password,
        plaintext,
    )


REPLAYED = "重放：此随机数已用过"


def _plain(
    conn: Connection, value: dict[str, Any], body: bytes, facts: Facts, allowed: bool, limit: int
) -> Caller:
    if not allowed:
        raise Denied("明文请求：平台的设置不接受明文")
    if memory.times(conn, "address", facts.address, facts.now) >= limit:
        raise Denied("明文请求：此地址本分钟内失败过多")
    params = _params(value, None, "")
    account = accounts.named(conn, params.user_name)
    if account is None:
        raise Denied("明文请求：没有这个用户名")
    if not account.plain:
        raise Denied("明文请求：该账户不得使用明文", account=account)
    return Caller(account, "", b"", "", params.user_name, params.password, body)


def _params(value: dict[str, Any], account: Account | None, nonce: str) -> SecurityParams:
    try:
        return read_value(SecurityParams, value.get("securityParams"), "securityParams")
    except Refusal:  # its text may quote what stands there
        reason = "securityParams 缺失或不合法"
        raise Denied(reason, account=account, nonce=nonce) from None


def refused(store: Store, denied: Denied, facts: Facts, limit: int, *, tidy: bool) -> bool:
    """Leave a denied call's traces: nonce, wrong password, count of the address, audit record.

    Beyond `limit` failures a minute from an address that prove no key, nothing more is recorded:
    False.
    `tidy`: whether to drop what is old as well.
    """
    proven = denied.account is not None and denied.nonce != ""
    if not proven:
        with store.read() as conn:
            if memory.times(conn, "address", facts.address, facts.now) >= limit:
                return False
    with store.write() as conn:
        reason = denied.reason
        if denied.account is not None and proven:
            if not memory.take_nonce(conn, denied.account.id, denied.nonce, facts.now):
                reason = REPLAYED
            elif denied.wrong_password and memory.wrong_password(
                conn, denied.account.id, facts.now
            ):
                reason += f"，账户锁定 {memory.LOCK_TIME.seconds // 60} 分钟"
        else:
            memory.count(conn, "address", facts.address, facts.now)
        if not proven and memory.times(conn, "address", facts.address, facts.now) >= limit:
            reason += f"（本分钟内此地址的失败已达 {limit} 次，其余不再逐条记录）"
        facts.reason = reason
        _record(conn, denied.actor, facts, audit.REFUSED)
        if tidy:
            memory.tidy(conn, facts.now)
    return True


def concluded(store: Store, caller: Caller, facts: Facts, *, tidy: bool) -> bool:
    """Leave an answered call's traces before the answer leaves; False: it was answered before.

    The nonce is entered here, in one transaction with the audit record: of two equal requests at
    the same moment one alone is answered. `tidy`: whether to drop what is old as well.
    """
    with store.write() as conn:
        if caller.nonce and not memory.take_nonce(conn, caller.account.id, caller.nonce, facts.now):
            return False
        memory.count(conn, "account", str(caller.account.id), facts.now)
        _record(conn, caller.account.actor, facts, audit.OK if facts.code == "0" else audit.REFUSED)
        if tidy:
            memory.tidy(conn, facts.now)
    return True


def over_rate(conn: Connection, account: Account, now: datetime) -> bool:
    """Whether the account has had all its requests of the present minute."""
    return memory.times(conn, "account", str(account.id), now) >= account.requests_per_minute


def _record(conn: Connection, actor: str, facts: Facts, result: str) -> None:
    detail: dict[str, Any] = {"code": facts.code}
    if facts.kid:
        detail["kid"] = facts.kid
    if facts.reason:
        detail["reason"] = facts.reason[:_REASON_LENGTH]
    if facts.params is not None:
        detail["params"] = facts.params
    if facts.rows is not None:
        detail["rows"] = facts.rows
    detail["ms"] = facts.ms
    text = json.dumps(detail, ensure_ascii=False)
    audit.record(conn, facts.now, actor, facts.address, ACTION, facts.path, result, detail=text)
