"""Dated reference coefficients (折标系数): what a unit of an energy type is in standard coal, when.

The base data's values hold from the beginning until a dated row follows; the latest row whose
`valid_from` is not after the day holds. A row comes from the operator (`set_`), or from an import
of base data that changes zbckz or dwzbxs (`follow`): then the old value is kept from the
beginning, so that past periods stay as they were. Every change is audited and marks the totals
that it touches. Lists of them as files are `coefficients_file`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, select

from nenghao.platform import audit, coefficients_history
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.reports_schema import coefficient
from nenghao.platform.store.schema import dictionary_row
from nenghao.platform.totals import marks
from nenghao.standard.coefficients import Coefficient, Coefficients
from nenghao.standard.energy import ENERGY_TYPES, parse_range
from nenghao.standard.energy_amounts import Kind

BEGINNING = date(2000, 1, 1)
"""`valid_from` of a stored row that holds from the beginning: no data are older."""
LAST_DAY = date(2099, 12, 31)

ENERGY_TYPE = "energyType"
"""The base data table that has the coefficients."""

FROM_DICTIONARY = "基础数据"
BY_OPERATOR = "人工设置"
"""Where a coefficient comes from that nobody says more about."""

_LARGEST = Decimal(1000)
_SMALLEST = Decimal("0.000000001")
_MOST_DECIMALS = 10


class CoefficientError(Exception):
    """A coefficient that cannot be set; the text says why, in Chinese."""


@dataclass(frozen=True)
class Change:
    """What a new row did: the types' totals from `valid_from` on are touched."""

    kind: Kind
    valid_from: date
    before: Coefficient | None
    """What held on that day until now."""
    after: Coefficient


def table(conn: Connection) -> Coefficients:
    """Every coefficient as it stands in this transaction."""
    bases = _of_dictionary(_dictionary_rows(conn))
    return _dated(bases, _stored(conn, bases))


def set_(
    conn: Connection,
    kind: Kind,
    zbckz: Decimal,
    *,
    valid_from: date,
    now: datetime,
    dwzbxs: Decimal | None = None,
    bounds: tuple[Decimal, Decimal] | None = None,
    source: str = "",
    actor: str = audit.OPERATOR,
) -> Change | None:
    """Let a coefficient hold from `valid_from` on, until the next dated row; None: it did already.

    Without `dwzbxs` and `bounds` those that held before go on, the bounds if they hold `zbckz`.
    Needs a write transaction. Raises CoefficientError for a type that base data do not know.
    """
    change = propose(
        table(conn),
        kind,
        zbckz,
        valid_from=valid_from,
        dwzbxs=dwzbxs,
        bounds=bounds,
        source=source,
    )
    if change is not None:
        apply(conn, change, now, actor)
    return change


def propose(
    known: Coefficients,
    kind: Kind,
    zbckz: Decimal,
    *,
    valid_from: date,
    dwzbxs: Decimal | None = None,
    bounds: tuple[Decimal, Decimal] | None = None,
    source: str = "",
) -> Change | None:
    """What `set_` would do where `known` holds; None: it holds already. CoefficientError."""
    before = known.of(kind, valid_from)
    if before is None:
        raise CoefficientError(
            f"基础数据中没有分类 {kind.energy_class}、编码 {kind.code} 的带折标系数的能源品种"
        )
    if bounds is None and before.bounds is not None:
        low, high = before.bounds
        bounds = before.bounds if low <= zbckz <= high else None
    after = replace(
        before,
        zbckz=zbckz,
        dwzbxs=before.dwzbxs if dwzbxs is None else dwzbxs,
        bounds=bounds,
        source=source or BY_OPERATOR,
        valid_from=valid_from,
    )
    _check(after)
    if _same(before, after) and source in ("", before.source):
        return None
    return Change(kind, valid_from, before, after)


def apply(conn: Connection, change: Change, now: datetime, actor: str = audit.OPERATOR) -> None:
    """Do what was proposed. Needs a write transaction."""
    _write(conn, [change.after], now)
    _announce(conn, change, now, actor, "coefficient.set")


