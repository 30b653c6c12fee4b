"""Which values are valid (数据有效, A.5 `valid`): the limits of the unit's configuration.

`dataValueMin` and `dataValueMax` stand in config.json by data code and statType. A total without
limits of its own is held against those of its parts: a day of 96 ticks of at most 2 is at most
192. A value out of its limits is sent all the same, with `valid` false.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from nenghao.device.aggregation import Rule
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.periods import StatType


class Bounds(Struct, frozen=True):
    """The least and the most that a value can be; None: no limit on that side."""

    low: Decimal | None = None
    high: Decimal | None = None

    def hold(self, value: Decimal) -> bool:
        """Whether a value lies within."""
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def times(self, number: int) -> Bounds:
        """The bounds of a sum of so many values."""
        return Bounds(
            None if self.low is None else self.low * number,
            None if self.high is None else self.high * number,
        )

    def __str__(self) -> str:
        low = "无下限" if self.low is None else f"{self.low:f}"
        high = "无上限" if self.high is None else f"{self.high:f}"
        return f"{low} 至 {high}"


AllBounds = Mapping[tuple[str, int], Bounds]
"""By data code and statType."""


def of_configuration(upload: ConfigUpload) -> dict[tuple[str, int], Bounds]:
    """The limits in a configuration."""
    found: dict[tuple[str, int], Bounds] = {}
    for row in upload.collect_item_config:
        if row.frequency is None or (row.data_value_min is None and row.data_value_max is None):
            continue
        bounds = Bounds(_exact(row.data_value_min), _exact(row.data_value_max))
        found.setdefault((row.data_code, int(row.frequency)), bounds)
    return found


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


_MOST_PARTS = {StatType.MONTH: 31, StatType.YEAR: 12}


def bounds(
    limits: AllBounds, code: str, stat_type: StatType, *, rule: Rule = Rule.SUM, ticks: int = 96
) -> Bounds:
    """The limits of a value: its own, else those of its parts as often as it can have parts."""
    own = limits.get((code, int(stat_type)))
    if own is not None:
        return own
    if stat_type is StatType.REALTIME:
        return Bounds()
    finer = bounds(limits, code, StatType(stat_type - 1), rule=rule, ticks=ticks)
    if rule is not Rule.SUM:
        return finer
    number = ticks if stat_type is StatType.DAY else _MOST_PARTS[stat_type]
    most = finer.times(number)
    # a short month has fewer parts than the most, so a positive least is not multiplied
    return most if most.low is None or most.low <= 0 else Bounds(finer.low, most.high)
