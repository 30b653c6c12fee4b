"""Which version of base data each device has (端设备持有的基础数据版本).

The standard has no message in which a device says so; what is known is what it fetched here. It
has a version when it fetched all of it, or one after another the tables that A.6 lets it ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, case, func, select

from nenghao.platform.store.console_schema import base_data_held as table
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import device
from nenghao.standard.base_tables import BASE_DATA_TYPES
from nenghao.standard.messages.base_data import ROW_TYPES

ALL: Final = "all"
_EVERY: Final = (1 << len(ROW_TYPES)) - 1
_COMPLETE: Final = sum(1 << at for at, name in enumerate(ROW_TYPES) if name in BASE_DATA_TYPES)
"""The tables of A.6: a device cannot be asked to fetch one that has no name there."""


@dataclass(frozen=True)
class Holders:
    """How many devices have which version."""

    devices: int
    """All that registered."""
    by_version: dict[int, int]
    """Devices by the version that they have whole."""
    partly: int = 0
    """Devices that fetched some tables of a version and not yet the others."""

    @property
    def unknown(self) -> int:
        """Devices that did not fetch anything yet."""
        return self.devices - sum(self.by_version.values()) - self.partly

    def since(self, version: int) -> int:
        """Devices that have this version or a newer one."""
        return sum(count for held, count in self.by_version.items() if held >= version)

    def share(self, version: int) -> float | None:
        """That of all devices, 0 to 1; None without any device."""
        return self.since(version) / self.devices if self.devices else None


def is_news(conn: Connection, unit_id: int, number: int, version: int, kind: str) -> bool:
    """Whether it is not yet known that the device fetched this."""
    held = _held(conn, unit_id, number)
    return held is None or held != _after(held, version, kind)


def note(store: Store, unit_id: int, number: int, version: int, kind: str, now: datetime) -> None:
    """A device was handed a table of a version, or all of it (`kind`)."""
    with store.write() as conn:
        held, tables = _after(_held(conn, unit_id, number), version, kind)
        row = {"unit_id": unit_id, "device_number": number, "version": held, "tables": tables}
        upsert(conn, table, [{**row, "at": now}])


def holders(conn: Connection) -> Holders:
    """How many devices have which version, at this moment."""
    devices = int(conn.execute(select(func.count()).select_from(device)).scalar_one())
    whole = case((table.c.tables.bitwise_and(_COMPLETE) == _COMPLETE, table.c.version), else_=0)
    joined = and_(table.c.unit_id == device.c.unit_id, table.c.device_number == device.c.number)
    each = select(whole.label("whole")).join_from(device, table, joined).subquery()
    query = select(each.c.whole, func.count().label("devices")).group_by(each.c.whole)
    found = {row.whole: row.devices for row in conn.execute(query)}
    return Holders(devices, {key: found[key] for key in sorted(found) if key}, found.get(0, 0))


def _held(conn: Connection, unit_id: int, number: int) -> tuple[int, int] | None:
    query = select(table.c.version, table.c.tables).where(
        table.c.unit_id == unit_id, table.c.device_number == number
    )
    found = conn.execute(query).first()
    return None if found is None else (found.version, found.tables)


def _after(held: tuple[int, int] | None, version: int, kind: str) -> tuple[int, int]:
    """Version and tables once the device has this as well."""
    fetched = _EVERY if kind == ALL else 1 << list(ROW_TYPES).index(kind)
    if held is None or held[0] != version:
        return version, fetched
    return version, held[1] | fetched
