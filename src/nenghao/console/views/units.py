"""The list of units (用能单位列表): searched, filtered, sorted and paged by the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    String,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from nenghao.console.views import unit_state
from nenghao.console.views.unit_state import UnitState
from nenghao.platform import companies, dictionary, table_file
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import device, unit
from nenghao.standard import industries, regions
from nenghao.standard.regions import CITY, COUNTY, RegionTable

LEVELS: Final[Mapping[int, str]] = {
    1: "5000 吨以下",
    2: "5000～1 万吨",
    3: "1 万～10 万吨",
    4: "10 万～50 万吨",
    5: "50 万～300 万吨",
    6: "300 万吨以上",
}
"""energyConsumeLevel (年综合能耗, 吨标准煤; A.4), the numbers 1 to 6 of the wire."""

SORTS: Final = ("name", "code", "region", "industry", "level", "state", "last_upload")


@dataclass(frozen=True)
class Wanted:
    """What is searched for; empty: everything."""

    text: str = ""
    """Part of the name or of the code."""
    region: str = ""
    """Six digits, with all below."""
    industry: str = ""
    """A letter and digits, with all under it."""
    level: int | None = None
    category: str = ""
    """typeCode (单位类别, A.7)."""
    state: UnitState | None = None


@dataclass(frozen=True)
class Slice:
    """Which rows, in which order."""

    sort: str = "name"
    descending: bool = False
    limit: int | None = 50
    offset: int = 0


@dataclass(frozen=True)
class UnitRow:
    """One unit in the list."""

    code: str
    name: str
    region: str
    region_name: str
    industry: str
    """"" where it never uploaded its basic information."""
    industry_name: str
    level: str
    """The range in words, "" where it is not known."""
    category: str
    devices: int
    upload_time: str
    last_upload: datetime | None
    state: UnitState


@dataclass(frozen=True)
class UnitRows:
    """A page of the list, and how many there are in all."""

    rows: list[UnitRow]
    total: int


@dataclass(frozen=True)
class Choices:
    """What the filters offer: name by code."""

    regions: dict[str, str]
    industries: dict[str, str]
    categories: dict[str, str]
    levels: dict[int, str]


def search(conn: Connection, wanted: Wanted, part: Slice, now: datetime) -> UnitRows:
    """The units that match; the total counts those of all pages."""
    found = _matching(wanted, now).subquery()
    total = conn.execute(select(func.count()).select_from(found)).scalar_one()
    return UnitRows(list(_rows(conn, wanted, part, now)), total)


def counts(conn: Connection, wanted: Wanted, now: datetime) -> dict[UnitState, int]:
    """How many of the matching units are in each state, whatever state is searched for."""
    found = _matching(replace(wanted, state=None), now, stated=True).subquery()
    query = select(found.c.state, func.count()).group_by(found.c.state)
    told = {UnitState(state): number for state, number in conn.execute(query)}
    return {state: told.get(state, 0) for state in UnitState}


def choices(conn: Connection) -> Choices:
    """Cities and counties, and of industries and categories those that units have."""
    known = dictionary.vocabulary(conn).regions
    places = {
        region.code: ("　" if region.type == COUNTY else "") + region.name
        for region in sorted(known, key=lambda region: region.code)
        if region.type in (CITY, COUNTY)
    }
    names = dictionary.names(conn, "industry")
    query = select(company.c.industry).where(company.c.industry != "").distinct()
    used = {
        code[:length]
        for code in conn.execute(query).scalars()
        for length in (1, 3, 4, 5)
        if len(code) >= length
    }
    table = unit_categories(conn)
    return Choices(
        places, {code: f"{code} {names.get(code, '')}".strip() for code in sorted(used)}, table,
        dict(LEVELS),
    )  # fmt: skip


def unit_categories(conn: Connection) -> dict[str, str]:
    """The unit categories (单位类别) by code."""
    return {code: f"{code} {name}" for code, name in dictionary.names(conn, "entType").items()}


HEADER: Final = (
    "统一社会信用代码", "名称", "行政区划代码", "行政区划", "行业代码", "行业",
    "年综合能耗（吨标准煤）", "单位类别", "端设备数", "上报时间点", "最近上传", "状态",
)  # fmt: skip


def export(conn: Connection, wanted: Wanted, part: Slice, now: datetime, suffix: str) -> bytes:
    """All units that match as a file, `.csv` or `.xlsx`; nothing in it becomes a formula."""
    rows = _rows(conn, wanted, replace(part, limit=None, offset=0), now)
    return table_file.written(suffix, HEADER, map(_exported, rows), "用能单位")


def _exported(row: UnitRow) -> dict[str, str]:
    last = f"{row.last_upload:%Y-%m-%d %H:%M}" if row.last_upload else ""
    cells = (
        row.code, row.name, row.region, row.region_name, row.industry, row.industry_name,
        row.level, row.category, str(row.devices), row.upload_time, last, row.state.label,
    )  # fmt: skip
    return dict(zip(HEADER, cells, strict=True))


def _matching(wanted: Wanted, now: datetime, *, stated: bool = False) -> Select[Any]:
    """The ids of the units that match; with their state where that is asked for."""
    query = select(unit.c.id).outerjoin(company, company.c.unit_id == unit.c.id)
    query = query.where(*_conditions(wanted))
    if not stated and wanted.state is None:
        return query
    inner = query.add_columns(
        unit_state.last_upload().label("last"), unit_state.upload_time().label("due")
    ).subquery()
    state = unit_state.state_of(inner.c.last, inner.c.due, now).label("state")
    outer = select(inner.c.id, state)
    return outer if wanted.state is None else outer.where(state == wanted.state.value)


def _rows(conn: Connection, wanted: Wanted, part: Slice, now: datetime) -> Iterator[UnitRow]:
    page = _page(wanted, part, now).subquery()
    query = (
        select(page, unit.c.code, unit.c.name, unit.c.region.label("registered"))
        .add_columns(unit.c.region_name, company.c.region, company.c.industry)
        .add_columns(_told("energyConsumeLevel"), _told("typeCode"), _devices())
        .join_from(page, unit, unit.c.id == page.c.id)
        .outerjoin(company, company.c.unit_id == unit.c.id)
        .order_by(*_order(page.c.key, unit.c.code, part))
    )
    words = _Words.of(conn)
    for row in conn.execute(query).mappings():
        yield words.row(row)


def _page(wanted: Wanted, part: Slice, now: datetime) -> Select[Any]:
    """Id, last upload, upload time, state and what is sorted by, of the rows of one page."""
    inner = (
        select(unit.c.id, unit.c.code)
        .add_columns(unit_state.last_upload().label("last_upload"))
        .add_columns(unit_state.upload_time().label("upload_time"))
        .add_columns(_key(part.sort).label("key"))
        .outerjoin(company, company.c.unit_id == unit.c.id)
        .where(*_conditions(wanted))
        .subquery()
    )
    state = unit_state.state_of(inner.c.last_upload, inner.c.upload_time, now)
    key: ColumnElement[Any] = inner.c.key
    if part.sort == "state":
        key = case({one.value: at for at, one in enumerate(UnitState)}, value=state)
    elif part.sort == "last_upload":
        key = inner.c.last_upload
    columns = (inner.c.id, inner.c.last_upload, inner.c.upload_time)
    query = select(*columns, state.label("state"), key.label("key"))
    if wanted.state is not None:
        query = query.where(state == wanted.state.value)
    query = query.order_by(*_order(key, inner.c.code, part))
    return query.limit(part.limit).offset(part.offset or None)


def _key(sort: str) -> ColumnElement[Any]:
    """What the list is sorted by, as far as it stands in the unit's rows."""
    columns: dict[str, ColumnElement[Any]] = {
        "code": unit.c.code,
        "region": company.c.region,
        "industry": company.c.industry,
        "level": _told("energyConsumeLevel"),
    }
    return columns.get(sort, unit.c.name)


