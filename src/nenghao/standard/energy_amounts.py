"""Amounts of energy in a period (分品种分用途的量): which values count, and wholes from parts.

A unit's values of a month are its own monthly values, and usage by usage the sum of its days where
there is none; a year likewise from its months. Ticks never enter (docs/decisions 7). What the
amounts mean in standard coal is `indicators`' business; where values are kept is nobody's here.

Amounts are integers of 10⁻¹⁰ of the type's unit, which is as fine as a `dataValue` goes. They have
no upper limit: a device may send 10³⁰⁰.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Final, NamedTuple

from nenghao.standard import data_code
from nenghao.standard.energy import COEFFICIENT_CLASSES

DECIMALS: Final = 10
"""Decimals of a `dataValue` that count (docs/decisions 3)."""

SCALE: Final = 10**DECIMALS
"""How many of an amount's integers make one of the type's unit."""

OPENING_STOCK: Final = 51
CLOSING_STOCK: Final = 52

_STOCKS = (OPENING_STOCK, CLOSING_STOCK)

USAGES: Final = frozenset(
    {10, 11, 12, 20, 21, 22, 23, 30, 31, 32, 40, 51, 52, 60, 81, *range(90, 99)}
)
"""The usages (能源用途, B.5) that the arithmetic or its checks look at."""

OUTPUT_VALUE_CODE: Final = "00-00-0000-090100-80"
"""Where gross industrial output (工业总产值, 万元) stands unless a setting says otherwise."""

_ENERGY_CLASSES = frozenset({"01", "02"})
_CLASS = slice(11, 13)
"""Where a data code has its class."""

_CODES_KEPT = 65_536


class Kind(NamedTuple):
    """A type of energy (能源品种): codes repeat between classes, so both name it."""

    energy_class: str
    """Class 01 primary (一次能源) or 02 secondary (二次能源)."""
    code: str
    """Four digits; the first two are the category (分类), 01 to 39."""

    @property
    def category(self) -> int:
        """The first two digits."""
        return int(self.code[:2])


class Role(Enum):
    """What a value is to the totals."""

    AMOUNT = "amount"
    """An amount of a type of energy for a usage."""
    MEASURED = "measured"
    """The unit's measured coefficient of a type (折标系数, classes 05 and 06)."""
    OUTPUT_VALUE = "output_value"
    """Gross industrial output (工业总产值)."""


class Reading(NamedTuple):
    """What the value of a data code is to the totals; `kind` is None for output value alone."""

    role: Role
    kind: Kind | None
    usage: int


@functools.lru_cache(maxsize=_CODES_KEPT)
def reads(code: str, output_value_code: str = OUTPUT_VALUE_CODE) -> Reading | None:
    """What the values of a data code are to the totals, None when they are nothing to them.

    Only the whole plant counts, data codes that begin `00-00-0000-` whatever their `scope` says;
    classes 01 and 02, categories 01 to 39 (40 is itself a total), and the coefficients of these.

    >>> reads("00-00-0000-023300-11")
    Reading(role=<Role.AMOUNT: 'amount'>, kind=Kind(energy_class='02', code='3300'), usage=11)
    >>> reads("01-00-0000-023300-11") is None
    True
    """
    if not data_code.is_form(code):
        return None
    parts = data_code.parse(code)
    if code == output_value_code:
        return Reading(Role.OUTPUT_VALUE, None, int(parts.usage))
    if not code.startswith(data_code.WHOLE_PLANT_PREFIX) or not 1 <= int(parts.category) <= 39:
        return None
    usage = int(parts.usage)
    measured = COEFFICIENT_CLASSES.get(parts.energy_class)
    if measured in _ENERGY_CLASSES:
        return Reading(Role.MEASURED, Kind(measured, parts.energy_type), usage)
    if parts.energy_class in _ENERGY_CLASSES and usage in USAGES:
        return Reading(Role.AMOUNT, Kind(parts.energy_class, parts.energy_type), usage)
    return None


def code_of(kind: Kind, usage: int) -> str:
    """The data code of a type's amount: the inverse of `reads` for amounts."""
    return f"{data_code.WHOLE_PLANT_PREFIX}{kind.energy_class}{kind.code}-{usage:02d}"


def amount(value: float) -> int:
    """A `dataValue` as an amount: exact from its shortest decimal form, half away from zero
    beyond ten decimals. ValueError or OverflowError for what is no finite number."""
    text = repr(float(value))
    whole, _, fraction = text.partition(".")
    if len(fraction) <= DECIMALS and fraction.isdigit():
        return int(whole + fraction.ljust(DECIMALS, "0"))
    return int(Decimal(text).scaleb(DECIMALS).to_integral_value(ROUND_HALF_UP))


class Measured(NamedTuple):
    """A unit's measured coefficient (实测折标系数) of a type for a period."""

    value: int
    """Tonnes of standard coal per unit of `nhzbdw`, in 10⁻¹⁰."""
    code: str
    """The data code it came under."""
    containing: int
    """0 when it was sent for the period itself, 1 for the period that contains it, 2 …"""


Usages = dict[int, int]
"""Amounts by usage."""

Amounts = dict[Kind, Usages]
"""Amounts by type and usage: `amounts[Kind("02", "3300")][11]`."""


