"""Units of a region or an industry (企业基础信息接口; 7.3.5, 7.3.6, C.5, C.6).

The fields are those of A.4 with group, process and processUnit inside the unit; here every key
is always present, and a unit that never uploaded its configuration has "" and null behind it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from nenghao.standard import forms
from nenghao.standard.messages.config_data import Group, Process, ProcessUnit
from nenghao.standard.messages.exchange import IndustryQuery, RegionQuery, SecurityParams
from nenghao.standard.messages.fields import Answer, Message, present, required


class RegionCompaniesRequest(Message):
    """getCompanyByRegion."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[RegionQuery, required()]


class IndustryCompaniesRequest(Message):
    """getCompanyByIndustry."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[IndustryQuery, required()]


class Company(Message):
    """A unit as other application platforms see it (企业基本信息)."""

    code: Annotated[str, required(forms.CREDIT_CODE)]
    name: Annotated[str, present(forms.TEXT)] = ""
    type_code: Annotated[str, present(forms.digits(3))] = ""
    type_name: Annotated[str, present(forms.TEXT)] = ""
    industry_code: Annotated[str, present(forms.INDUSTRY_CODE)] = ""
    region_code: Annotated[str, present(forms.REGION_CODE)] = ""
    region_name: Annotated[str, present(forms.TEXT)] = ""
    center: Annotated[bool | None, present(forms.BOOLEAN)] = None
    corporation_code: Annotated[str, present(forms.CREDIT_CODE)] = ""
    jgzh: Annotated[bool | None, present(forms.BOOLEAN)] = None
    energy_consume_level: Annotated[int | None, present(forms.ENERGY_CONSUME_LEVEL)] = None
    latitude: Annotated[float | None, present(forms.number_between(-90, 90))] = None
    longitude: Annotated[float | None, present(forms.number_between(-180, 180))] = None
    phone: Annotated[str, present(forms.TEXT)] = ""
    fax: Annotated[str, present(forms.TEXT)] = ""
    email: Annotated[str, present(forms.TEXT)] = ""
    address: Annotated[str, present(forms.TEXT)] = ""
    zip_code: Annotated[str, present(forms.TEXT)] = ""
    url: Annotated[str, present(forms.TEXT)] = ""
    field_code: Annotated[str, present(forms.digits(3))] = ""
    field_name: Annotated[str, present(forms.TEXT)] = ""
    corporation_name: Annotated[str, present(forms.TEXT)] = ""
    register_date: Annotated[str, present(forms.CALENDAR_TIME)] = ""
    register_principal: Annotated[float | None, present(forms.NUMBER)] = None
    energy_office: Annotated[str, present(forms.TEXT)] = ""
    energy_official: Annotated[str, present(forms.TEXT)] = ""
    energy_official_position: Annotated[str, present(forms.TEXT)] = ""
    energy_official_phone: Annotated[str, present(forms.TEXT)] = ""
    energy_pass: Annotated[bool | None, present(forms.BOOLEAN)] = None
    energy_resp_name: Annotated[str, present(forms.TEXT)] = ""
    energy_resp_phone: Annotated[str, present(forms.TEXT)] = ""
    pass_date: Annotated[str, present(forms.CALENDAR_TIME)] = ""
    pass_org: Annotated[str, present(forms.TEXT)] = ""
    production_line: Annotated[str, present(forms.TEXT)] = ""
    leading_product: Annotated[str, present(forms.TEXT)] = ""
    remark: Annotated[str, present(forms.TEXT)] = ""
    group: Annotated[Group | None, present()] = None
    process: Annotated[list[Process], present()] = field(default_factory=list)
    process_unit: Annotated[list[ProcessUnit], present()] = field(default_factory=list)


class CompaniesAnswer(Answer):
    """Every unit that matches."""

    data: Annotated[list[Company], present()] = field(default_factory=list)
