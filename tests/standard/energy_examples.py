"""What the tests about energy share: periods from a few amounts, and totals as decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from nenghao.standard.coefficients import REFERENCE, Coefficients
from nenghao.standard.energy_amounts import Kind, Period, amount, gather
from nenghao.standard.indicators import Options, Totals, compute
from nenghao.standard.periods import StatType, parse_time

STEEL = "C3120"
"""An industry inside section C."""
SHOPS = "F5211"
"""One outside B, C and D."""

RAW_COAL = "010104"
CLEANED_COAL = "020600"
COKE = "020900"
COKE_OVEN_GAS = "021100"
LNG = "021600"
POWER = "023300"
HEAT = "023200"

STARTS = {
    StatType.DAY: parse_time("2026-03-01 00:00:00"),
    StatType.MONTH: parse_time("2026-03-01 00:00:00"),
    StatType.YEAR: parse_time("2026-01-01 00:00:00"),
}


def kind(text: str) -> Kind:
    """`023300` → class 02, code 3300."""
    return Kind(text[:2], text[2:])


def code(text: str, usage: int) -> str:
    """The whole plant's data code of a type and a usage."""
    return f"00-00-0000-{text}-{usage:02d}"


def own(values: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
    """Values as `gather` takes them: {"023300": {20: 100}}."""
    return {
        code(type_, usage): amount(value)
        for type_, usages in values.items()
        for usage, value in usages.items()
    }


def period(
    values: Mapping[str, Mapping[int, float]],
    parts: Sequence[Period] = (),
    containing: Sequence[Mapping[str, int]] = (),
) -> Period:
    """What was used, from a unit's own values."""
    return gather(own(values), parts, containing)


def totals(
    values: Mapping[str, Mapping[int, float]] | Period,
    industry: str | None = STEEL,
    stat_type: StatType = StatType.MONTH,
    options: Options | None = None,
    coefficients: Coefficients = REFERENCE,
) -> Totals:
    """A unit's totals, of March 2026 if nothing else is said."""
    used = values if isinstance(values, Period) else period(values)
    lookup = coefficients.for_period(stat_type, STARTS[stat_type])
    return compute(used, stat_type, lookup, options or Options(), industry)


def coal(made: Totals, *indicators: str) -> list[Decimal]:
    """The standard coal of some indicators, 吨标准煤."""
    return [Decimal(made[name].value).scaleb(-9) for name in indicators]


def origins(made: Totals, *indicators: str) -> list[Decimal]:
    """The OriginValue of some indicators."""
    return [Decimal(made[name].origin).scaleb(-9) for name in indicators]


def decimals(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]