@dataclass(slots=True)
class Period:
    """What a unit used in one period, from one source (online or report)."""

    amounts: Amounts = field(default_factory=dict)
    missing: Amounts = field(default_factory=dict)
    """By type and usage the number of parts that a sum lacks, or that lack something themselves.
    Only where it is not 0. A usage with a value of its own lacks nothing. For the stocks: parts
    passed over before the first, after the last one that has a value."""
    summed: set[tuple[Kind, int]] = field(default_factory=set)
    """The amounts that were made of parts, not sent."""
    disagreements: dict[tuple[Kind, int], tuple[int, int]] = field(default_factory=dict)
    """Amounts sent and sum of the parts, where all parts are there and they differ at all."""
    measured: dict[Kind, Measured] = field(default_factory=dict)
    output_value: int | None = None
    """工业总产值 in 10⁻¹⁰ 万元."""
    output_missing: int = 0
    """Like `missing`, of the output value."""
    output_summed: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.amounts) or self.output_value is not None


def gather(
    own: Mapping[str, int],
    parts: Sequence[Period] = (),
    containing: Sequence[Mapping[str, int]] = (),
    output_value_code: str = OUTPUT_VALUE_CODE,
) -> Period:
    """What a unit used in a period.

    `own`: its `valid` values of the stat type asked, by data code, as `amount` gives them; codes
    that nothing `reads` may be among them. `parts`: all parts of the period in order, a part of
    which nothing is known being an empty Period: the days of a month, the months of a year, none
    for a day. `containing`: the own values of the periods that contain it, nearest first (a day's
    month and year, a month's year), for the measured coefficients they carry.

    Usage by usage: the own value, else the sum of the parts; of stocks (期初、期末库存) the first
    and the last, never a sum.
    """
    period = Period()
    for code, value in own.items():
        reading = reads(code, output_value_code)
        if reading is None:
            continue
        if reading.role is Role.OUTPUT_VALUE:
            period.output_value = value
        elif reading.role is Role.AMOUNT and reading.kind is not None:
            period.amounts.setdefault(reading.kind, {})[reading.usage] = value
    if parts:
        _add_parts(period, parts)
        _add_output(period, parts)
    for level, values in enumerate((own, *containing)):
        _add_measured(period, level, values, output_value_code)
    return period


def _add_parts(period: Period, parts: Sequence[Period]) -> None:
    """What the parts make of the usages that have no value of their own."""
    by_kind: dict[Kind, list[Usages]] = {}
    for part in parts:
        for kind, usages in part.amounts.items():
            by_kind.setdefault(kind, []).append(usages)
    anything_missing = any(part.missing for part in parts)
    for kind, known in by_kind.items():
        own = period.amounts.setdefault(kind, {})
        for usage in set().union(*known):
            if usage in _STOCKS:
                made, missing = _stock(parts, kind, usage)
            else:
                values = [usages[usage] for usages in known if usage in usages]
                made, missing = sum(values), len(parts) - len(values)
                if anything_missing:
                    missing += _incomplete(parts, kind, usage)
            if usage not in own:
                own[usage] = made
                period.summed.add((kind, usage))
                if missing:
                    period.missing.setdefault(kind, {})[usage] = missing
            elif own[usage] != made and not missing and usage not in _STOCKS:
                period.disagreements[kind, usage] = own[usage], made


def _incomplete(parts: Sequence[Period], kind: Kind, usage: int) -> int:
    return sum(usage in part.missing.get(kind, ()) for part in parts)


def _stock(parts: Sequence[Period], kind: Kind, usage: int) -> tuple[int, int]:
    """The stock of the first part that has one (opening) or of the last (closing), and how many
    parts were passed over for it; one more when that part's own is a stand-in itself."""
    ordered = parts if usage == OPENING_STOCK else reversed(parts)
    for passed, part in enumerate(ordered):
        stock = part.amounts.get(kind, {}).get(usage)
        if stock is not None:
            return stock, passed + (usage in part.missing.get(kind, ()))
    raise AssertionError("a stock that no part has")


def _add_output(period: Period, parts: Sequence[Period]) -> None:
    values = [part.output_value for part in parts if part.output_value is not None]
    if period.output_value is None and values:
        period.output_value = sum(values)
        period.output_summed = True
        incomplete = sum(part.output_missing > 0 for part in parts)
        period.output_missing = len(parts) - len(values) + incomplete


def _add_measured(
    period: Period, level: int, values: Mapping[str, int], output_value_code: str
) -> None:
    """The measured coefficients of one level, for types that no nearer level has; of several
    usages that a unit sends one under, the lowest decides."""
    found: dict[Kind, tuple[int, str, int]] = {}
    for code, value in values.items():
        if code[_CLASS] not in COEFFICIENT_CLASSES:  # what most values are not, told cheaply
            continue
        reading = reads(code, output_value_code)
        if reading is None or reading.role is not Role.MEASURED or reading.kind is None:
            continue
        if reading.kind in period.measured:
            continue
        candidate = reading.usage, code, value
        if reading.kind not in found or candidate < found[reading.kind]:
            found[reading.kind] = candidate
    for kind, (_, code, value) in found.items():
        period.measured[kind] = Measured(value, code, level)