def _order(
    key: ColumnElement[Any], code: ColumnElement[Any], part: Slice
) -> list[ColumnElement[Any]]:
    ordered = key.desc() if part.descending else key.asc()
    return [ordered.nulls_last(), code]


def _devices() -> ColumnElement[Any]:
    counted = select(func.count()).where(device.c.unit_id == unit.c.id).correlate(unit)
    return counted.scalar_subquery().label("devices")


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.text:
        where.append(
            or_(
                unit.c.name.contains(wanted.text, autoescape=True),
                unit.c.code.contains(wanted.text.upper(), autoescape=True),
            )
        )
    if wanted.region and regions.prefix(wanted.region):
        where.append(company.c.region.between(*companies.region_bounds(wanted.region)))
    if wanted.industry and wanted.industry != industries.TOP:
        where.append(company.c.industry.between(*companies.industry_bounds(wanted.industry)))
    if wanted.level is not None:
        where.append(_told("energyConsumeLevel") == str(wanted.level))
    if wanted.category:
        where.append(_told("typeCode") == wanted.category)
    return where


class _Told(FunctionElement[str]):
    """A value of a unit's basic information (JSON) by its wire name, as text; else NULL."""

    type = String()
    inherit_cache = True


def _told(name: str) -> ColumnElement[str]:
    return _Told(company.c.content, literal(name)).label(name)


@compiles(_Told, "sqlite")
def _on_sqlite(element: _Told, compiler: Any, **given: Any) -> str:
    content, name = (compiler.process(one, **given) for one in element.clauses)
    return f"CAST(json_extract(CAST({content} AS TEXT), '$.' || {name}) AS TEXT)"


@compiles(_Told, "postgresql")
def _on_postgresql(element: _Told, compiler: Any, **given: Any) -> str:
    content, name = (compiler.process(one, **given) for one in element.clauses)
    return f"(convert_from({content}, 'UTF8')::json ->> {name})"


@dataclass(frozen=True)
class _Words:
    """The names of codes, as the base data have them now."""

    regions: RegionTable
    industries: Mapping[str, str]
    categories: Mapping[str, str]

    @classmethod
    def of(cls, conn: Connection) -> _Words:
        return cls(
            dictionary.vocabulary(conn).regions,
            dictionary.names(conn, "industry"),
            dictionary.names(conn, "entType"),
        )

    def row(self, row: RowMapping) -> UnitRow:
        region = row["region"] or row["registered"]
        level, category = row["energyConsumeLevel"] or "", row["typeCode"] or ""
        return UnitRow(
            code=row["code"],
            name=row["name"],
            region=region,
            region_name=place_name(self.regions, region) or row["region_name"],
            industry=row["industry"] or "",
            industry_name=self.industries.get(row["industry"] or "", ""),
            level=LEVELS.get(int(level), level) if level.isdigit() else "",
            category=self.categories.get(category, category),
            devices=row["devices"],
            upload_time=row["upload_time"] or "",
            last_upload=row["last_upload"],
            state=UnitState(row["state"]),
        )


def place_name(known: RegionTable, code: str) -> str:
    """City and county of a region, without the province; "" when unknown."""
    names = known.full_name(code)
    province = known.name(f"{code[:2]}0000")
    return names.removeprefix(province) or names
