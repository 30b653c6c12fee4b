"""Upload times (上报时间点): how many devices have each minute, who has which, what another does.

Changing them is `platform.schedule_changes`' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select

from nenghao.console.views.devices import Part, ordered
from nenghao.platform import registry
from nenghao.platform.schedule import UploadWindow
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import device, unit

SORTS: Final = ("upload_time", "name", "code")
SHOWN_MOVES: Final = 20
_MINUTES: Final = 1440


@dataclass(frozen=True)
class Plan:
    """The plan in force and how it is filled."""

    start: str
    end: str
    step: int
    places: int
    """How many different times the window has."""
    devices: int
    by_minute: dict[str, int]
    """`HH:MM`: every minute of the window, and those outside of it that a device has."""
    outside: int
    """Devices whose time lies outside of the window: given by hand."""
    version: int
    """regVersion."""

    @property
    def busiest(self) -> int:
        """Most devices of one minute."""
        return max(self.by_minute.values(), default=0)


@dataclass(frozen=True)
class Place:
    """One device and its time."""

    code: str
    name: str
    number: int
    region_name: str
    upload_time: str
    ordinal: int
    by_hand: bool
    """Whether it is another one than its place in the order gives."""


@dataclass(frozen=True)
class Places:
    """A page of them, and how many there are in all."""

    rows: list[Place]
    total: int


@dataclass(frozen=True)
class Move:
    """One device whose time another plan would change."""

    code: str
    name: str
    number: int
    before: str
    after: str


@dataclass(frozen=True)
class Preview:
    """What handing all times out anew would do."""

    devices: int
    moved: int
    by_hand: int
    """Devices with a time given by hand, which they would lose."""
    rounds: int
    """So many devices would share a time, at most."""
    by_minute: dict[str, int]
    moves: list[Move]
    """The first `SHOWN_MOVES` of those moved, in order of registration."""


def plan(conn: Connection, settings: PlatformSettings) -> Plan:
    """The plan in force."""
    window = registry.window_in_force(conn, settings)
    minute = func.substr(device.c.upload_time, 1, 5)
    query = select(minute, func.count()).select_from(device).group_by(minute)
    found: dict[str, int] = {row[0]: row[1] for row in conn.execute(query)}
    within = minutes_of(window)
    return Plan(
        start=str(window.start),
        end=str(window.end),
        step=window.step,
        places=window.places,
        devices=sum(found.values()),
        by_minute=_filled(within, found),
        outside=sum(count for name, count in found.items() if name not in set(within)),
        version=registry.versions(conn)[0],
    )


def page(conn: Connection, settings: PlatformSettings, text: str, part: Part) -> Places:
    """The devices that match, by their time unless sorted otherwise."""
    window = registry.window_in_force(conn, settings)
    where: list[ColumnElement[bool]] = []
    if text:
        where.append(
            or_(
                unit.c.name.contains(text, autoescape=True),
                unit.c.code.contains(text.upper(), autoescape=True),
                device.c.upload_time.startswith(text, autoescape=True),
            )
        )
    joined = select(device, unit.c.code, unit.c.name, unit.c.region_name).join(
        unit, unit.c.id == device.c.unit_id
    )
    total = conn.execute(
        select(func.count()).select_from(joined.where(*where).subquery())
    ).scalar_one()
    query = joined.where(*where).order_by(*_order(part)).limit(part.limit).offset(part.offset)
    rows = [
        Place(
            row["code"], row["name"], row["number"], row["region_name"], row["upload_time"],
            row["ordinal"], row["upload_time"] != window.upload_time(row["ordinal"]),
        )
        for row in conn.execute(query).mappings()
    ]  # fmt: skip
    return Places(rows, total)


def preview(conn: Connection, settings: PlatformSettings, window: UploadWindow) -> Preview:
    """What it would do to hand all times out anew by this window."""
    now = registry.window_in_force(conn, settings)
    query = (
        select(unit.c.code, unit.c.name, device.c.number, device.c.upload_time, device.c.ordinal)
        .join(unit, unit.c.id == device.c.unit_id)
        .order_by(device.c.ordinal, device.c.unit_id, device.c.number)
    )
    after: dict[str, int] = {}
    moves: list[Move] = []
    devices = moved = by_hand = 0
    for devices, row in enumerate(conn.execute(query), start=1):
        new = window.upload_time(devices - 1)
        after[new[:5]] = after.get(new[:5], 0) + 1
        by_hand += row.upload_time != now.upload_time(row.ordinal)
        if row.upload_time != new:
            moved += 1
            if len(moves) < SHOWN_MOVES:
                moves.append(Move(row.code, row.name, row.number, row.upload_time, new))
    rounds = -(-devices // window.places)
    return Preview(devices, moved, by_hand, rounds, _filled(minutes_of(window), after), moves)


def minutes_of(window: UploadWindow) -> list[str]:
    """Every minute of the window, `HH:MM`, in order; over midnight where it goes there."""
    first = window.start.hour * 60 + window.start.minute
    seconds = (window.end.hour * 60 + window.end.minute) * 60 + window.end.second
    last = -(-seconds // 60)
    length = (last - first) % _MINUTES or _MINUTES
    return [_minute(at) for at in range(first, first + length)]


def _minute(at: int) -> str:
    at %= _MINUTES
    return f"{at // 60:02d}:{at % 60:02d}"


def _filled(within: list[str], found: dict[str, int]) -> dict[str, int]:
    """Counts of every minute within the window in its order, then of those outside."""
    made = {name: found.get(name, 0) for name in within}
    return made | {name: found[name] for name in sorted(found) if name not in made}


def _order(part: Part) -> list[ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = {
        "upload_time": device.c.upload_time,
        "name": unit.c.name,
        "code": unit.c.code,
    }
    column = columns.get(part.sort, device.c.upload_time)
    return [ordered(column, part), device.c.ordinal, unit.c.code, device.c.number]
