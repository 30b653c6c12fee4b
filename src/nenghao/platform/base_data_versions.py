"""What each version of base data changed (基础数据版本): when, by whom, which rows.

Written by `dictionary` whenever it replaces a table. Which version devices have is
`base_data_held`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from nenghao.platform import base_data_diff
from nenghao.platform.base_data_diff import Difference
from nenghao.platform.store.console_schema import base_data_change as table


@dataclass(frozen=True)
class Changed:
    """What a version changed in one table."""

    version: int
    table: str
    at: datetime
    actor: str
    total: int
    """Rows of the table since then."""
    added: int
    changed: int
    removed: int

    def words(self) -> str:
        """The counts for people."""
        if not (self.added or self.changed or self.removed):
            return "行的顺序或写法改变"
        return f"新增 {self.added} 行，修改 {self.changed} 行，删除 {self.removed} 行"


def note(
    conn: Connection,
    version: int,
    name: str,
    now: datetime,
    actor: str,
    total: int,
    difference: Difference,
) -> None:
    """A table is another one since this version. Needs a write transaction."""
    added, changed, removed = difference.counts
    conn.execute(
        insert(table).values(
            version=version,
            table_name=name,
            at=now,
            actor=actor[:64],
            total=total,
            added=added,
            changed=changed,
            removed=removed,
            difference=base_data_diff.pack(difference),
        )
    )


def count(conn: Connection) -> int:
    """How many versions are known."""
    return int(conn.execute(select(func.count(table.c.version.distinct()))).scalar_one())


def listing(conn: Connection, limit: int, offset: int = 0) -> list[list[Changed]]:
    """The latest versions, newest first, each with the tables it changed."""
    versions = select(table.c.version).distinct().order_by(table.c.version.desc())
    wanted = list(conn.execute(versions.limit(limit).offset(offset)).scalars())
    found = _rows(conn, wanted)
    return [[one for one in found if one.version == version] for version in wanted]


def of(conn: Connection, version: int) -> list[Changed]:
    """What one version changed; empty where that is not known."""
    return _rows(conn, [version])


def latest(conn: Connection) -> dict[str, Changed]:
    """The last change of each table, of those that changed since they were seeded."""
    last = select(table.c.table_name, func.max(table.c.version).label("version"))
    found = conn.execute(last.group_by(table.c.table_name)).all()
    rows = _rows(conn, [row.version for row in found])
    wanted = {(row.table_name, row.version) for row in found}
    return {one.table: one for one in rows if (one.table, one.version) in wanted}


def difference(conn: Connection, version: int, name: str) -> Difference | None:
    """The rows that a version changed in a table; None where it changed none."""
    query = select(table.c.difference).where(table.c.version == version, table.c.table_name == name)
    packed = conn.execute(query).scalar()
    return None if packed is None else base_data_diff.unpack(packed)


def _rows(conn: Connection, versions: Sequence[int]) -> list[Changed]:
    columns = [column for column in table.c if column.name != "difference"]
    query = select(*columns).where(table.c.version.in_(versions))
    ordered = query.order_by(table.c.version.desc(), table.c.table_name)
    return [Changed(*row) for row in conn.execute(ordered)]