def with_changes(known: Coefficients, changes: Iterable[Change]) -> Coefficients:
    """What holds once these changes are made."""
    rows = {(one.kind, _since(one)): one for one in known}
    rows |= {(one.kind, one.valid_from): one.after for one in changes}
    return Coefficients(rows.values())


def follow(
    conn: Connection,
    old: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
    valid_from: date,
    now: datetime,
) -> list[Change]:
    """Make dated rows of what an import of base data changed: `old` and `new` are its rows.

    A type that the new table lacks, or has without a coefficient, keeps the one it had.
    """
    changes, rows = _following(conn, old, new, valid_from)
    _write(conn, rows, now)
    for change in changes:
        _announce(conn, change, now, audit.OPERATOR, "coefficient.base-data")
    return changes


def would_follow(
    conn: Connection,
    old: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
    valid_from: date,
) -> list[Change]:
    """The changes that `follow` would make."""
    return _following(conn, old, new, valid_from)[0]


def _following(
    conn: Connection,
    old: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
    valid_from: date,
) -> tuple[list[Change], list[Coefficient]]:
    """The changes that follow, and the rows to write."""
    olds, news = _of_dictionary(old), _of_dictionary(new)
    stored = _stored(conn, {**olds, **news})
    before = _dated(olds, stored)
    changes: list[Change] = []
    rows: list[Coefficient] = []
    for kind in sorted(olds.keys() | news.keys()):
        was, becomes = olds.get(kind), news.get(kind)
        if was is not None and becomes is not None and _same(was, becomes):
            continue
        first = next(iter(stored.get(kind, ())), None)
        if was is not None and (first is None or _since(first) > BEGINNING):
            rows.append(was)
        held = before.of(kind, valid_from)
        if becomes is None or (held is not None and _same(held, becomes)):
            continue
        if was is None and first is None:
            changes.append(Change(kind, BEGINNING, None, becomes))  # new: for all of its data
            continue
        dated = replace(becomes, valid_from=valid_from)
        rows.append(dated)
        changes.append(Change(kind, valid_from, held, dated))
    return changes, rows


def decimal(text: str) -> Decimal:
    """A positive decimal of at most ten places; CoefficientError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and value.is_finite()):
        raise CoefficientError(f"应为正的十进制数，收到 {text!r}")
    if not _SMALLEST <= value <= _LARGEST or -int(value.as_tuple().exponent) > _MOST_DECIMALS:
        raise CoefficientError(f"应为不大于 {_LARGEST}、至多十位小数的正数，收到 {text!r}")
    return value


def plain(value: Decimal) -> str:
    """A decimal as people write it, without exponent."""
    return format(value, "f")


def range_text(one: Coefficient) -> str:
    """The bounds as `low-high`, "" without."""
    return "" if one.bounds is None else f"{plain(one.bounds[0])}-{plain(one.bounds[1])}"


def _check(one: Coefficient) -> None:
    for value in (one.zbckz, one.dwzbxs, *(one.bounds or ())):
        decimal(plain(value))
    if one.bounds is not None and not one.bounds[0] <= one.zbckz <= one.bounds[1]:
        raise CoefficientError(f"折标系数 {plain(one.zbckz)} 不在范围 {range_text(one)} 内")
    if not BEGINNING <= _since(one) <= LAST_DAY:
        raise CoefficientError(
            f"生效日期应在 {BEGINNING} 至 {LAST_DAY} 之间，收到 {one.valid_from}"
        )


def _since(one: Coefficient) -> date:
    return one.valid_from or BEGINNING


def _same(one: Coefficient, other: Coefficient) -> bool:
    return (one.zbckz, one.dwzbxs, one.bounds) == (other.zbckz, other.dwzbxs, other.bounds)


def _dated(
    bases: Mapping[Kind, Coefficient], stored: Mapping[Kind, Sequence[Coefficient]]
) -> Coefficients:
    """The dictionary's from the beginning, unless a row of that day stands for them."""
    rows = [row for dated in stored.values() for row in dated]
    taken = {kind for kind, dated in stored.items() if _since(dated[0]) <= BEGINNING}
    return Coefficients([*rows, *(one for kind, one in bases.items() if kind not in taken)])


