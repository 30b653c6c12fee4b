"""Base data in draft (基础数据草稿): changes collected by row, in force together as one version.

Devices fetch all base data anew with every version, so single edits are not put in force one by
one. There is one draft for everybody, in the database. A change remembers the row that it was made
of: when that row has become another one meanwhile, by an import or the nation's base data, nothing
is put in force until somebody looked at it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, select

from nenghao.platform import audit, base_data_diff, dictionary, dictionary_csv, state
from nenghao.platform.base_data_diff import Difference, dump, key_of, key_words
from nenghao.platform.dictionary import Import
from nenghao.platform.dictionary_csv import Row
from nenghao.platform.store.console_schema import base_data_draft as draft
from nenghao.platform.store.engine import upsert
from nenghao.standard.messages.base_data import ROW_TYPES

_ACTION = "base-data.draft"


class DraftError(Exception):
    """A change that cannot be made or put in force; the text says why, in Chinese."""


class RowError(DraftError):
    """A row whose fields are wrong: by wire name what is wrong with it."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        self.wrong = dict(wrong)
        super().__init__("；".join(f"{name}：{reason}" for name, reason in self.wrong.items()))


@dataclass(frozen=True)
class Change:
    """A row that is to be another one, to come or to go."""

    table: str
    key: str
    before: Row | None
    after: Row | None
    at: datetime
    actor: str
    stale: bool = False
    """The row in force is not `before` any more."""


def changes(conn: Connection, table: str | None = None) -> list[Change]:
    """The draft of one table or of all, by table and key."""
    query = select(draft).order_by(draft.c.table_name, draft.c.row_key)
    if table is not None:
        query = query.where(draft.c.table_name == table)
    found = conn.execute(query).all()
    held = {name: _by_key(conn, name) for name in {row.table_name for row in found}}
    return [
        Change(
            row.table_name,
            row.row_key,
            _row(row.before),
            _row(row.after),
            row.at,
            row.actor,
            held[row.table_name].get(row.row_key, "") != row.before,
        )
        for row in found
    ]


def counts(conn: Connection) -> dict[str, int]:
    """How many rows of which tables are in draft."""
    query = select(draft.c.table_name, func.count()).group_by(draft.c.table_name)
    found = {name: int(count) for name, count in conn.execute(query)}
    return {name: found[name] for name in ROW_TYPES if name in found}


def difference(found: Iterable[Change]) -> Difference:
    """Changes as the difference that they make."""
    added, changed, removed = [], [], []
    for one in found:
        if one.before is None and one.after is not None:
            added.append(one.after)
        elif one.before is not None and one.after is not None:
            changed.append((one.before, one.after))
        elif one.before is not None:
            removed.append(one.before)
    return Difference(added, changed, removed)


def add(conn: Connection, table: str, texts: Mapping[str, str], now: datetime) -> Row:
    """Put a new row in the draft. Needs a write transaction. Raises RowError, DraftError."""
    row = _checked(table, texts)
    key = key_of(table, row)
    held = _by_key(conn, table)
    mine = _one(conn, table, key)
    stands = (key in held) if mine is None else mine.after is not None
    if stands:
        raise DraftError(f"{key_words(table, row)} 的行已经有了，请修改那一行")
    _put(conn, table, key, held.get(key, ""), dump(row), now)
    _record(conn, now, table, f"新增 {key_words(table, row)}")
    return row


def edit(conn: Connection, table: str, key: str, texts: Mapping[str, str], now: datetime) -> Row:
    """Change a row in the draft; its key stays. Raises RowError, DraftError."""
    row = _checked(table, texts)
    if key_of(table, row) != key:
        raise DraftError("编码等区分各行的栏目不能修改；请删除该行后另行新增")
    before = _standing(conn, table, key)
    _put(conn, table, key, before, dump(row), now)
    _record(conn, now, table, f"修改 {key_words(table, row)}")
    return row


def remove(conn: Connection, table: str, key: str, now: datetime) -> None:
    """Let a row go with the draft; one that is only in the draft is gone at once. DraftError."""
    before = _standing(conn, table, key)
    _put(conn, table, key, before, "", now)
    _record(conn, now, table, f"删除 {key}")


