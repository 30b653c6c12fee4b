"""The platform's single values (`platform_state`): version numbers and the next ordinal.

What they mean is the business of `registry` (registration), `dictionary` (base data) and `totals`
(the arithmetic).
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import platform_state

REG_VERSION = "reg_version"
DIC_VERSION = "dic_version"
REGISTRATION_SETTINGS = "registration_settings"
NEXT_ORDINAL = "next_ordinal"
NATIONAL_VERSION = "national_dic_version"
"""The nation's dicVersion whose base data were taken, on a province's platform."""
NATIONAL_OFFERED = "national_dic_offered"
"""The nation's dicVersion that waits for an operator's approval; "" where none does."""
TOTALS_OPTIONS = "totals_options"
TOTALS_TURN = "totals_turn"
"""Locked by whoever settles totals, or marks those of units that it does not lock."""


def text(conn: Connection, name: str) -> str | None:
    """The value, or None where it was never put."""
    query = select(platform_state.c.value).where(platform_state.c.name == name)
    found: str | None = conn.execute(query).scalar()
    return found


def number(conn: Connection, name: str, default: int) -> int:
    """The value as an integer."""
    found = text(conn, name)
    return default if found is None else int(found)


def put(conn: Connection, name: str, value: str | int) -> None:
    """Set the value."""
    upsert(conn, platform_state, [{"name": name, "value": str(value)}])


def locked(conn: Connection, name: str, default: int) -> int:
    """The value as an integer, its row made if need be and locked until the transaction ends.

    Whoever writes a value that follows from the old one reads it this way: writers of a
    PostgreSQL database run side by side.
    """
    upsert(conn, platform_state, [{"name": name, "value": str(default)}], lambda _: {})
    query = select(platform_state.c.value).where(platform_state.c.name == name).with_for_update()
    return int(conn.execute(query).scalar_one())


def take(conn: Connection, name: str) -> int:
    """The value as an integer, 0 at first, leaving the next one for the next caller.

    No two callers take the same number.
    """
    taken = locked(conn, name, 0)
    put(conn, name, taken + 1)
    return taken
