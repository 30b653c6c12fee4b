"""What the page of the uplink shows (上送国家平台): how it stands, what waits and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, distinct, func, or_, select

from nenghao.platform import state
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import unit
from nenghao.platform.store.uplink_schema import uplink_mark, uplink_refused
from nenghao.platform.uplink import credentials, lease, marks, status
from nenghao.standard.periods import StatType

TIME: Final = "%Y-%m-%d %H:%M"
KINDS: Final = {
    marks.UNIT: "用能单位登记",
    marks.CONFIGURATION: "端设备基础信息",
    **{int(kind): f"{kind.label}数据" for kind in StatType},
}


@dataclass(frozen=True)
class Waiting:
    """What waits of one kind."""

    kind: str
    marks: int
    units: int
    oldest: str


@dataclass(frozen=True)
class Standing:
    """One look at the uplink."""

    is_national: bool
    """This is the national platform: it sends nowhere."""
    to: str
    window: str
    in_window: bool
    base_data: str
    """The setting: automatic, approve, off."""
    province: str
    """What the province is called upstairs; "" without its certificate."""
    trouble: str
    """Why its certificate cannot be used."""
    running: bool
    backlog: int
    oldest: str
    age_minutes: int
    waiting: list[Waiting]
    sent_at: str
    failing_since: str
    failure: str
    refused: int
    taken: str
    """The nation's dicVersion that was taken; "" where none was."""
    offered: str
    """Another one that waits to be approved."""


@dataclass(frozen=True)
class Refusal:
    """One thing that the national platform refused."""

    code: str
    name: str
    item: str
    refused_at: str
    since: str
    response_code: str
    words: str


def standing(conn: Connection, home: Home, settings: PlatformSettings, now: datetime) -> Standing:
    """How it stands. `settings` are the present ones of the file."""
    backlog, oldest = marks.backlog(conn)
    row = lease.standing(conn)
    refused = select(func.count()).select_from(uplink_refused)
    province, trouble = _province(home)
    return Standing(
        is_national=settings.role == "national",
        to=settings.uplink_to,
        window=settings.uplink_window,
        in_window=settings.uplink_hours.holds(now),
        base_data=settings.uplink_base_data,
        province=province,
        trouble=trouble,
        running=row.is_held(now),
        backlog=backlog,
        oldest=_time(oldest),
        age_minutes=0 if oldest is None else max(0, int((now - oldest).total_seconds() // 60)),
        waiting=waiting(conn),
        sent_at=_time(row.sent_at),
        failing_since=_time(row.failing_since),
        failure=row.failure,
        refused=int(conn.execute(refused).scalar_one()),
        taken=state.text(conn, state.NATIONAL_VERSION) or "",
        offered=state.text(conn, state.NATIONAL_OFFERED) or "",
    )


def waiting(conn: Connection) -> list[Waiting]:
    """What waits, by kind."""
    table = uplink_mark.c
    query = (
        select(
            table.kind,
            func.count(),
            func.count(distinct(table.unit_id)),
            func.min(table.since),
        )
        .group_by(table.kind)
        .order_by(table.kind)
    )
    return [
        Waiting(KINDS[kind], int(count), int(units), _time(oldest))
        for kind, count, units, oldest in conn.execute(query)
    ]


def refusals(
    conn: Connection, word: str = "", *, limit: int = 20, offset: int = 0
) -> tuple[list[Refusal], int]:
    """One page of what was refused, newest first, and how much there is in all.

    `word`: a part of the unit's code or name, or of what the national platform said.
    """
    table = uplink_refused.c
    joined = uplink_refused.join(unit, unit.c.id == table.unit_id)
    conditions = []
    if word:
        parts = (unit.c.code, unit.c.name, table.words, table.code)
        conditions.append(or_(*(part.contains(word, autoescape=True) for part in parts)))
    total = conn.execute(select(func.count()).select_from(joined).where(*conditions))
    query = (
        select(
            unit.c.code,
            unit.c.name,
            table.kind,
            table.number,
            table.refused_at,
            table.since,
            table.code.label("response_code"),
            table.words,
        )
        .select_from(joined)
        .where(*conditions)
        .order_by(table.refused_at.desc(), unit.c.code, table.kind, table.number)
        .limit(limit)
        .offset(offset)
    )
    found = [
        Refusal(
            code=row.code,
            name=row.name,
            item=status.item(row.kind, row.number),
            refused_at=_time(row.refused_at),
            since=_time(row.since),
            response_code=row.response_code,
            words=row.words,
        )
        for row in conn.execute(query)
    ]
    return found, int(total.scalar_one())


def _province(home: Home) -> tuple[str, str]:
    """What the province's certificate says, or why it cannot be used; "" where there is none."""
    if not (home.path / credentials.FOLDER).exists():
        return "", ""
    try:
        told = credentials.of_home(home.path)
    except credentials.CredentialsError as error:
        return "", str(error)
    return f"{told.name}（{told.province}），序列号 {told.device_id}", ""


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:{TIME}}"
