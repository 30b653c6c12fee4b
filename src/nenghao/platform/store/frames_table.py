"""Reads and writes the rows of frames (帧表): as few statements as a batch can do with.

What is in a row is `frames_codec`'s business, which rows there should be `platform.intake`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.dialects import sqlite

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import frame as table

Row = tuple[int, int, str, int]
"""Which row of a unit: statType, frame number, data code, source."""

_COLUMNS: Final = ("unit_id", "stat_type", "frame", "data_code", "source", "planes")
_KEY: Final = _COLUMNS[:-1]
_Item = TypeVar("_Item")

_CHUNK = 400
"""Frames or data codes named in one query; databases limit the parameters of a statement."""

_MANY = 16
"""Data codes from which on a range of them is read instead of naming them."""


def stored(conn: Connection, unit_id: int, wanted: Collection[Row]) -> Iterator[tuple[Row, bytes]]:
    """Those of the wanted rows that the unit has, with their planes."""
    named = set(wanted)
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    for where in _conditions(wanted):
        query = select(*columns, table.c.planes).where(table.c.unit_id == unit_id, *where)
        for stat_type, frame, data_code, source, planes in conn.execute(query):
            row = (stat_type, frame, data_code, source)
            if row in named:
                yield row, planes


def _conditions(wanted: Collection[Row]) -> Iterator[list[ColumnElement[bool]]]:
    """Conditions that together find all wanted rows: for each statType one, as a rule.

    An ordinary batch has each of many items on each of few days: then its rows lie close
    together, and a range finds them without naming them. Others are named in chunks.
    """
    by_type: dict[int, tuple[set[int], set[str], list[Row]]] = {}
    for row in wanted:
        numbers, codes, rows = by_type.setdefault(row[0], (set(), set(), []))
        numbers.add(row[1])
        codes.add(row[2])
        rows.append(row)
    for stat_type, (numbers, codes, rows) in by_type.items():
        this_type = table.c.stat_type == stat_type
        area = (max(numbers) - min(numbers) + 1) * len(codes)
        if len(codes) >= _MANY and area <= 2 * len(rows):
            yield [
                this_type,
                table.c.frame.between(min(numbers), max(numbers)),
                table.c.data_code.between(min(codes), max(codes)),
            ]
            continue
        for some in _chunks(sorted(numbers)):
            for few in _chunks(sorted(codes)):
                yield [this_type, table.c.frame.in_(some), table.c.data_code.in_(few)]


def _chunks(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def write(conn: Connection, unit_id: int, rows: Sequence[tuple[int, int, str, int, bytes]]) -> None:
    """Insert the rows, or change the planes of those that are there.

    On SQLite the statement is compiled once and handed to the driver with plain tuples:
    SQLAlchemy's own way with each row's parameters costs more than SQLite's work on them. On
    PostgreSQL all rows go as one statement (`engine.upsert`).
    """
    if not rows:
        return
    whole = [(unit_id, *row) for row in rows]
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(_upsert_sql(), whole)
    else:
        upsert(conn, table, [dict(zip(_COLUMNS, row, strict=True)) for row in whole])


@cache
def _upsert_sql() -> str:
    values = sqlite.insert(table)
    statement = values.on_conflict_do_update(
        index_elements=_KEY, set_={"planes": values.excluded.planes}
    )
    compiled: Any = statement.compile(dialect=sqlite.dialect(), column_keys=list(_COLUMNS))
    if tuple(compiled.positiontup) != _COLUMNS:
        raise AssertionError("the statement takes its values in another order")
    return str(compiled)
