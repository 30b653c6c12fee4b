"""What somebody has to see to (告警), and where: each with the page on which one acts.

Each function is about one thing and needs the act that goes with it; whoever may not see the thing
is not told of it. Nothing is kept here: an alarm is there as long as its cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, case, func, select

from nenghao.console.views.overview_arrival import Arrival
from nenghao.console.views.overview_energy import waiting
from nenghao.console.views.overview_kept import kept
from nenghao.console.views.unit_state import UnitState
from nenghao.platform.store.schema import certificate, refused_upload, unit
from nenghao.platform.store.uplink_schema import uplink_mark, uplink_refused
from nenghao.platform.uplink import lease, status
from nenghao.security import checkup
from nenghao.security.checkup import State

ENDING_DAYS: Final = 30
"""From so many days before its end a certificate that has no successor is told of."""
OLD_BACKLOG: Final = timedelta(days=1)
"""So long something may wait to go up."""
MANY_WAITING: Final = 100
"""From so many units on, settling does not keep up."""
_NAMED: Final = 3

Kind = Literal["bad", "warn"]


@dataclass(frozen=True)
class Alarm:
    """One thing to see to."""

    kind: Kind
    title: str
    detail: str
    link: str
    label: str
    """What the link is called."""


@dataclass(frozen=True)
class Uplink:
    """How the way up to the national platform stands."""

    configured: bool
    backlog: int
    """What is not yet up: registrations, configurations, frames of data."""
    oldest: datetime | None
    """When the oldest of it was put."""
    oldest_item: str
    """What that is, and whose; "" where nothing waits."""
    refused: int
    running: bool
    sent_at: datetime | None
    failing_since: datetime | None
    failure: str

    def waits(self, now: datetime) -> timedelta:
        """How long the oldest waits."""
        return timedelta(0) if self.oldest is None else max(now - self.oldest, timedelta(0))


def uplink(conn: Connection, now: datetime, address: str) -> Uplink:
    """The uplink, at most a minute old; `address`: the national platform's, "" for none."""
    return kept.of(conn, ("uplink", address), now, lambda: _uplink(conn, now, address))


def _uplink(conn: Connection, now: datetime, address: str) -> Uplink:
    mark = uplink_mark.c
    backlog, oldest = conn.execute(select(func.count(), func.min(mark.since))).one()
    first = (
        select(mark.kind, mark.number, unit.c.code, unit.c.name)
        .join_from(uplink_mark, unit, unit.c.id == mark.unit_id)
        .where(mark.since == oldest)
        .order_by(mark.unit_id, mark.kind, mark.number)
        .limit(1)
    )
    row = None if oldest is None else conn.execute(first).one_or_none()
    standing = lease.standing(conn)
    return Uplink(
        configured=bool(address),
        backlog=int(backlog),
        oldest=oldest,
        oldest_item="" if row is None else f"{row.name} {status.item(row.kind, row.number)}",
        refused=int(conn.execute(select(func.count()).select_from(uplink_refused)).scalar_one()),
        running=standing.is_held(now),
        sent_at=standing.sent_at,
        failing_since=standing.failing_since,
        failure=standing.failure,
    )


def of_arrival(found: Arrival) -> list[Alarm]:
    """Units that are silent or late (Act.UNITS_READ)."""
    made = []
    if number := found.states[UnitState.SILENT]:
        names = "、".join(one.name for one in found.silent[:_NAMED])
        more = "等" if number > _NAMED else ""
        made.append(
            Alarm(
                "bad",
                f"{number:,} 家用能单位静默",
                f"{names}{more}：数日没有数据或从未上报",
                f"/units?state={UnitState.SILENT}",
                "查看静默的单位",
            )
        )
    if number := found.states[UnitState.LATE]:
        made.append(
            Alarm(
                "warn",
                f"{number:,} 家用能单位迟报",
                "最近一次应报的数据还没有收到",
                f"/units?state={UnitState.LATE}",
                "查看迟报的单位",
            )
        )
    return made


def worst(found: Arrival) -> Literal["bad", "warn", "good", "dull"]:
    """How the units' states are to be marked."""
    if not found.units:
        return "dull"
    if found.states[UnitState.SILENT]:
        return "bad"
    return "warn" if found.states[UnitState.LATE] else "good"


def of_refused(conn: Connection, now: datetime) -> list[Alarm]:
    """Uploads refused today (Act.DATA_READ)."""
    return kept.of(conn, "refused", now, lambda: _refused(conn, now))


