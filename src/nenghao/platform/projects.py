"""Key projects (重点项目): kept by the operator, answered by the exchange (7.3.3, 7.3.4, C.3, C.4).

A project is known by its code and holds the codes of its region and industry; the names that an
answer shows are the base data's at that moment. An import is checked whole and then taken whole,
or not at all. How a list looks as CSV or Excel is `table_file`'s business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from nenghao.platform import audit, dictionary
from nenghao.platform.companies import industry_bounds, region_bounds
from nenghao.platform.store.reports_schema import project
from nenghao.standard import forms, industries, regions
from nenghao.standard.findings import quote
from nenghao.standard.forms import Form, FormError
from nenghao.standard.messages.projects import Project

CODE_LENGTH: Final = 64
MOST_ERRORS: Final = 20

Row = dict[str, str]
"""A project by the header's names, all of them there, all text."""


class ProjectsError(Exception):
    """A list of projects that cannot be taken; the text lists why, by row and column."""


@dataclass(frozen=True)
class Import:
    """What an import did."""

    rows: int
    added: int
    changed: int
    unchanged: int
    removed: int


_amount = forms.matching("不小于 0 的十进制数（吨标准煤）", r"[0-9]{1,15}(?:\.[0-9]{1,10})?")
_code = forms.matching(f" 1 至 {CODE_LENGTH} 个字符", rf".{{1,{CODE_LENGTH}}}")

FORMS: Final[Mapping[str, tuple[Form, bool]]] = {
    "name": (forms.TEXT, True),
    "code": (_code, True),
    "type": (forms.TEXT, False),
    "regionCode": (forms.REGION_CODE, True),
    "industryCode": (forms.INDUSTRY_CODE, True),
    "classified_disposal": (forms.TEXT, False),
    "construction_content": (forms.TEXT, False),
    "construction_site": (forms.TEXT, False),
    "design_energy_consumption": (_amount, False),
}
"""The columns in the header's order: the form of each, and whether it may not be empty."""

HEADER: Final = tuple(FORMS)

_COLUMNS: Final = {"regionCode": "region_code", "industryCode": "industry_code"}
"""Names of the header that the table spells otherwise."""


def find(conn: Connection, region: str | None = None, industry: str | None = None) -> list[Project]:
    """The projects of a region's subtree, of an industry and all under it, or of both, by code.

    None asks for any. `region` and `industry` of the answer are names, "" where base data no
    longer know the code.
    """
    where: list[ColumnElement[bool]] = []
    if region is not None and regions.prefix(region):
        where.append(project.c.region_code.between(*region_bounds(region)))
    if industry is not None and industry != industries.TOP:
        where.append(project.c.industry_code.between(*industry_bounds(industry)))
    in_regions = dictionary.names(conn, "region")
    in_industries = dictionary.names(conn, "industry")
    columns = [project.c[_COLUMNS.get(name, name)] for name in HEADER]
    query = select(*columns).where(*where).order_by(project.c.code)
    return [
        Project(name, code, kind, in_regions.get(place, ""), in_industries.get(trade, ""), *rest)
        for name, code, kind, place, trade, *rest in conn.execute(query).all()
    ]


def listing(conn: Connection) -> list[Row]:
    """All projects by the header's names, by code: what an export writes."""
    rows = conn.execute(select(project).order_by(project.c.code)).mappings()
    return [{name: row[_COLUMNS.get(name, name)] for name in HEADER} for row in rows]


