"""Data codes (上传数据项编码): `PP-UU-EENN-CCTTTT-YY`, the name of one measured quantity.

Process (生产工序, B.1.4), process unit (工序单元, B.1.5), equipment type and number (用能设备,
B.1.6), data class (采集数据类型, B.2), energy type or indicator (B.3), usage (用途, B.5). Only the
shape is checked here, since only the shape is law; whether the segments are known codes is
`code_tables`' and the dictionary's matter (docs/decisions 1).
"""

import re
from enum import IntEnum

import msgspec

SHAPE = "PP-UU-EENN-CCTTTT-YY"
"""The shape as messages to users spell it; every letter stands for an ASCII digit."""

WHOLE_PLANT_PREFIX = "00-00-0000-"
"""What the data codes of the whole plant (全厂) begin with."""

_FORM = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{2})([0-9]{2})-([0-9]{2})([0-9]{4})-([0-9]{2})")


class Scope(IntEnum):
    """The range a value covers (采集数据范围, A.4): the numbers 1 to 4 of the wire."""

    WHOLE_PLANT = 1
    PROCESS = 2
    PROCESS_UNIT = 3
    EQUIPMENT = 4

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _SCOPE_LABELS[self]


_SCOPE_LABELS = {
    Scope.WHOLE_PLANT: "全厂",
    Scope.PROCESS: "生产工序",
    Scope.PROCESS_UNIT: "生产工序单元",
    Scope.EQUIPMENT: "重点耗能设备",
}


class DataCode(msgspec.Struct, frozen=True, order=True):
    """A data code in its segments, each a string of digits.

    >>> code = parse("00-00-0000-023300-11")
    >>> code.energy_type, code.usage, code.is_whole_plant
    ('3300', '11', True)
    >>> str(code)
    '00-00-0000-023300-11'
    """

    process: str
    """Production process (生产工序), 2 digits, "00" the whole plant."""
    process_unit: str
    """Process unit (工序单元), 2 digits."""
    equipment: str
    """Equipment type (重点耗能设备类型), 2 digits."""
    equipment_unit: str
    """Equipment number (重点耗能设备编号), 2 digits."""
    energy_class: str
    """Data class (采集对象类型), 2 digits of table B.2."""
    energy_type: str
    """Category and item (能源分类和分项), 4 digits."""
    usage: str
    """Usage (用途), 2 digits of table B.5."""

    def format(self) -> str:
        """The code as the wire spells it: `PP-UU-EENN-CCTTTT-YY`."""
        return (
            f"{self.process}-{self.process_unit}-{self.equipment}{self.equipment_unit}"
            f"-{self.energy_class}{self.energy_type}-{self.usage}"
        )

    def __str__(self) -> str:
        return self.format()

    @property
    def category(self) -> str:
        """The category (分类): the first two digits of the energy type."""
        return self.energy_type[:2]

    @property
    def scope(self) -> Scope:
        """The scope that the segments imply; the finest one that is not zero decides."""
        if (self.equipment, self.equipment_unit) != ("00", "00"):
            return Scope.EQUIPMENT
        if self.process_unit != "00":
            return Scope.PROCESS_UNIT
        if self.process != "00":
            return Scope.PROCESS
        return Scope.WHOLE_PLANT

    @property
    def is_whole_plant(self) -> bool:
        """Whether the value is one of the whole plant, the only kind that totals count."""
        return self.scope is Scope.WHOLE_PLANT


def is_form(text: str) -> bool:
    """Whether `text` has the shape of a data code."""
    return _FORM.fullmatch(text) is not None


def parse(text: str) -> DataCode:
    """The segments of `text`; ValueError with a Chinese reason when it has another shape."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"数据项编码应为 {SHAPE}（各位均为数字），收到 {text!r}")
    return DataCode(*match.groups())
