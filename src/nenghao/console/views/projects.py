"""Key projects (重点项目) as the console lists them, and what an import would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select

from nenghao.platform import dictionary, projects, table_file
from nenghao.platform.companies import industry_bounds, region_bounds
from nenghao.platform.projects import Difference, Row
from nenghao.platform.store.reports_schema import project
from nenghao.standard import industries, regions

LABELS: Final[Mapping[str, str]] = {
    "name": "项目名称",
    "code": "项目代码",
    "type": "项目类型",
    "regionCode": "行政区划",
    "industryCode": "所属行业",
    "classified_disposal": "分类处置",
    "construction_content": "建设内容",
    "construction_site": "建设地点",
    "design_energy_consumption": "设计年综合能耗（吨标准煤）",
}
"""The columns of the standard with their names."""

SORTS: Final = ("name", "code", "type", "region", "industry", "updated_at")
_SHOWN: Final = 200
"""Rows of a difference that are shown."""


@dataclass(frozen=True)
class Wanted:
    """What is searched for; empty: everything."""

    text: str = ""
    """Part of the name or the code."""
    region: str = ""
    """Six digits, with all below."""
    industry: str = ""
    """A letter and digits, with all under it."""


@dataclass(frozen=True)
class Listed:
    """A project in the list."""

    code: str
    name: str
    type: str
    region: str
    """Its name; the code where base data do not know it."""
    industry: str
    site: str
    consumption: str
    """吨标准煤, as it stands in the file."""
    updated_at: datetime


@dataclass(frozen=True)
class Changed:
    """One row of a difference."""

    code: str
    name: str
    what: str
    """新增, 修改 or 删除."""
    detail: str


@dataclass(frozen=True)
class Preview:
    """What an import would do."""

    rows: int
    added: int
    changed: int
    removed: int
    shown: list[Changed]
    """The first of them."""
    digest: str

    @property
    def total(self) -> int:
        """How many projects it touches."""
        return self.added + self.changed + self.removed


def find(
    conn: Connection,
    wanted: Wanted,
    *,
    sort: str = "",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Listed], int]:
    """The projects that are searched for, by code unless another order is asked for; how many."""
    p = project.c
    where = _where(wanted)
    total = conn.execute(select(func.count()).select_from(project).where(*where)).scalar_one()
    columns: dict[str, ColumnElement[Any]] = {
        "name": p.name,
        "code": p.code,
        "type": p.type,
        "region": p.region_code,
        "industry": p.industry_code,
        "updated_at": p.updated_at,
    }
    chosen = columns.get(sort, p.code)
    order = chosen.desc() if descending else chosen.asc()
    query = select(project).where(*where).order_by(order, p.code).limit(limit).offset(offset)
    places = dictionary.names(conn, "region")
    trades = dictionary.names(conn, "industry")
    return [
        Listed(
            row.code,
            row.name,
            row.type,
            places.get(row.region_code, row.region_code),
            trades.get(row.industry_code, row.industry_code),
            row.construction_site,
            row.design_energy_consumption,
            row.updated_at,
        )
        for row in conn.execute(query)
    ], total


def _where(wanted: Wanted) -> list[ColumnElement[bool]]:
    p = project.c
    where: list[ColumnElement[bool]] = []
    if wanted.text:
        where.append(
            or_(
                p.name.contains(wanted.text, autoescape=True),
                p.code.contains(wanted.text, autoescape=True),
            )
        )
    if wanted.region and regions.prefix(wanted.region):
        where.append(p.region_code.between(*region_bounds(wanted.region)))
    if wanted.industry and wanted.industry != industries.TOP:
        where.append(p.industry_code.between(*industry_bounds(wanted.industry)))
    return where


def preview(conn: Connection, content: bytes, suffix: str, *, whole: bool) -> Preview:
    """What importing a file would do; FileError, ProjectsError."""
    lines = table_file.read(content, suffix, projects.HEADER)
    told = projects.difference(conn, lines, whole=whole)
    counted = len(told.new), len(told.changed), len(told.gone)
    return Preview(told.rows, *counted, _changes(told)[:_SHOWN], told.digest)


def _changes(told: Difference) -> list[Changed]:
    added = [Changed(row["code"], row["name"], "新增", "") for row in told.new]
    changed = [
        Changed(old["code"], new["name"], "修改", _detail(old, new)) for old, new in told.changed
    ]
    gone = [Changed(row["code"], row["name"], "删除", "") for row in told.gone]
    return gone + changed + added


def _detail(old: Row, new: Row) -> str:
    return "；".join(
        f"{label}：{old[name] or '（空）'} → {new[name] or '（空）'}"
        for name, label in LABELS.items()
        if old[name] != new[name]
    )


def file_of(conn: Connection, suffix: str) -> bytes:
    """All projects as an Excel or CSV file."""
    return table_file.written(suffix, projects.HEADER, projects.listing(conn), "重点项目")


@dataclass(frozen=True)
class Names:
    """The names of regions and industries by code: the platform's own tables, not copies."""

    regions: Mapping[str, str]
    industries: Mapping[str, str]


def names(conn: Connection) -> Names:
    """The names that codes stand for, as base data have them now."""
    return Names(dictionary.names(conn, "region"), dictionary.names(conn, "industry"))
