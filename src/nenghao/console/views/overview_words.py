"""What the overview found, in words and round numbers (总览用语)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from nenghao.console.views.overview_energy import Comparison
from nenghao.standard.indicators import NANO

_TEN_THOUSAND: Final = 10_000
_HUNDRED_MILLION: Final = 10**8
_ROOM: Final = ((10_000, 0), (100, 1))
"""From which number on so many decimals are shown."""
_LEGIBLE: Final = 10**12
"""From here on a number is told by its power of ten: a device may send 10³⁰⁰."""


def unit_for(*amounts: int) -> tuple[int, str]:
    """By what amounts of 10⁻⁹ 吨标准煤 are divided to be read easily, and the unit they are in."""
    if max((abs(one) for one in amounts), default=0) >= _TEN_THOUSAND * NANO:
        return _TEN_THOUSAND * NANO, "万吨标准煤"
    return NANO, "吨标准煤"


def number_text(amount: int, divisor: int = NANO) -> str:
    """An amount with two decimals: 1,234.50."""
    number = Decimal(amount) / Decimal(divisor)
    return f"{number:,.2f}" if abs(number) < _LEGIBLE else f"{number:.2E}"


def short_text(amount: int, divisor: int = NANO) -> str:
    """An amount where there is little room: the larger, the fewer decimals."""
    number = abs(Decimal(amount) / Decimal(divisor))
    if number >= _LEGIBLE:
        return number_text(amount, divisor)
    decimals = next((places for least, places in _ROOM if number >= least), 2)
    return f"{Decimal(amount) / Decimal(divisor):,.{decimals}f}"


def coal_text(amount: int) -> tuple[str, str]:
    """An amount of 10⁻⁹ 吨标准煤 as a number and its unit."""
    if abs(amount) >= _HUNDRED_MILLION * NANO:
        return number_text(amount, _HUNDRED_MILLION * NANO), "亿吨标准煤"
    divisor, unit = unit_for(amount)
    return number_text(amount, divisor), unit


def plain(amount: int, divisor: int) -> float:
    """An amount for a chart's axis; what is beyond all reason is drawn at its end."""
    most = _LEGIBLE * divisor
    return round(max(-most, min(amount, most)) / divisor, 4)


def change_text(change: float | None) -> str:
    """`同比 +3.2%`, in words where there is nothing to compare with."""
    return "同比无可比数据" if change is None else f"同比 {signed(change)}"


def signed(change: float | None) -> str:
    """`+3.2%`, a dash where there is nothing to compare with."""
    return "—" if change is None else f"{change:+.1f}%".replace("-", "−")


def basis_text(one: Comparison) -> str:
    """What was compared with what, and how many units there were."""
    if not one.days and not one.months:
        return "两年没有都完整的日子或月份，暂不比较"
    compared = " 和 ".join(part for part in (_months(one.months), _days(one.days)) if part)
    units = f"平均单位数 本年 {one.units_now:,} 家、上年 {one.units_before:,} 家"
    warning = "；单位数相差较大，同比主要反映单位增减" if one.is_uneven else ""
    return f"同比只比两年都完整的 {compared}；{units}{warning}"


def _months(months: Sequence[int]) -> str:
    """`1 至 9、11 月`."""
    runs: list[list[int]] = []
    for month in months:
        if runs and month == runs[-1][-1] + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    spans = [str(run[0]) if len(run) == 1 else f"{run[0]} 至 {run[-1]}" for run in runs]
    return f"{'、'.join(spans)} 月" if spans else ""


def _days(days: Sequence[date]) -> str:
    if not days:
        return ""
    return f"{len(days)} 天（{days[0]:%m-%d} 至 {days[-1]:%m-%d}）"
