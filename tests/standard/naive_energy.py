"""A second reading of docs/decisions 7, the plain way: values in, indicators out.

It shares no code with `nenghao`: fractions instead of scaled integers, every value looked up by its
key, the formulas as they are printed. Slow, and meant to be compared with.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

DAY, MONTH, YEAR = 1, 2, 3
TABLE = Path(__file__).parents[2] / "src/nenghao/standard/tables/energy_types.csv"


class Value(NamedTuple):
    """One stored value of one unit and one source (online or report)."""

    data_code: str
    stat_type: int
    stat_date: datetime
    value: float
    valid: bool = True


class Row(NamedTuple):
    """What the dictionary says of a type, from a day on (None: always)."""

    zbckz: str
    dwzbxs: str = "1"
    range: str = ""
    unit: str = ""
    nhzbdw: str = ""
    since: date | None = None


Book = dict[tuple[str, str], list[Row]]
"""Dated rows by (class, code)."""


def packaged_book() -> Book:
    """The coefficients that come with the package."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["classCode"], row["code"]): [
                Row(row["zbckz"], row["dwzbxs"], row["range"], row["unit"], row["nhzbdw"])
            ]
            for row in csv.DictReader(file)
            if row["zbckz"]
        }


def nearest(number: Fraction) -> int:
    """To the nearest integer, halves away from zero."""
    whole = int(abs(number) + Fraction(1, 2))
    return whole if number >= 0 else -whole


def start_of(stat_type: int, moment: datetime) -> datetime:
    """The start of the day, month or year that holds a moment."""
    if stat_type == DAY:
        return datetime(moment.year, moment.month, moment.day)
    return datetime(moment.year, moment.month if stat_type == MONTH else 1, 1)


def end_of(stat_type: int, start: datetime) -> datetime:
    """The start of the next one."""
    return start_of(stat_type, start + timedelta(days={DAY: 1, MONTH: 31, YEAR: 366}[stat_type]))


@functools.cache
def parts_of(stat_type: int, start: datetime) -> tuple[datetime, ...]:
    """The starts of a month's days or a year's months."""
    parts, moment = [], start
    while moment < end_of(stat_type, start):
        parts.append(moment)
        moment = end_of(stat_type - 1, moment)
    return tuple(parts)


class Unit:
    """One unit's values from one source; of two with one key the later in order counts."""

    def __init__(self, values: Iterable[Value]) -> None:
        self.values = {(one.data_code, one.stat_type, one.stat_date): one for one in values}

    def own(self, code: str, stat_type: int, start: datetime) -> Fraction | None:
        """The valid value sent for exactly that period, to ten decimals."""
        found = self.values.get((code, stat_type, start))
        if found is None or not found.valid:
            return None
        return Fraction(nearest(Fraction(repr(found.value)) * 10**10), 10**10)

    def amount(self, code: str, stat_type: int, start: datetime) -> Fraction | None:
        """The own value, else what the parts make."""
        own = self.own(code, stat_type, start)
        if own is not None or stat_type == DAY:
            return own
        parts = [self.amount(code, stat_type - 1, part) for part in parts_of(stat_type, start)]
        known = [part for part in parts if part is not None]
        if not known:
            return None
        if code.endswith("-51"):
            return known[0]
        if code.endswith("-52"):
            return known[-1]
        return sum(known, Fraction(0))

    def measured(self, kind: tuple[str, str], stat_type: int, start: datetime) -> Fraction | None:
        """The unit's own coefficient: of the period, else the month's, else the year's."""
        for level in range(stat_type, YEAR + 1):
            for code in sorted(self.codes(f"{int(kind[0]) + 4:02d}{kind[1]}")):
                own = self.own(code, level, start_of(level, start))
                if own is not None:
                    return own
        return None

    def codes(self, item: str) -> set[str]:
        """The whole plant's data codes of a class and type that were ever sent."""
        head = f"00-00-0000-{item}-"
        return {code for code, _, _ in self.values if code.startswith(head)}

    def kinds(self) -> set[tuple[str, str]]:
        """The types of energy that whole-plant values speak of."""
        return {
            (code[11:13], code[13:17])
            for code, _, _ in self.values
            if code.startswith("00-00-0000-")
            and code[11:13] in ("01", "02")
            and 1 <= int(code[13:15]) <= 39
        }


def coefficient(row: Row, measured: Fraction | None) -> Fraction:
    """Standard coal per unit of an amount."""
    reference, scale = Fraction(row.zbckz), Fraction(row.dwzbxs)
    if measured is not None:
        low, high = reference / 2, reference * 2
        if row.range:
            low, high = (Fraction(end) for end in row.range.split("-"))
        if low <= measured <= high:
            return measured * scale
    return reference * scale