def _dictionary_rows(conn: Connection) -> list[dict[str, Any]]:
    query = select(dictionary_row.c.row).where(dictionary_row.c.table_name == ENERGY_TYPE)
    return [json.loads(text) for text in conn.execute(query).scalars()]


def _of_dictionary(rows: Iterable[Mapping[str, Any]]) -> dict[Kind, Coefficient]:
    """What base data say; of a `low-high` the middle holds (docs/reports)."""
    found = {}
    for row in rows:
        if not row["zbckz"] or not row["classCode"]:  # 能源合计 is itself a total
            continue
        kind = Kind(row["classCode"], row["code"])
        if "-" in row["zbckz"]:
            bounds: tuple[Decimal, Decimal] | None = parse_range(row["zbckz"])
            zbckz = sum(parse_range(row["zbckz"])) / Decimal(2)
            source = f"{FROM_DICTIONARY}（{row['zbckz']} 的中值）"
        else:
            zbckz = Decimal(row["zbckz"])
            bounds, source = _packaged(kind, zbckz)
        found[kind] = Coefficient(
            kind=kind,
            zbckz=zbckz,
            dwzbxs=Decimal(repr(row["dwzbxs"])),
            bounds=bounds,
            unit=row["unit"],
            nhzbdw=row["nhzbdw"],
            name=row["name"],
            source=source,
        )
    return found


def _packaged(kind: Kind, zbckz: Decimal) -> tuple[tuple[Decimal, Decimal] | None, str]:
    """Bounds and source of the packaged table, as far as they go with what base data say."""
    known = ENERGY_TYPES.get(*kind)
    if known is None:
        return None, FROM_DICTIONARY
    bounds = known.bounds
    if bounds is not None and not bounds[0] <= zbckz <= bounds[1]:
        bounds = None
    same = known.zbckz != "" and Decimal(known.zbckz) == zbckz
    return bounds, f"{FROM_DICTIONARY}（{known.source}）" if same else FROM_DICTIONARY


def _stored(conn: Connection, named: Mapping[Kind, Coefficient]) -> dict[Kind, list[Coefficient]]:
    """The dated rows by type, oldest first; names and units are those of the dictionary."""
    query = select(coefficient).order_by(
        coefficient.c.energy_class, coefficient.c.energy_type, coefficient.c.valid_from
    )
    found: dict[Kind, list[Coefficient]] = {}
    for row in conn.execute(query):
        kind = Kind(row.energy_class, row.energy_type)
        one = Coefficient(
            kind=kind,
            zbckz=Decimal(row.zbckz),
            dwzbxs=Decimal(row.dwzbxs),
            bounds=parse_range(row.bounds) if row.bounds else None,
            source=row.source,
            valid_from=row.valid_from,
        )
        base = named.get(kind)
        if base is not None:
            one = replace(one, unit=base.unit, nhzbdw=base.nhzbdw, name=base.name)
        found.setdefault(kind, []).append(one)
    return found


def _write(conn: Connection, rows: Iterable[Coefficient], now: datetime) -> None:
    listed = [
        {
            "energy_class": one.kind.energy_class,
            "energy_type": one.kind.code,
            "valid_from": _since(one),
            "zbckz": plain(one.zbckz),
            "dwzbxs": plain(one.dwzbxs),
            "bounds": range_text(one),
            "source": one.source,
            "set_at": now,
        }
        for one in rows
    ]
    upsert(conn, coefficient, listed)


def _announce(conn: Connection, change: Change, now: datetime, actor: str, action: str) -> None:
    marks.touch_kind(conn, change.kind, change.valid_from)
    before = "" if change.before is None else _shown(change.before)
    after = _shown(change.after)
    who = audit.actor() if actor == audit.OPERATOR else actor
    coefficients_history.note(
        conn, change.kind, change.valid_from, before, after, actor=who, now=now
    )
    subject = f"{change.kind.energy_class}/{change.kind.code}"
    detail = f"自 {change.valid_from} 起：{before or '无'} 改为 {after}"
    audit.record(conn, now, actor, "", action, subject, detail=detail)


def _shown(one: Coefficient) -> str:
    shown = f"{plain(one.zbckz)} × {plain(one.dwzbxs)}"
    return f"{shown}（{one.source}）" if one.source else shown
