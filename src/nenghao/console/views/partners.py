"""Other application platforms (其他应用平台): accounts, and calls by the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, String, case, cast, func, select

from nenghao.console.views.devices import Badge
from nenghao.platform import accounts, admission, audit, dictionary
from nenghao.platform.accounts import Account, Key
from nenghao.platform.store.schema import audit as trail
from nenghao.security.envelope import CipherName
from nenghao.standard.messages.exchange_interfaces import FOLDER, INTERFACES
from nenghao.standard.replies import SUCCESS_CODE, TABLE_1

CODES: Final = tuple(TABLE_1)
"""The results of a call, in the order of table 1."""
_MOST_INDUSTRY: Final = 4
"""A letter and three digits: four digits are some 1,400 more, too many for one list."""
_ACTOR: Final = "exchange:"
CIPHERS: Final[Mapping[CipherName, str]] = {
    "sm4-gcm": "SM4-GCM（推荐）",
    "sm4-cbc-hmac-sm3": "SM4-CBC 加 HMAC-SM3（对方没有 SM4-GCM 时）",
}


@dataclass(frozen=True)
class Partner:
    """One account as it is shown."""

    user_name: str
    app_id: str
    cipher: CipherName
    plain: bool
    kids: tuple[str, ...]
    """Keys that hold, oldest first: two while a change-over goes on."""
    keys: tuple[Key, ...]
    interfaces: tuple[str, ...]
    region: str
    region_name: str
    industries: tuple[str, ...]
    industry_names: tuple[str, ...]
    rate: int
    """Requests a minute."""
    created_at: datetime
    locked_at: datetime | None
    locked_until: datetime | None
    """Only while that is still to come."""

    @property
    def state(self) -> tuple[str, Badge]:
        """In a word, and its colour."""
        if self.locked_at is not None:
            return "已停用", "bad"
        if self.locked_until is not None:
            return f"口令错误锁定至 {self.locked_until:%H:%M}", "warn"
        return ("换密钥中", "warn") if len(self.kids) > 1 else ("启用", "good")

    @property
    def scope(self) -> dict[str, str]:
        """What it may ask, in words."""
        titles = [INTERFACES[name].title for name in self.interfaces]
        place = f"{self.region_name}（{self.region}）" if self.region else "全省"
        return {
            "接口": "、".join(titles) or "全部六个接口",
            "行政区划": place,
            "行业": "、".join(self.industry_names) or "全部行业",
        }


@dataclass(frozen=True)
class Day:
    """The calls of one day."""

    day: date
    by_code: dict[str, int]
    """Every code of table 1."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_code.values())


@dataclass(frozen=True)
class Call:
    """One call as the trail has it."""

    at: datetime
    address: str
    path: str
    interface: str
    code: str
    ok: bool
    reason: str
    rows: int | None
    ms: int | None
    asked: str
    """queryParam."""


@dataclass(frozen=True)
class Calls:
    """A page of them, and how many there are in the time asked for."""

    rows: list[Call]
    total: int


def listing(conn: Connection, now: datetime) -> list[Partner]:
    """Every account, by user name."""
    words = _Words(conn)
    return [_partner(conn, one, words, now) for one in accounts.listing(conn)]


def partner(conn: Connection, user_name: str, now: datetime) -> Partner | None:
    """One account; None where there is none of that name."""
    found = accounts.named(conn, user_name)
    return None if found is None else _partner(conn, found, _Words(conn), now)


def by_day(conn: Connection, user_name: str, first: date, last: date) -> list[Day]:
    """The calls of each day from `first` to `last` by result; "" asks for all accounts."""
    day = func.substr(cast(trail.c.at, String), 1, 10).label("day")
    code = _code().label("code")
    query = (
        select(day, code, func.count()).where(*_calls(user_name, first, last)).group_by(day, code)
    )
    found: dict[str, dict[str, int]] = {}
    for name, result, times in conn.execute(query):
        found.setdefault(name, {})[result] = times
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    return [
        Day(one, {result: found.get(str(one), {}).get(result, 0) for result in CODES})
        for one in days
    ]


