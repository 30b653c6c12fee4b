"""Upload and download of a unit's basic information (用能单位基础信息; 6.2.4, 6.3.4, A.4).

`downloadConfigData` is issued by registration and left undefined by the standard; its messages
are those of docs/decisions 6. In memory an absent text is "", anything else absent is None.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from nenghao.standard import forms
from nenghao.standard.data_code import DataCode
from nenghao.standard.messages.fields import (
    Answer,
    Message,
    optional,
    present,
    required,
    row_key,
    unmarked,
)
from nenghao.standard.periods import StatType


class CollectItemConfig(Message, kw_only=True):
    """One item that the device is to upload (采集数据项配置).

    `input_type` and `stat_type` are text here and numbers in the data. Limits are in the unit of
    the dictionary.
    """

    name: Annotated[str, unmarked(forms.TEXT)] = ""
    process_code: Annotated[str, required(forms.digits(2))]
    process_unit_code: Annotated[str, required(forms.digits(2))]
    equipment_code: Annotated[str, required(forms.digits(2))]
    equipment_unit_code: Annotated[str, required(forms.digits(2))]
    energy_class_code: Annotated[str, required(forms.digits(2))]
    energy_type_code: Annotated[str, required(forms.digits(4))]
    data_usage_code: Annotated[str, required(forms.digits(2))]
    input_type: Annotated[str, required(forms.INPUT_TYPE_TEXT)]
    data_value_max: Annotated[float | None, optional(forms.NUMBER)] = None
    data_value_min: Annotated[float | None, optional(forms.NUMBER)] = None
    stat_type: Annotated[str, unmarked(forms.STAT_TYPE_TEXT)] = ""
    collect_system_name: Annotated[str, unmarked(forms.TEXT)] = ""
    remark: Annotated[str, unmarked(forms.TEXT)] = ""
    scope: Annotated[int | None, unmarked(forms.SCOPE)] = None

    @property
    def code(self) -> DataCode:
        """The data code (数据项编码) that the seven segments make."""
        return DataCode(
            self.process_code,
            self.process_unit_code,
            self.equipment_code,
            self.equipment_unit_code,
            self.energy_class_code,
            self.energy_type_code,
            self.data_usage_code,
        )

    @property
    def data_code(self) -> str:
        """The data code as the wire spells it; with `stat_type` the key of the item."""
        return self.code.format()

    @property
    def frequency(self) -> StatType | None:
        """`stat_type` as a number; None when the item does not say."""
        return StatType(int(self.stat_type)) if self.stat_type else None

    @property
    def covers(self) -> int:
        """`scope` as sent, else as the segments imply it."""
        return int(self.code.scope) if self.scope is None else self.scope


class Enterprise(Message, kw_only=True):
    """The unit's basic information (用能单位基本信息), 36 fields of A.4."""

    code: Annotated[str, required(forms.CREDIT_CODE)]
    name: Annotated[str, required(forms.TEXT)]
    type_code: Annotated[str, required(forms.digits(3))]
    type_name: Annotated[str, unmarked(forms.TEXT)] = ""
    industry_code: Annotated[str, required(forms.INDUSTRY_CODE)]
    region_code: Annotated[str, required(forms.REGION_CODE)]
    region_name: Annotated[str, unmarked(forms.TEXT)] = ""
    center: Annotated[bool, required(forms.BOOLEAN)]
    corporation_code: Annotated[str, required(forms.CREDIT_CODE)]
    jgzh: Annotated[bool, required(forms.BOOLEAN)]
    energy_consume_level: Annotated[int, required(forms.ENERGY_CONSUME_LEVEL)]
    latitude: Annotated[float, required(forms.number_between(-90, 90))]
    longitude: Annotated[float, required(forms.number_between(-180, 180))]
    phone: Annotated[str, required(forms.TEXT)]
    fax: Annotated[str, unmarked(forms.TEXT)] = ""
    email: Annotated[str, unmarked(forms.TEXT)] = ""
    address: Annotated[str, unmarked(forms.TEXT)] = ""
    zip_code: Annotated[str, unmarked(forms.TEXT)] = ""
    url: Annotated[str, unmarked(forms.TEXT)] = ""
    field_code: Annotated[str, unmarked(forms.digits(3))] = ""
    field_name: Annotated[str, unmarked(forms.TEXT)] = ""
    corporation_name: Annotated[str, unmarked(forms.TEXT)] = ""
    register_date: Annotated[str, unmarked(forms.CALENDAR_TIME)] = ""
    register_principal: Annotated[float | None, unmarked(forms.NUMBER)] = None
    energy_office: Annotated[str, unmarked(forms.TEXT)] = ""
    energy_official: Annotated[str, unmarked(forms.TEXT)] = ""
    energy_official_position: Annotated[str, unmarked(forms.TEXT)] = ""
    energy_official_phone: Annotated[str, unmarked(forms.TEXT)] = ""
    energy_pass: Annotated[bool | None, unmarked(forms.BOOLEAN)] = None
    energy_resp_name: Annotated[str, unmarked(forms.TEXT)] = ""
    energy_resp_phone: Annotated[str, unmarked(forms.TEXT)] = ""
    pass_date: Annotated[str, unmarked(forms.CALENDAR_TIME)] = ""
    pass_org: Annotated[str, unmarked(forms.TEXT)] = ""
    production_line: Annotated[str, unmarked(forms.TEXT)] = ""
    leading_product: Annotated[str, unmarked(forms.TEXT)] = ""
    remark: Annotated[str, unmarked(forms.TEXT)] = ""


