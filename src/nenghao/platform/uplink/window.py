"""When to send (上送时段): `always`, or a daily window `HH:MM-HH:MM` that may pass midnight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

ALWAYS = "always"
_FORM = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` on, until before `end`; both None: always."""

    start: time | None = None
    end: time | None = None

    @classmethod
    def parse(cls, text: str) -> Window:
        """ValueError (Chinese) for anything but `always` and two different times."""
        if text == ALWAYS:
            return cls()
        found = _FORM.fullmatch(text)
        if found is None or found[0][:5] == found[0][6:]:
            raise ValueError(f"应为 always 或 HH:MM-HH:MM（首尾不同），收到 {text!r}")
        hours = [int(part) for part in found.groups()]
        return cls(time(hours[0], hours[1]), time(hours[2], hours[3]))

    @property
    def is_always(self) -> bool:
        return self.start is None

    def holds(self, now: datetime) -> bool:
        """Whether it is time to send."""
        if self.start is None or self.end is None:
            return True
        clock = now.time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end