class Net(NamedTuple):
    """What a type comes to: bought or used, and produced or recovered, apart."""

    used_all: Fraction
    used_industrially: Fraction
    less: Fraction
    """Produced and recovered, to be taken away in nyxfzl and zhnyxfl."""
    group: Fraction
    """C with C20."""


def net(e: Mapping[int, Fraction], energy_class: str, stat_type: int) -> Net:
    """The route (a), (b) or (c), as decisions 7 prints it."""
    zero = Fraction(0)

    def get(usage: int) -> Fraction:
        return e.get(usage, zero)

    e30 = e[30] if 30 in e else get(31) + get(32)
    e30 = e30 if energy_class == "02" else zero
    makes = {30, 31, 32, 40} & e.keys()
    if {20, 21, 22} & e.keys() or (makes and not {10, 11} & e.keys()):
        c20 = e[20] if 20 in e else get(21) + get(22)
        c21 = e[21] if 21 in e else c20 - get(22)
        return Net(c20, c21, e30 + get(40), c20)
    e10 = e[10] if 10 in e else (e[11] + e[12] if {11, 12} <= e.keys() else None)
    if stat_type != DAY and e10 is not None and {51, 52} <= e.keys():
        bought = e[51] + e10 - e[52] - get(60)
        return Net(bought, bought, zero, bought + e30 + get(40))
    e11 = e[11] if 11 in e else (e[10] - get(12) if 10 in e else zero)
    bought = e11 - get(60)
    return Net(bought, bought, zero, bought)


def group_of(code: str) -> tuple[str, str]:
    """The group of a type and the unit of its OriginValue."""
    category = int(code[:2])
    if category <= 8:
        return "coal", "吨"
    if category == 9:
        return "coke", "吨"
    if 11 <= category <= 17:
        return "gas", "万立方米"
    if 18 <= category <= 31:
        return "oil", "吨"
    if category == 32:
        return "hot", "百万千焦"
    if category == 33:
        return "elec", "万千瓦时"
    return "other", "吨标准煤"


def origin(row: Row, code: str, f: Fraction, lng: Fraction) -> Fraction:
    """What one unit of an amount is in the unit of its group."""
    group, unit = group_of(code)
    if group == "other":
        return f
    factor = Fraction(1)
    if code[:2] == "16" and unit != row.unit and not row.nhzbdw.endswith("/" + unit):
        unit, factor = "吨", lng
    if row.unit == unit:
        return factor
    return factor * Fraction(row.dwzbxs) if row.nhzbdw.endswith("/" + unit) else Fraction(1)


def totals(
    values: Iterable[Value],
    stat_type: int,
    start: datetime,
    industry: str | None,
    book: Book,
    *,
    lng: str = "0.138",
    equivalent: str | None = None,
    output_code: str = "00-00-0000-090100-80",
) -> dict[str, tuple[int, int]]:
    """(OriginValue, value) in 10⁻⁹ of all ten indicators, for one unit, source and period."""
    unit = Unit(values)
    names = ["nyxfzl", "zhnyxfl", "coal", "coke", "elec", "oil", "gas", "hot", "gyzcz", "other"]
    origins = dict.fromkeys(names, Fraction(0))
    coal = dict.fromkeys(names, Fraction(0))
    last_day = (end_of(stat_type, start) - timedelta(days=1)).date()
    for kind in unit.kinds():
        rows = [row for row in book.get(kind, []) if row.since is None or row.since <= last_day]
        if not rows:
            continue
        row = max(rows, key=lambda row: row.since or date.min)
        e = {}
        for code in unit.codes(kind[0] + kind[1]):
            amount = unit.amount(code, stat_type, start)
            if amount is not None:
                e[int(code[-2:])] = amount
        if not e:
            continue
        f = coefficient(row, unit.measured(kind, stat_type, start))
        one = net(e, kind[0], stat_type)
        bought = f
        if equivalent is not None and kind[1][:2] == "33":
            bought = Fraction(equivalent) * Fraction(row.dwzbxs)
        coal["nyxfzl"] += one.used_all * bought - one.less * f
        industrial = industry is not None and industry[:1] in ("B", "C", "D")
        used = one.used_industrially if industrial else one.used_all
        coal["zhnyxfl"] += (used - one.less) * f
        group = group_of(kind[1])[0]
        coal[group] += max(Fraction(0), one.group) * f
        origins[group] += max(Fraction(0), one.group) * origin(row, kind[1], f, Fraction(lng))
    origins["nyxfzl"], origins["zhnyxfl"] = coal["nyxfzl"], coal["zhnyxfl"]
    origins["gyzcz"] = unit.amount(output_code, stat_type, start) or Fraction(0)
    return {name: (nearest(origins[name] * 10**9), nearest(coal[name] * 10**9)) for name in names}
