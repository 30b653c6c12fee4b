"""How a unit's totals came about (核算说明): every contribution, for auditors."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from nenghao.standard.coefficients import (
    EXACT,
    FACTOR_DECIMALS,
    Coefficient,
    InUse,
    Lookup,
    in_use,
)
from nenghao.standard.energy import USAGES
from nenghao.standard.energy_amounts import DECIMALS, Kind, Period, Usages, code_of
from nenghao.standard.energy_checks import (
    EnergyFinding,
    checks,
    coefficient_checks,
    plain_decimal,
)
from nenghao.standard.energy_routes import PRODUCED, Route, route
from nenghao.standard.indicators import (
    INDICATORS,
    UNITS,
    Options,
    Totals,
    compute,
    equivalent_factor,
    group_of,
    is_industry,
    origin_factor,
    weigh,
)
from nenghao.standard.periods import StatType


class Line(Struct, frozen=True, kw_only=True):
    """An amount and what it adds to some of the indicators."""

    data_code: str
    name: str
    """The type's Chinese name, its code where nobody knows it."""
    usage: str
    """Two digits."""
    usage_name: str
    amount: Decimal
    unit: str
    summed: bool
    """Made of the period's parts, not sent."""
    missing: int
    """Parts that the sum lacks."""
    route: str
    """a, b or c of docs/decisions 7; "" for the output value."""
    indicators: tuple[str, ...]
    """What it counts in; empty when it does not count."""
    sign: int
    """1 or −1; 0 when it does not count."""
    coefficient: Decimal | None
    """吨标准煤 per unit; None where there is none."""
    basis: str
    """Where the coefficient comes from, in Chinese."""
    contribution: Decimal
    """吨标准煤 with its sign, exact."""
    origin: Decimal
    """The same in the unit of the group's OriginValue; 0 in lines that count in no group."""


class Explanation(Struct, frozen=True):
    """A unit's period, explained: the lines of an indicator add up to its total exactly, but for
    the one rounding to 10⁻⁹."""

    industrial: bool
    """Whether the unit is industry (sections B, C, D)."""
    lines: tuple[Line, ...]
    totals: Totals
    findings: tuple[EnergyFinding, ...]


def explain(
    period: Period,
    stat_type: StatType,
    coefficients: Lookup,
    options: Options,
    industry_code: str | None,
    jgzh: bool | None = None,
) -> Explanation:
    """The same as `indicators.compute`, with its reasons and the findings of `checks`."""
    industrial = is_industry(industry_code)
    lines: list[Line] = []
    for kind in sorted(period.amounts):
        lines += _of_type(period, kind, stat_type, coefficients(kind), options, industrial)
    if period.output_value is not None:
        lines.append(_output_value(period, options))
    return Explanation(
        industrial=industrial,
        lines=tuple(lines),
        totals=compute(period, stat_type, coefficients, options, industry_code),
        findings=(*checks(period, jgzh), *coefficient_checks(period, stat_type, coefficients)),
    )


class _Weight(NamedTuple):
    """With what sign and coefficient an amount counts."""

    sign: int
    factor: int
    basis: str


def _of_type(
    period: Period,
    kind: Kind,
    stat_type: StatType,
    reference: Coefficient | None,
    options: Options,
    industrial: bool,
) -> Iterator[Line]:
    usages = period.amounts[kind]
    used = None if reference is None else in_use(reference, period.measured.get(kind))
    way = route(kind, usages, stat_type)
    for usage in sorted(usages):
        weights: dict[_Weight, list[str]] = {}
        if used is not None:
            for indicator, weight in _weights(
                kind, usages, usage, way, used, options, industrial, stat_type
            ):
                weights.setdefault(weight, []).append(indicator)
        for weight, indicators in weights.items() or _not_counted(used, stat_type):
            group = group_of(kind)
            counts = weight.sign * usages[usage]
            in_group = used is not None and group in indicators
            origin = counts * origin_factor(used, options) if used and in_group else 0
            yield Line(
                data_code=code_of(kind, usage),
                name=reference.name if reference else f"{kind.energy_class}{kind.code}",
                usage=f"{usage:02d}",
                usage_name=USAGES[f"{usage:02d}"].name,
                amount=_decimal(usages[usage], DECIMALS),
                unit=reference.unit if reference else "",
                summed=(kind, usage) in period.summed,
                missing=period.missing.get(kind, {}).get(usage, 0),
                route=way.name,
                indicators=tuple(indicators),
                sign=weight.sign,
                coefficient=_decimal(weight.factor, FACTOR_DECIMALS) if used else None,
                basis=weight.basis,
                contribution=_decimal(counts * weight.factor, DECIMALS + FACTOR_DECIMALS),
                origin=_decimal(origin, DECIMALS + FACTOR_DECIMALS),
            )


def _weights(
    kind: Kind,
    usages: Usages,
    usage: int,
    way: Route,
    used: InUse,
    options: Options,
    industrial: bool,
    stat_type: StatType,
) -> Iterator[tuple[str, _Weight]]:
    """In which indicators an amount counts, and how."""
    basis = _basis(used, stat_type)
    comprehensive = way.comprehensive if industrial else way.total
    equivalent = None if usage in PRODUCED else equivalent_factor(kind, used, options)
    for indicator, terms in (
        ("nyxfzl", way.total),
        ("zhnyxfl", comprehensive),
        (group_of(kind), way.consumption),
    ):
        sign = dict(terms).get(usage)
        if sign is None:
            continue
        if indicator == "nyxfzl" and equivalent is not None:
            yield indicator, _Weight(sign, equivalent, "等价值（设置）")
        elif indicator in ("nyxfzl", "zhnyxfl") or weigh(usages, terms) > 0:
            yield indicator, _Weight(sign, used.factor, basis)


def _not_counted(used: InUse | None, stat_type: StatType) -> list[tuple[_Weight, list[str]]]:
    if used is None:
        return [(_Weight(0, 0, "没有折标系数"), [])]
    return [(_Weight(0, used.factor, _basis(used, stat_type)), [])]


def _basis(used: InUse, stat_type: StatType) -> str:
    """Where a coefficient comes from."""
    if used.measured is not None:
        level = StatType(stat_type + used.measured.containing).label
        return f"{level}实测值 {used.measured.code}"
    reference = used.reference
    since = f"，{reference.valid_from:%Y-%m-%d} 起" if reference.valid_from else ""
    source = f"（{reference.source}）" if reference.source else ""
    return f"参考值{source}{since}"


def _output_value(period: Period, options: Options) -> Line:
    usage = options.output_value_code[-2:]
    amount = _decimal(period.output_value or 0, DECIMALS)
    return Line(
        data_code=options.output_value_code,
        name=INDICATORS["gyzcz"],
        usage=usage,
        usage_name=USAGES[usage].name if usage in USAGES else "",
        amount=amount,
        unit=UNITS["gyzcz"],
        summed=period.output_summed,
        missing=period.output_missing,
        route="",
        indicators=("gyzcz",),
        sign=1,
        coefficient=None,
        basis="不折标",
        contribution=Decimal(0),
        origin=amount,
    )


def _decimal(number: int, decimals: int) -> Decimal:
    """number × 10⁻decimals, exact and without needless zeros."""
    return Decimal(plain_decimal(EXACT.scaleb(Decimal(number), -decimals)))
