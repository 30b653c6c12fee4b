"""Where the uplink stands (上送状态): for the command, for JSON, for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from nenghao.platform.uplink import lease, marks
from nenghao.platform.uplink.marks import Refused
from nenghao.standard import periods
from nenghao.standard.periods import StatType


@dataclass(frozen=True, slots=True)
class Status:
    """One look."""

    backlog: int
    """Marks that are not yet up; what was refused is not among them."""
    oldest: datetime | None
    """When the oldest of them was put."""
    refused: list[Refused]
    standing: lease.Standing
    running: bool
    """Whether a process holds the lease."""

    def age_seconds(self, now: datetime) -> int:
        """How long the oldest waits; 0 when nothing does."""
        return 0 if self.oldest is None else max(0, int((now - self.oldest).total_seconds()))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        standing = self.standing
        return {
            "backlog": self.backlog,
            "oldest": _time(self.oldest),
            "refused": [
                {
                    "code": one.code,
                    "item": item(one.kind, one.number),
                    "since": _time(one.since),
                    "refusedAt": _time(one.refused_at),
                    "responseCode": one.response_code,
                    "responseMessage": one.words,
                }
                for one in self.refused
            ],
            "running": self.running,
            "sentAt": _time(standing.sent_at),
            "failingSince": _time(standing.failing_since),
            "failure": standing.failure,
        }


def of(conn: Connection, now: datetime) -> Status:
    """How it stands now."""
    backlog, oldest = marks.backlog(conn)
    standing = lease.standing(conn)
    return Status(backlog, oldest, marks.all_refused(conn), standing, standing.is_held(now))


def item(kind: int, number: int) -> str:
    """What a mark is about, for people."""
    if kind == marks.UNIT:
        return "用能单位登记"
    if kind == marks.CONFIGURATION:
        return f"端设备 {number} 的基础信息"
    stat_type = StatType(kind)
    if stat_type is StatType.REALTIME:
        return f"{stat_type.label}数据 {periods.day_of(number).isoformat()}"
    if stat_type is StatType.DAY:
        return f"{stat_type.label}数据 {periods.month_of(number):%Y-%m}"
    if stat_type is StatType.MONTH:
        return f"{stat_type.label}数据 {periods.FIRST_YEAR + number}"
    return f"{stat_type.label}数据"


def _time(time: datetime | None) -> str | None:
    return None if time is None else periods.format_time(time)
