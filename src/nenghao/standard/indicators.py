"""The ten indicators (能耗指标, table B.6) of the exchange, and a unit's totals in them.

From what a unit used in a period (`energy_amounts`), by one route per type (`energy_routes`) and
with the coefficients valid in it (`coefficients`); docs/energy.md has every rule with an example.
Pure: keeping totals and adding units up is the platform's business. Integers and decimals only;
nothing is rounded but once per indicator, to 10⁻⁹.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from msgspec import Struct

from nenghao.standard import code_tables
from nenghao.standard.coefficients import (
    EXACT,
    FACTOR_SCALE,
    Coefficient,
    InUse,
    Lookup,
    half_away,
    in_use,
    to_factor,
)
from nenghao.standard.energy_amounts import OUTPUT_VALUE_CODE, SCALE, Kind, Period
from nenghao.standard.energy_routes import PRODUCED, Terms, route
from nenghao.standard.industries import is_industrial
from nenghao.standard.periods import StatType

INDICATORS: Mapping[str, str] = MappingProxyType(
    {row["code"]: row["name"] for row in code_tables.load("indicators")}
)
"""The Chinese names by indicator code, e.g. nyxfzl → 能源消费总量."""

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "nyxfzl": "吨标准煤",
        "zhnyxfl": "吨标准煤",
        "coal": "吨",
        "coke": "吨",
        "elec": "万千瓦时",
        "oil": "吨",
        "gas": "万立方米",
        "hot": "百万千焦",
        "gyzcz": "万元",
        "other": "吨标准煤",
    }
)
"""The fixed unit of each indicator's `OriginValue`; `value` is in 吨标准煤 throughout."""

NANO: Final = 10**9
"""How many of a total's integers make one of its unit."""

_LNG = 16
_ELECTRICITY = 33
_PER_NANO = SCALE * FACTOR_SCALE // NANO
_GROUPS: Mapping[str, str] = {
    f"{category:02d}": group
    for group, categories in {
        "coal": range(1, 9),
        "coke": (9,),
        "gas": range(11, 18),
        "oil": range(18, 32),
        "hot": (32,),
        "elec": (33,),
    }.items()
    for category in categories
}


class Options(Struct, frozen=True, kw_only=True):
    """Where two sites may differ (docs/decisions 7)."""

    lng_factor: Decimal = Decimal("0.138")
    """万立方米 of gas per 吨 of liquefied natural gas (液化天然气), in the OriginValue of gas."""
    equivalent: Decimal | None = None
    """The 等价 factor of electricity of the period's year, 吨标准煤/万千瓦时, for nyxfzl and net
    purchases; None: 当量 like everything else."""
    output_value_code: str = OUTPUT_VALUE_CODE
    """The data code of gross industrial output (工业总产值); give it to `gather` too."""


class Total(NamedTuple):
    """One indicator of a unit, or of many added up."""

    origin: int
    """OriginValue in 10⁻⁹ of the indicator's unit (`UNITS`)."""
    value: int
    """Standard coal (折标量) in 10⁻⁹ 吨标准煤."""


Totals = dict[str, Total]
"""All ten indicators, always, in the order of table B.6."""

NOTHING: Final = Total(0, 0)


def compute(
    period: Period,
    stat_type: StatType,
    coefficients: Lookup,
    options: Options,
    industry_code: str | None,
) -> Totals:
    """A unit's indicators of a period. `industry_code`: of the configuration in force at its end;
    None when there is none yet (outside industry, then). ValueError for ticks: they never enter."""
    if stat_type is StatType.REALTIME:
        raise ValueError("实时数据不参与统计")
    industrial = is_industry(industry_code)
    sums = {code: [0, 0] for code in INDICATORS}
    for kind, usages in period.amounts.items():
        reference = coefficients(kind)
        if reference is None:
            continue
        used = in_use(reference, period.measured.get(kind))
        way = route(kind, usages, stat_type)
        comprehensive = way.comprehensive if industrial else way.total
        sums["nyxfzl"][1] += _total_coal(kind, usages, way.total, used, options)
        sums["zhnyxfl"][1] += weigh(usages, comprehensive) * used.factor
        consumption = weigh(usages, way.consumption)
        if consumption > 0:
            group = sums[group_of(kind)]
            group[0] += consumption * origin_factor(used, options)
            group[1] += consumption * used.factor
    for code in ("nyxfzl", "zhnyxfl"):
        sums[code][0] = sums[code][1]
    sums["gyzcz"][0] = (period.output_value or 0) * FACTOR_SCALE
    return {code: Total(_nano(origin), _nano(value)) for code, (origin, value) in sums.items()}


