"""What the blocks of collection.toml mean together: each item as a program over points.

Names are resolved (`来源.测点`, the name of an item, or a point's bare name where only one source
has it), units are converted into the dictionary's, and what cannot fit is refused before anything
is read. An expression over items becomes one over their points, so that a difference of two
registers is as exact as each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec import Struct

from nenghao.device.aggregation import EXACT
from nenghao.device.collection import expressions, ticks, units
from nenghao.device.collection.counters import CounterRule
from nenghao.device.collection.expressions import Binary, ExpressionError, Name, Node, Number
from nenghao.device.collection.settings import (
    CollectionError,
    CollectionSettings,
    ItemSettings,
    exact,
)
from nenghao.device.collection.signals import InstantRule, IntervalRule
from nenghao.device.collection.ticks import (
    Collected,
    Combined,
    Counted,
    CounterTerm,
    Measured,
    Program,
)
from nenghao.device.collection.units import Unit, UnitError
from nenghao.device.configuration import ConfiguredItem
from nenghao.standard import data_code, energy
from nenghao.standard.messages import codec

MANUAL = 5
_INPUT_TYPES = {
    "sql": 1, "folder": 1, "http_json": 1, "opcua": 3, "mqtt": 3,
}  # fmt: skip
"""Where values come from (B.1) when nobody says: systems 1, control 3, else meters 4."""

_MS_PER_SECOND = Fraction(1, 1000)
_MS_PER_HOUR = Fraction(1, 3_600_000)


class PlannedItem(Struct, frozen=True):
    """An item that is collected: what it is called, and how its ticks are made."""

    settings: ItemSettings
    program: Program
    points: frozenset[str]
    unit: str
    """Of its values; "" when unknown."""
    name: str
    input_type: int

    @property
    def code(self) -> str:
        return self.settings.data_code

    @property
    def interval(self) -> int:
        """Milliseconds between two ticks."""
        return self.settings.interval_minutes * 60_000


class PlannedPoint(Struct, frozen=True):
    """A point as its source has it."""

    source: str
    name: str
    unit: str

    @property
    def key(self) -> str:
        """By which expressions and programs know it."""
        return f"{self.source}.{self.name}"


class Plan(Struct, frozen=True):
    """Everything that is collected."""

    points: tuple[PlannedPoint, ...] = ()
    items: tuple[PlannedItem, ...] = ()


UnitOf = Callable[[str], str]


def unit_finder(base_data: bytes | None) -> UnitOf:
    """Which unit the dictionary has for a data code: the platform's tables, else the standard's."""
    known = {(item.pclass, item.code): item.unit for item in energy.COLLECT_ITEMS if item.unit}
    try:
        answer = msgspec.json.decode(codec.drop_bom(base_data or b"{}"))
        tables = answer.get("data") or {}
        rows = [
            (row.get(parent), row.get("code"), row.get("unit"))
            for table, parent in (("collectItem", "pclass"), ("energyType", "classCode"))
            for row in tables.get(table) or []
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError):
        rows = []
    for parent, code, unit in rows:
        if isinstance(parent, str) and isinstance(code, str) and isinstance(unit, str) and unit:
            known[parent, code] = unit

    def unit_of(code: str) -> str:
        parsed = data_code.parse(code)
        return known.get((parsed.energy_class, parsed.energy_type), "")

    return unit_of


def make(
    settings: CollectionSettings,
    unit_of: UnitOf,
    configured: Mapping[str, ConfiguredItem] | None = None,
) -> Plan:
    """The plan of a collection.toml; CollectionError with everything that does not fit."""
    planner = _Planner(settings, unit_of)
    errors: list[str] = []
    items = []
    for item in settings.items:
        try:
            made = planner.made(item)
            if item.data_code:
                items.append(_planned(item, made, settings, configured or {}))
        except (ExpressionError, UnitError, _PlanError) as error:
            errors.append(f"[[item]] {item.title}：{error}")
    if errors:
        raise CollectionError(errors)
    return Plan(tuple(planner.points.values()), tuple(items))


class _PlanError(ValueError):
    pass


class _Made(Struct, frozen=True):
    program: Program
    unit: Unit | None


def _planned(
    item: ItemSettings,
    made: _Made,
    settings: CollectionSettings,
    configured: Mapping[str, ConfiguredItem],
) -> PlannedItem:
    if item.day_from == "register" and not isinstance(made.program, Counted):
        raise _PlanError('day_from = "register" 只适用于累计量的和与差')
    points = ticks.points(made.program)
    known = configured.get(item.data_code)
    types = {source.name: source.type for source in settings.sources}
    suggested = [_INPUT_TYPES.get(types[point.partition(".")[0]], 4) for point in sorted(points)]
    input_type = item.input_type or (known.input_type if known else suggested[0])
    if input_type == MANUAL:
        raise _PlanError("手工填报（inputType 5）的数据项不能自动采集，请用 device manual 填报")
    return PlannedItem(
        settings=item,
        program=made.program,
        points=points,
        unit=made.unit.text if made.unit else "",
        name=known.name if known and known.name else item.name,
        input_type=input_type,
    )


class _Planner:
    def __init__(self, settings: CollectionSettings, unit_of: UnitOf) -> None:
        self._unit_of = unit_of
        self._items = {item.name: item for item in settings.items if item.name}
        self._made: dict[str, _Made] = {}
        self._open: list[str] = []
        self.points: dict[str, PlannedPoint] = {}
        self._bare: dict[str, list[str]] = {}
        for source in settings.sources:
            for point in getattr(source.settings, "points", ()):
                one = PlannedPoint(source.name, point.name, point.unit)
                self.points[one.key] = one
                self._bare.setdefault(one.name, []).append(one.key)

    def _point(self, name: str) -> PlannedPoint | None:
        if name in self.points:
            return self.points[name]
        keys = self._bare.get(name, [])
        if len(keys) > 1:
            raise _PlanError(f"测点名 {name} 在几个来源中都有，请写成 {' 或 '.join(keys)}")
        return self.points[keys[0]] if keys else None

    def made(self, item: ItemSettings) -> _Made:
        """The program of an item, with the programs of the items that it refers to in it."""
        if item.title in self._made:
            return self._made[item.title]
        if item.title in self._open:
            raise _PlanError(f"互相引用：{' → '.join([*self._open, item.title])}")
        self._open.append(item.title)
        try:
            self._made[item.title] = self._make(item)
        finally:
            self._open.pop()
        return self._made[item.title]

    def _make(self, item: ItemSettings) -> _Made:
        tree = expressions.parse(item.value)
        names = expressions.names(tree)
        if not names:
            raise _PlanError("计算式中没有测点")
        points: dict[str, PlannedPoint] = {}
        parts: dict[str, _Made] = {}
        for name in names:
            other = self._items.get(name)
            if other is not None and other is not item:
                parts[name] = self.made(other)
            elif (point := self._point(name)) is not None:
                points[name] = point
            else:
                raise _PlanError(f"没有名为 {name} 的测点或数据项")
        if points and item.kind is None:
            raise _PlanError("缺少 kind（counter 累计量、interval 区间量、instant 瞬时量）")
        of = {name: made.unit for name, made in parts.items()}
        of |= {name: units.parse(one.unit) if one.unit else None for name, one in points.items()}
        scaled, factor, integral, target = self._converted(item, tree, of)
        tree = expressions.convert(
            scaled, lambda name: Name(points[name].key) if name in points else Name(name)
        )
        keys = [point.key for point in points.values()]
        pieces = {name: made.program for name, made in parts.items()}
        return _Made(_program(item, tree, keys, pieces, factor, integral), target)

    # --- units -----------------------------------------------------------------------------------

    def _converted(
        self, item: ItemSettings, tree: Node, of: Mapping[str, Unit | None]
    ) -> tuple[Node, Fraction, bool, Unit | None]:
        """The tree over values in base units, the factor of its result, whether it is integrated
        over time, and the unit that comes out."""
        without = [name for name, unit in of.items() if unit is None]
        if without and len(without) < len(of):
            told = "、".join(without)
            raise _PlanError(f"{told} 没有单位而其他测点有：要么都写 unit，要么都不写")
        official = self._unit_of(item.data_code) if item.data_code else ""
        own = units.parse(item.unit) if item.unit else None
        target = units.parse(official) if official else own
        scale = Fraction(exact(item.scale) or Decimal(1))
        if without:
            factor, integral = _without_units(item, own, target)
            return tree, factor * scale, integral, target or own
        if target is None:
            raise _PlanError("测点有单位时应给出 unit（字典中没有这个数据项的单位）")
        known = {name: unit for name, unit in of.items() if unit is not None}
        found = expressions.dimension(tree, {name: unit.dimension for name, unit in known.items()})
        shown = "、".join(dict.fromkeys(unit.text for unit in known.values()))
        integral = _over_time(item, found, target, f"计算式的单位（测点：{shown}）")
        if own is not None and own.dimension not in (target.dimension, found):
            raise _PlanError(f"unit {own.text} 与字典的单位 {target.text} 不能换算")
        scaled = expressions.convert(
            tree, lambda name: Binary("*", Number(known[name].factor), Name(name))
        )
        per = _MS_PER_SECOND if integral else Fraction(1)
        return scaled, scale * per / target.factor, integral, target


def _without_units(
    item: ItemSettings, own: Unit | None, target: Unit | None
) -> tuple[Fraction, bool]:
    """Factor and integral of values whose unit only the item tells, or nobody."""
    if own is None or target is None:
        integral = item.kind == "instant" and item.over_time == "integral"
        return (_MS_PER_HOUR if integral else Fraction(1)), integral
    integral = _over_time(item, own.dimension, target, f"unit {own.text}")
    if integral:
        return own.factor / target.factor * _MS_PER_SECOND, True
    return units.ratio(own, target), False


def _over_time(item: ItemSettings, found: units.Dimension, target: Unit, what: str) -> bool:
    """Whether a value is to be integrated to stand in the target's unit; _PlanError."""
    if found == target.dimension:
        if item.over_time == "integral":
            raise _PlanError(f'{what}已与 {target.text} 同类，不能再用 over_time = "integral"')
        return False
    if item.kind == "instant" and units.times(found, units.TIME) == target.dimension:
        if item.over_time == "mean":
            raise _PlanError(f'{what}须对时间积分才成为 {target.text}，不能用 over_time = "mean"')
        return True
    raise _PlanError(f"{what}不能换算为 {target.text}")


