"""What is odd about the amounts of a period (检查, docs/decisions 7): findings, never refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from nenghao.standard.coefficients import EXACT, Lookup, in_use
from nenghao.standard.energy_amounts import (
    CLOSING_STOCK,
    DECIMALS,
    OPENING_STOCK,
    SCALE,
    Kind,
    Period,
    Usages,
    code_of,
)
from nenghao.standard.energy_routes import PRODUCED, Terms, purchased, route
from nenghao.standard.indicators import UNITS, group_of, has_unit, weigh
from nenghao.standard.periods import StatType


class Check(StrEnum):
    """The kinds of findings about energy, each with its Chinese `label` (at most 30 letters)."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Check:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    CONSUMPTION_PARTS = "consumption_parts", "能源消费合计与分项不符（20 = 21 + 22）"
    MATERIAL = "material", "用作原材料超过工业生产消费（23 ≤ 21）"
    TRANSPORT = "transport", "运输工具消费超过能源消费合计（81 ≤ 20）"
    CONVERSION = "conversion", "加工转换投入超过工业生产消费（90–98 ≤ 21）"
    STOCK_BALANCE = "stock_balance", "库存不平衡（52 = 51 + 10 − 20）"
    PURCHASE_PARTS = "purchase_parts", "购进与分项不符（10 = 11 + 12）"
    PARTS_OF_PERIOD = "parts_of_period", "各分期之和与整期数据相差超过 5%"
    CONVERTS_UNEXPECTEDLY = "converts_unexpectedly", "非能源加工转换类行业上报了产出或回收利用"
    MEASURED_OUT_OF_RANGE = "measured_out_of_range", "实测折标系数超出合理范围，已改用参考值"
    NO_COEFFICIENT = "no_coefficient", "没有折标系数，未计入"
    NEGATIVE_CONSUMPTION = "negative_consumption", "消费量为负，分品种按 0 计"
    ODD_UNIT = "odd_unit", "计量单位与指标单位不同，原始量未换算"


class EnergyFinding(Struct, frozen=True):
    """One odd thing about a unit's energy in a period (检查结果)."""

    kind: Check
    subject: str
    """The data code it is about."""
    detail: str
    """It, said to the operator in Chinese."""


TOLERANCE: Final = SCALE // 10**6
"""How far two sides may be apart before that is odd: a millionth of the type's unit, which is what
adding doubles costs and no meter shows."""

PARTS_TOLERANCE: Final = (5, 100)
"""How far the sum of the days may be from the month: 5 % of the month."""


def checks(period: Period, jgzh: bool | None = None) -> list[EnergyFinding]:
    """The findings about a period's amounts, by type and check. `jgzh`: whether the unit's
    industry converts energy (是否能源加工转换类); None when nobody knows: then that is not asked.

    A side of a balance that was not sent is not made up: a whole with one of its two parts is odd
    only if it is smaller than the part.
    """
    found: list[EnergyFinding] = []
    for kind in sorted(period.amounts):
        usages = period.amounts[kind]
        for kind_of_check, usage, detail in _of_type(kind, usages, jgzh):
            found.append(EnergyFinding(kind_of_check, code_of(kind, usage), detail))
        for (other, usage), (own, made) in sorted(period.disagreements.items()):
            if other == kind and _far(own, made):
                detail = f"整期数据 {plain(own)}，各分期之和 {plain(made)}，相差超过 5%"
                found.append(EnergyFinding(Check.PARTS_OF_PERIOD, code_of(kind, usage), detail))
    return found


def coefficient_checks(
    period: Period, stat_type: StatType, coefficients: Lookup
) -> list[EnergyFinding]:
    """The findings that come up when amounts are turned into standard coal, by type."""
    found: list[EnergyFinding] = []
    for kind in sorted(period.amounts):
        usages = period.amounts[kind]
        code = code_of(kind, min(usages))
        reference = coefficients(kind)
        if reference is None:
            detail = f"能源品种 {kind.energy_class}{kind.code} 没有折标系数，未计入"
            found.append(EnergyFinding(Check.NO_COEFFICIENT, code, detail))
            continue
        refused = in_use(reference, period.measured.get(kind)).refused
        if refused is not None:
            low, high = (plain_decimal(limit) for limit in reference.limits)
            detail = (
                f"实测折标系数 {plain(refused.value)} 不在 {low}–{high} 之内，"
                f"改用参考值 {plain_decimal(reference.zbckz)}"
            )
            found.append(EnergyFinding(Check.MEASURED_OUT_OF_RANGE, refused.code, detail))
        consumption = weigh(usages, route(kind, usages, stat_type).consumption)
        if consumption < 0:
            detail = f"{reference.name}消费量 {plain(consumption)} 为负，分品种按 0 计"
            found.append(EnergyFinding(Check.NEGATIVE_CONSUMPTION, code, detail))
        if not has_unit(reference):
            detail = (
                f"{reference.name}的计量单位 {reference.unit or '（空）'} 不能换算为"
                f" {UNITS[group_of(kind)]}，原始量未换算"
            )
            found.append(EnergyFinding(Check.ODD_UNIT, code, detail))
    return found


