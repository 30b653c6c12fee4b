"""What the pages of operators show (操作员): the list, one operator with his sessions, the table.

Nothing here is secret: no hash, no sealed secret, no token leaves the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from nenghao.platform import operators, sessions
from nenghao.platform.operators import Operator
from nenghao.platform.permissions import TABLE, Act, Role
from nenghao.platform.store.operators_schema import operator
from nenghao.platform.store.schema import unit

TIME: Final = "%Y-%m-%d %H:%M"
NO_ROLE: Final = "none"
ROLES: Final = {"": "全部角色", **{role.value: role.label for role in Role}, NO_ROLE: "未授予角色"}
STATES: Final = {"": "全部状态", "active": "可登录", "locked": "已停用或锁定", "fresh": "须改口令"}
SORTS: Final = ("name", "full_name", "role", "last_login")

_COLUMNS: Final = {
    "name": operator.c.name,
    "full_name": operator.c.full_name,
    "role": operator.c.role,
    "last_login": operator.c.last_login_at,
}


@dataclass(frozen=True)
class Wanted:
    """Which operators; what is empty does not limit."""

    text: str = ""
    """A part of the user name, the full name, or the unit's credit code."""
    role: str = ""
    state: str = ""


@dataclass(frozen=True)
class Person:
    """An operator as a row of the list."""

    number: int
    name: str
    full_name: str
    role: str
    unit: str
    """Credit code and name of a unit's user's unit."""
    totp: str
    state: str
    kind: str
    """The badge of the state: good, warn or bad."""
    last_login: str


@dataclass(frozen=True)
class Seat:
    """One session."""

    address: str
    created_at: str
    seen_at: str
    expires_at: str
    is_own: bool = False


@dataclass(frozen=True)
class One:
    """One operator with his sessions."""

    person: Person
    name: str
    role: Role | None
    unit: str
    has_totp: bool
    is_locked: bool
    created_at: str
    locked: str
    """Since or until when it is locked; "" for an open account."""
    seats: list[Seat]


@dataclass(frozen=True)
class Permission:
    """A row of the table of permissions: an act, and whether each role may."""

    act: str
    name: str
    roles: dict[str, bool]


def people(
    conn: Connection,
    wanted: Wanted,
    now: datetime,
    *,
    sort: str = "",
    descending: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Person], int]:
    """The operators of one page, and how many there are in all."""
    conditions = list(_conditions(wanted, now))
    total = conn.execute(select(func.count()).select_from(operator).where(*conditions))
    column = _COLUMNS.get(sort, operator.c.name)
    order = column.desc() if descending else column
    query = _query().where(*conditions).order_by(order, operator.c.name)
    rows = conn.execute(query.limit(limit).offset(offset))
    return [_person(row, now) for row in rows], int(total.scalar_one())


def one(conn: Connection, number: int, now: datetime) -> One | None:
    """The operator of that number."""
    row = conn.execute(_query().where(operator.c.id == number)).one_or_none()
    if row is None:
        return None
    found = operators.named(conn, row.name)
    if found is None:  # the same snapshot: it is there
        return None
    return One(
        person=_person(row, now),
        name=found.name,
        role=found.role,
        unit=found.unit,
        has_totp=found.has_totp,
        is_locked=found.locked_at is not None or _is_shut(found, now),
        created_at=f"{found.created_at:{TIME}}",
        locked=_locked(found, now),
        seats=seats(conn, found.name, now),
    )


def seats(
    conn: Connection, name: str, now: datetime, own: sessions.Session | None = None
) -> list[Seat]:
    """The sessions of an operator; `own` is the one that asks."""
    return [
        Seat(
            each.address or "（本机）",
            f"{each.created_at:{TIME}}",
            f"{each.seen_at:{TIME}}",
            f"{each.expires_at:{TIME}}",
            own is not None
            and (each.created_at, each.expires_at, each.address)
            == (own.created_at, own.expires_at, own.address),
        )
        for each in sessions.listing(conn, now, name)
    ]


def permissions() -> list[Permission]:
    """The whole table, act by act."""
    return [
        Permission(act.value, act.label, {role.value: act in TABLE[role] for role in Role})
        for act in Act
    ]


def _query() -> Select[Any]:
    return select(operator, unit.c.name.label("unit_name")).outerjoin(
        unit, and_(unit.c.code == operator.c.credit_code, operator.c.credit_code != "")
    )


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    c = operator.c
    made: list[ColumnElement[bool]] = []
    if wanted.text:
        parts = (c.name, c.full_name, c.credit_code)
        made.append(or_(*(part.contains(wanted.text, autoescape=True) for part in parts)))
    if wanted.role:
        made.append(c.role == ("" if wanted.role == NO_ROLE else wanted.role))
    shut = or_(c.locked_at.is_not(None), func.coalesce(c.locked_until > now, False))
    match wanted.state:
        case "locked":
            made.append(shut)
        case "active":
            made += [~shut, c.role != ""]
        case "fresh":
            made.append(c.must_change)
    return made


def _person(row: Any, now: datetime) -> Person:
    state, kind = "可登录", "good"
    if row.locked_at is not None:
        state, kind = "已停用", "bad"
    elif row.locked_until is not None and row.locked_until > now:
        state, kind = "登录失败锁定", "bad"
    elif not row.role:
        state, kind = "未授予角色", "warn"
    elif row.must_change:
        state, kind = "须改口令", "warn"
    named = f"{row.credit_code} {row.unit_name or '（尚未注册）'}" if row.credit_code else ""
    return Person(
        number=row.id,
        name=row.name,
        full_name=row.full_name,
        role=Role(row.role).label if row.role else "（未授予）",
        unit=named,
        totp="有" if row.totp is not None else "无",
        state=state,
        kind=kind,
        last_login="" if row.last_login_at is None else f"{row.last_login_at:{TIME}}",
    )


def _is_shut(found: Operator, now: datetime) -> bool:
    return found.locked_until is not None and found.locked_until > now


def _locked(found: Operator, now: datetime) -> str:
    if found.locked_at is not None:
        return f"自 {found.locked_at:{TIME}} 起停用"
    if found.locked_until is not None and _is_shut(found, now):
        return f"因登录失败锁定至 {found.locked_until:{TIME}}"
    return ""
