"""The plant (工厂): meters on loads, and what each of them shows at a moment.

Pure: the same plant shows the same at the same moment, whoever asks, however often. Readings
over a wire are `modbus_server`'s and `opcua_server`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from nenghao.conformance.factory.faults import Fault, FaultKind
from nenghao.conformance.factory.loads import FleetLoad, Load, ReplayLoad
from nenghao.conformance.fleet import FleetUnit, Item
from nenghao.conformance.load_shapes import Dice
from nenghao.standard import data_code
from nenghao.standard.energy import ENERGY_TYPES

DIGITS: Final = 12
"""Decimal digits of a counter unless told otherwise: a steel works fills them in 14 years."""

_SITE_UNITS: Final = {"万千瓦时": ("kWh", 4), "万立方米": ("m³", 4)}
"""The dictionary's unit → what a meter on site shows, and the power of ten between them."""

_GLITCH_SPAN: Final = 16
"""A glitch shows up to so many times the counter."""


class Meter(Struct, frozen=True):
    """One meter: what it counts, in which steps, and what its counter begins with."""

    number: int
    """From 1; its place in the registers."""
    code: str
    """Data code of what it counts."""
    name: str
    unit: str
    """Unit of its display on site, e.g. kWh."""
    decimals: int
    """Decimals of the display: a count is 10^-decimals of `unit`."""
    exponent: int
    """`unit` × 10^exponent is the dictionary's unit."""
    load: Load
    digits: int = DIGITS
    start: int = 0
    """Counts on the display when the load began."""

    @property
    def modulus(self) -> int:
        """Where the counter begins again at 0."""
        return int(10**self.digits)

    @property
    def step(self) -> Decimal:
        """What a count is worth, in `unit`."""
        return Decimal(1).scaleb(-self.decimals)


class Shown(Struct, frozen=True):
    """What a meter shows at a moment."""

    time: datetime
    """By the meter's own clock."""
    counter: int
    """Counts on the display."""
    rate: float
    """Display units an hour (kW for kWh)."""
    good: bool
    """Whether the meter itself says that it is well."""
    answers: bool
    """False: whoever asks gets no answer."""


class Character(Struct, frozen=True):
    """How the plant's meters behave besides their faults."""

    seed: int = 0
    noise: float = 0.0
    """Standard deviation of rates, relative."""
    glitches: float = 0.0
    """Chance that a counter shows nonsense in a given second."""
    drift: float = 0.0
    """Seconds a day by which the meters' clocks run fast."""
    begin: datetime = datetime(2026, 1, 1)
    """When the meters' clocks were right."""


class Plant:
    """Meters, their faults and their character."""

    def __init__(
        self,
        meters: Sequence[Meter],
        faults: Sequence[Fault] = (),
        character: Character | None = None,
    ) -> None:
        self.meters = tuple(meters)
        self.character = character or Character()
        self._faults: dict[int, list[Fault]] = {meter.number: [] for meter in meters}
        for fault in faults:
            if fault.meter not in self._faults:
                raise ValueError(f"没有 {fault.meter} 号表，共 {len(self.meters)} 块")
            if any(_clash(fault, other) for other in self._faults[fault.meter]):
                raise ValueError(f"{fault.meter} 号表的两段 {fault.kind} 故障重叠")
            self._faults[fault.meter].append(fault)

    def shown(self, meter: Meter, now: datetime) -> Shown:
        """What the meter shows at `now`."""
        faults = self._faults[meter.number]
        active = {fault.kind for fault in faults if fault.covers(now)}
        counter = counter_of(meter, faults, now)
        rate = meter.load.per_hour(now) / 10**meter.decimals
        character = self.character
        if character.glitches or character.noise:
            chance, nonsense = self._dice(meter, now).uniforms(2, "glitch")
            if chance < character.glitches:
                counter = int(counter * nonsense * _GLITCH_SPAN) % meter.modulus
            rate *= 1.0 + character.noise * self._dice(meter, now).normals(1, "noise")[0]
        if FaultKind.DEAD in active:
            rate = 0.0
        return Shown(
            time=self.meter_clock(now),
            counter=counter,
            rate=max(0.0, rate),
            good=not active & {FaultKind.DEAD, FaultKind.STUCK, FaultKind.SILENT},
            answers=FaultKind.SILENT not in active,
        )

    def meter_clock(self, now: datetime) -> datetime:
        """What the meters take for the time."""
        days = (now - self.character.begin) / timedelta(days=1)
        return now + timedelta(seconds=days * self.character.drift)

    def _dice(self, meter: Meter, now: datetime) -> Dice:
        return Dice(self.character.seed, meter.number, now.replace(microsecond=0).isoformat())


