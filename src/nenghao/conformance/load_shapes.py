"""Load shapes (负荷曲线): how a plant's consumption spreads over a day and over a year.

Pure and deterministic: every draw comes from a hash of who draws and when (`Dice`), never from a
clock or a global generator, so that the same unit has the same day on every machine. A shape has
two halves: `profile` gives the 96 weights of a day, `day_factor` the day's amount relative to a
full working day. What the amounts are and whose they are is `fleet`'s matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

SLOTS = 96
"""Quarter hours of a day; slot i covers the minutes 15·i to 15·(i+1)."""

DESIGN_TEMPERATURE = -19.0
"""Outdoor temperature (°C) at which a heating plant of the province runs at full load."""

_SPRING_FESTIVALS = {
    2022: (2, 1),
    2023: (1, 22),
    2024: (2, 10),
    2025: (1, 29),
    2026: (2, 17),
    2027: (2, 6),
    2028: (1, 26),
    2029: (2, 13),
    2030: (2, 3),
    2031: (1, 23),
    2032: (2, 11),
}


class Dice:
    """Reproducible draws for one occasion, named by its parts.

    >>> Dice("seed", "unit", 3).uniforms(2) == Dice("seed", "unit", 3).uniforms(2)
    True
    """

    def __init__(self, *parts: object) -> None:
        self._name = "|".join(str(part) for part in parts).encode()

    def uniforms(self, count: int, label: str = "") -> list[float]:
        """`count` numbers in [0, 1); draws under different labels are independent."""
        name = self._name + b"|" + label.encode()
        raw = hashlib.shake_128(name).digest(4 * count)
        return [int.from_bytes(raw[i : i + 4]) / 2**32 for i in range(0, 4 * count, 4)]

    def normals(self, count: int, label: str = "") -> list[float]:
        """`count` roughly normal numbers with mean 0 and variance 1, within ±3.5."""
        raw = self.uniforms(4 * count, label)
        return [(sum(raw[i : i + 4]) - 2.0) * math.sqrt(3.0) for i in range(0, 4 * count, 4)]

    def wander(self, spread: float, memory: float = 0.85, label: str = "") -> list[float]:
        """96 factors around 1 that drift rather than jump; `spread` is their deviation."""
        level = 0.0
        factors = []
        step = math.sqrt(1.0 - memory * memory)
        for draw in self.normals(SLOTS, f"wander{label}"):
            level = memory * level + step * draw
            factors.append(max(0.05, 1.0 + spread * level))
        return factors


def spring_festival(year: int) -> date:
    """The first day of the Spring Festival (春节); 5 February for years outside 2022–2032."""
    month, day = _SPRING_FESTIVALS.get(year, (2, 5))
    return date(year, month, day)


def is_holiday(day: date) -> bool:
    """Whether offices are shut: weekends, New Year, Spring Festival week, 1–3 May, 1–7 October."""
    if day.weekday() >= 5 or (day.month, day.day) == (1, 1):
        return True
    if day.month == 5 and day.day <= 3:
        return True
    if day.month == 10 and day.day <= 7:
        return True
    return 0 <= (day - spring_festival(day.year)).days < 7


def is_vacation(day: date) -> bool:
    """Whether a university is between its terms (寒暑假)."""
    summer = date(day.year, 7, 12) <= day <= date(day.year, 8, 25)
    return summer or -20 <= (day - spring_festival(day.year)).days <= 17


def is_heating_season(day: date) -> bool:
    """Whether the day lies in the province's heating season (采暖期), 1 November to 31 March."""
    return day.month >= 11 or day.month <= 3


def temperature(day: date, dice: Dice) -> float:
    """A plausible mean outdoor temperature (°C) of the day in Liaoning."""
    angle = 2.0 * math.pi * (day.timetuple().tm_yday - 20) / 365.25
    weather = dice.normals(1, f"weather{day.toordinal() // 3}")[0]
    return 9.0 - 17.5 * math.cos(angle) + 3.0 * weather


