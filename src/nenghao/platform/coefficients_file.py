"""Dated coefficients as a CSV or Excel list (折标系数表): taken whole or not at all.

How such files are read is `table_file`'s business, what a coefficient does `coefficients`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import Connection

from nenghao.platform import coefficients
from nenghao.platform.coefficients import Change, CoefficientError, decimal, plain, range_text
from nenghao.platform.table_file import FileError, Line
from nenghao.standard import energy
from nenghao.standard.coefficients import Coefficient, Coefficients
from nenghao.standard.energy_amounts import Kind

HEADER: Final = ("classCode", "code", "validFrom", "zbckz", "dwzbxs", "range", "source")
MOST_ERRORS: Final = 20
SOURCE_LENGTH: Final = 200

_CLASS = re.compile("[0-9]{2}")
_CODE = re.compile("[0-9]{4}")


class _Wanted(NamedTuple):
    row: int
    kind: Kind
    valid_from: date
    zbckz: Decimal
    dwzbxs: Decimal | None
    bounds: tuple[Decimal, Decimal] | None
    source: str


def rows(known: Iterable[Coefficient]) -> list[dict[str, str]]:
    """The coefficients by the header's names; from the beginning is an empty `validFrom`."""
    return [
        {
            "classCode": one.kind.energy_class,
            "code": one.kind.code,
            "validFrom": _date_text(one),
            "zbckz": plain(one.zbckz),
            "dwzbxs": plain(one.dwzbxs),
            "range": range_text(one),
            "source": one.source,
        }
        for one in known
    ]


def _date_text(one: Coefficient) -> str:
    beginning = one.valid_from is None or one.valid_from <= coefficients.BEGINNING
    return "" if beginning else str(one.valid_from)


def take(conn: Connection, lines: Iterable[Line], now: datetime) -> list[Change]:
    """Set every row of a file; the changes, without rows that hold already.

    Needs a write transaction, in which nothing is done when FileError comes: it names the rows
    and columns that are wrong.
    """
    changes = proposals(coefficients.table(conn), lines)
    for change in changes:
        coefficients.apply(conn, change, now)
    return changes


def proposals(known: Coefficients, lines: Iterable[Line]) -> list[Change]:
    """What `take` would change where `known` holds; FileError."""
    errors: list[str] = []
    wanted = [one for line in lines if (one := _wanted(*line, errors)) is not None]
    firsts: dict[tuple[Kind, date], int] = {}
    for one in wanted:
        first = firsts.setdefault((one.kind, one.valid_from), one.row)
        if first != one.row:
            errors.append(f"第 {one.row} 行：品种与生效日期与第 {first} 行重复")
    changes = []
    for one in sorted(wanted, key=lambda one: (one.kind, one.valid_from)) if not errors else ():
        try:
            change = coefficients.propose(
                known,
                one.kind,
                one.zbckz,
                valid_from=one.valid_from,
                dwzbxs=one.dwzbxs,
                bounds=one.bounds,
                source=one.source,
            )
        except CoefficientError as error:
            errors.append(f"第 {one.row} 行：{error}")
            continue
        if change is not None:
            changes.append(change)
            known = coefficients.with_changes(known, [change])
    if errors:
        more = [f"另有 {len(errors) - MOST_ERRORS} 处"] if len(errors) > MOST_ERRORS else []
        raise FileError("\n".join([*errors[:MOST_ERRORS], *more]))
    return changes


def _wanted(row: int, cells: list[str], errors: list[str]) -> _Wanted | None:
    """A row's meaning; None when it has errors, which are added."""
    before = len(errors)
    told = dict(zip(HEADER, (cell.strip() for cell in cells), strict=True))

    def bad(name: str, reason: str) -> None:
        errors.append(f"第 {row} 行 {name} 列：{reason}")

    def number(name: str, text: str) -> Decimal:
        try:
            return decimal(text)
        except CoefficientError as error:
            bad(name, str(error))
            return Decimal(1)

    if not _CLASS.fullmatch(told["classCode"]):
        bad("classCode", f"应为 2 位数字，收到 {told['classCode']!r}")
    if not _CODE.fullmatch(told["code"]):
        bad("code", f"应为 4 位数字，收到 {told['code']!r}")
    valid_from = coefficients.BEGINNING
    if told["validFrom"]:
        try:
            valid_from = date.fromisoformat(told["validFrom"])
        except ValueError:
            bad("validFrom", f"应为 YYYY-MM-DD，收到 {told['validFrom']!r}")
    zbckz = number("zbckz", told["zbckz"])
    dwzbxs = number("dwzbxs", told["dwzbxs"]) if told["dwzbxs"] else None
    bounds = None
    if told["range"]:
        try:
            bounds = energy.parse_range(told["range"])
        except ValueError as error:
            bad("range", str(error))
    if len(told["source"]) > SOURCE_LENGTH:
        bad("source", f"应为至多 {SOURCE_LENGTH} 个字符")
    if len(errors) > before:
        return None
    kind = Kind(told["classCode"], told["code"])
    return _Wanted(row, kind, valid_from, zbckz, dwzbxs, bounds, told["source"])
