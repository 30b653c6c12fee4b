"""Energy types and what else is collected: data classes (B.2), energy types with their standard
coal coefficients (B.3.2), new energy (B.3), carbon (B.4), other items, and usages (B.5).

A type is identified by (class, code), since codes repeat between classes: 1100 is coke oven gas
in class 02 and carbon emission in class 12. Two digits are a category (分类), four a category and
item (分类分项). 能源合计 (40, 4000) is itself a total and belongs to no class.

Standard coal of a value is value × zbckz × dwzbxs; with what coefficient, and what counts
(docs/decisions 7), is the business of `coefficients` and `indicators`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec

from nenghao.standard import code_tables

DATA_CLASSES: Mapping[str, str] = MappingProxyType(
    {row["code"]: row["name"] for row in code_tables.load("data_classes")}
)
"""The twelve data classes (采集数据类型) of table B.2: names by code."""

COEFFICIENT_CLASSES: Mapping[str, str] = MappingProxyType({"05": "01", "06": "02", "07": "03"})
"""The classes of measured coefficients (折标系数), each with the class whose types it measures."""

NEW_ENERGY_CLASS: Final = "11"
CARBON_CLASS: Final = "12"

CATEGORY: Final = 1
ITEM: Final = 2

_RANGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)-([0-9]+(?:\.[0-9]+)?)")


class Usage(msgspec.Struct, frozen=True):
    """A usage (能源用途) of table B.5."""

    code: str
    """Two digits: the group and the item."""
    name: str
    """The item as printed (业务分项)."""
    group: str
    """The group as printed (业务分类)."""


USAGES: Mapping[str, Usage] = MappingProxyType(
    {row["code"]: Usage(**row) for row in code_tables.load("usages")}
)
"""The 27 usages by code."""


class EnergyType(msgspec.Struct, frozen=True):
    """An energy type (能源品种) or a category of them."""

    class_code: str
    """The data class, "" for 能源合计."""
    code: str
    """Two digits for a category, four for a category and item."""
    name: str
    pcode: str
    """The category of an item, "" on a category."""
    type: int
    """CATEGORY 1 or ITEM 2."""
    unit: str
    """The unit of values (计量单位)."""
    nhzbdw: str
    """The unit of zbckz (能耗折标单位), "" on a category."""
    zbckz: str
    """The reference coefficient (折标量参考值), one decimal as text; "" on a category."""
    dwzbxs: str
    """What a value is multiplied by before zbckz (单位折标系数), a decimal as text."""
    range: str
    """What a measured coefficient may be, as `low-high`; "" where none is known."""
    source: str
    """Where the coefficient comes from; "" on a category."""

    @property
    def coefficient(self) -> Decimal | None:
        """Tonnes of standard coal (吨标准煤) per unit: zbckz × dwzbxs; None without zbckz."""
        return Decimal(self.zbckz) * Decimal(self.dwzbxs) if self.zbckz else None

    @property
    def bounds(self) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest that a measured coefficient may be, None when unknown."""
        return parse_range(self.range) if self.range else None


def parse_range(text: str) -> tuple[Decimal, Decimal]:
    """The two ends of `low-high`; ValueError when it is none or the ends are the wrong way."""
    match = _RANGE.fullmatch(text)
    if match is None or Decimal(match[1]) > Decimal(match[2]):
        raise ValueError(f"应为 低值-高值，收到 {text!r}")
    return Decimal(match[1]), Decimal(match[2])


class EnergyTable:
    """Energy types from rows as `tables/energy_types.csv` has them."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._types: dict[tuple[str, str], EnergyType] = {}
        for row in rows:
            kind = _energy_type(row)
            if (kind.class_code, kind.code) in self._types:
                raise ValueError(f"能源类型 {kind.class_code}/{kind.code} 重复")
            self._types[kind.class_code, kind.code] = kind

    def __iter__(self) -> Iterator[EnergyType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def get(self, class_code: str, code: str) -> EnergyType | None:
        """The type of that class and code, None when the table does not know it."""
        return self._types.get((class_code, code))

    def of_class(self, class_code: str) -> tuple[EnergyType, ...]:
        """The categories and items of a data class, in the table's order."""
        return tuple(kind for kind in self if kind.class_code == class_code)

    def parent(self, kind: EnergyType) -> EnergyType | None:
        """The category of an item."""
        return self.get(kind.class_code, kind.pcode)


def _energy_type(row: Mapping[str, str]) -> EnergyType:
    return EnergyType(
        class_code=row["classCode"],
        code=row["code"],
        name=row["name"],
        pcode=row["pcode"],
        type=int(row["type"]),
        unit=row["unit"],
        nhzbdw=row["nhzbdw"],
        zbckz=row["zbckz"],
        dwzbxs=row["dwzbxs"],
        range=row["range"],
        source=row["source"],
    )


ENERGY_TYPES = EnergyTable(code_tables.load("energy_types"))
"""The energy types of classes 01 and 02, new energy (B.3, class 11) and 能源合计."""


class CollectItem(msgspec.Struct, frozen=True):
    """Something that can be collected (采集数据项), as base data know it (6.3.2.2-f).

    (type, pclass, industry, code) is its key.
    """

    code: str
    """Two digits for types 1 and 2, four for type 3."""
    name: str
    pcode: str
    """The category of an item, "" for types 1 and 2."""
    type: int
    """1 data class (采集数据类型), 2 category (分类), 3 category and item (分类分项)."""
    pclass: str
    """The data class it belongs to, "" for type 1 and for 能源合计."""
    industry: str
    """The industry it is meant for, "" for every one."""
    unit: str
    """The unit of its values, "" for type 1."""


def _collect_items() -> Iterator[CollectItem]:
    for code, name in DATA_CLASSES.items():
        yield CollectItem(code, name, "", 1, "", "", "")
    for kind in ENERGY_TYPES:
        yield CollectItem(
            kind.code, kind.name, kind.pcode, kind.type + 1, kind.class_code, "", kind.unit
        )
    for coefficient_class, measured in COEFFICIENT_CLASSES.items():
        for kind in ENERGY_TYPES.of_class(measured):
            unit = kind.nhzbdw or f"吨标准煤/{kind.unit}"
            name = f"{kind.name}折标系数"
            yield CollectItem(
                kind.code, name, kind.pcode, kind.type + 1, coefficient_class, "", unit
            )
    for row in code_tables.load("collect_items"):
        yield CollectItem(
            code=row["code"],
            name=row["name"],
            pcode=row["pcode"],
            type=int(row["type"]),
            pclass=row["pclass"],
            industry=row["industryCode"],
            unit=row["unit"],
        )


COLLECT_ITEMS: tuple[CollectItem, ...] = tuple(_collect_items())
"""Every default collect item: the classes, the energy types, the measured coefficients of those
(classes 05 and 06: same codes, unit nhzbdw), energy efficiency, economic and carbon indicators."""

CARBON: Mapping[str, CollectItem] = MappingProxyType(
    {item.code: item for item in COLLECT_ITEMS if item.pclass == CARBON_CLASS and item.type == 3}
)
"""The five carbon indicators (碳指标, B.4) by their four digits."""

NEW_ENERGY: Mapping[str, EnergyType] = MappingProxyType(
    {kind.code: kind for kind in ENERGY_TYPES.of_class(NEW_ENERGY_CLASS) if kind.type == ITEM}
)
"""The seven new energy indicators (新能源指标, B.3) by their four digits."""
