"""What an empty monthly form has in it (填报模板的内容): units, their energy types, usages.

How it becomes a workbook is `reports_template`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Connection, select

from nenghao.platform import dictionary
from nenghao.platform.companies import region_bounds
from nenghao.platform.reports_form import MOST_ROWS, USAGES, Form, FormKind, FormUnit
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import configured_item, unit
from nenghao.standard import data_code, regions
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX

MOST_UNITS: Final = 200
"""Units of one form: they are taken in one transaction, which others wait for."""

DIVIDE: Final = "请按行政区划（--region）或单位（--code）分开"

_CATEGORIES = range(1, 40)


class Settings(Protocol):
    """The platform's setting that a form depends on."""

    @property
    def output_value_code(self) -> str: ...


class ReportError(Exception):
    """A form that cannot be made; the text says why, in Chinese."""


def form(
    conn: Connection,
    settings: Settings,
    month: str,
    codes: Collection[str] = (),
    region: str | None = None,
) -> Form:
    """An empty form of a month (`2026-03`) for the units named, those of a region, or all.

    A unit's rows are the types that its configuration has; all types where it has none. Raises
    ReportError for units that are not registered, for too many, and for none.
    """
    kinds = kinds_of(conn, settings)
    rows = _units(conn, codes, region)
    unknown = sorted(set(codes) - {row.code for row in rows})
    if unknown:
        where = f"（行政区划 {region} 内）" if region else ""
        raise ReportError(f"没有注册过的用能单位 {'、'.join(unknown)}{where}")
    if not rows:
        raise ReportError(f"行政区划 {region} 内没有用能单位" if region else "平台还没有用能单位")
    if len(rows) > MOST_UNITS:
        raise ReportError(f"共 {len(rows)} 个用能单位，一张表至多 {MOST_UNITS} 个，{DIVIDE}")
    chosen = _configured(conn, [row.id for row in rows])
    output = _output_code(settings)
    units = []
    for row in rows:
        mine = chosen.get(row.id, frozenset())
        used = [kind for kind in kinds.values() if kind.code in mine or kind.code == output]
        listed = used if mine else list(kinds.values())
        units.append(FormUnit(row.code, row.name, row.region, tuple(listed)))
    count = sum(len(one.kinds) for one in units)
    if count > MOST_ROWS:
        raise ReportError(f"共 {count} 行，一张表至多 {MOST_ROWS} 行，{DIVIDE}")
    return Form(month, tuple(units), tuple(kinds.values()))


def _units(conn: Connection, codes: Collection[str], region: str | None) -> Sequence[Any]:
    query = (
        select(unit.c.id, unit.c.code, unit.c.name, company.c.region)
        .join_from(unit, company, company.c.unit_id == unit.c.id)
        .order_by(company.c.region, unit.c.code)
    )
    if codes:
        query = query.where(unit.c.code.in_(list(codes)))
    if region is not None and regions.prefix(region):
        query = query.where(company.c.region.between(*region_bounds(region)))
    return conn.execute(query).all()


def kinds_of(conn: Connection, settings: Settings) -> dict[str, FormKind]:
    """What may be reported, by its six digits: energy types with a unit, and output value."""
    rows = dictionary.rows(conn, "energyType")
    found = {}
    for row in sorted(rows, key=lambda row: (row["code"], row["classCode"])):
        code = row["classCode"] + row["code"]
        is_item = row["type"] == 2 and row["classCode"] in ("01", "02")
        if is_item and int(row["code"][:2]) in _CATEGORIES:
            found[code] = FormKind(code, row["name"], row["unit"], frozenset(USAGES))
    output = data_code.parse(settings.output_value_code)
    code = _output_code(settings)
    if code and code not in found:
        named = (row for row in rows if row["classCode"] + row["code"] == code)
        row = next(named, {"name": "工业总产值", "unit": "万元"})
        found[code] = FormKind(code, row["name"], row["unit"], frozenset({output.usage}))
    return found


def _output_code(settings: Settings) -> str:
    """Class and type of output value (工业总产值); "" where the form has no place for it."""
    output = data_code.parse(settings.output_value_code)
    in_form = output.format().startswith(WHOLE_PLANT_PREFIX) and output.usage in USAGES
    return output.energy_class + output.energy_type if in_form else ""


def _configured(conn: Connection, unit_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """The energy types of the whole plant in the units' configurations in force."""
    item = configured_item
    query = select(item.c.unit_id, item.c.data_code).where(
        item.c.unit_id.in_(unit_ids),
        item.c.retired_at.is_(None),
        item.c.data_code.startswith(WHOLE_PLANT_PREFIX),
    )
    found: dict[int, set[str]] = {}
    for unit_id, text in conn.execute(query):
        code = data_code.parse(text)
        if code.energy_class in ("01", "02") and code.usage in USAGES:
            found.setdefault(unit_id, set()).add(code.energy_class + code.energy_type)
    return {unit_id: frozenset(codes) for unit_id, codes in found.items()}