# --- programs ------------------------------------------------------------------------------------


def _program(
    item: ItemSettings,
    tree: Node,
    points: list[str],
    parts: dict[str, Program],
    factor: Fraction,
    integral: bool,
) -> Program:
    if item.kind == "instant" and not parts:
        rule = InstantRule(item.max_gap, item.interpolate == "step")
        whole = expressions.linear(Binary("*", Number(factor), tree))
        if whole is not None and len(whole[0]) == 1 and not whole[1]:
            ((point, factor),) = whole[0].items()
            tree = Name(point)
        return Measured(tree, rule, expressions.decimal(factor), integral)
    if integral:
        raise _PlanError("只有测点的瞬时量能对时间积分；请先为它单独建立数据项")
    pieces = {**{point: _single(item, point) for point in points}, **parts}
    for piece in pieces.values():
        if isinstance(piece, Collected) and item.interval_minutes * 60_000 % piece.rule.length:
            raise _PlanError("interval_minutes 应为所引用区间量的整数倍")
    whole = expressions.linear(Binary("*", Number(factor), tree))
    if whole is not None and all(isinstance(piece, Counted) for piece in pieces.values()):
        if whole[1]:
            raise _PlanError("累计量的计算式中不应加减常数")
        return Counted(tuple(_terms(whole[0], pieces)))
    return Combined(tree, pieces, expressions.decimal(factor))