class Group(Message):
    """The group that the unit belongs to (集团)."""

    name: Annotated[str, unmarked(forms.TEXT)] = ""
    address: Annotated[str, unmarked(forms.TEXT)] = ""
    remark: Annotated[str, unmarked(forms.TEXT)] = ""


class Process(Message, kw_only=True):
    """A production process of the unit (生产工序)."""

    process_code: Annotated[str, row_key(forms.digits(2))]
    process_name: Annotated[str, unmarked(forms.TEXT)] = ""
    remark: Annotated[str, unmarked(forms.TEXT)] = ""


class ProcessUnit(Message, kw_only=True):
    """A unit of a production process (工序单元), known by its own and its process's code."""

    code: Annotated[str, row_key(forms.digits(2))]
    name: Annotated[str, unmarked(forms.TEXT)] = ""
    process_code: Annotated[str, row_key(forms.digits(2))]
    comm_date: Annotated[str, unmarked(forms.CALENDAR_TIME)] = ""
    designed_capacity: Annotated[str, unmarked(forms.TEXT)] = ""
    remark: Annotated[str, unmarked(forms.TEXT)] = ""


class ConfigUpload(Message, omit_defaults=True):
    """A device's whole set of items and its unit (用能单位基础信息上传).

    `group`, `process` and `process_unit` are read beside `enterprise`, where the braces of A.4 put
    them, and inside it; beside wins. They are written beside, and only when there are any.
    """

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    collect_item_config: Annotated[list[CollectItemConfig], required()]
    enterprise: Annotated[Enterprise, required()]
    group: Annotated[Group | None, optional(also_in="enterprise")] = None
    process: Annotated[list[Process] | None, optional(also_in="enterprise")] = None
    process_unit: Annotated[list[ProcessUnit] | None, optional(also_in="enterprise")] = None


class ConfigDownloadRequest(Message):
    """A device asks for what it uploaded last."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]


class ConfigDownloadAnswer(Answer):
    """The configuration as uploaded; nothing uploaded yet: an empty list and nulls."""

    collect_item_config: Annotated[list[CollectItemConfig], present()] = field(default_factory=list)
    enterprise: Annotated[Enterprise | None, present()] = None
    group: Annotated[Group | None, optional()] = None
    process: Annotated[list[Process] | None, optional()] = None
    process_unit: Annotated[list[ProcessUnit] | None, optional()] = None
