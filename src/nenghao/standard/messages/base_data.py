"""Download of base data (基础数据下载接口; 6.2.2, 6.3.2, A.2, A.6): nine tables.

The row Structs are also what an imported table is checked with (`codec.read_value`). What the rows
say is the dictionary's business.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from nenghao.standard import forms
from nenghao.standard.messages.fields import Answer, Message, optional, present, required


class RegionRow(Message):
    """Administrative division (行政区划); `type` 1 province, 2 city, 3 county."""

    code: Annotated[str, required(forms.REGION_CODE)]
    full_name: Annotated[str, required(forms.TEXT)]
    name: Annotated[str, required(forms.TEXT)]
    pcode: Annotated[str, required(forms.REGION_CODE)]
    type: Annotated[int, required(forms.integer_between(1, 3))]


class IndustryRow(Message):
    """Industry (行业); `jgzh` marks energy conversion, `pcode` is "0" above a section."""

    code: Annotated[str, required(forms.INDUSTRY_CODE)]
    full_name: Annotated[str, required(forms.TEXT)]
    jgzh: Annotated[bool, required(forms.BOOLEAN)]
    name: Annotated[str, required(forms.TEXT)]
    pcode: Annotated[str, required(forms.TEXT)]


class CodeNameRow(Message):
    """A code and its name: unit categories, collection systems, usages."""

    code: Annotated[str, required(forms.digits(1, 2, 3))]
    name: Annotated[str, required(forms.TEXT)]


class ProcessRow(Message):
    """Production process (生产工序), unique with its industry; empty industry means all."""

    code: Annotated[str, required(forms.digits(2))]
    name: Annotated[str, required(forms.TEXT)]
    industry_code: Annotated[str, present(forms.INDUSTRY_CODE)] = ""


class CollectItemRow(Message, kw_only=True):
    """Item of collection (采集数据项); `type` 1 data class, 2 category, 3 category and item."""

    code: Annotated[str, required(forms.digits(2, 4))]
    name: Annotated[str, required(forms.TEXT)]
    pcode: Annotated[str, present(forms.digits(2))] = ""
    type: Annotated[int, required(forms.integer_between(1, 3))]
    pclass: Annotated[str, present(forms.digits(2))] = ""
    industry_code: Annotated[str, present(forms.INDUSTRY_CODE)] = ""
    unit: Annotated[str, present(forms.TEXT)] = ""


class EnergyTypeRow(Message, kw_only=True):
    """Energy type (能源类型): standard coal = amount × `zbckz` × `dwzbxs`.

    `type` 1 category, 2 category and item; `zbckz` is decimal text or a range, empty where the
    type has no coefficient.
    """

    code: Annotated[str, required(forms.digits(2, 4))]
    name: Annotated[str, required(forms.TEXT)]
    pcode: Annotated[str, present(forms.digits(2))] = ""
    unit: Annotated[str, present(forms.TEXT)] = ""
    class_code: Annotated[str, present(forms.digits(2))] = ""
    nhzbdw: Annotated[str, present(forms.TEXT)] = ""
    type: Annotated[int, required(forms.integer_between(1, 2))]
    zbckz: Annotated[str, present(forms.COEFFICIENT_TEXT)] = ""
    dwzbxs: Annotated[float, present(forms.NUMBER)] = 1


class ProductQuotaRow(Message, kw_only=True):
    """Quota of a product's energy use (产品指标); `gbValue` national, `dbValue` local, or empty."""

    code: Annotated[str, required(forms.digits(4))]
    name: Annotated[str, required(forms.TEXT)]
    region_code: Annotated[str, present(forms.REGION_CODE)] = ""
    industry_code: Annotated[str, present(forms.INDUSTRY_CODE)] = ""
    gb_value: Annotated[float | str, present(forms.NUMBER_OR_EMPTY)] = ""
    db_value: Annotated[float | str, present(forms.NUMBER_OR_EMPTY)] = ""
    elem_unit: Annotated[str, present(forms.TEXT)] = ""
    deno_unit: Annotated[str, present(forms.TEXT)] = ""
    quota_unit: Annotated[str, present(forms.TEXT)] = ""
    zbxs: Annotated[float, required(forms.NUMBER)]


ROW_TYPES: dict[str, type[Message]] = {
    "region": RegionRow,
    "industry": IndustryRow,
    "entType": CodeNameRow,
    "collectSystemType": CodeNameRow,
    "process": ProcessRow,
    "collectItem": CollectItemRow,
    "collectItemUsage": CodeNameRow,
    "energyType": EnergyTypeRow,
    "productQuota": ProductQuotaRow,
}
"""The class of a row by the wire name of its table, in the order of A.2."""

TYPES: tuple[str, ...] = ("all", *ROW_TYPES)
"""What `type` may ask for: table A.6, and productQuota, which A.2 returns and A.6 forgot."""


class BaseDataRequest(Message):
    """A device asks for one table or for all of them (absent or empty: all)."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    type: Annotated[str, optional(forms.choice(*TYPES))] = "all"


class BaseData(Message):
    """The tables; those that were not asked for are UNSET and do not appear."""

    region: Annotated[list[RegionRow] | UnsetType, optional()] = UNSET
    industry: Annotated[list[IndustryRow] | UnsetType, optional()] = UNSET
    ent_type: Annotated[list[CodeNameRow] | UnsetType, optional()] = UNSET
    collect_system_type: Annotated[list[CodeNameRow] | UnsetType, optional()] = UNSET
    process: Annotated[list[ProcessRow] | UnsetType, optional()] = UNSET
    collect_item: Annotated[list[CollectItemRow] | UnsetType, optional()] = UNSET
    collect_item_usage: Annotated[list[CodeNameRow] | UnsetType, optional()] = UNSET
    energy_type: Annotated[list[EnergyTypeRow] | UnsetType, optional()] = UNSET
    product_quota: Annotated[list[ProductQuotaRow] | UnsetType, optional()] = UNSET


class BaseDataAnswer(Answer):
    """The tables that were asked for."""

    data: Annotated[BaseData | None, required()] = None
