"""Which units have reported a month (填报情况), and which months a unit has reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from nenghao.platform import audit, dictionary, report_log
from nenghao.platform.companies import region_bounds
from nenghao.platform.report_log import NOT_REPORTED, State
from nenghao.platform.sessions import actor_of
from nenghao.platform.store.operators_schema import operator
from nenghao.platform.store.report_states_schema import report_state
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import unit
from nenghao.standard import regions

MISSING: Final = "missing"
NONE: Final = "none"
CHOICES: Final[Mapping[str, str]] = {
    "": "全部",
    MISSING: "还没有报",
    State.SUBMITTED.value: State.SUBMITTED.label,
    State.RETURNED.value: State.RETURNED.label,
    State.DRAFT.value: State.DRAFT.label,
    NONE: NOT_REPORTED,
    State.ACCEPTED.value: State.ACCEPTED.label,
}
"""What a month's list can be narrowed to. 还没有报: not begun, in draft, or returned."""

SORTS: Final = ("name", "code", "region", "state", "changed_at")
BADGES: Final[Mapping[State | None, Literal["good", "warn", "bad", "dull"]]] = {
    None: "dull",
    State.DRAFT: "dull",
    State.SUBMITTED: "warn",
    State.RETURNED: "bad",
    State.ACCEPTED: "good",
}
MONTHS_BACK: Final = 24
_MACHINE = "平台命令行"


@dataclass(frozen=True)
class Wanted:
    """What is searched for; empty: everything."""

    text: str = ""
    """Part of the unit's name or code."""
    region: str = ""
    """Six digits, with all below."""
    state: str = ""
    """A key of `CHOICES`."""


@dataclass(frozen=True)
class UnitMonth:
    """A unit's form of a month, in a list."""

    code: str
    name: str
    region: str
    month: str
    state: State | None
    filled: int
    """How many cells are filled in the form."""
    changed_at: datetime | None
    changed_by: str
    """Who that was, in words."""
    remark: str
    taken_at: datetime | None
    """When values of the month came into force last, None where none did."""

    @property
    def said(self) -> str:
        """The state in Chinese."""
        return NOT_REPORTED if self.state is None else self.state.label


def last_month(now: datetime) -> str:
    """The month that is reported now."""
    return f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"


def months_until(now: datetime, count: int = MONTHS_BACK) -> list[str]:
    """The present month and those before it, latest first."""
    last = now.year * 12 + now.month - 1
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in range(last, last - count, -1)]


def counts(conn: Connection, month: str) -> dict[State | None, int]:
    """How many units' forms of a month stand where."""
    s = report_state.c
    query = select(s.state, func.count()).where(s.month == month).group_by(s.state)
    found: dict[State | None, int] = dict.fromkeys(State, 0)
    found |= {State(state): number for state, number in conn.execute(query)}
    everybody = conn.execute(select(func.count()).select_from(unit)).scalar_one()
    return found | {None: everybody - sum(found.values())}


def of_month(
    conn: Connection,
    month: str,
    wanted: Wanted,
    *,
    sort: str = "",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[UnitMonth], int]:
    """The units with their forms of a month, and how many are found in all.

    Without a `sort`: what waits for a decision first, then what is not reported, by name.
    """
    s = report_state.c
    joined = unit.outerjoin(report_state, (s.unit_id == unit.c.id) & (s.month == month)).outerjoin(
        company, company.c.unit_id == unit.c.id
    )
    where = _where(wanted)
    total = conn.execute(select(func.count()).select_from(joined).where(*where)).scalar_one()
    columns = (unit.c.code, unit.c.name, company.c.region, unit.c.region.label("registered_in"))
    query = select(*columns, report_state).select_from(joined).where(*where)
    query = query.order_by(*_order(sort, descending), unit.c.code).limit(limit).offset(offset)
    rows = conn.execute(query).mappings().all()
    people = names_of(conn, {row["changed_by"] for row in rows if row["changed_by"]})
    places = dictionary.names(conn, "region")
    return [_listed(row, month, people, places) for row in rows], total