def is_industry(industry_code: str | None) -> bool:
    """Whether 综合能源消费量 is made as for industry; outside it is the whole consumption."""
    return is_industrial(industry_code or "")


def group_of(kind: Kind) -> str:
    """The indicator of a type's group (B.6), by its category: coal, coke, …; else other."""
    return _GROUPS.get(kind.code[:2], "other")


def weigh(usages: Mapping[int, int], terms: Terms) -> int:
    """The sum of amounts with their signs."""
    return sum(sign * usages[usage] for usage, sign in terms)


def equivalent_factor(kind: Kind, used: InUse, options: Options) -> int | None:
    """What electricity counts by 等价 in nyxfzl, in 10⁻²⁰ 吨标准煤 per unit; None for everything
    else and when the options do not ask for it."""
    if options.equivalent is None or kind.category != _ELECTRICITY:
        return None
    return to_factor(EXACT.multiply(options.equivalent, used.reference.dwzbxs))


def has_unit(reference: Coefficient) -> bool:
    """Whether amounts of a type can be made into the unit of its group's OriginValue."""
    return group_of(reference.kind) == "other" or _origin(reference, Decimal(1)) is not None


def origin_factor(used: InUse, options: Options) -> int:
    """What one unit of a type is in its group's OriginValue, in 10⁻²⁰ of `UNITS`; 1 where the
    dictionary has a unit that cannot be made into it (`has_unit`)."""
    group = group_of(used.reference.kind)
    if group == "other":
        return used.factor
    if used.reference.unit == UNITS[group]:
        return FACTOR_SCALE
    converted = _origin(used.reference, options.lng_factor)
    return FACTOR_SCALE if converted is None else to_factor(converted)


def _origin(reference: Coefficient, lng_factor: Decimal) -> Decimal | None:
    converted = in_unit(reference, UNITS[group_of(reference.kind)])
    if converted is None and reference.kind.category == _LNG:
        tonnes = in_unit(reference, "吨")
        converted = None if tonnes is None else EXACT.multiply(tonnes, lng_factor)
    return converted


def in_unit(reference: Coefficient, unit: str) -> Decimal | None:
    """How many of `unit` one unit of a type's amounts is; None when nothing says so.

    dwzbxs leads from the unit of amounts to that under which zbckz stands: electricity in 千瓦时
    with 0.0001 and 吨标准煤/万千瓦时.
    """
    if reference.unit == unit:
        return Decimal(1)
    return reference.dwzbxs if reference.nhzbdw.endswith(f"/{unit}") else None


def _total_coal(
    kind: Kind, usages: Mapping[int, int], terms: Terms, used: InUse, options: Options
) -> int:
    """A type's part of nyxfzl: what is produced and recovered always goes by 当量."""
    equivalent = equivalent_factor(kind, used, options)
    if equivalent is None:
        return weigh(usages, terms) * used.factor
    return sum(
        sign * usages[usage] * (used.factor if usage in PRODUCED else equivalent)
        for usage, sign in terms
    )


def _nano(number: int) -> int:
    """10⁻³⁰ as 10⁻⁹: the only rounding there is."""
    return half_away(number, _PER_NANO)


def rounded(total: int) -> Decimal:
    """A total as an answer shows it: two decimals, half away from zero."""
    return EXACT.scaleb(Decimal(half_away(total, NANO // 100)), -2)
