"""How collection stands (采集状况): values for the page, the log and `nenghao device status`.

Plain values and the small rules around them: how long to wait before a source is tried again, and
whether the machine's clock can be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from nenghao.device.sources.base import FaultKind

PAUSES = (1, 2, 5, 10, 30, 60)
"""Seconds before a source is opened again, after the first, second … fault in a row."""

OLDEST = datetime(2020, 1, 1)
"""No device of ours was running before: a clock that says so has not been set."""

WARN_OFFSET = timedelta(seconds=60)
"""Beyond this the machine's clock is wrong by the platform's."""


class SourceHealth(Struct, frozen=True):
    """How a source stands. Times are China Standard Time, `age` seconds since `last_good`."""

    name: str
    type: str
    state: Literal["starting", "good", "fault"]
    last_good: datetime | None
    age: float | None
    fault_kind: FaultKind | None
    fault_text: str
    since: datetime | None
    """When the fault began."""
    next_try: datetime | None
    samples: int
    """Kept since the start."""
    remark: str = ""
    """What is odd about its samples, though it is read."""
    remarks: tuple[str, ...] = ()
    """What the source itself left out of its last read, and why (`sources.remarks`)."""

    @property
    def noticed(self) -> tuple[str, ...]:
        """Everything that somebody should know of a source that is read."""
        return (self.remark, *self.remarks) if self.remark else self.remarks

    @property
    def label(self) -> str:
        """The state in Chinese."""
        if self.state == "fault" and self.fault_kind is not None:
            return self.fault_kind.label
        return {"starting": "正在连接", "good": "正常", "fault": "故障"}[self.state]


class LiveValue(Struct, frozen=True):
    """The latest value of a point (as read) or of an item (its last tick)."""

    kind: Literal["point", "item"]
    name: str
    """`source.point`, or the item's name."""
    code: str
    """Data code of an item; "" for a point."""
    value: Decimal | None
    unit: str
    time: datetime | None
    age: float | None
    """Seconds."""
    good: bool
    """A point: by the source. An item: whether the tick is beyond doubt."""


def pauses() -> Iterator[int]:
    """The back-off, longer with every fault up to a minute."""
    yield from PAUSES
    while True:
        yield PAUSES[-1]


class ClockOffset(Struct, frozen=True):
    """How far the machine's clock is ahead of the platform's, as its last answer told."""

    seconds: float
    measured_at: datetime

    @property
    def is_wrong(self) -> bool:
        """More than a minute: data would bear wrong times."""
        return abs(self.seconds) > WARN_OFFSET.total_seconds()

    @property
    def text(self) -> str:
        """For people."""
        if self.seconds == 0:
            return "与平台一致"
        off = abs(self.seconds)
        for size, word in ((86400, "天"), (3600, "小时"), (60, "分钟")):
            if off >= 3 * size:
                return f"比平台{'快' if self.seconds > 0 else '慢'}约 {off / size:.0f} {word}"
        return f"比平台{'快' if self.seconds > 0 else '慢'} {off:.0f} 秒"


class ClockWatch:
    """Judges the times that samples are labelled with.

    A clock that goes back a few days is believed: it was wrong before (`Back`). One that goes back
    further, or shows a year before there were devices, is not, until the platform's clock agrees
    with it (`confirm`): until then nothing is labelled with it.
    """

    def __init__(self, newest: datetime | None, most: timedelta) -> None:
        self.newest = newest
        self._most = most
        self._confirmed = False

    def confirm(self) -> None:
        """The platform's clock shows what ours does."""
        self._confirmed = True

    def look(self, now: datetime) -> Literal["good", "back", "held"]:
        """What a time on the clock is worth; `good` and `back` are believed from then on."""
        if now < OLDEST:
            return "held"
        verdict: Literal["good", "back"] = "good"
        if self.newest is not None and now < self.newest:
            if self.newest - now > self._most and not self._confirmed:
                return "held"
            verdict = "back"
        self._confirmed = False
        self.newest = now
        return verdict
