"""Where a unit is counted: region and industry by date (归属地区与行业; docs/decisions 7).

Past periods go by the configuration in force at their end, the first one also covers earlier
ones. A unit that told none yet stands in the region of its registration and in no industry.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from nenghao.platform.store.schema import unit
from nenghao.platform.store.totals_schema import unit_place
from nenghao.standard import regions


class Place(NamedTuple):
    """Region (six digits) and industry (a letter and digits, "" for none) of a unit."""

    region: str
    industry: str


@dataclass(frozen=True)
class Places:
    """A unit's places through time."""

    registered: str
    """The region of its registration."""
    told: Sequence[tuple[datetime, Place]]
    """What its configurations said and since when, in the order in which they came."""

    def at(self, end: datetime) -> Place:
        """Where the unit is counted in a period that ends at `end`."""
        if not self.told:
            return Place(self.registered, "")
        in_force = [place for since, place in self.told if since <= end]
        place = in_force[-1] if in_force else self.told[0][1]
        return Place(regions.counted_in(place.region, self.registered), place.industry)


def note(conn: Connection, unit_id: int, sequence: int, since: datetime, told: Place) -> bool:
    """A configuration says this from `since` on. Whether that is another place than before.

    The unit's head is locked. What it moves is to be marked by whoever calls.
    """
    table = unit_place
    query = select(table.c.since, table.c.region, table.c.industry)
    last = conn.execute(
        query.where(table.c.unit_id == unit_id).order_by(table.c.sequence.desc()).limit(1)
    ).one_or_none()
    # Not only another place: after a clock was set back the order of the dates is another.
    if last is not None and Place(last.region, last.industry) == told and last.since <= since:
        return False
    row = {"unit_id": unit_id, "sequence": sequence, "since": since, **told._asdict()}
    conn.execute(insert(table).values(row))
    return True


def is_first(conn: Connection, unit_id: int) -> bool:
    """Whether the unit told one place at most so far, which then holds for all periods."""
    query = select(unit_place.c.sequence).where(unit_place.c.unit_id == unit_id).limit(2)
    return len(conn.execute(query).all()) < 2


def of(conn: Connection, unit_ids: Collection[int]) -> Mapping[int, Places]:
    """The places of the units."""
    registered = select(unit.c.id, unit.c.region).where(unit.c.id.in_(unit_ids))
    told: dict[int, list[tuple[datetime, Place]]] = {unit_id: [] for unit_id in unit_ids}
    query = select(unit_place).where(unit_place.c.unit_id.in_(unit_ids))
    for row in conn.execute(query.order_by(unit_place.c.unit_id, unit_place.c.sequence)):
        told[row.unit_id].append((row.since, Place(row.region, row.industry)))
    return {row.id: Places(row.region, told[row.id]) for row in conn.execute(registered)}
