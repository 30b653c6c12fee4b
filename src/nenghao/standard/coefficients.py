"""Standard coal coefficients (折标系数) with dates, and a unit's own measured ones.

A type's standard coal per unit is zbckz × dwzbxs, valid from a day on. A period takes what is
valid on its last day, as it takes the configuration in force at its end (docs/decisions 7).
Where the dated rows are kept and who changes them is the platform's business.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import cached_property, partial
from typing import Final, NamedTuple

from nenghao.standard import energy, periods
from nenghao.standard.energy_amounts import DECIMALS, SCALE, Kind, Measured
from nenghao.standard.periods import StatType

FACTOR_DECIMALS: Final = 20
"""Decimals of a factor: ten of zbckz and ten of dwzbxs, so nothing real is ever rounded."""

FACTOR_SCALE: Final = 10**FACTOR_DECIMALS

EXACT: Final = Context(prec=1000)
"""Decimal arithmetic in which no amount that a double can be, times a factor, is rounded."""


@dataclass(frozen=True)
class Coefficient:
    """What one unit of a type of energy is in standard coal, from a day on."""

    kind: Kind
    zbckz: Decimal
    """Tonnes of standard coal per unit of `nhzbdw` (折标量参考值)."""
    dwzbxs: Decimal = Decimal(1)
    """What an amount is multiplied by to be in the unit of `nhzbdw` (单位折标系数)."""
    bounds: tuple[Decimal, Decimal] | None = None
    """What a measured coefficient may be, both ends included; None: half to twice `zbckz`."""
    unit: str = ""
    """The unit of amounts (计量单位)."""
    nhzbdw: str = ""
    """The unit of `zbckz` (能耗折标单位), `吨标准煤/万千瓦时`."""
    name: str = ""
    source: str = ""
    """Where the coefficient comes from, for auditors."""
    valid_from: date | None = None
    """None: from the beginning."""

    @cached_property
    def tce(self) -> Decimal:
        """Tonnes of standard coal per unit of an amount: zbckz × dwzbxs."""
        return EXACT.multiply(self.zbckz, self.dwzbxs)

    @cached_property
    def factor(self) -> int:
        """`tce` as an integer of 10⁻²⁰, for exact arithmetic (`FACTOR_SCALE`)."""
        return to_factor(self.tce)

    @cached_property
    def limits(self) -> tuple[Decimal, Decimal]:
        """What a measured coefficient may be: the type's range, or half to twice the reference
        where no range is known."""
        return self.bounds or (self.zbckz / 2, self.zbckz * 2)

    @cached_property
    def _limits(self) -> tuple[int, int]:
        low, high = self.limits
        return (
            int(EXACT.scaleb(low, DECIMALS).to_integral_value(ROUND_CEILING)),
            int(EXACT.scaleb(high, DECIMALS).to_integral_value(ROUND_FLOOR)),
        )

    @cached_property
    def _dwzbxs(self) -> int:
        return to_factor(self.dwzbxs)

    def allows(self, measured: Measured) -> bool:
        """Whether a measured coefficient lies in what is plausible; both ends do."""
        low, high = self._limits
        return low <= measured.value <= high

    def measured_factor(self, measured: Measured) -> int:
        """Standard coal per unit of an amount by the measured coefficient, in 10⁻²⁰."""
        return half_away(measured.value * self._dwzbxs, SCALE)


def to_factor(number: Decimal) -> int:
    """A number as an integer of 10⁻²⁰; what lies beyond is rounded half away from zero."""
    return int(EXACT.scaleb(number, FACTOR_DECIMALS).to_integral_value(ROUND_HALF_UP))


def half_away(number: int, divisor: int) -> int:
    """number / divisor to the nearest integer, halves away from zero; divisor positive."""
    quotient = (2 * abs(number) + divisor) // (2 * divisor)
    return quotient if number >= 0 else -quotient


class InUse(NamedTuple):
    """The coefficient that a unit's amounts of a type take in a period."""

    reference: Coefficient
    factor: int
    """吨标准煤 per unit of an amount, in 10⁻²⁰."""
    measured: Measured | None
    """The unit's own, when the factor is from it."""
    refused: Measured | None
    """The unit's own, when it is not plausible and the factor is the reference."""


def in_use(reference: Coefficient, measured: Measured | None) -> InUse:
    """A unit's own measured coefficient if it is plausible, otherwise the reference."""
    if measured is None:
        return InUse(reference, reference.factor, None, None)
    if not reference.allows(measured):
        return InUse(reference, reference.factor, None, measured)
    return InUse(reference, reference.measured_factor(measured), measured, None)


Lookup = Callable[[Kind], Coefficient | None]
"""The coefficients that are valid for one period; None for a type that nobody knows."""


class Coefficients:
    """Coefficients by type and day."""

    def __init__(self, rows: Iterable[Coefficient]) -> None:
        """ValueError when two rows of a type begin on the same day."""
        self._rows: dict[Kind, list[Coefficient]] = {}
        self._days: dict[Kind, list[date]] = {}
        for row in sorted(rows, key=lambda row: (row.kind, _begin(row))):
            days = self._days.setdefault(row.kind, [])
            if days and days[-1] == _begin(row):
                raise ValueError(f"能源品种 {'/'.join(row.kind)} 有两个自同一天起生效的折标系数")
            days.append(_begin(row))
            self._rows.setdefault(row.kind, []).append(row)

    def __iter__(self) -> Iterator[Coefficient]:
        """All of them, by type and day."""
        for rows in self._rows.values():
            yield from rows

    def of(self, kind: Kind, day: date) -> Coefficient | None:
        """The one that is valid on a day; None when the type is unknown, or none began yet."""
        days = self._days.get(kind)
        if days is None:
            return None
        number = bisect_right(days, day)
        return self._rows[kind][number - 1] if number else None

    def for_period(self, stat_type: StatType, start: datetime) -> Lookup:
        """Those that are valid for a period."""
        return partial(self.of, day=last_day(stat_type, start))


def last_day(stat_type: StatType, start: datetime) -> date:
    """The last day of a day, month or year: whose coefficients the period takes."""
    return (periods.period_end(stat_type, start) - timedelta(days=1)).date()


def of_type(kind: energy.EnergyType, valid_from: date | None = None) -> Coefficient | None:
    """The coefficient of a row of the dictionary; None for categories and what has none.

    A `zbckz` of the form `low-high` counts as its middle, and as the range where none is given.
    ValueError when a number or the range is none.
    """
    if kind.type != energy.ITEM or not kind.zbckz:
        return None
    bounds = kind.bounds
    if "-" in kind.zbckz:
        low, high = energy.parse_range(kind.zbckz)
        zbckz, bounds = (low + high) / 2, bounds or (low, high)
    else:
        zbckz = _decimal(kind.zbckz)
    return Coefficient(
        kind=Kind(kind.class_code, kind.code),
        zbckz=zbckz,
        dwzbxs=_decimal(kind.dwzbxs),
        bounds=bounds,
        unit=kind.unit,
        nhzbdw=kind.nhzbdw,
        name=kind.name,
        source=kind.source,
        valid_from=valid_from,
    )


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"应为小数，收到 {text!r}") from None
    if not number.is_finite():
        raise ValueError(f"应为小数，收到 {text!r}")
    return number


def _begin(row: Coefficient) -> date:
    return row.valid_from or date.min


REFERENCE = Coefficients(filter(None, map(of_type, energy.ENERGY_TYPES)))
"""The coefficients of the dictionary that comes with the package, valid from the beginning."""
