"""Base data (基础数据): the code tables that the platform hands out, and their version.

The tables begin as `standard.base_tables` has them; an operator replaces one by an import, which
raises dicVersion. Everything read here goes by the version that stands in the database at that
moment, so a running platform answers with a new table from the next request on (6.2.3-1). How a
table looks as CSV is `dictionary_csv`'s business.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, insert, select

from nenghao.platform import (
    audit,
    base_data_diff,
    base_data_versions,
    coefficients,
    dictionary_csv,
    state,
)
from nenghao.platform.dictionary_csv import Row
from nenghao.platform.store.schema import dictionary_row
from nenghao.standard import base_tables
from nenghao.standard.item_names import ItemNames
from nenghao.standard.messages import write
from nenghao.standard.messages.base_data import ROW_TYPES, TYPES, BaseData, BaseDataAnswer
from nenghao.standard.messages.fields import fields_of
from nenghao.standard.processes import WHOLE_PLANT, ProcessTable
from nenghao.standard.regions import RegionTable

ALL = "all"

T = TypeVar("T")


@dataclass(frozen=True)
class Import:
    """What an import did: rows of the table now, rows that came and went, the version now."""

    rows: int
    added: int
    removed: int
    version: int
    raised: bool
    """Whether the table is another one than before, be it only in its order."""


def seed(conn: Connection) -> None:
    """Fill an empty database with the default tables, as version 1; does nothing later."""
    if state.text(conn, state.DIC_VERSION) is not None:
        return
    for table in ROW_TYPES:
        _store(conn, table, base_tables.default_rows(table))
    state.put(conn, state.DIC_VERSION, 1)


def version(conn: Connection) -> int:
    """dicVersion as it stands in the database now."""
    return state.number(conn, state.DIC_VERSION, 1)


def rows(conn: Connection, table: str) -> list[Row]:
    """The rows of one table by wire names, in order; TableError when there is no such table."""
    dictionary_csv.columns(table)
    query = (
        select(dictionary_row.c.row)
        .where(dictionary_row.c.table_name == table)
        .order_by(dictionary_row.c.position)
    )
    return [json.loads(text) for text in conn.execute(query).scalars()]


def base_data(conn: Connection, kind: str = ALL) -> BaseData:
    """The tables that `type` asks for (A.6): one of them, or all."""
    tables = [*ROW_TYPES] if kind == ALL else [kind]
    fields = {plan.wire: plan.name for plan in fields_of(BaseData)}
    made = {fields[table]: [_struct(table, row) for row in rows(conn, table)] for table in tables}
    return BaseData(**made)


def encoded_answer(conn: Connection, kind: str = ALL) -> bytes:
    """The answer to a base data request, encoded; kept until the version changes."""
    if kind not in TYPES:
        raise dictionary_csv.TableError(f"没有基础数据类型 {kind}")
    return _cached(conn, kind, lambda: write(BaseDataAnswer(data=base_data(conn, kind))))


def export_table(conn: Connection, table: str) -> str:
    """The table as CSV text; TableError when there is no such table."""
    return dictionary_csv.write(table, rows(conn, table))


def import_table(
    conn: Connection,
    table: str,
    csv_text: str,
    now: datetime,
    *,
    valid_from: date | None = None,
) -> Import:
    """Replace a table by CSV text and raise dicVersion; the same table again changes nothing.

    Standard coal coefficients that it changes hold from `valid_from` on, by default from the
    first day of the year. Needs a write transaction. Raises TableError, the old table standing,
    when the text is no such table.
    """
    return import_tables(conn, {table: csv_text}, now, valid_from=valid_from)[table]


def import_tables(
    conn: Connection,
    texts: Mapping[str, str],
    now: datetime,
    *,
    valid_from: date | None = None,
    actor: str = audit.OPERATOR,
) -> dict[str, Import]:
    """Replace several tables at once, as `import_table` does: dicVersion rises by one for all."""
    read = {table: dictionary_csv.read(table, text) for table, text in texts.items()}
    before = state.locked(conn, state.DIC_VERSION, 1)
    raised = before + 1
    done = {}
    for table, new in read.items():
        old = rows(conn, table)
        if new == old:
            done[table] = Import(len(new), 0, 0, before, raised=False)
            continue
        _store(conn, table, new)
        if table == coefficients.ENERGY_TYPE:
            coefficients.follow(conn, old, new, valid_from or date(now.year, 1, 1), now)
        state.put(conn, state.DIC_VERSION, raised)
        who = audit.actor() if actor == audit.OPERATOR else actor
        difference = base_data_diff.between(table, old, new)
        base_data_versions.note(conn, raised, table, now, who, len(new), difference)
        went, came = set(map(_dump, old)), set(map(_dump, new))
        one = Import(len(new), len(came - went), len(went - came), raised, raised=True)
        audit.record(
            conn,
            now,
            actor,
            "",
            "base-data.import",
            table,
            detail=f"{one.rows} 行，新增或修改 {one.added}，删除或修改 {one.removed}，"
            f"dicVersion {raised}",
        )
        done[table] = one
    return done


def names(conn: Connection, table: str) -> Mapping[str, str]:
    """The names of a table with codes and names, by code; kept until the version changes."""
    return _cached(
        conn,
        f"names of {table}",
        lambda: {row["code"]: row["name"] for row in rows(conn, table)},
    )


def item_names(conn: Connection) -> ItemNames:
    """The words of data codes by the tables as they stand now; kept until the version changes."""

    def make() -> ItemNames:
        tables = ("process", "collectItem", "collectItemUsage")
        return ItemNames(*(rows(conn, table) for table in tables))

    return _cached(conn, "item names", make)


@dataclass(frozen=True)
class Vocabulary:
    """What the dictionary knows, for the membership checks of uploads (docs/decisions 1)."""

    regions: RegionTable
    industries: frozenset[str]
    unit_categories: frozenset[str]
    processes: ProcessTable
    items: frozenset[tuple[str, str]]
    usages: frozenset[str]

    def knows_region(self, code: str) -> bool:
        """Whether it is a region of any level."""
        return code in self.regions

    def knows_industry(self, code: str) -> bool:
        """Whether it is an industry of any level."""
        return code in self.industries

    def knows_unit_category(self, code: str) -> bool:
        """Whether it is a unit category (单位类别)."""
        return code in self.unit_categories

    def knows_energy(self, class_code: str, type_code: str) -> bool:
        """Whether the class has that energy type, product or indicator of four digits."""
        return (class_code, type_code) in self.items

    def knows_usage(self, code: str) -> bool:
        """Whether it is a usage (用途)."""
        return code in self.usages

    def knows_process(self, industry_code: str, code: str) -> bool:
        """Whether a unit of that industry may have the process; "" asks for any industry."""
        if code == WHOLE_PLANT:
            return True
        if not industry_code:
            return any(process.code == code for process in self.processes)
        return self.processes.get(industry_code, code) is not None


def vocabulary(conn: Connection) -> Vocabulary:
    """The vocabulary of the tables as they stand now; kept until the version changes."""
    return _cached(conn, "vocabulary", lambda: _vocabulary(conn))


def _vocabulary(conn: Connection) -> Vocabulary:
    def codes(table: str) -> frozenset[str]:
        return frozenset(row["code"] for row in rows(conn, table))

    items = {(row["pclass"], row["code"]) for row in rows(conn, "collectItem")}
    items |= {(row["classCode"], row["code"]) for row in rows(conn, "energyType")}
    return Vocabulary(
        RegionTable(rows(conn, "region")),
        codes("industry"),
        codes("entType"),
        ProcessTable(rows(conn, "process")),
        frozenset(items),
        codes("collectItemUsage"),
    )


def _store(conn: Connection, table: str, new: Iterable[Row]) -> None:
    conn.execute(delete(dictionary_row).where(dictionary_row.c.table_name == table))
    listed = [
        {"table_name": table, "position": position, "row": _dump(row)}
        for position, row in enumerate(new)
    ]
    if listed:
        conn.execute(insert(dictionary_row), listed)


def _dump(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _struct(table: str, row: Row) -> Any:
    """The message row; a whole number stays one, so that it is written as it was stored."""
    kind = ROW_TYPES[table]
    return kind(**{plan.name: row[plan.wire] for plan in fields_of(kind)})


_caches: weakref.WeakKeyDictionary[Engine, tuple[int, dict[str, Any]]] = weakref.WeakKeyDictionary()
_caches_guard = threading.Lock()


def _cached(conn: Connection, name: str, make: Callable[[], T]) -> T:
    """What `make` made for this database at the version that it has in this transaction."""
    now = version(conn)
    with _caches_guard:
        known, values = _caches.get(conn.engine, (0, {}))
        if known == now and name in values:
            found: T = values[name]
            return found
    made = make()
    with _caches_guard:
        known, values = _caches.get(conn.engine, (0, {}))
        if known < now:
            _caches[conn.engine] = (now, {name: made})
        elif known == now:
            values[name] = made
    return made
