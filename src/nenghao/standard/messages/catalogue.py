"""All messages by name (报文目录), and what they look like: for tests, documentation and tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nenghao.standard.messages import Acknowledgement
from nenghao.standard.messages.base_data import BaseDataAnswer, BaseDataRequest
from nenghao.standard.messages.companies import (
    CompaniesAnswer,
    IndustryCompaniesRequest,
    RegionCompaniesRequest,
)
from nenghao.standard.messages.config_data import (
    ConfigDownloadAnswer,
    ConfigDownloadRequest,
    ConfigUpload,
)
from nenghao.standard.messages.energy_data import (
    EnergyDownloadAnswer,
    EnergyDownloadRequest,
    EnergyUpload,
)
from nenghao.standard.messages.fields import Mark, Message, fields_of
from nenghao.standard.messages.projects import (
    IndustryProjectsRequest,
    ProjectsAnswer,
    RegionProjectsRequest,
)
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.messages.statistics import (
    IndustryStatisticsRequest,
    RegionStatisticsRequest,
    StatisticsAnswer,
)
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest

MESSAGES: dict[str, type[Message]] = {
    "register.request": RegistrationRequest,
    "register.response": RegistrationAnswer,
    "baseData.request": BaseDataRequest,
    "baseData.response": BaseDataAnswer,
    "versionCheck.request": VersionRequest,
    "versionCheck.response": VersionAnswer,
    "uploadConfigData.request": ConfigUpload,
    "uploadConfigData.response": Acknowledgement,
    "uploadEnergyData.request": EnergyUpload,
    "uploadEnergyData.response": Acknowledgement,
    "downloadConfigData.request": ConfigDownloadRequest,
    "downloadConfigData.response": ConfigDownloadAnswer,
    "downloadEnergyData.request": EnergyDownloadRequest,
    "downloadEnergyData.response": EnergyDownloadAnswer,
    "getRegionData.request": RegionStatisticsRequest,
    "getRegionData.response": StatisticsAnswer,
    "getIndustryData.request": IndustryStatisticsRequest,
    "getIndustryData.response": StatisticsAnswer,
    "getProjectDataByRegion.request": RegionProjectsRequest,
    "getProjectDataByRegion.response": ProjectsAnswer,
    "getProjectDataByIndustry.request": IndustryProjectsRequest,
    "getProjectDataByIndustry.response": ProjectsAnswer,
    "getCompanyByRegion.request": RegionCompaniesRequest,
    "getCompanyByRegion.response": CompaniesAnswer,
    "getCompanyByIndustry.request": IndustryCompaniesRequest,
    "getCompanyByIndustry.response": CompaniesAnswer,
}
"""The class of every request and answer; the names are those of the packaged table of fields."""


class FieldLine(NamedTuple):
    """One field of a message as a line of the table of fields."""

    parent: str
    """Where the field stands: the message's name, then `.enterprise`, `.data[]`, …"""
    name: str
    json_type: str
    mark: Mark
    expected: str
    """The words that say what its form is; empty for objects and arrays."""


def lines_of(cls: type[Message], parent: str) -> Iterator[FieldLine]:
    """Every field of a message, those of inner objects after the object; `parent` names it."""
    for plan in fields_of(cls):
        form = plan.field.form
        expected = "" if form is None else form.expected
        yield FieldLine(parent, plan.wire, plan.json_type, plan.field.mark, expected)
        if plan.inner is not None:
            suffix = {"array": "[]", "map": ".<indicator>"}.get(plan.shape, "")
            yield from lines_of(plan.inner, f"{parent}.{plan.wire}{suffix}")