def _where(wanted: Wanted) -> list[ColumnElement[bool]]:
    s = report_state.c
    where: list[ColumnElement[bool]] = []
    if wanted.text:
        where.append(
            or_(
                unit.c.name.contains(wanted.text, autoescape=True),
                unit.c.code.contains(wanted.text.upper(), autoescape=True),
            )
        )
    if wanted.region and regions.prefix(wanted.region):
        where.append(company.c.region.between(*region_bounds(wanted.region)))
    if wanted.state == NONE:
        where.append(s.state.is_(None))
    elif wanted.state == MISSING:
        where.append(or_(s.state.is_(None), s.state.in_([State.DRAFT, State.RETURNED])))
    elif wanted.state:
        where.append(s.state == wanted.state)
    return where


def _order(sort: str, descending: bool) -> list[ColumnElement[Any]]:
    s = report_state.c
    rank: ColumnElement[Any] = case(
        {State.SUBMITTED: 0, State.RETURNED: 1, State.DRAFT: 3, State.ACCEPTED: 4},
        value=s.state,
        else_=2,
    )
    chosen: dict[str, ColumnElement[Any]] = {
        "name": unit.c.name,
        "code": unit.c.code,
        "region": company.c.region,
        "state": rank,
        "changed_at": s.changed_at,
    }
    if sort not in chosen:
        return [rank, unit.c.name]
    column = chosen[sort]
    return [column.desc() if descending else column.asc()]


def _listed(
    row: Mapping[Any, Any], month: str, people: Mapping[str, str], places: Mapping[str, str]
) -> UnitMonth:
    region = row["region"] or row["registered_in"]
    return UnitMonth(
        row["code"],
        row["name"],
        places.get(region, region),
        month,
        State(row["state"]) if row["state"] else None,
        report_log.filled(row["cells"]) if row["cells"] else 0,
        row["changed_at"],
        people.get(row["changed_by"] or "", ""),
        row["remark"] or "",
        row["taken_at"],
    )


@dataclass(frozen=True)
class UnitName:
    """A unit that is registered."""

    code: str
    name: str


def unit_of(conn: Connection, code: str) -> UnitName | None:
    """The unit; None where no such one is registered."""
    found = conn.execute(select(unit.c.name).where(unit.c.code == code)).scalar()
    return None if found is None else UnitName(code, found)


def of_unit(
    conn: Connection, code: str, now: datetime, *, limit: int = 50, offset: int = 0
) -> tuple[list[UnitMonth], int]:
    """A unit's months, latest first: the last two years, and whatever was begun before."""
    s = report_state.c
    mine = select(s.month).join(unit, unit.c.id == s.unit_id).where(unit.c.code == code)
    months = sorted({*months_until(now), *conn.execute(mine).scalars()}, reverse=True)
    shown = months[offset : offset + limit]
    query = (
        select(unit.c.code, unit.c.name, unit.c.region.label("registered_in"), report_state)
        .join(report_state, s.unit_id == unit.c.id)
        .where(unit.c.code == code, s.month.in_(shown))
    )
    found = {row["month"]: row for row in conn.execute(query).mappings()}
    people = names_of(conn, {row["changed_by"] for row in found.values()})
    named = unit_of(conn, code)
    return [
        _listed({**found[month], "region": ""}, month, people, {})
        if month in found
        else UnitMonth(
            code, "" if named is None else named.name, "", month, None, 0, None, "", "", None
        )
        for month in shown
    ], len(months)


def names_of(conn: Connection, actors: Collection[str]) -> dict[str, str]:
    """Who somebody of the audit trail is, in words."""
    query = select(operator.c.name, operator.c.full_name).where(
        operator.c.name.in_([actor.removeprefix(actor_of("")) for actor in actors])
    )
    found = {actor_of(row.name): f"{row.full_name}（{row.name}）" for row in conn.execute(query)}
    return {actor: found.get(actor, _plain(actor)) for actor in actors}


def _plain(actor: str) -> str:
    return _MACHINE if actor == audit.OPERATOR else actor.removeprefix(actor_of(""))


def city_names(conn: Connection) -> dict[str, str]:
    """The province's cities by code, for a filter."""
    rows: Iterable[Mapping[str, Any]] = dictionary.rows(conn, "region")
    return {row["code"]: row["name"] for row in rows if int(row["type"]) == regions.CITY}
