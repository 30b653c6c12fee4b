"""What can go wrong with a meter (故障), and from when to when, told as `KIND:METER:BEGIN:END`.

dead      the meter counts nothing; what flows is lost, later it goes on from where it stood
stuck     the register stands still while the meter counts on: afterwards it jumps
silent    the meter gives no answer
replaced  a new meter begins at zero (END is left out)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class FaultKind(StrEnum):
    """See the module."""

    DEAD = "dead"
    STUCK = "stuck"
    SILENT = "silent"
    REPLACED = "replaced"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _LABELS[self]


_NEVER = datetime(9999, 1, 1)

_LABELS = {
    FaultKind.DEAD: "停走",
    FaultKind.STUCK: "数值不变",
    FaultKind.SILENT: "无应答",
    FaultKind.REPLACED: "换表",
}


class Fault(Struct, frozen=True):
    """One fault of one meter, from `begin` to before `end` in factory time."""

    kind: FaultKind
    meter: int
    """The meter's number, from 1."""
    begin: datetime
    end: datetime

    def covers(self, moment: datetime) -> bool:
        """Whether it is on at `moment`."""
        return self.begin <= moment < self.end


def parse(text: str, begin: datetime) -> Fault:
    """A fault as the command line tells it; minutes count from `begin`.

    >>> parse("dead:2:60:90", datetime(2026, 3, 1)).end
    datetime.datetime(2026, 3, 1, 1, 30)

    ValueError, in Chinese, for anything else.
    """
    word, *numbers = text.split(":")
    try:
        kind = FaultKind(word)
    except ValueError:
        known = "、".join(FaultKind)
        raise ValueError(
            f"故障应为 类型:表号:开始分钟:结束分钟，类型为 {known}，收到 {text}"
        ) from None
    wanted = 2 if kind is FaultKind.REPLACED else 3
    if len(numbers) != wanted or not all(part.isascii() and part.isdigit() for part in numbers):
        shape = "表号:开始分钟" if wanted == 2 else "表号:开始分钟:结束分钟"
        raise ValueError(f"故障 {kind} 应为 {kind}:{shape}，收到 {text}")
    meter, first = int(numbers[0]), int(numbers[1])
    end = _NEVER if wanted == 2 else begin + timedelta(minutes=int(numbers[2]))
    start = begin + timedelta(minutes=first)
    if meter < 1 or end <= start:
        raise ValueError(f"故障 {text} 的表号应不小于 1，结束应晚于开始")
    return Fault(kind, meter, start, end)
