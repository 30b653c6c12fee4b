"""Every change of a coefficient (折标系数变更记录): what held, what holds since, who changed it.

Beside the dated rows themselves, since a row of the same day takes the place of the one before.
Written by `coefficients` with each change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, insert, select

from nenghao.platform.store.console_schema import coefficient_change as table


@dataclass(frozen=True)
class Entry:
    """A change that was made."""

    at: datetime
    actor: str
    valid_from: date
    before: str
    """What held on that day, "" where nothing did."""
    after: str


def note(
    conn: Connection,
    kind: Sequence[str],
    valid_from: date,
    before: str,
    after: str,
    *,
    actor: str,
    now: datetime,
) -> None:
    """A type (class, code) has another coefficient from a day on. Needs a write transaction."""
    energy_class, code = kind
    conn.execute(
        insert(table).values(
            energy_class=energy_class,
            energy_type=code,
            valid_from=valid_from,
            at=now,
            actor=actor[:64],
            before=before,
            after=after,
        )
    )


def of(conn: Connection, kind: Sequence[str], limit: int = 100) -> list[Entry]:
    """The latest changes of a type, newest first."""
    energy_class, code = kind
    columns = (table.c.at, table.c.actor, table.c.valid_from, table.c.before, table.c.after)
    query = select(*columns).where(
        table.c.energy_class == energy_class, table.c.energy_type == code
    )
    return [Entry(*row) for row in conn.execute(query.order_by(table.c.id.desc()).limit(limit))]