def overhaul(year: int, dice: Dice) -> tuple[date, date]:
    """First and last day of the yearly overhaul (年度检修) of the drawer's plant."""
    start, length = dice.uniforms(2, f"overhaul{year}")
    first = date(year, 4, 1) + timedelta(days=int(start * 150))
    return first, first + timedelta(days=7 + int(length * 8))


@dataclass(frozen=True)
class Shape:
    """One kind of load.

    `profile(day, dice)` gives 96 weights >= 0, of any sum but not all 0; `day_factor(day, dice,
    plant)` the day's amount over that of a full working day. `dice` are the item's own for that
    day, `plant` those of the whole unit, the same on every day.
    """

    title: str
    profile: Callable[[date, Dice], list[float]]
    day_factor: Callable[[date, Dice, Dice], float]
    peak: float = 8.0
    """No slot carries more than this many times the mean of a full working day."""


def _hours() -> list[float]:
    """The middle of every slot, in hours."""
    return [(slot + 0.5) / 4.0 for slot in range(SLOTS)]


def _bump(hour: float, centre: float, width: float) -> float:
    return math.exp(-(((hour - centre) / width) ** 2))


def _times(weights: list[float], factors: list[float]) -> list[float]:
    return [weight * factor for weight, factor in zip(weights, factors, strict=True)]


def _continuous_profile(day: date, dice: Dice) -> list[float]:
    return dice.wander(0.02)


def _continuous_day(day: date, dice: Dice, plant: Dice) -> float:
    first, last = overhaul(day.year, plant)
    level = 0.12 if first <= day <= last else 1.0
    return level * (1.0 + 0.02 * dice.normals(1, "day")[0])


def _furnace_profile(day: date, dice: Dice) -> list[float]:
    """Heats (炉次) of about an hour: melting, then tapping; now and then a maintenance shift."""
    minutes = [0.3] * (24 * 60)
    lengths = iter(dice.uniforms(60, "heats"))
    start = int(next(lengths) * 30)
    while start < len(minutes):
        length = 50 + int(next(lengths) * 16)
        for minute in range(start, min(start + int(length * 0.76), len(minutes))):
            minutes[minute] = 1.35
        start += length
    weights = [sum(minutes[i * 15 : i * 15 + 15]) / 15.0 for i in range(SLOTS)]
    weights = _times(weights, dice.wander(0.03, 0.3))
    if is_maintenance_day(dice):
        weights[32:64] = [0.12 * weight for weight in dice.wander(0.02)[32:64]]
    return weights


def is_maintenance_day(dice: Dice) -> bool:
    """Whether the furnace stands still for the day shift (08:00 to 16:00): one day in nine."""
    return dice.uniforms(1, "maintenance")[0] < 1 / 9


def _furnace_day(day: date, dice: Dice, plant: Dice) -> float:
    return _continuous_day(day, dice, plant) * (0.7 if is_maintenance_day(dice) else 1.0)


def _kiln_day(day: date, dice: Dice, plant: Dice) -> float:
    """Clinker kilns rest in the heating season (错峰生产): nothing is burnt."""
    return 0.0 if is_heating_season(day) else _continuous_day(day, dice, plant)


def _mill_profile(day: date, dice: Dice) -> list[float]:
    """Mills run when electricity is cheap (谷电): full from 22:00 to 06:00, throttled at peaks."""
    weights = []
    for hour in _hours():
        if hour >= 22 or hour < 6:
            weights.append(1.35)
        elif 8 <= hour < 11 or 16 <= hour < 21:
            weights.append(0.72)
        else:
            weights.append(1.0)
    return _times(weights, dice.wander(0.03))


def _mill_day(day: date, dice: Dice, plant: Dice) -> float:
    return _continuous_day(day, dice, plant) * (0.35 if is_heating_season(day) else 1.0)


def _three_shift_profile(day: date, dice: Dice) -> list[float]:
    """Three shifts (三班): a dip at every change, 00:00, 08:00 and 16:00, and at meals."""
    weights = dice.wander(0.04, 0.6)
    for slot in (0, 31, 32, 63, 64, 95):
        weights[slot] *= 0.62
    for slot in (47, 48, 73, 74):
        weights[slot] *= 0.86
    return weights