def _refused(conn: Connection, now: datetime) -> list[Alarm]:
    table = refused_upload.c
    today = table.received_at >= datetime.combine(now, time())
    times, units = conn.execute(
        select(func.count(), func.count(table.unit_id.distinct())).where(today)
    ).one()
    if not times:
        return []
    last = conn.execute(
        select(unit.c.code, unit.c.name, table.code.label("answer"), table.received_at)
        .join_from(refused_upload, unit, unit.c.id == table.unit_id)
        .where(today)
        .order_by(table.received_at.desc(), table.unit_id)
        .limit(1)
    ).one()
    return [
        Alarm(
            "bad",
            f"今日拒收 {times:,} 个批次，涉及 {units:,} 家单位",
            f"最近一次：{last.name}，{last.received_at:%H:%M}，{last.answer}",
            f"/units/{last.code}?tab=uploads",
            f"查看 {last.name}",
        )
    ]


def of_uplink(found: Uplink, now: datetime) -> list[Alarm]:
    """What does not go up (Act.UPLINK_READ)."""
    if not found.configured:
        return []
    made = []
    if found.refused:
        made.append(_of_uplink("bad", f"国家平台拒收 {found.refused:,} 项", "改正后重新上送"))
    if found.failing_since is not None:
        since = f"自 {found.failing_since:%Y-%m-%d %H:%M}"
        made.append(_of_uplink("bad", "上送国家平台失败", f"{since}：{found.failure}"))
    elif found.waits(now) >= OLD_BACKLOG:
        since = f"{found.oldest:%Y-%m-%d %H:%M}"
        made.append(_of_uplink("warn", "上送积压", f"最早一项自 {since} 起未上送"))
    return made


def _of_uplink(kind: Kind, title: str, detail: str) -> Alarm:
    return Alarm(kind, title, detail, "/uplink", "查看上送情况")


def of_certificates(conn: Connection, now: datetime) -> list[Alarm]:
    """Certificates that end soon, or ended lately, and have no successor (Act.CERTIFICATES_READ).

    A device renews its own from the same day on, so that one that stands here could not.
    """
    return kept.of(conn, "certificates", now, lambda: _certificates(conn, now))


def _certificates(conn: Connection, now: datetime) -> list[Alarm]:
    table = certificate.c
    window = timedelta(days=ENDING_DAYS)
    lasting = func.max(case((table.revoked_at.is_(None), table.not_after)))
    last = (
        select(table.credit_code, func.min(table.name).label("name"), lasting.label("until"))
        .group_by(table.purpose, table.credit_code, table.device_number)
        .having(lasting.between(now - window, now + window))
        .subquery()
    )
    rows = conn.execute(select(last).order_by(last.c.until, last.c.credit_code)).all()
    over = [row for row in rows if row.until <= now]
    soon = [row for row in rows if row.until > now]
    return [
        *_ending("bad", "张证书已到期", over, "state=expired"),
        *_ending("warn", f"张证书将在 {ENDING_DAYS} 天内到期", soon, f"expiring={ENDING_DAYS}"),
    ]


def _ending(kind: Kind, what: str, rows: Sequence[Any], query: str) -> list[Alarm]:
    if not rows:
        return []
    first = f"{rows[0].name}，有效期至 {rows[0].until:%Y-%m-%d}"
    detail = f"最早：{first}" if len(rows) > 1 else first
    title = f"{len(rows)} {what}且没有新证书"
    return [Alarm(kind, title, detail, f"/certificates?{query}", "查看证书")]


def of_platform(conn: Connection, folder: Path, now: datetime) -> list[Alarm]:
    """The platform's own: the disk, and totals that are behind (Act.RUN_PLATFORM)."""
    made = []
    disk = checkup.disk(folder)
    if disk.state is not State.OK:
        kind: Kind = "bad" if disk.state is State.FAULT else "warn"
        made.append(
            Alarm(kind, disk.subject, f"{disk.found}；{disk.advice}", "/health", "运行状况")
        )
    units = kept.of(conn, "waiting", now, lambda: waiting(conn, now))
    if units >= MANY_WAITING:
        made.append(
            Alarm(
                "warn",
                f"{units:,} 家单位的合计待结算",
                "结算落后于上传：总览中的标准煤暂不含最新数据",
                "/health",
                "运行状况",
            )
        )
    return made
