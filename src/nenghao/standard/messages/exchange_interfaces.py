"""The six exchange interfaces (annex C): their paths and what is asked and answered there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from nenghao.standard.messages.companies import (
    CompaniesAnswer,
    IndustryCompaniesRequest,
    RegionCompaniesRequest,
)
from nenghao.standard.messages.fields import Answer
from nenghao.standard.messages.projects import (
    IndustryProjectsRequest,
    ProjectsAnswer,
    RegionProjectsRequest,
)
from nenghao.standard.messages.statistics import (
    IndustryStatisticsRequest,
    RegionStatisticsRequest,
    StatisticsAnswer,
)

ExchangeRequest = (
    RegionStatisticsRequest
    | IndustryStatisticsRequest
    | RegionProjectsRequest
    | IndustryProjectsRequest
    | RegionCompaniesRequest
    | IndustryCompaniesRequest
)

FOLDER = "/energyreport/common/"
"""What the six paths begin with, exactly as annex C prints it."""


class ExchangeInterface(NamedTuple):
    """One of the six."""

    name: str
    """As the standard spells it: the last part of the path."""
    title: str
    by: Literal["region", "industry"]
    request: type[ExchangeRequest]
    answer: type[Answer]

    @property
    def path(self) -> str:
        """The path as it is authenticated: without a trailing slash."""
        return FOLDER + self.name


INTERFACES: Mapping[str, ExchangeInterface] = MappingProxyType(
    {
        one.name: one
        for one in (
            ExchangeInterface(
                "getRegionData",
                "地区能耗统计数据",
                "region",
                RegionStatisticsRequest,
                StatisticsAnswer,
            ),
            ExchangeInterface(
                "getIndustryData",
                "行业能耗统计数据",
                "industry",
                IndustryStatisticsRequest,
                StatisticsAnswer,
            ),
            ExchangeInterface(
                "getProjectDataByRegion",
                "地区重点项目信息",
                "region",
                RegionProjectsRequest,
                ProjectsAnswer,
            ),
            ExchangeInterface(
                "getProjectDataByIndustry",
                "行业重点项目信息",
                "industry",
                IndustryProjectsRequest,
                ProjectsAnswer,
            ),
            ExchangeInterface(
                "getCompanyByRegion",
                "地区企业基础信息",
                "region",
                RegionCompaniesRequest,
                CompaniesAnswer,
            ),
            ExchangeInterface(
                "getCompanyByIndustry",
                "行业企业基础信息",
                "industry",
                IndustryCompaniesRequest,
                CompaniesAnswer,
            ),
        )
    }
)
"""By name, in the order of annex C."""