def _two_shift_profile(day: date, dice: Dice) -> list[float]:
    """Two shifts (两班), 06:00 to 22:00; at night only what must run."""
    weights = [
        0.2 if hour < 5.75 or hour >= 22.25 else (0.6 if hour < 6.5 or hour >= 21.75 else 1.0)
        for hour in _hours()
    ]
    return _times(weights, dice.wander(0.06, 0.6))


def _weekly_day(day: date, dice: Dice, plant: Dice) -> float:
    level = 0.78 if day.weekday() == 6 else 1.0
    if 0 <= (day - spring_festival(day.year)).days < 7:
        level = 0.45
    return level * (1.0 + 0.03 * dice.normals(1, "day")[0])


def _summer_product_day(day: date, dice: Dice, plant: Dice) -> float:
    """Beer follows the summer: twice as much in July as in January."""
    season = 0.85 - 0.3 * math.cos(2.0 * math.pi * (day.timetuple().tm_yday - 20) / 365.25)
    return season * _weekly_day(day, dice, plant)


def _campus_profile(day: date, dice: Dice) -> list[float]:
    free = is_holiday(day) or is_vacation(day)
    weights = [
        0.42
        + (0.25 if free else 0.75) * _bump(hour, 10.0, 2.6)
        + (0.25 if free else 0.7) * _bump(hour, 15.0, 2.4)
        + (0.35 if free else 0.6) * _bump(hour, 20.0, 2.2)
        for hour in _hours()
    ]
    return _times(weights, dice.wander(0.04))


def _campus_day(day: date, dice: Dice, plant: Dice) -> float:
    level = 0.72 if is_holiday(day) else 1.0
    if is_vacation(day):
        level = 0.45
    if day.month in (6, 7, 8, 9):
        level *= 1.0 + max(0.0, temperature(day, plant) - 22.0) * 0.03
    return level * (1.0 + 0.03 * dice.normals(1, "day")[0])


def _hospital_profile(day: date, dice: Dice) -> list[float]:
    clinic = 0.25 if is_holiday(day) else 0.8
    weights = [
        0.6 + clinic * _bump(hour, 10.0, 2.4) + 0.7 * clinic * _bump(hour, 15.0, 2.2)
        for hour in _hours()
    ]
    return _times(weights, dice.wander(0.03))


def _hospital_day(day: date, dice: Dice, plant: Dice) -> float:
    level = 0.84 if is_holiday(day) else 1.0
    cooling = max(0.0, temperature(day, plant) - 20.0) * 0.035
    return level * (1.0 + cooling) * (1.0 + 0.02 * dice.normals(1, "day")[0])


def _heating_profile(day: date, dice: Dice) -> list[float]:
    """Heat follows the cold: most before dawn, least in the early afternoon."""
    weights = [1.0 + 0.13 * math.cos(2.0 * math.pi * (hour - 5.0) / 24.0) for hour in _hours()]
    return _times(weights, dice.wander(0.015))


def _heating_day(day: date, dice: Dice, plant: Dice) -> float:
    if not is_heating_season(day):
        return 0.0
    need = (18.0 - temperature(day, plant)) / (18.0 - DESIGN_TEMPERATURE)
    return min(1.1, max(0.15, need))


def _pumps_day(day: date, dice: Dice, plant: Dice) -> float:
    """The pumps of a heating network: with the heat in winter, a maintenance load in summer."""
    return max(0.06 + 0.01 * dice.uniforms(1, "day")[0], _heating_day(day, dice, plant))


def _kitchen_profile(day: date, dice: Dice) -> list[float]:
    weights = [
        0.03 + _bump(hour, 6.5, 0.9) + 1.6 * _bump(hour, 11.2, 1.1) + 1.2 * _bump(hour, 17.3, 1.1)
        for hour in _hours()
    ]
    return _times(weights, dice.wander(0.08, 0.5))


