"""Key projects of a region or an industry (重点项目信息数据接口; 7.3.3, 7.3.4, C.3, C.4)."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from nenghao.standard import forms
from nenghao.standard.messages.exchange import IndustryQuery, RegionQuery, SecurityParams
from nenghao.standard.messages.fields import Answer, Message, present, required


class RegionProjectsRequest(Message):
    """getProjectDataByRegion."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[RegionQuery, required()]


class IndustryProjectsRequest(Message):
    """getProjectDataByIndustry."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[IndustryQuery, required()]


class Project(Message):
    """A key project; `region` and `industry` are names, the consumption is text in 吨标准煤."""

    name: Annotated[str, required(forms.TEXT)]
    code: Annotated[str, required(forms.TEXT)]
    type: Annotated[str, present(forms.TEXT)] = ""
    region: Annotated[str, present(forms.TEXT)] = ""
    industry: Annotated[str, present(forms.TEXT)] = ""
    classified_disposal: Annotated[str, present(forms.TEXT)] = field(
        default="", name="classified_disposal"
    )
    construction_content: Annotated[str, present(forms.TEXT)] = field(
        default="", name="construction_content"
    )
    construction_site: Annotated[str, present(forms.TEXT)] = field(
        default="", name="construction_site"
    )
    design_energy_consumption: Annotated[str, present(forms.TEXT)] = field(
        default="", name="design_energy_consumption"
    )


class ProjectsAnswer(Answer):
    """Every project that matches."""

    data: Annotated[list[Project], present()] = field(default_factory=list)
