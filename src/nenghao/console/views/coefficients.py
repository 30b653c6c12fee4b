"""Coefficients on the console (折标系数): what holds on a day by energy type, and what held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection

from nenghao.platform import coefficients, coefficients_file, coefficients_history, table_file
from nenghao.platform.coefficients import BEGINNING, Change, plain, range_text
from nenghao.platform.coefficients_history import Entry
from nenghao.platform.table_file import Line
from nenghao.standard.coefficients import Coefficient, Coefficients
from nenghao.standard.energy import DATA_CLASSES
from nenghao.standard.energy_amounts import Kind

SORTS: Final = ("kind", "name", "factor", "valid_from")

_SOURCES: Final[Mapping[str, str]] = {
    "from memory": "待现场确认",
    "field sample": "现场系统所见",
    "standard ": "标准 ",
    "(equivalent ": "（当量值 ",
    "kgce/kWh)": "千克标准煤/千瓦时）",
    "kgce/MJ)": "千克标准煤/兆焦）",
}
"""What the packaged table says of its values' sources, in Chinese."""


class NoKind(LookupError):
    """There is no coefficient of that type; the text says so in Chinese."""


@dataclass(frozen=True)
class Row:
    """A coefficient as it is shown."""

    kind: str
    """Class and type, six digits: 023300."""
    class_name: str
    name: str
    zbckz: str
    dwzbxs: str
    nhzbdw: str
    factor: str
    """All of it in words: `1.229 吨标准煤/万千瓦时`."""
    tce: str
    """吨标准煤 per `unit`."""
    unit: str
    bounds: str
    valid_from: str
    """"" from the beginning."""
    until: str
    """The day before the next dated row, "" without one."""
    source: str


@dataclass(frozen=True)
class Listed:
    """Some of the types, and how many there are."""

    rows: Sequence[Row]
    total: int


@dataclass(frozen=True)
class Search:
    """Which types are wanted, as they hold on `day`."""

    day: date
    text: str = ""
    energy_class: str = ""
    changed: bool = False
    """Only types with a dated row."""
    sort: str = ""
    descending: bool = False
    limit: int = 20
    offset: int = 0


def listing(conn: Connection, wanted: Search) -> Listed:
    """What holds on the day, one row a type."""
    by_kind = _by_kind(coefficients.table(conn))
    rows = []
    for kind, dated in by_kind.items():
        held = [at for at, one in enumerate(dated) if _since(one) <= wanted.day]
        if not held or (wanted.changed and len(dated) == 1):
            continue
        if wanted.energy_class and kind.energy_class != wanted.energy_class:
            continue
        row = _row(dated, held[-1])
        if _meets(row, wanted.text):
            rows.append(row)
    if wanted.sort == "factor":
        rows.sort(key=lambda row: float(row.tce), reverse=wanted.descending)
    elif wanted.sort in SORTS:
        rows.sort(key=lambda row: str(getattr(row, wanted.sort)), reverse=wanted.descending)
    return Listed(rows[wanted.offset : wanted.offset + wanted.limit], len(rows))


def classes(conn: Connection) -> dict[str, str]:
    """The classes that have types with coefficients, by code."""
    found = sorted({one.kind.energy_class for one in coefficients.table(conn)})
    return {code: f"{code} {DATA_CLASSES.get(code, '')}".strip() for code in found}


@dataclass(frozen=True)
class Detail:
    """One type: everything dated, what was changed, and what holds today."""

    today: Row
    dated: Sequence[Row]
    """Oldest first."""
    history: Sequence[Entry]


def detail(conn: Connection, text: str, day: date) -> Detail:
    """A type by its six digits. Raises NoKind."""
    kind = Kind(text[:2], text[2:])
    dated = _by_kind(coefficients.table(conn)).get(kind)
    if dated is None or len(text) != 6:
        raise NoKind(f"没有能源品种 {text} 的折标系数")
    held = [at for at, one in enumerate(dated) if _since(one) <= day] or [0]
    rows = [_row(dated, at) for at in range(len(dated))]
    return Detail(rows[held[-1]], rows, coefficients_history.of(conn, kind))


def list_file(conn: Connection, suffix: str) -> bytes:
    """All coefficients as a file that can be imported again, `.csv` or `.xlsx`."""
    listed = coefficients_file.rows(coefficients.table(conn))
    return table_file.written(suffix, coefficients_file.HEADER, listed, "coefficients")


@dataclass(frozen=True)
class Proposed:
    """A change that is proposed, for people."""

    kind: str
    name: str
    valid_from: str
    before: str
    after: str
    source: str


def proposed(changes: Sequence[Change]) -> list[Proposed]:
    """Changes for people."""
    return [
        Proposed(
            f"{change.kind.energy_class}{change.kind.code}",
            change.after.name,
            day_text(change.valid_from),
            "" if change.before is None else words(change.before),
            words(change.after),
            source_words(change.after.source),
        )
        for change in changes
    ]


def from_lines(conn: Connection, lines: Sequence[Line]) -> list[Change]:
    """What the rows of a file would change. Raises FileError."""
    return coefficients_file.proposals(coefficients.table(conn), lines)


def words(one: Coefficient) -> str:
    """A coefficient with its unit: `1.229 吨标准煤/万千瓦时`."""
    factor = "" if one.dwzbxs == 1 else f" × {plain(one.dwzbxs)}"
    return f"{plain(one.zbckz)}{factor} {one.nhzbdw}".strip()


def day_text(day: date | None) -> str:
    """The day that something holds from."""
    return "自始" if day is None or day <= BEGINNING else day.isoformat()


def _by_kind(known: Coefficients) -> Mapping[Kind, list[Coefficient]]:
    found: dict[Kind, list[Coefficient]] = {}
    for one in known:
        found.setdefault(one.kind, []).append(one)
    return found


def _row(dated: Sequence[Coefficient], at: int) -> Row:
    one = dated[at]
    following = dated[at + 1] if at + 1 < len(dated) else None
    return Row(
        f"{one.kind.energy_class}{one.kind.code}",
        DATA_CLASSES.get(one.kind.energy_class, ""),
        one.name,
        plain(one.zbckz),
        plain(one.dwzbxs),
        one.nhzbdw,
        words(one),
        plain(one.tce.normalize()),
        one.unit,
        range_text(one),
        day_text(one.valid_from),
        "" if following is None or following.valid_from is None else _before(following.valid_from),
        source_words(one.source),
    )


def source_words(source: str) -> str:
    """A source for people; also where it stands within other words."""
    for name, chinese in _SOURCES.items():
        source = source.replace(name, chinese)
    return source


def _before(day: date) -> str:
    return date.fromordinal(day.toordinal() - 1).isoformat()


def _since(one: Coefficient) -> date:
    return one.valid_from or BEGINNING


def _meets(row: Row, text: str) -> bool:
    wanted = text.casefold()
    return not wanted or any(
        wanted in one.casefold() for one in (row.kind, row.name, row.class_name, row.source)
    )
