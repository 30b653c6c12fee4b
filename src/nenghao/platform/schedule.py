"""Which upload time (上报时间点) the nth registered device gets; pure arithmetic (6.2.1).

Who is the nth, and what becomes of times already handed out, is `registry`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

DAY = 86_400
"""Seconds of a day."""


@dataclass(frozen=True)
class UploadWindow:
    """The hours in which devices upload: `[start, end)` in steps of `step` seconds.

    A window whose end is not after its start goes over midnight; equal ends mean the whole day.
    """

    start: time
    end: time
    step: int

    def __post_init__(self) -> None:
        if not 1 <= self.step <= DAY:
            raise ValueError(f"上报时间点的间隔应为 1 至 {DAY} 秒，收到 {self.step}")

    @property
    def places(self) -> int:
        """How many different upload times the window has; at least 1."""
        length = (_seconds(self.end) - _seconds(self.start)) % DAY or DAY
        return -(-length // self.step)

    def upload_time(self, ordinal: int) -> str:
        """The `HH:MM:SS` of the device that registered as number `ordinal`, counted from 0.

        One after another in order of registration; past the window's end round again.
        """
        seconds = (_seconds(self.start) + ordinal % self.places * self.step) % DAY
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _seconds(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second