@dataclass(frozen=True)
class Difference:
    """What an import would do."""

    rows: int
    new: list[Row]
    changed: list[tuple[Row, Row]]
    """Projects as they are, and as they would be."""
    gone: list[Row]

    @property
    def digest(self) -> str:
        """Of it all: two differences are the same where this is."""
        told = json.dumps([self.rows, self.new, self.changed, self.gone], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()


def difference(
    conn: Connection, cells: Iterable[tuple[int, Sequence[str]]], *, whole: bool = False
) -> Difference:
    """What `replace_or_add` would do with these rows; ProjectsError as there."""
    rows = _checked(conn, cells)
    held = {row["code"]: row for row in listing(conn)}
    new = [row for code, row in rows.items() if code not in held]
    pairs = ((held[code], row) for code, row in rows.items() if code in held)
    gone = [held[code] for code in sorted(held.keys() - rows.keys())] if whole else []
    return Difference(len(rows), new, [pair for pair in pairs if pair[0] != pair[1]], gone)


def replace_or_add(
    conn: Connection,
    cells: Iterable[tuple[int, Sequence[str]]],
    now: datetime,
    *,
    whole: bool = False,
    source: str = "",
    actor: str = audit.OPERATOR,
    seen: str = "",
) -> Import:
    """Take the rows of a file in, each with its number, its cells in the header's order.

    A project whose code is known is replaced, others are added; with `whole` those that the file
    lacks are removed. Needs a write transaction. Raises ProjectsError, nothing being changed, for
    any row that is not right, and where it would do something else than the difference of the
    digest `seen`. `source` names the file in the audit trail.
    """
    told = difference(conn, cells, whole=whole)
    if seen and told.digest != seen:
        raise ProjectsError("重点项目在比较之后已被改动，请重新比较")
    if told.new:
        conn.execute(insert(project), [_stored(row, now) for row in told.new])
    for _, row in told.changed:
        conn.execute(update(project).where(project.c.code == row["code"]).values(_stored(row, now)))
    for row in told.gone:
        conn.execute(delete(project).where(project.c.code == row["code"]))
    new, changed, gone = len(told.new), len(told.changed), len(told.gone)
    done = Import(told.rows, new, changed, told.rows - new - changed, gone)
    detail = (
        f"{done.rows} 个项目，新增 {done.added}，修改 {done.changed}，"
        f"未变 {done.unchanged}，删除 {done.removed}"
    )
    audit.record(conn, now, actor, "", "projects.import", source, detail=detail)
    return done


def add(conn: Connection, row: Row, now: datetime) -> None:
    """Add one project; ProjectsError for what is wrong with it, and for a code that is known."""
    made = _one(conn, row)
    known = conn.execute(select(project.c.name).where(project.c.code == made["code"])).scalar()
    if known is not None:
        raise ProjectsError(f"code：已有这个代码的项目 {quote(known)}")
    conn.execute(insert(project), [_stored(made, now)])
    audit.record(conn, now, audit.OPERATOR, "", "projects.add", made["code"], detail=made["name"])


def change(conn: Connection, before: Row, row: Row, now: datetime) -> None:
    """Change one project, which the operator saw as `before`; its code stays.

    Raises ProjectsError for what is wrong with it, and where it is no longer as it was seen.
    """
    made = _one(conn, row | {"code": before["code"]})
    _as_seen(conn, before)
    conn.execute(update(project).where(project.c.code == made["code"]).values(_stored(made, now)))
    altered = [name for name in HEADER if made[name] != before[name]]
    detail = "；".join(f"{name}：{before[name]} → {made[name]}" for name in altered)
    audit.record(conn, now, audit.OPERATOR, "", "projects.change", made["code"], detail=detail)


def remove(conn: Connection, before: Row, now: datetime) -> None:
    """Remove one project, which the operator saw as `before`; ProjectsError where it changed."""
    _as_seen(conn, before)
    conn.execute(delete(project).where(project.c.code == before["code"]))
    code, name = before["code"], before["name"]
    audit.record(conn, now, audit.OPERATOR, "", "projects.remove", code, detail=name)


def get(conn: Connection, code: str) -> Row | None:
    """One project by the header's names; None where there is none of that code."""
    query = select(project).where(project.c.code == code)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else {name: row[_COLUMNS.get(name, name)] for name in HEADER}


def wrong(conn: Connection, row: Row) -> dict[str, str]:
    """What is wrong with a project, by the header's names: for a form, while one types."""
    known = _known(conn)
    found = {}
    for name in HEADER:
        try:
            _value(name, row[name].strip(), known)
        except FormError as error:
            found[name] = error.reason
    return found


def _one(conn: Connection, row: Row) -> Row:
    found = wrong(conn, row)
    if found:
        raise ProjectsError("\n".join(f"{name}：{reason}" for name, reason in found.items()))
    known = _known(conn)
    return {name: _value(name, row[name].strip(), known) for name in HEADER}


def _as_seen(conn: Connection, before: Row) -> None:
    """ProjectsError unless the project, locked until the transaction ends, is as it was seen."""
    query = select(project.c.code).where(project.c.code == before["code"]).with_for_update()
    if conn.execute(query).scalar() is None:
        raise ProjectsError(f"项目 {before['code']} 已被删除")
    if get(conn, before["code"]) != before:
        raise ProjectsError(f"项目 {before['code']} 已被改动，请重新打开后再试")


def _known(conn: Connection) -> Mapping[str, Mapping[str, str]]:
    return {
        "regionCode": dictionary.names(conn, "region"),
        "industryCode": dictionary.names(conn, "industry"),
    }


def _checked(conn: Connection, cells: Iterable[tuple[int, Sequence[str]]]) -> dict[str, Row]:
    """The rows by code; ProjectsError naming up to `MOST_ERRORS` places."""
    errors: list[str] = []
    rows: dict[str, Row] = {}
    firsts: dict[str, int] = {}
    known = _known(conn)
    for number, values in cells:
        place = f"第 {number} 行"
        row = {}
        for name, value in zip(HEADER, values, strict=True):
            try:
                row[name] = _value(name, value.strip(), known)
            except FormError as error:
                shown = f"，收到 {quote(value)}" if value.strip() else ""
                errors.append(f"{place} {name} 列：{error.reason}{shown}")
        if len(row) < len(HEADER):
            continue
        first = firsts.setdefault(row["code"], number)
        if first != number:
            errors.append(f"{place} code 列：与第 {first} 行重复，收到 {quote(row['code'])}")
        rows[row["code"]] = row
    if not firsts and not errors:
        errors.append("文件中没有任何项目")
    if errors:
        raise ProjectsError("\n".join(_few(errors)))
    return rows


def _value(name: str, value: str, known: Mapping[str, Mapping[str, str]]) -> str:
    form, needed = FORMS[name]
    if not value:
        if needed:
            raise FormError("缺失")
        return ""
    text: str = form.check(value)
    if name in known and text not in known[name]:
        raise FormError("基础数据中没有这个代码")
    return text


def _few(errors: Sequence[str]) -> Iterator[str]:
    yield from errors[:MOST_ERRORS]
    if len(errors) > MOST_ERRORS:
        yield f"另有 {len(errors) - MOST_ERRORS} 处"


def _stored(row: Row, now: datetime) -> dict[str, Any]:
    return {_COLUMNS.get(name, name): row[name] for name in HEADER} | {"updated_at": now}
