"""The fleet (模拟用能单位): plausible units of Liaoning and what their meters would have read.

For the demo and for tests that need a province full of units. Who they are stands in
`fleet.toml`, how their loads run in `load_shapes`. Pure and deterministic: the same unit, item
and day always give the same readings; devices, certificates and uploads are the business of
whoever uses the fleet.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from nenghao.conformance.load_shapes import SHAPES, SLOTS, Dice
from nenghao.standard import credit_code, data_code, unit_categories
from nenghao.standard.regions import LIAONING

SEED = 2026
"""The seed of the fleet that the demo shows."""

_VOLUME_CATEGORIES = {"11", "12", "13", "14", "15", "17"}
_FIELD_NAMES = {"100": "工业", "200": "交通运输、仓储和邮政业", "500": "教育", "600": "其他"}


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metered quantity (采集数据项) of a unit."""

    code: str
    """Data code (数据项编码)."""
    name: str
    """Name as the configuration carries it."""
    per_day: float = 0.0
    """Amount of a full working day, in the dictionary's unit of the energy type."""
    shape: str = ""
    """Name of a load shape in `load_shapes.SHAPES`."""
    follows: str = ""
    """Data code of the item that this one is a share of; then `per_day` and `shape` are unused."""
    share: float = 0.0
    """Share of the followed item at every tick (in this item's unit per unit of that one)."""

    @property
    def decimals(self) -> int:
        """Decimals a meter of this kind gives: 0.01 kWh, 0.01 m³, 1 kg, 1 MJ."""
        code = data_code.parse(self.code)
        if code.category == "33" or code.category in _VOLUME_CATEGORIES:
            return 6
        return 5 if code.energy_class == "11" else 3


