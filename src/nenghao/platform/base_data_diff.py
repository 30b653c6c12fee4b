"""What tells two states of a base data table apart (差异): rows that came, changed and went. Pure.

Rows are told apart by `dictionary_csv.KEYS`; the order of a table is no difference. What is in
force and what is in draft is the business of `dictionary` and `base_data_drafts`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec
import zstandard

from nenghao.platform.dictionary_csv import KEYS, Row

_LEVEL: Final = 3


@dataclass(frozen=True)
class Difference:
    """The rows of one table in which two states differ, by wire names."""

    added: Sequence[Row] = ()
    changed: Sequence[tuple[Row, Row]] = ()
    """Before and after."""
    removed: Sequence[Row] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many rows came, changed, went."""
        return len(self.added), len(self.changed), len(self.removed)

    def words(self) -> str:
        """The counts for people."""
        return "，".join(
            f"{word} {count} 行"
            for word, count in zip(("新增", "修改", "删除"), self.counts, strict=True)
        )


def between(table: str, old: Iterable[Row], new: Iterable[Row]) -> Difference:
    """What makes `new` of `old`."""
    before = {key_of(table, row): row for row in old}
    after = {key_of(table, row): row for row in new}
    return Difference(
        added=[row for key, row in after.items() if key not in before],
        changed=[
            (before[key], row)
            for key, row in after.items()
            if key in before and dump(before[key]) != dump(row)
        ],
        removed=[row for key, row in before.items() if key not in after],
    )


def fields_changed(before: Row, after: Row) -> list[str]:
    """The wire names of the fields in which two rows differ."""
    return [name for name, value in after.items() if _differ(before.get(name), value)]


def key_of(table: str, row: Row) -> str:
    """What tells the row from others, as JSON."""
    return json.dumps([row[name] for name in KEYS[table]], ensure_ascii=False)


def key_words(table: str, row: Row) -> str:
    """The key for people: `code 210102`."""
    return "，".join(f"{name} {row[name]}" for name in KEYS[table] if row[name] != "")


def applied(table: str, rows: Sequence[Row], changes: dict[str, Row | None]) -> list[Row]:
    """The table with changes by key: the row as it becomes, None: it goes.

    Rows keep their place; new ones stand in order where the table is in order, else at its end.
    """
    held = [(key_of(table, row), row) for row in rows]
    known = {key for key, _ in held}
    kept = [row for key, row in ((key, changes.get(key, row)) for key, row in held) if row]
    new = [row for key, row in changes.items() if row is not None and key not in known]
    if not new:
        return kept
    ordered = _in_order(table, rows)
    made = [*kept, *new]
    return sorted(made, key=lambda row: _order(table, row)) if ordered else made


def pack(difference: Difference) -> bytes:
    """A difference as the database keeps it."""
    plain = [difference.added, difference.changed, difference.removed]
    return zstandard.compress(msgspec.json.encode(plain), _LEVEL)


def unpack(data: bytes) -> Difference:
    """What `pack` packed."""
    added, changed, removed = msgspec.json.decode(zstandard.decompress(data))
    return Difference(added, [(before, after) for before, after in changed], removed)


def dump(row: Row) -> str:
    """A row as `dictionary_row` has it."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _differ(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or bool(one != other)


def _order(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[table])


def _in_order(table: str, rows: Sequence[Row]) -> bool:
    keys = [_order(table, row) for row in rows]
    return all(one < other for one, other in pairwise(keys))
