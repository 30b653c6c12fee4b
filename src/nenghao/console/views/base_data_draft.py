"""The draft of base data on the console (基础数据草稿): what it changes, what is odd in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, func, select

from nenghao.console.views.base_data_words import FIELDS, TABLES, Words, key_label
from nenghao.platform import (
    base_data_diff,
    base_data_drafts,
    base_data_held,
    coefficients,
    dictionary,
    dictionary_csv,
)
from nenghao.platform.base_data_diff import Difference, key_of
from nenghao.platform.base_data_drafts import Change
from nenghao.platform.dictionary_csv import Row
from nenghao.platform.store.schema import unit

MOST_SHOWN: Final = 200
"""Rows of each kind that a difference shows."""

_TREES: Final = ("region", "industry")
_TOP: Final = frozenset({"", "0", "000000"})


@dataclass(frozen=True)
class Lines:
    """The first rows of one kind of a difference, and how many there are."""

    total: int
    rows: Sequence[Sequence[str]]
    """Cells; of changed rows the key and what changes."""


@dataclass(frozen=True)
class Differing:
    """What changes in a table, for people."""

    table: str
    name: str
    labels: Sequence[str]
    added: Lines
    changed: Lines
    removed: Lines
    stale: Sequence[str] = ()
    """Rows in draft that have been changed by another hand meanwhile."""
    remarks: Sequence[str] = ()
    """What is odd about it."""


def differing(conn: Connection, table: str, made: Difference) -> Differing:
    """A difference with at most `MOST_SHOWN` rows of each kind."""
    words = Words(conn, table, [*dictionary.rows(conn, table), *made.added])
    changed = [
        [key_label(table, after), _changes(words, before, after)]
        for before, after in made.changed[:MOST_SHOWN]
    ]
    return Differing(
        table,
        TABLES[table],
        [FIELDS[column.wire] for column in dictionary_csv.columns(table)],
        _lines(words, made.added),
        Lines(len(made.changed), changed),
        _lines(words, made.removed),
    )


def _lines(words: Words, made: Sequence[Row]) -> Lines:
    return Lines(len(made), [list(words.cells(row).values()) for row in made[:MOST_SHOWN]])


def _changes(words: Words, before: Row, after: Row) -> str:
    return "；".join(
        f"{FIELDS[name]}：{words.cell(name, before) or '（空）'} → "
        f"{words.cell(name, after) or '（空）'}"
        for name in base_data_diff.fields_changed(before, after)
    )


@dataclass(frozen=True)
class Draft:
    """All that is in draft."""

    version: int
    tables: Sequence[Differing]
    authors: Sequence[str]
    last: datetime | None
    devices: int
    """That will fetch all base data anew."""
    coefficients: bool
    """Whether coefficients change, so that a day is to be named from which they hold."""

    @property
    def stale(self) -> bool:
        """Whether something is to be looked at again first."""
        return any(one.stale for one in self.tables)


def draft(conn: Connection) -> Draft:
    """The draft of all tables as differences."""
    found = base_data_drafts.changes(conn)
    tables = []
    for table in TABLES:
        mine = [one for one in found if one.table == table]
        if mine:
            shown = differing(conn, table, base_data_drafts.difference(mine))
            stale = [key_label(table, one.after or one.before or {}) for one in mine if one.stale]
            remarks = _remarks(conn, table, mine)
            tables.append(replace(shown, stale=stale, remarks=remarks))
    return Draft(
        dictionary.version(conn),
        tables,
        sorted({one.actor for one in found}),
        max((one.at for one in found), default=None),
        base_data_held.holders(conn).devices,
        bool(coefficient_changes(conn, date.max, found)),
    )


def coefficient_changes(
    conn: Connection, valid_from: date, found: Iterable[Change] | None = None
) -> list[coefficients.Change]:
    """The coefficients that the draft would change from a day on."""
    mine = base_data_drafts.changes(conn, coefficients.ENERGY_TYPE) if found is None else found
    mine = [one for one in mine if one.table == coefficients.ENERGY_TYPE]
    if not mine:
        return []
    old = dictionary.rows(conn, coefficients.ENERGY_TYPE)
    new = base_data_drafts.after(conn, coefficients.ENERGY_TYPE, mine)
    return coefficients.would_follow(conn, old, new, valid_from)


def _remarks(conn: Connection, table: str, found: Sequence[Change]) -> list[str]:
    """What is odd about the table as it will be: parents that are not there, codes in use."""
    if table not in _TREES:
        return []
    will = base_data_drafts.after(conn, table, found)
    codes = {row["code"] for row in will}
    touched = {one.key for one in found}
    missing = Counter(
        row["pcode"]
        for row in will
        if row["pcode"] not in codes
        and row["pcode"] not in _TOP
        and (key_of(table, row) in touched or _gone(row["pcode"], found))
    )
    remarks = [f"{count} 行的上级编码 {code} 不在表中" for code, count in sorted(missing.items())]
    gone = [one.before["code"] for one in found if one.after is None and one.before]
    if table == "region" and gone:
        query = select(func.count()).select_from(unit).where(unit.c.region.in_(gone[:500]))
        used = int(conn.execute(query).scalar_one())
        if used:
            remarks.append(f"将删除的行政区划仍有 {used} 家用能单位在用")
    return remarks


def _gone(code: str, found: Sequence[Change]) -> bool:
    return any(one.after is None and one.before and one.before["code"] == code for one in found)