def discard(conn: Connection, now: datetime, table: str, key: str | None = None) -> int:
    """Take back one change of a table, or all of them; how many that were."""
    gone = delete(draft).where(draft.c.table_name == table)
    if key is not None:
        gone = gone.where(draft.c.row_key == key)
    count = conn.execute(gone).rowcount
    if count:
        _record(conn, now, table, f"放弃草稿 {count} 行")
    return count


def take(conn: Connection, table: str, rows: Sequence[Row], now: datetime) -> Difference:
    """Make the draft of a table lead to `rows`, whatever it was before; what it then changes."""
    made = base_data_diff.between(table, dictionary.rows(conn, table), rows)
    conn.execute(delete(draft).where(draft.c.table_name == table))
    pairs: list[tuple[Row | None, Row | None]] = [(None, row) for row in made.added]
    pairs += made.changed
    pairs += [(row, None) for row in made.removed]
    who = audit.actor()[:64]
    upsert(
        conn,
        draft,
        [
            {
                "table_name": table,
                "row_key": key_of(table, after or before or {}),
                "before": "" if before is None else dump(before),
                "after": "" if after is None else dump(after),
                "at": now,
                "actor": who,
            }
            for before, after in pairs
        ],
    )
    _record(conn, now, table, f"由文件导入草稿：{made.words()}")
    return made


def put_in_force(
    conn: Connection, now: datetime, *, valid_from: date | None = None
) -> dict[str, Import]:
    """Replace all tables that are in draft: one new version. Needs a write transaction.

    Coefficients that change hold from `valid_from` on (`dictionary.import_tables`). Raises
    DraftError, or TableError for a table that would be left empty; the transaction is then to be
    rolled back.
    """
    state.locked(conn, state.DIC_VERSION, 1)
    found = changes(conn)
    if not found:
        raise DraftError("草稿中没有任何改动")
    stale = [one for one in found if one.stale]
    if stale:
        named = "；".join(f"{one.table} {one.key}" for one in stale[:10])
        more = f" 等 {len(stale)} 行" if len(stale) > 10 else ""
        raise DraftError(f"以下各行在起草之后已被改动，请放弃或重新修改：{named}{more}")
    texts = {
        table: dictionary_csv.write(table, after(conn, table, found))
        for table in {one.table for one in found}
    }
    done = dictionary.import_tables(conn, texts, now, valid_from=valid_from)
    for one in found:
        conn.execute(
            delete(draft).where(draft.c.table_name == one.table, draft.c.row_key == one.key)
        )
    return done


def after(conn: Connection, table: str, found: Iterable[Change]) -> list[Row]:
    """The table as it will be."""
    new = {one.key: one.after for one in found if one.table == table}
    return base_data_diff.applied(table, dictionary.rows(conn, table), new)


def _checked(table: str, texts: Mapping[str, str]) -> Row:
    row, wrong = dictionary_csv.row_of(table, texts)
    if wrong:
        raise RowError(wrong)
    return row


def _by_key(conn: Connection, table: str) -> dict[str, str]:
    """The rows in force as text, by key."""
    return {key_of(table, row): dump(row) for row in dictionary.rows(conn, table)}


def _one(conn: Connection, table: str, key: str) -> Change | None:
    query = select(draft).where(draft.c.table_name == table, draft.c.row_key == key)
    row = conn.execute(query).first()
    if row is None:
        return None
    return Change(table, key, _row(row.before), _row(row.after), row.at, row.actor)


def _standing(conn: Connection, table: str, key: str) -> str:
    """The row in force ("": none) of a row that stands, in force or in draft; else DraftError."""
    held = _by_key(conn, table).get(key, "")
    mine = _one(conn, table, key)
    if not held and (mine is None or mine.after is None):
        raise DraftError("这一行已经不在了，请刷新页面")
    return held


def _put(conn: Connection, table: str, key: str, before: str, new: str, now: datetime) -> None:
    """Write a change; one that changes nothing is taken out."""
    if before == new:
        conn.execute(delete(draft).where(draft.c.table_name == table, draft.c.row_key == key))
        return
    row = {"table_name": table, "row_key": key, "before": before, "after": new}
    upsert(conn, draft, [{**row, "at": now, "actor": audit.actor()[:64]}])


def _record(conn: Connection, now: datetime, table: str, detail: str) -> None:
    audit.record(conn, now, audit.OPERATOR, "", _ACTION, table, detail=detail)


def _row(text: str) -> Row | None:
    if not text:
        return None
    row: Row = json.loads(text)
    return row
