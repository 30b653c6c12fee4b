"""The six questions of other application platforms (第 7 章; annex C), answered within a scope.

Who asks has been proven before (`admission`); here it is seen to that an account gets what its
scope reaches and no more. Asking outside it is E2002; an account limited by the one and asking by
the other gets the intersection. What regions and industries amount to, which projects and units
there are: `statistics`, `projects`, `companies`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from nenghao.platform import companies, projects, statistics
from nenghao.platform.accounts import Scope
from nenghao.platform.statistics import Question
from nenghao.platform.store.engine import Store
from nenghao.standard import periods, regions
from nenghao.standard.findings import Finding
from nenghao.standard.indicators import UNITS, rounded
from nenghao.standard.messages import write
from nenghao.standard.messages.companies import IndustryCompaniesRequest, RegionCompaniesRequest
from nenghao.standard.messages.exchange_interfaces import ExchangeInterface, ExchangeRequest
from nenghao.standard.messages.projects import (
    IndustryProjectsRequest,
    ProjectsAnswer,
    RegionProjectsRequest,
)
from nenghao.standard.messages.statistics import (
    IndicatorValue,
    IndustryStatisticsRequest,
    RegionStatisticsRequest,
    StatisticsAnswer,
)
from nenghao.standard.replies import SUCCESS_CODE, SUCCESS_TEXT, IllegalFormat


class Outcome(NamedTuple):
    """An answer of annex C, encoded, and how many things it lists."""

    content: bytes
    rows: int


class _Asked(NamedTuple):
    """The part of the question that all six have, cut to the scope."""

    region: str | None
    industries: tuple[str, ...]
    """None asked and none to keep to: any."""


def answer(
    store: Store,
    scope: Scope,
    interface: ExchangeInterface,
    request: ExchangeRequest,
    now: datetime,
) -> Outcome:
    """The answer to a request that was read. Raises IllegalFormat for what is out of scope."""
    if scope.interfaces and interface.name not in scope.interfaces:
        raise IllegalFormat([Finding("", f"账户无权调用接口 {interface.name}")])
    if isinstance(request, RegionStatisticsRequest | IndustryStatisticsRequest):
        return _statistics(store, scope, request, now)
    asked = _cut(scope, request)
    with store.read() as conn:
        if isinstance(request, RegionProjectsRequest | IndustryProjectsRequest):
            return _projects(conn, asked)
        return _companies(conn, asked)


def _statistics(
    store: Store,
    scope: Scope,
    request: RegionStatisticsRequest | IndustryStatisticsRequest,
    now: datetime,
) -> Outcome:
    query = request.query_param
    region, industry = _codes(request)
    _check(scope, region, industry)
    question = Question(
        period=query.period_code,  # type: ignore[arg-type]  # the form is one of the three
        begin=periods.from_epoch_ms(query.begin_time),
        end=periods.from_epoch_ms(query.end_time),
        source=query.onlin_or_report,  # type: ignore[arg-type]
        region=region,
        industry=industry,
        within_region=None if region else scope.region or None,
        within_industries=() if industry else scope.industries,
    )
    totals = statistics.answer(store, question, now)
    data = {
        code: IndicatorValue(float(rounded(total.origin)), float(rounded(total.value)), UNITS[code])
        for code, total in totals.items()
    }
    return Outcome(write(StatisticsAnswer(data=data)), len(data))


def _projects(conn: Connection, asked: _Asked) -> Outcome:
    found = [
        project
        for industry in asked.industries or (None,)
        for project in projects.find(conn, asked.region, industry)
    ]
    return Outcome(write(ProjectsAnswer(data=found)), len(found))


def _companies(conn: Connection, asked: _Asked) -> Outcome:
    """The units are encoded already: thousands of them are only joined."""
    found = [
        company
        for industry in asked.industries or (None,)
        for company in companies.find(conn, asked.region, industry)
    ]
    return Outcome(_COMPANIES + b",".join(found) + b"]}", len(found))


_COMPANIES = (
    f'{{"responseCode":"{SUCCESS_CODE}","responseMessage":"{SUCCESS_TEXT}","data":['.encode()
)


def _cut(
    scope: Scope,
    request: RegionProjectsRequest
    | IndustryProjectsRequest
    | RegionCompaniesRequest
    | IndustryCompaniesRequest,
) -> _Asked:
    region, industry = _codes(request)
    _check(scope, region, industry)
    industries = (industry,) if industry else scope.industries
    return _Asked(region or scope.region or None, industries)


def _codes(request: ExchangeRequest) -> tuple[str | None, str | None]:
    """Region and industry that are asked for: one of them."""
    query = request.query_param
    return getattr(query, "region_code", None), getattr(query, "industry_code", None)


def _check(scope: Scope, region: str | None, industry: str | None) -> None:
    """Raise IllegalFormat for what reaches out of the scope, be it in part."""
    if region and scope.region and not regions.contains(scope.region, region):
        raise _outside("regionCode", "行政区划", region)
    if industry and scope.industries and not industry.startswith(scope.industries):
        raise _outside("industryCode", "行业", industry)


def _outside(field: str, what: str, code: str) -> IllegalFormat:
    return IllegalFormat([Finding(f"queryParam.{field}", f"应在账户的{what}范围内", f'"{code}"')])
