"""The settings under which an energy upload is taken in (生效设置), as its receipt records them.

What a stored value is follows from the body, the time of receipt and these. With all three in the
journal a replay gives the same values, whatever the settings have become (docs/journal).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, func, select

from nenghao.platform import dictionary
from nenghao.platform.packing import Labels
from nenghao.platform.store.schema import configuration, unit_setting
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind

REALTIME_LABEL = "realtime_label"
"""The dated setting of a unit that says what its real-time ticks label (`packing.Labels`)."""


class Settings(Protocol):
    """The platform's settings that decide how an upload is read and taken."""

    @property
    def strict(self) -> Collection[AdviceKind]: ...

    @property
    def statdate_tolerance(self) -> int: ...

    @property
    def record_limit(self) -> int: ...


@dataclass(frozen=True, slots=True)
class InForce:
    """The settings in force for one upload of one unit."""

    statdate_tolerance: int
    record_limit: int
    strict: tuple[str, ...]
    """The kinds of advice that were refused."""
    realtime_label: tuple[tuple[datetime, str], ...]
    """The unit's dated setting: (valid from, value), oldest first."""
    configuration: int
    """The receipt of the unit's last configuration, 0 before the first."""
    dic_version: int
    """Which base data the values were held against."""
    received_at: datetime | None = None
    """When the province received it, on a national platform: caps uploadDate there as it did."""

    def labels(self) -> Labels:
        """What the unit's real-time ticks label, by date (docs/decisions 4)."""
        return Labels(self.realtime_label)

    def to_plain(self) -> dict[str, Any]:
        """As the receipt has it: JSON-able, no floats."""
        plain: dict[str, Any] = {
            "statdateTolerance": self.statdate_tolerance,
            "recordLimit": self.record_limit,
            "strict": list(self.strict),
            "realtimeLabel": [
                [periods.format_time(since), value] for since, value in self.realtime_label
            ],
            "configuration": self.configuration,
            "dicVersion": self.dic_version,
        }
        if self.received_at is not None:
            plain["receivedAt"] = periods.format_time(self.received_at)
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> InForce:
        """What `to_plain` gave; KeyError, TypeError or ValueError for anything else."""
        return cls(
            statdate_tolerance=int(plain["statdateTolerance"]),
            record_limit=int(plain["recordLimit"]),
            strict=tuple(plain["strict"]),
            realtime_label=tuple(
                (periods.parse_time(since), str(value)) for since, value in plain["realtimeLabel"]
            ),
            configuration=int(plain["configuration"]),
            dic_version=int(plain["dicVersion"]),
            received_at=periods.parse_time(plain["receivedAt"]) if "receivedAt" in plain else None,
        )


def of(
    conn: Connection, unit_id: int, settings: Settings, received_at: datetime | None = None
) -> InForce:
    """The settings in force for the unit's uploads at this moment.

    What a province received before has the END for its label already: no setting of the unit.
    """
    labels = (
        select(unit_setting.c.valid_from, unit_setting.c.value)
        .where(unit_setting.c.unit_id == unit_id, unit_setting.c.name == REALTIME_LABEL)
        .order_by(unit_setting.c.valid_from)
    )
    latest = select(func.max(configuration.c.sequence)).where(configuration.c.unit_id == unit_id)
    return InForce(
        statdate_tolerance=settings.statdate_tolerance,
        record_limit=settings.record_limit,
        strict=tuple(sorted(kind.value for kind in settings.strict)),
        realtime_label=()
        if received_at is not None
        else tuple((row.valid_from, row.value) for row in conn.execute(labels)),
        configuration=int(conn.execute(latest).scalar() or 0),
        dic_version=dictionary.version(conn),
        received_at=received_at,
    )