def _clash(one: Fault, other: Fault) -> bool:
    if one.kind is not other.kind or one.kind is FaultKind.REPLACED:
        return False
    return one.begin < other.end and other.begin < one.end


def counter_of(meter: Meter, faults: Sequence[Fault], now: datetime) -> int:
    """The counts on a meter's display at `now`, after its faults so far."""
    for fault in faults:
        if fault.kind is FaultKind.STUCK and fault.covers(now):
            now = min(now, fault.begin)
    stand = meter.start + _counted(meter, faults, now)
    new = [f.begin for f in faults if f.kind is FaultKind.REPLACED and f.begin <= now]
    if new:
        stand = _counted(meter, faults, now) - _counted(meter, faults, max(new))
    return stand % meter.modulus


def _counted(meter: Meter, faults: Sequence[Fault], now: datetime) -> int:
    """What has flowed and was counted: dead times do not count."""
    counted = meter.load.counts(now)
    for fault in faults:
        if fault.kind is FaultKind.DEAD and fault.begin <= now:
            counted -= meter.load.counts(min(now, fault.end)) - meter.load.counts(fault.begin)
    return counted


def origin_of(begin: datetime) -> date:
    """From where a fleet plant's counters count: the first day of the quarter year.

    So a plant that is started again shows what it would have shown without the interruption.
    """
    return date(begin.year, (begin.month - 1) // 3 * 3 + 1, 1)


def fleet_plant(
    unit: FleetUnit,
    begin: datetime,
    *,
    faults: Sequence[Fault] = (),
    character: Character | None = None,
    rollover: timedelta | None = None,
) -> Plant:
    """A meter for each item of a fleet unit.

    With `rollover` every counter that runs passes its end that long after `begin`.
    """
    made = []
    for number, item in enumerate(unit.items, start=1):
        load = FleetLoad(unit, item, origin_of(begin))
        draw = Dice(unit.seed, unit.credit_code, item.code).uniforms(1, "counter")[0]
        meter = _meter(number, item, load, int(draw * 10 ** (DIGITS - 2)))
        made.append(meter if rollover is None else rolling(meter, begin + rollover))
    return Plant(made, faults, character)


def replay_plant(
    item: Item,
    load: ReplayLoad,
    decimals: int,
    *,
    faults: Sequence[Fault] = (),
    character: Character | None = None,
    rollover: timedelta | None = None,
) -> Plant:
    """One meter, of `item`, that counts what a file says in the unit of the meter's display.

    A count is 10^-`decimals`; the counter begins at 0, or so that it passes its end `rollover`
    after the file's beginning.
    """
    meter = msgspec.structs.replace(_meter(1, item, load, 0), decimals=decimals)
    if rollover is not None:
        meter = rolling(meter, load.begin + rollover)
    return Plant([meter], faults, character)


def rolling(meter: Meter, moment: datetime) -> Meter:
    """The meter with such a start that its counter passes its end at `moment`."""
    start = -meter.load.counts(moment) % meter.modulus
    return msgspec.structs.replace(meter, start=start)


def _meter(number: int, item: Item, load: Load, start: int) -> Meter:
    code = data_code.parse(item.code)
    kind = ENERGY_TYPES.get(code.energy_class, code.energy_type)
    told = kind.unit if kind is not None else ""
    unit, exponent = _SITE_UNITS.get(told, (told, 0))
    return Meter(
        number=number,
        code=item.code,
        name=item.name,
        unit=unit,
        decimals=item.decimals - exponent,
        exponent=-exponent,
        load=load,
        start=start,
    )