class _Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[unit]]` of fleet.toml."""

    name: str
    code17: str
    region: str
    industry: str
    category: str
    level: int
    latitude: float
    longitude: float
    office: str
    line: str
    product: str
    system: str
    input_type: int
    interval: int
    items: tuple[Item, ...]
    field: str = "100"
    group: str = ""
    jgzh: bool = False
    center: bool = False
    processes: tuple[tuple[str, str], ...] = ()
    process_units: tuple[tuple[str, str, str, str], ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: tuple[_Template, ...]


@dataclass(frozen=True)
class FleetUnit:
    """A simulated unit (用能单位) with its meters."""

    number: int
    """Position in the fleet, from 1."""
    credit_code: str
    """Unified social credit code, with a valid check character."""
    name: str
    region: str
    """Region code of a county of Liaoning."""
    template: _Template
    """What is the same for all units of its kind."""
    scale: float
    """Size relative to the template."""
    seed: int

    @property
    def industry(self) -> str:
        """Industry code of GB/T 4754, with its letter."""
        return self.template.industry

    @property
    def level(self) -> int:
        """energyConsumeLevel of A.4, 1 to 6."""
        return self.template.level

    @property
    def interval(self) -> int:
        """Minutes between two readings: 15, 30 or 60."""
        return self.template.interval

    @property
    def input_type(self) -> int:
        """Where its readings come from (table B.1)."""
        return self.template.input_type

    @property
    def items(self) -> tuple[Item, ...]:
        """What it meters."""
        return self.template.items

    def item(self, code: str) -> Item:
        """The item of that data code; KeyError when the unit has none."""
        for item in self.items:
            if item.code == code:
                return item
        raise KeyError(code)


@cache
def _templates() -> tuple[_Template, ...]:
    text = resources.files(__package__).joinpath("fleet.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).unit


def fleet(count: int = 12, seed: int = SEED) -> list[FleetUnit]:
    """The first `count` units; beyond the twelve templates come siblings in other counties.

    A sibling differs in credit code, county, size (within a tenth) and in every draw.
    """
    kinds = _templates()
    units = []
    for index in range(count):
        kind = kinds[index % len(kinds)]
        unit = FleetUnit(
            number=index + 1,
            credit_code=credit_code.complete(kind.code17),
            name=kind.name,
            region=kind.region,
            template=kind,
            scale=1.0,
            seed=seed,
        )
        units.append(unit if index < len(kinds) else _sibling(unit, index // len(kinds)))
    return units


def _sibling(unit: FleetUnit, generation: int) -> FleetUnit:
    # "01" is 市辖区, the city's districts as a whole: no place for a plant
    city = f"{unit.region[:4]}00"
    counties = [area.code for area in LIAONING.children(city) if area.code[4:] != "01"]
    place = counties.index(unit.region)
    first17 = f"{unit.template.code17[:13]}{unit.number:04d}"
    base = unit.name.removesuffix("（模拟）")
    return replace(
        unit,
        credit_code=credit_code.complete(first17),
        name=f"{base}分部{generation + 1}（模拟）",
        region=counties[(place + generation) % len(counties)],
        scale=0.9 + 0.2 * Dice(unit.seed, first17).uniforms(1, "scale")[0],
    )


def ticks(unit: FleetUnit, item: Item, day: date) -> list[Decimal]:
    """What the meter counted in each quarter hour of `day`: 96 amounts >= 0.

    Slot i is the interval that ends at (i + 1)·15 minutes after midnight; the unit is the
    dictionary's, the decimals are `item.decimals`.
    """
    step = Decimal(1).scaleb(-item.decimals)
    dice = Dice(unit.seed, unit.credit_code, item.code, day.isoformat())
    if item.follows:
        whole = ticks(unit, unit.item(item.follows), day)
        shares = [item.share * (1.0 - 0.015 * draw) for draw in dice.uniforms(SLOTS, "share")]
        return [
            (amount * Decimal(repr(share))).quantize(step, ROUND_DOWN)
            for amount, share in zip(whole, shares, strict=True)
        ]
    shape = SHAPES[item.shape]
    total = item.per_day * unit.scale * shape.day_factor(day, dice, _plant_dice(unit))
    weights = shape.profile(day, dice)
    per_weight = total / sum(weights)
    return [Decimal(repr(weight * per_weight)).quantize(step, ROUND_HALF_UP) for weight in weights]


def _plant_dice(unit: FleetUnit) -> Dice:
    return Dice(unit.seed, unit.credit_code, "plant")


def readings(unit: FleetUnit, item: Item, day: date) -> list[tuple[datetime, Decimal]]:
    """The day's readings at the unit's own interval, each labelled with its end (clause 6.2.5-3).

    The last one bears the next day's 00:00:00.
    """
    amounts = ticks(unit, item, day)
    width = unit.interval // 15
    midnight = datetime.combine(day, time())
    return [
        (
            midnight + timedelta(minutes=15 * (first + width)),
            sum(amounts[first : first + width], Decimal(0)),
        )
        for first in range(0, SLOTS, width)
    ]


def configuration(unit: FleetUnit) -> dict[str, Any]:
    """The unit's whole configuration in the shape of A.4, without `deviceId`.

    Every item stands there once for each statType that a device sends of it: ticks, days,
    months and years.
    """
    kind = unit.template
    return {
        "enterpriseCode": unit.credit_code,
        "collectItemConfig": [
            _item_row(unit, item, stat_type) for item in unit.items for stat_type in range(4)
        ],
        "enterprise": _enterprise(unit),
        "group": {"name": kind.group, "address": "辽宁省沈阳市浑南区模拟路 1 号", "remark": ""}
        if kind.group
        else None,
        "process": [
            {"processCode": code, "processName": name, "remark": ""}
            for code, name in kind.processes
        ],
        "processUnit": [
            {
                "code": code,
                "name": name,
                "processCode": process,
                "commDate": "2012-06-01 00:00:00",
                "designedCapacity": capacity,
                "remark": "",
            }
            for process, code, name, capacity in kind.process_units
        ],
    }


def most_per_period(unit: FleetUnit, item: Item, stat_type: int) -> float:
    """The item's dataValueMax for one value; statType 0 by the unit's interval."""
    if item.follows:
        return round(most_per_period(unit, unit.item(item.follows), stat_type) * item.share, 6)
    day = item.per_day * unit.scale * 1.5
    if stat_type == 0:
        return round(day * min(1.0, SHAPES[item.shape].peak * unit.interval / 1440), 6)
    return round(day * (1, 31, 366)[stat_type - 1], 6)


def _item_row(unit: FleetUnit, item: Item, stat_type: int) -> dict[str, Any]:
    code = data_code.parse(item.code)
    return {
        "name": item.name,
        "processCode": code.process,
        "processUnitCode": code.process_unit,
        "equipmentCode": code.equipment,
        "equipmentUnitCode": code.equipment_unit,
        "energyClassCode": code.energy_class,
        "energyTypeCode": code.energy_type,
        "dataUsageCode": code.usage,
        "inputType": str(unit.input_type),
        "dataValueMax": most_per_period(unit, item, stat_type),
        "dataValueMin": 0,
        "statType": str(stat_type),
        "collectSystemName": unit.template.system,
        "remark": "模拟数据",
        "scope": int(code.scope),
    }


def _enterprise(unit: FleetUnit) -> dict[str, Any]:
    kind = unit.template
    place = LIAONING.full_name(unit.region)
    return {
        "code": unit.credit_code,
        "name": unit.name,
        "typeCode": kind.category,
        "typeName": unit_categories.name(kind.category),
        "industryCode": kind.industry,
        "regionCode": unit.region,
        "regionName": LIAONING.name(unit.region),
        "center": kind.center,
        "corporationCode": unit.credit_code,
        "jgzh": kind.jgzh,
        "energyConsumeLevel": kind.level,
        "latitude": kind.latitude,
        "longitude": kind.longitude,
        "phone": f"024-5550{unit.number:04d}",
        "fax": f"024-5551{unit.number:04d}",
        "email": f"unit{unit.number}@example.com",
        "address": f"{place}模拟大街 {unit.number} 号",
        "zipCode": "110000",
        "url": f"https://unit{unit.number}.example.com",
        "fieldCode": kind.field,
        "fieldName": _FIELD_NAMES[kind.field],
        "corporationName": "赵模拟",
        "registerDate": "1998-10-10 00:00:00",
        "registerPrincipal": 10000 * kind.level,
        "energyOffice": kind.office,
        "energyOfficial": "李模拟",
        "energyOfficialPosition": f"{kind.office}负责人",
        "energyOfficialPhone": f"1990000{unit.number:04d}",
        "energyPass": kind.level >= 4,
        "energyRespName": "周模拟",
        "energyRespPhone": f"1990001{unit.number:04d}",
        "passDate": "2020-05-20 00:00:00" if kind.level >= 4 else "",
        "passOrg": "模拟认证中心" if kind.level >= 4 else "",
        "productionLine": kind.line,
        "leadingProduct": kind.product,
        "remark": "nenghao 演示用的模拟单位，非真实企业",
    }