def times(conn: Connection, first: date, last: date) -> dict[str, tuple[int, int]]:
    """By user name how many calls there were in these days, and how many of them failed."""
    query = (
        select(trail.c.actor, trail.c.result, func.count())
        .where(*_calls("", first, last))
        .group_by(trail.c.actor, trail.c.result)
    )
    found: dict[str, tuple[int, int]] = {}
    for actor, result, number in conn.execute(query):
        name = actor.removeprefix(_ACTOR)
        made, failed = found.get(name, (0, 0))
        found[name] = made + number, failed + (number if result == audit.REFUSED else 0)
    return found


def calls(
    conn: Connection,
    user_name: str,
    first: date,
    last: date,
    offset: int = 0,
    limit: int = 20,
    *,
    refused: bool = False,
) -> Calls:
    """The calls from `first` to `last`, the latest first; `refused`: only those that failed."""
    where = _calls(user_name, first, last)
    if refused:
        where.append(trail.c.result == audit.REFUSED)
    total = conn.execute(select(func.count()).select_from(trail).where(*where)).scalar_one()
    query = select(trail).where(*where).order_by(trail.c.id.desc()).limit(limit).offset(offset)
    return Calls([_call(row) for row in conn.execute(query).mappings()], total)


def choices(conn: Connection) -> tuple[dict[str, str], dict[str, str]]:
    """Regions, and industries down to three digits, by code; their names stand behind the codes."""
    regions = sorted((one.code, one.name) for one in dictionary.vocabulary(conn).regions)
    industries = sorted(dictionary.names(conn, "industry").items())
    return (
        {code: f"{code} {name}" for code, name in regions},
        {code: f"{code} {name}" for code, name in industries if len(code) <= _MOST_INDUSTRY},
    )


class _Words:
    """Names of regions and industries as the base data have them now."""

    def __init__(self, conn: Connection) -> None:
        self._regions = dictionary.vocabulary(conn).regions
        self._industries = dictionary.names(conn, "industry")

    def region(self, code: str) -> str:
        known = self._regions.get(code)
        return code if known is None else known.name

    def industry(self, code: str) -> str:
        return f"{code} {self._industries.get(code, '')}".strip()


def _partner(conn: Connection, account: Account, words: _Words, now: datetime) -> Partner:
    keys = tuple(accounts.keys(conn, account))
    until = account.locked_until
    return Partner(
        user_name=account.user_name,
        app_id=account.app_id,
        cipher=account.cipher,
        plain=account.plain,
        kids=tuple(key.kid for key in keys if key.retired_at is None),
        keys=keys,
        interfaces=account.scope.interfaces,
        region=account.scope.region,
        region_name=words.region(account.scope.region),
        industries=account.scope.industries,
        industry_names=tuple(map(words.industry, account.scope.industries)),
        rate=account.requests_per_minute,
        created_at=account.created_at,
        locked_at=account.locked_at,
        locked_until=until if until is not None and until > now else None,
    )


def _calls(user_name: str, first: date, last: date) -> list[ColumnElement[bool]]:
    """Calls of an account, or of all, within whole days."""
    since = datetime(first.year, first.month, first.day)
    until = datetime(last.year, last.month, last.day) + timedelta(days=1)
    where = [
        trail.c.action == admission.ACTION,
        trail.c.at >= since,
        trail.c.at < until,
    ]
    if user_name:
        where.append(trail.c.actor == f"{_ACTOR}{user_name}"[:64])
    return where


def _code() -> ColumnElement[str]:
    """The result of a call in SQL: its detail begins with it (`admission`)."""
    begins = [(trail.c.detail.startswith(f'{{"code": "{one}"'), one) for one in CODES]
    other = case((trail.c.result == audit.OK, SUCCESS_CODE), else_="E2002")
    return case(*begins, else_=other)


def _call(row: RowMapping) -> Call:
    try:
        detail: dict[str, Any] = json.loads(row["detail"])
    except ValueError:
        detail = {}
    interface = INTERFACES.get(row["subject"].removeprefix(FOLDER))
    asked = detail.get("params")
    return Call(
        at=row["at"],
        address=row["address"],
        path=row["subject"],
        interface=interface.title if interface else row["subject"],
        code=str(detail.get("code", "")),
        ok=row["result"] == audit.OK,
        reason=str(detail.get("reason", "")),
        rows=detail.get("rows"),
        ms=detail.get("ms"),
        asked="" if asked is None else json.dumps(asked, ensure_ascii=False),
    )