def _single(item: ItemSettings, point: str) -> Program:
    if item.kind == "counter":
        modulus = exact(item.modulus) if item.modulus is not None else None
        if item.digits is not None:
            modulus = Decimal(10) ** item.digits
        rate = exact(item.max_rate) if item.max_rate is not None else None
        step = item.interpolate == "step"
        rule = CounterRule(item.max_gap, modulus, rate, item.on_spike, step)
        return Counted((CounterTerm(point, rule, Decimal(1)),))
    if item.kind == "interval":
        minutes = item.sample_minutes or item.interval_minutes
        return Collected(point, IntervalRule(minutes * 60_000, item.label))
    instant = InstantRule(item.max_gap, item.interpolate == "step")
    return Measured(Name(point), instant, Decimal(1), integral=False)


def _terms(factors: Mapping[str, Fraction], pieces: Mapping[str, Program]) -> list[CounterTerm]:
    """The terms of a sum of sums; one point under one rule is one term."""
    merged: dict[tuple[str, CounterRule], Decimal] = {}
    for name, factor in factors.items():
        piece = pieces[name]
        assert isinstance(piece, Counted)  # noqa: S101 - the caller has looked
        for term in piece.terms:
            key = term.point, term.rule
            more = EXACT.multiply(expressions.decimal(factor), term.factor)
            merged[key] = EXACT.add(merged.get(key, Decimal(0)), more)
    return [CounterTerm(point, rule, factor) for (point, rule), factor in merged.items()]