def _cooled_profile(day: date, dice: Dice) -> list[float]:
    """Computers draw the same at any hour; their cooling follows the afternoon."""
    swing = 0.06 if day.month in (5, 6, 7, 8, 9) else 0.015
    weights = [1.0 + swing * math.cos(2.0 * math.pi * (hour - 15.0) / 24.0) for hour in _hours()]
    return _times(weights, dice.wander(0.008))


def _cooled_day(day: date, dice: Dice, plant: Dice) -> float:
    cooling = max(0.0, temperature(day, plant) - 10.0) * 0.012
    return (0.92 + cooling) * (1.0 + 0.01 * dice.normals(1, "day")[0])


def _quay_profile(day: date, dice: Dice) -> list[float]:
    """Cranes and belts work while ships lie at the quay: blocks of some hours, day and night."""
    weights = [0.28] * SLOTS
    draws = dice.uniforms(15, "ships")
    for start, length, weight in zip(draws[0::3], draws[1::3], draws[2::3], strict=True):
        first = int(start * SLOTS)
        for slot in range(first, first + 14 + int(length * 26)):
            weights[slot % SLOTS] += 0.35 + 0.35 * weight
    return _times(weights, dice.wander(0.05, 0.5))


def _quay_day(day: date, dice: Dice, plant: Dice) -> float:
    storm = dice.uniforms(1, "storm")[0] < 0.04
    return (0.35 if storm else 1.0) * (1.0 + 0.1 * dice.normals(1, "day")[0])


def _sun_profile(day: date, dice: Dice) -> list[float]:
    """A photovoltaic roof: a bell between sunrise and sunset, with clouds."""
    noon, half = (
        11.8,
        6.0 - 1.6 * math.cos(2.0 * math.pi * (day.timetuple().tm_yday - 355) / 365.25),
    )
    height = [1.0 - abs(hour - noon) / half for hour in _hours()]
    clear = [math.sin(math.pi * part / 2.0) if part > 0.0 else 0.0 for part in height]
    return _times(clear, [min(1.2, factor) for factor in dice.wander(0.25, 0.7)])


def _sun_day(day: date, dice: Dice, plant: Dice) -> float:
    season = 0.75 - 0.3 * math.cos(2.0 * math.pi * (day.timetuple().tm_yday - 355) / 365.25)
    return season * (0.45 + 0.75 * dice.uniforms(1, "clouds")[0])


def _standby_profile(day: date, dice: Dice) -> list[float]:
    """Emergency generators on test: one hour from 10:00."""
    return [1.0 if 40 <= slot < 44 else 0.0 for slot in range(SLOTS)]


def _standby_day(day: date, dice: Dice, plant: Dice) -> float:
    return 1.0 if day.weekday() == 2 and day.day <= 7 else 0.0


SHAPES: dict[str, Shape] = {
    "continuous": Shape("连续生产", _continuous_profile, _continuous_day),
    "furnace": Shape("电弧炉炉次", _furnace_profile, _furnace_day),
    "kiln": Shape("回转窑（错峰停窑）", _continuous_profile, _kiln_day),
    "mill": Shape("粉磨（谷电生产）", _mill_profile, _mill_day),
    "three_shifts": Shape("三班生产", _three_shift_profile, _weekly_day),
    "two_shifts": Shape("两班生产", _two_shift_profile, _weekly_day),
    "summer_product": Shape("两班生产（夏旺）", _two_shift_profile, _summer_product_day),
    "campus": Shape("校园", _campus_profile, _campus_day),
    "hospital": Shape("医院", _hospital_profile, _hospital_day),
    "heating": Shape("采暖", _heating_profile, _heating_day),
    "pumps": Shape("热网循环泵", _heating_profile, _pumps_day),
    "kitchen": Shape("食堂", _kitchen_profile, _campus_day),
    "cooled": Shape("机房与制冷", _cooled_profile, _cooled_day),
    "quay": Shape("码头装卸", _quay_profile, _quay_day),
    "sun": Shape("光伏", _sun_profile, _sun_day),
    "standby": Shape("备用发电机试车", _standby_profile, _standby_day, peak=26.0),
}
"""The shapes by the names that `fleet.toml` uses."""
