"""Enrolment codes (注册码) as a list: open, used, expired, withdrawn. Never a code itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, case, func, or_, select

from nenghao.console.views.devices import Badge, Part, ordered
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.trust_schema import enrolment

SORTS: Final = ("name", "credit_code", "created_at", "expires_at", "used_at")


class CodeState(StrEnum):
    """What became of a code."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _LABELS[self]

    @property
    def badge(self) -> Badge:
        """The colour that goes with the word."""
        return _BADGES[self]


_LABELS: Final[Mapping[CodeState, str]] = {
    CodeState.OPEN: "待使用",
    CodeState.USED: "已使用",
    CodeState.EXPIRED: "已过期",
    CodeState.WITHDRAWN: "已取消",
}
_BADGES: Final[Mapping[CodeState, Badge]] = {
    CodeState.OPEN: "warn",
    CodeState.USED: "good",
    CodeState.EXPIRED: "dull",
    CodeState.WITHDRAWN: "dull",
}


@dataclass(frozen=True)
class Wanted:
    """Which codes; empty: all."""

    text: str = ""
    state: CodeState | None = None


@dataclass(frozen=True)
class Code:
    """One code as its row shows it."""

    code: str
    name: str
    region_name: str
    device: int
    days: int
    """How long the certificate will hold."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    serial: str
    """Of the certificate that it was used for."""
    state: CodeState


@dataclass(frozen=True)
class Codes:
    """A page of them, and how many there are in all."""

    rows: list[Code]
    total: int


def page(conn: Connection, wanted: Wanted, part: Part, now: datetime) -> Codes:
    """The codes that match, the newest first unless sorted otherwise."""
    c = enrolment.c
    where = _conditions(wanted, now)
    total = conn.execute(select(func.count()).select_from(enrolment).where(*where)).scalar_one()
    order = ordered(c[part.sort], part) if part.sort in SORTS else c.created_at.desc()
    columns = [column for column in c if column.name not in ("digest", "used_by")]
    query = (
        select(*columns, _state(now).label("state"))
        .where(*where)
        .order_by(order, c.credit_code, c.device_number)
        .limit(part.limit)
        .offset(part.offset)
    )
    return Codes([_code(row) for row in conn.execute(query).mappings()], total)


def counts(conn: Connection, now: datetime) -> dict[CodeState, int]:
    """How many there are in each state."""
    state = _state(now).label("state")
    query = select(state, func.count()).select_from(enrolment).group_by(state)
    found = {CodeState(state): number for state, number in conn.execute(query)}
    return {state: found.get(state, 0) for state in CodeState}


def address(settings: PlatformSettings) -> str:
    """Where a device uses its code; "" while the platform has no port open for it."""
    if settings.enrol_port == 0:
        return ""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"https://{host}:{settings.enrol_port}"


def command(settings: PlatformSettings, code: str) -> str:
    """What is run on the device."""
    url = address(settings) or "https://平台地址:端口"
    return f"nenghao device enrol --home DEV --url {url} --code {code}"


def _state(now: datetime) -> ColumnElement[str]:
    c = enrolment.c
    return case(
        (c.used_at.is_not(None), CodeState.USED.value),
        (c.cancelled_at.is_not(None), CodeState.WITHDRAWN.value),
        (c.expires_at <= now, CodeState.EXPIRED.value),
        else_=CodeState.OPEN.value,
    )


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[Any]] = []
    if wanted.text:
        where.append(
            or_(
                enrolment.c.name.contains(wanted.text, autoescape=True),
                enrolment.c.credit_code.contains(wanted.text.upper(), autoescape=True),
            )
        )
    if wanted.state is not None:
        where.append(_state(now) == wanted.state.value)
    return where


def _code(row: RowMapping) -> Code:
    return Code(
        code=row["credit_code"],
        name=row["name"],
        region_name=row["region_name"],
        device=row["device_number"],
        days=row["days"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        serial=row["serial"] or "",
        state=CodeState(row["state"]),
    )
