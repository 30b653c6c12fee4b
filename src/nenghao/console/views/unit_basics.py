"""Who a unit is (基本信息): the head of its page, and its basic information as it uploaded it.

Every field of A.4 is shown, in its order, under the name that the message's schema gives it; a
code has its name beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from nenghao.console.views import certificates, devices, unit_state
from nenghao.console.views.certificates import Certificate
from nenghao.console.views.devices import Device, Part
from nenghao.console.views.unit_state import UnitState
from nenghao.console.views.units import LEVELS
from nenghao.platform import dictionary
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import configuration, unit, unit_setting
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import (
    ConfigUpload,
    Enterprise,
    Group,
    Process,
    ProcessUnit,
)
from nenghao.standard.messages.fields import Message, fields_of
from nenghao.standard.messages.json_schema import name_of

_MOST: Final = 200
"""Devices and certificates of one unit that are shown."""
_SUFFIXES: Final = {"registerPrincipal": " 万元", "latitude": "°", "longitude": "°"}


@dataclass(frozen=True)
class Head:
    """What stands above every part of a unit's page."""

    unit_id: int
    code: str
    name: str
    region: str
    region_name: str
    """From the province down."""
    industry: str
    industry_name: str
    state: UnitState
    last_upload: datetime | None
    upload_time: str
    registered_at: datetime


@dataclass(frozen=True)
class Basics:
    """The unit's basic information: names and values of the fields, in their order."""

    uploaded_at: datetime
    device: int
    enterprise: dict[str, str]
    group: dict[str, str]
    processes: list[list[str]]
    """Code, name, remark."""
    process_units: list[list[str]]
    """Process, code, name, begin of operation, capacity, remark."""


@dataclass(frozen=True)
class Equipment:
    """The unit's devices, and its certificates as far as that was asked for."""

    devices: list[Device]
    dic_version: int
    certificates: list[Certificate]
    settings: list[tuple[str, str]]
    """Since when the unit's real-time ticks label what (实时标签)."""


def head(conn: Connection, code: str, now: datetime) -> Head | None:
    """The unit; None where no device of it ever registered."""
    inner = (
        select(unit, unit_state.last_upload().label("last"), unit_state.upload_time().label("due"))
        .where(unit.c.code == code)
        .subquery()
    )
    state = unit_state.state_of(inner.c.last, inner.c.due, now).label("state")
    query = select(inner, state, company.c.region.label("counted_in"), company.c.industry)
    query = query.outerjoin_from(inner, company, company.c.unit_id == inner.c.id)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    region, industry = row["counted_in"] or row["region"], row["industry"] or ""
    return Head(
        unit_id=row["id"],
        code=code,
        name=row["name"],
        region=region,
        region_name=dictionary.vocabulary(conn).regions.full_name(region) or row["region_name"],
        industry=industry,
        industry_name=dictionary.names(conn, "industry").get(industry, ""),
        state=UnitState(row["state"]),
        last_upload=row["last"],
        upload_time=row["due"] or "",
        registered_at=row["registered_at"],
    )


def basics(conn: Connection, unit_id: int) -> Basics | None:
    """What the unit uploaded last; None where it has not uploaded it yet."""
    query = (
        select(configuration)
        .where(configuration.c.unit_id == unit_id)
        .order_by(configuration.c.sequence.desc())
        .limit(1)
    )
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    message = read(ConfigUpload, row["message"].encode())
    processes = {one.process_code: one.process_name for one in message.process or []}
    return Basics(
        uploaded_at=row["received_at"],
        device=row["device_number"],
        enterprise=_named(conn, message.enterprise),
        group=_named(conn, message.group) if message.group else {},
        processes=[
            [one.process_code, one.process_name, one.remark] for one in message.process or []
        ],
        process_units=[
            [
                f"{one.process_code} {processes.get(one.process_code, '')}".strip(),
                one.code,
                one.name,
                one.comm_date[:10],
                one.designed_capacity,
                one.remark,
            ]
            for one in message.process_unit or []
        ],
    )


PROCESS_HEAD: Final = tuple(
    name_of(Process, wire) for wire in ("processCode", "processName", "remark")
)
PROCESS_UNIT_HEAD: Final = ("生产工序", *(
    name_of(ProcessUnit, wire)
    for wire in ("code", "name", "commDate", "designedCapacity", "remark")
))  # fmt: skip


def equipment(
    conn: Connection, found: Head, now: datetime, *, with_certificates: bool
) -> Equipment:
    """The unit's devices; its certificates only where the caller may see them."""
    part = Part(limit=_MOST)
    listed = devices.page(conn, devices.Wanted(text=found.code), part, now)
    certified: list[Certificate] = []
    if with_certificates:
        certified = certificates.page(conn, certificates.Wanted(text=found.code), part, now).rows
    table = unit_setting
    query = select(table.c.valid_from, table.c.value).where(table.c.unit_id == found.unit_id)
    settings = [
        (f"{row.valid_from:%Y-%m-%d}", row.value)
        for row in conn.execute(query.order_by(table.c.name, table.c.valid_from))
    ]
    return Equipment(
        [one for one in listed.rows if one.code == found.code],
        listed.dic_version,
        [one for one in certified if one.code == found.code],
        settings,
    )


def _named(conn: Connection, message: Enterprise | Group) -> dict[str, str]:
    """The fields of a message by their Chinese names."""
    made = {}
    for plan in fields_of(type(message)):
        name = short_name(type(message), plan.wire)
        made[name] = _value(conn, plan.wire, getattr(message, plan.name))
    return made


def short_name(cls: type[Message], wire: str) -> str:
    """A field's name without the explanation behind it."""
    return name_of(cls, wire).partition("，")[0]


def _value(conn: Connection, wire: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    text = str(value)
    name = _name(conn, wire, text)
    if name and wire == "energyConsumeLevel":
        return f"{name}（{text}）"
    if name:
        return f"{text} {name}"
    if wire in ("registerDate", "passDate"):
        return text[:10]
    return text + _SUFFIXES.get(wire, "")


def _name(conn: Connection, wire: str, code: str) -> str:
    """What a code means, "" where the field is no code or nobody knows."""
    match wire:
        case "typeCode":
            return dictionary.names(conn, "entType").get(code, "")
        case "industryCode":
            return dictionary.names(conn, "industry").get(code, "")
        case "regionCode":
            return dictionary.vocabulary(conn).regions.full_name(code)
        case "energyConsumeLevel":
            return LEVELS.get(int(code), "")
        case "fieldCode":
            return FIELDS.get(code, "")
    return ""


FIELDS: Final = {
    "100": "工业",
    "200": "交通运输、仓储和邮政业",
    "300": "住宿和餐饮业",
    "400": "批发和零售业",
    "500": "教育",
    "600": "其他",
}
"""fieldCode (领域编码) of A.4."""
