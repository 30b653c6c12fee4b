"""Units (计量单位): what a text like `kWh`, `万千瓦时` or `Nm3/h` stands for, and conversion.

A unit is an exact factor to its base unit and a dimension. Products and quotients are read as
written: `GJ/h`, `kW*h`. A unit that the table does not know is a dimension of its own: it can be
compared with itself and with nothing else. Energy, mass, volume and time are converted; what
energy a tonne of coal holds is a coefficient, not a unit, and none of this module's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from msgspec import Struct

Dimension = tuple[tuple[str, int], ...]
"""Base quantities with their powers, by name; () is a bare number."""

NONE: Dimension = ()
TIME: Dimension = (("time", 1),)
_CALORIE = Fraction("4.1868")


class UnitError(ValueError):
    """A unit that cannot be read or converted; the text says why, in Chinese."""


class Unit(Struct, frozen=True):
    """A unit: `text` as written, `factor` to the base unit of its dimension."""

    text: str
    factor: Fraction
    dimension: Dimension


_TABLE: dict[str, dict[str, str | int | Fraction]] = {
    "energy": {  # joule
        "J": 1, "kJ": 1000, "MJ": 10**6, "GJ": 10**9, "TJ": 10**12,
        "焦": 1, "千焦": 1000, "兆焦": 10**6, "吉焦": 10**9, "百万千焦": 10**9, "太焦": 10**12,
        "Wh": 3600, "kWh": 3600000, "MWh": 36 * 10**8, "GWh": 36 * 10**11,
        "千瓦时": 3600000, "度": 3600000, "兆瓦时": 36 * 10**8, "万千瓦时": 36 * 10**9,
        "万度": 36 * 10**9, "亿千瓦时": 36 * 10**13,
        "cal": _CALORIE, "kcal": _CALORIE * 1000, "Mcal": _CALORIE * 10**6,
        "Gcal": _CALORIE * 10**9, "千卡": _CALORIE * 1000, "大卡": _CALORIE * 1000,
        "百万千卡": _CALORIE * 10**9, "百万大卡": _CALORIE * 10**9,
    },
    "mass": {  # tonne
        "g": "0.000001", "kg": "0.001", "t": 1,
        "克": "0.000001", "千克": "0.001", "公斤": "0.001", "吨": 1, "万吨": 10000,
    },
    "volume": {  # cubic metre
        "mL": "0.000001", "L": "0.001", "m3": 1, "m³": 1, "Nm3": 1, "Nm³": 1,
        "升": "0.001", "立方米": 1, "标准立方米": 1, "立方": 1, "方": 1, "标方": 1,
        "千立方米": 1000, "万立方米": 10000, "万m3": 10000, "万m³": 10000, "万Nm3": 10000,
        "万Nm³": 10000, "万标准立方米": 10000, "亿立方米": 10**8,
    },
    "time": {  # second
        "s": 1, "min": 60, "h": 3600, "秒": 1, "分钟": 60, "小时": 3600, "时": 3600,
    },
    "standard coal": {  # tonne of standard coal
        "tce": 1, "kgce": "0.001", "吨标准煤": 1, "千克标准煤": "0.001", "万吨标准煤": 10000,
        "吨标煤": 1, "万吨标煤": 10000,
    },
    "money": {"元": 1, "千元": 1000, "万元": 10000, "亿元": 10**8},
}  # fmt: skip

_POWER: dict[str, str | int] = {
    "mW": "0.001", "W": 1, "kW": 1000, "MW": 10**6, "GW": 10**9,
    "瓦": 1, "千瓦": 1000, "兆瓦": 10**6, "万千瓦": 10**7,
}  # fmt: skip

_NUMBERS = {"1": Fraction(1), "%": Fraction(1, 100), "‰": Fraction(1, 1000)}


def _known() -> dict[str, Unit]:
    table = {text: Unit(text, factor, NONE) for text, factor in _NUMBERS.items()}
    for quantity, row in _TABLE.items():
        for text, factor in row.items():
            table[text] = Unit(text, Fraction(factor), ((quantity, 1),))
    for text, factor in _POWER.items():
        table[text] = Unit(text, Fraction(factor), (("energy", 1), ("time", -1)))
    return table


_KNOWN = _known()
_LOOSE: dict[str, list[Unit]] = {}
for _unit in _KNOWN.values():
    _LOOSE.setdefault(_unit.text.lower(), []).append(_unit)

_PART = re.compile(r"([*·/])")


@cache
def parse(text: str) -> Unit:
    """The unit that `text` names; UnitError for an ill-formed one.

    >>> parse("万千瓦时").factor / parse("kWh").factor
    Fraction(10000, 1)
    """
    stripped = text.strip()
    if stripped in _KNOWN:
        return _KNOWN[stripped]
    parts = _PART.split(stripped.replace("／", "/").replace("×", "*"))
    factor, powers, sign = Fraction(1), dict[str, int](), 1
    for number, part in enumerate(parts):
        if number % 2:
            sign = -1 if part == "/" else sign
            continue
        one = _single(part.strip(), text)
        factor *= one.factor**sign
        for name, power in one.dimension:
            powers[name] = powers.get(name, 0) + power * sign
    return Unit(stripped, factor, dimension(powers))


def _single(part: str, whole: str) -> Unit:
    if not part:
        raise UnitError(f"单位 {whole!r} 不合法")
    if part in _KNOWN:
        return _KNOWN[part]
    near = _LOOSE.get(part.lower(), [])
    if len({(unit.factor, unit.dimension) for unit in near}) == 1:
        return near[0]  # KWH, kwh: there is only one that can be meant
    if near:
        raise UnitError(f"单位 {part} 的大小写不明确：{'、'.join(unit.text for unit in near)}")
    return Unit(part, Fraction(1), ((part, 1),))


def dimension(powers: Mapping[str, int]) -> Dimension:
    """The dimension with these powers of base quantities."""
    return tuple(sorted((name, power) for name, power in powers.items() if power))


def times(left: Dimension, right: Dimension, power: int = 1) -> Dimension:
    """The dimension of a product, or with `power` -1 of a quotient."""
    powers = dict(left)
    for name, one in right:
        powers[name] = powers.get(name, 0) + one * power
    return dimension(powers)


def ratio(source: Unit, target: Unit) -> Fraction:
    """What a value in `source` is multiplied by to stand in `target`; UnitError."""
    if source.dimension != target.dimension:
        raise UnitError(f"单位 {source.text} 不能换算为 {target.text}")
    return source.factor / target.factor
