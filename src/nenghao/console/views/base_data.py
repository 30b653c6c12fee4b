"""Base data on the console (基础数据): the tables, their rows with the draft over them, the forms.

What changes them is `platform.base_data_drafts`' business; the draft as a whole is shown by
`base_data_draft`, versions by `base_data_versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from nenghao.console.views.base_data_words import FIELDS, LEVELS, TABLES, Words
from nenghao.platform import (
    base_data_drafts,
    base_data_files,
    base_data_held,
    base_data_versions,
    dictionary,
    dictionary_csv,
)
from nenghao.platform.base_data_diff import key_of
from nenghao.platform.base_data_drafts import Change
from nenghao.platform.base_data_held import Holders
from nenghao.platform.dictionary_csv import KEYS, Row
from nenghao.platform.store.schema import dictionary_row

NEW, EDITED, GOING, STALE = "新增", "修改", "将删除", "冲突"


class NoTable(LookupError):
    """There is no such table; the text says so in Chinese."""


@dataclass(frozen=True)
class Dictionary:
    """One table on the list."""

    table: str
    name: str
    rows: int
    version: str
    """Since which dicVersion it is as it is."""
    since: datetime | None
    """None: as it was seeded, or before changes were kept."""
    actor: str
    drafted: int
    """Rows in draft."""


@dataclass(frozen=True)
class Overview:
    """All tables, and how far the newest version has come."""

    version: int
    since: datetime | None
    tables: Sequence[Dictionary]
    holders: Holders

    @property
    def drafted(self) -> int:
        """Rows in draft, of all tables."""
        return sum(one.drafted for one in self.tables)


def overview(conn: Connection) -> Overview:
    """The list of tables."""
    query = select(dictionary_row.c.table_name, func.count()).group_by(dictionary_row.c.table_name)
    rows = {name: int(count) for name, count in conn.execute(query)}
    changed = base_data_versions.latest(conn)
    drafted = base_data_drafts.counts(conn)
    version = dictionary.version(conn)
    before = version - base_data_versions.count(conn)
    return Overview(
        version,
        max((one.at for one in changed.values()), default=None),
        [
            Dictionary(
                table,
                name,
                rows.get(table, 0),
                str(changed[table].version) if table in changed else _unchanged(before),
                changed[table].at if table in changed else None,
                changed[table].actor if table in changed else "",
                drafted.get(table, 0),
            )
            for table, name in TABLES.items()
        ],
        base_data_held.holders(conn),
    )


def _unchanged(before: int) -> str:
    """Of a table without a recorded change: versions up to `before` were not recorded."""
    return "1" if before <= 1 else f"不晚于 {before}"


@dataclass(frozen=True)
class Search:
    """Which rows of a table are wanted."""

    text: str = ""
    """Part of any field."""
    drafted: bool = False
    """Only rows in draft."""
    sort: str = ""
    descending: bool = False
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True)
class Shown:
    """A row of a table as it is shown."""

    key: str
    cells: Mapping[str, str]
    state: str
    """"" or how the draft changes it: NEW, EDITED, GOING, STALE."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, and how many there are in all."""

    rows: Sequence[Shown]
    total: int


def rows(conn: Connection, table: str, wanted: Search, *, with_draft: bool) -> Rows:
    """The rows of a table in their order, with what the draft makes of them. Raises NoTable."""
    _check(table)
    held = dictionary.rows(conn, table)
    found = base_data_drafts.changes(conn, table) if with_draft else []
    changes = {one.key: one for one in found}
    new = [one.after for one in found if one.after and one.before is None and not one.stale]
    words = Words(conn, table, [*held, *new])
    listed = [(row, _change(table, row, changes)) for row in (*new, *held)]
    kept = [one for one in listed if one[1] is not None or not wanted.drafted]
    if not wanted.text and wanted.sort not in FIELDS:
        some = kept[wanted.offset : wanted.offset + wanted.limit]
        return Rows([_shown(words, *one) for one in some], len(kept))
    met = [one for one in (_shown(words, *one) for one in kept) if _meets(one, wanted.text)]
    if wanted.sort in FIELDS:
        met.sort(key=lambda one: one.cells.get(wanted.sort, ""), reverse=wanted.descending)
    return Rows(met[wanted.offset : wanted.offset + wanted.limit], len(met))


def _change(table: str, row: Row, changes: Mapping[str, Change]) -> Change | None:
    return changes.get(key_of(table, row)) if changes else None


def _shown(words: Words, row: Row, change: Change | None) -> Shown:
    """The row as it will be; one that goes as it is."""
    standing = row if change is None or change.after is None else change.after
    return Shown(key_of(words.table, row), words.cells(standing), _state(change))


def _check(table: str) -> None:
    if table not in TABLES:
        raise NoTable(f"没有基础数据表 {table}")


def _state(change: Change | None) -> str:
    if change is None:
        return ""
    if change.stale:
        return STALE
    if change.after is None:
        return GOING
    return NEW if change.before is None else EDITED


def _meets(row: Shown, text: str) -> bool:
    wanted = text.casefold()
    return not wanted or any(wanted in cell.casefold() for cell in row.cells.values())


def table_file(conn: Connection, table: str, suffix: str) -> bytes:
    """The table in force as a file, `.csv` or `.xlsx`. Raises NoTable."""
    _check(table)
    return base_data_files.written(table, dictionary.rows(conn, table), suffix)


@dataclass(frozen=True)
class Field:
    """A field of the form for one row."""

    name: str
    label: str
    hint: str
    """What it must be."""
    needed: bool
    is_key: bool
    choices: Mapping[str, str]
    """What there is to choose from, by value; empty: anything."""
    value: str


def form(conn: Connection, table: str, key: str | None) -> list[Field]:
    """The fields of a row as it stands in draft or in force; empty ones for a new row.

    Raises NoTable, KeyError for a row that is not there.
    """
    _check(table)
    row = None if key is None else _row(conn, table, key)
    return [
        Field(
            plan.wire,
            FIELDS[plan.wire],
            plan.field.form.expected if plan.field.form else "",
            plan.field.needed,
            plan.wire in KEYS[table],
            _choices(table, plan.wire),
            "" if row is None else dictionary_csv.text_of(row[plan.wire]),
        )
        for plan in dictionary_csv.columns(table)
    ]


def _choices(table: str, name: str) -> Mapping[str, str]:
    if name == "jgzh":
        return {"true": "是", "false": "否"}
    if name == "type":
        return {value: f"{value} {word}" for value, word in LEVELS.get(table, {}).items()}
    return {}


def _row(conn: Connection, table: str, key: str) -> Row:
    for change in base_data_drafts.changes(conn, table):
        if change.key == key and change.after is not None:
            return change.after
    return {key_of(table, row): row for row in dictionary.rows(conn, table)}[key]