def plain(amount: int) -> str:
    """An amount in Chinese texts: a decimal without needless zeros."""
    return plain_decimal(EXACT.scaleb(Decimal(amount), -DECIMALS))


def plain_decimal(number: Decimal) -> str:
    """A decimal without exponent and needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_Found = Iterator[tuple[Check, int, str]]


def _of_type(kind: Kind, usages: Usages, jgzh: bool | None) -> _Found:
    """What is odd about one type: the check, the usage it is about, and why."""
    yield from _whole(usages, 20, (21, 22), Check.CONSUMPTION_PARTS)
    yield from _whole(usages, 10, (11, 12), Check.PURCHASE_PARTS)
    industrial, everything = _known(usages, 21, _INDUSTRIAL), _known(usages, 20, _EVERYTHING)
    yield from _within(usages, (23,), 21, industrial, Check.MATERIAL)
    yield from _within(usages, (81,), 20, everything, Check.TRANSPORT)
    yield from _within(usages, tuple(range(90, 99)), 21, industrial, Check.CONVERSION)
    yield from _stocks(usages, everything)
    if jgzh is False:
        for usage in sorted(PRODUCED & usages.keys()):
            if usages[usage]:
                detail = f"用途 {usage} 为 {plain(usages[usage])}，而所属行业不是能源加工转换类"
                yield Check.CONVERTS_UNEXPECTEDLY, usage, detail


def _whole(usages: Usages, whole: int, parts: tuple[int, int], check: Check) -> _Found:
    """A whole and its two parts; with one part only, whether it fits in."""
    present = [part for part in parts if part in usages]
    if whole not in usages or not present:
        return
    made = sum(usages[part] for part in present)
    apart = usages[whole] - made
    if apart < -TOLERANCE or (len(present) == len(parts) and apart > TOLERANCE):
        terms = " + ".join(f"{part}（{plain(usages[part])}）" for part in present)
        yield check, whole, f"{whole}（{plain(usages[whole])}）与 {terms} 不符"


_INDUSTRIAL: Terms = ((20, 1), (22, -1))
_EVERYTHING: Terms = ((21, 1), (22, 1))


def _known(usages: Usages, usage: int, otherwise: Terms) -> int | None:
    """An amount, or what makes it up where all of that is there."""
    if usage in usages:
        return usages[usage]
    if all(part in usages for part, _ in otherwise):
        return weigh(usages, otherwise)
    return None


def _within(
    usages: Usages, parts: tuple[int, ...], whole: int, limit: int | None, check: Check
) -> _Found:
    """Parts that together may not be more than their whole."""
    present = [part for part in parts if part in usages]
    if limit is None or not present:
        return
    made = sum(usages[part] for part in present)
    if made > limit + TOLERANCE:
        names = " + ".join(map(str, present))
        yield check, present[0], f"{names} 共 {plain(made)}，超过 {whole} 的 {plain(limit)}"


def _stocks(usages: Usages, everything: int | None) -> _Found:
    """52 = 51 + 10 − 20, of types that are bought only and not supplied to others."""
    if usages.get(60) or any(usages.get(usage) for usage in PRODUCED):
        return
    purchases = purchased(usages)
    if everything is None or not purchases or not {OPENING_STOCK, CLOSING_STOCK} <= usages.keys():
        return
    expected = usages[OPENING_STOCK] + weigh(usages, purchases) - everything
    if abs(usages[CLOSING_STOCK] - expected) > TOLERANCE:
        detail = f"期末库存 {plain(usages[CLOSING_STOCK])}，应为 51 + 10 − 20 = {plain(expected)}"
        yield Check.STOCK_BALANCE, CLOSING_STOCK, detail


def _far(own: int, made: int) -> bool:
    part, of = PARTS_TOLERANCE
    return abs(made - own) * of > abs(own) * part
