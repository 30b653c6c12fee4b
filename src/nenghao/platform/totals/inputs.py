"""A unit's stored values as `standard.indicators` takes them (合计的数据来源).

Only the frames that are asked for are read, and of these only codes that can count. A value whose
period had not begun a day after it was received stays out until it begins (docs/decisions 4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from nenghao.platform.packing import ONLINE, REPORT, Key
from nenghao.platform.store import frames_codec
from nenghao.platform.store.frames_codec import FrameCorrupt
from nenghao.platform.store.frames_columns import FrameColumns
from nenghao.platform.store.schema import frame as table
from nenghao.platform.totals import marks
from nenghao.standard import energy_amounts, periods
from nenghao.standard.data_code import WHOLE_PLANT_PREFIX
from nenghao.standard.energy_amounts import Period
from nenghao.standard.findings import AdviceKind
from nenghao.standard.periods import StatType

log = structlog.get_logger(__name__)

SOURCES = (ONLINE, REPORT)
MONTHS = 12

Own = dict[str, int]
"""A unit's values of one period: amounts by data code."""
Slot = tuple[int, int]
"""Frame and slot."""

_NOTHING: Own = {}
_UNKNOWN = Period()
_EXACT = 1e15
"""Integers below it, divided by a power of ten, are the shortest decimal of their double."""


@dataclass
class Values:
    """What one source of a unit holds, of the frames that were read."""

    own: dict[int, dict[Slot, Own]] = field(default_factory=lambda: {kind: {} for kind in StatType})

    def of(self, kind: StatType, place: Slot) -> Own:
        """The values of one period."""
        return self.own[kind].get(place, _NOTHING)


@dataclass
class Inputs:
    """What a unit holds, of the frames that were read."""

    sources: dict[int, Values]
    waiting: dict[tuple[int, int], dict[int, datetime]]
    """By frame and slot the periods that have values and did not begin yet, with their start."""
    damaged: list[Key]
    """Frames that cannot be read."""

    def waiting_of(self, kind: StatType) -> list[Slot]:
        """The periods of one kind that wait."""
        return [
            (frame, slot)
            for (stat_type, frame), slots in self.waiting.items()
            if stat_type == kind
            for slot in slots
        ]


def load(
    conn: Connection, unit_id: int, wanted: Mapping[StatType, Collection[int]], now: datetime
) -> Inputs:
    """What the unit holds in the frames `wanted` by statType."""
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    which = [
        and_(table.c.stat_type == int(kind), table.c.frame.in_(sorted(numbers)))
        for kind, numbers in wanted.items()
        if numbers
    ]
    query = select(*columns, table.c.planes).where(
        table.c.unit_id == unit_id, or_(*which), _counted(conn)
    )
    rows = [(Key(*row[:4]), row.planes) for row in conn.execute(query)]
    return taken(rows, now, unit_id)


def taken(rows: list[tuple[Key, bytes]], now: datetime, unit_id: int) -> Inputs:
    """What frames hold that counts at `now`."""
    inputs = Inputs({source: Values() for source in SOURCES}, {}, [])
    if rows:
        _take(inputs, rows, now, unit_id)
    return inputs


def _counted(conn: Connection) -> ColumnElement[bool]:
    """The codes of which `marks.counts` holds."""
    if conn.dialect.name == "sqlite":  # its order is that of bytes, and it has an index for that
        return and_(
            table.c.data_code >= WHOLE_PLANT_PREFIX, table.c.data_code < WHOLE_PLANT_PREFIX + "~"
        )
    return table.c.data_code.startswith(WHOLE_PLANT_PREFIX)


def _take(inputs: Inputs, rows: list[tuple[Key, bytes]], now: datetime, unit_id: int) -> None:
    columns = _decoded(inputs, rows, unit_id)
    counted = columns.valid.astype(np.bool_)
    frame_of = columns.frame_of_value()
    early = (columns.findings & AdviceKind.FUTURE_PERIOD.bit).astype(np.bool_)
    for place in np.flatnonzero(early).tolist():
        key, slot = rows[frame_of[place]][0], int(columns.slot[place])
        start = periods.time_of(StatType(key.stat_type), key.frame, slot)
        if start > now:
            counted[place] = False
            inputs.waiting.setdefault(key[:2], {})[slot] = start
    amounts = amounts_of(columns.value[counted])
    slots = columns.slot[counted].tolist()
    numbers = frame_of[counted].tolist()
    for number, slot, amount in zip(numbers, slots, amounts, strict=True):
        key = rows[number][0]
        own = inputs.sources[key.source].own[key.stat_type]
        held = own.get((key.frame, slot))
        if held is None:
            own[key.frame, slot] = {key.data_code: amount}
        else:
            held[key.data_code] = amount


def _decoded(inputs: Inputs, rows: list[tuple[Key, bytes]], unit_id: int) -> FrameColumns:
    """The frames but for damaged ones: these are left out, of `rows` too, and told of."""
    while True:
        try:
            return frames_codec.decode([planes for _, planes in rows])
        except FrameCorrupt as error:
            key, _ = rows.pop(error.number)
            inputs.damaged.append(key)
            log.error("已存数据损坏，未计入合计", unit_id=unit_id, **key._asdict())


def amounts_of(values: NDArray[np.float64]) -> list[int]:
    """`energy_amounts.amount` of each, most of them without a text of their own.

    An integer below 10¹⁵ over a power of ten that is the double again is its shortest decimal.
    """
    if not len(values):
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        coarse, fine = np.rint(values * 1e4), np.rint(values * 1e10)
        is_coarse = (coarse / 1e4 == values) & (np.abs(coarse) < _EXACT)
        is_fine = (fine / 1e10 == values) & (np.abs(fine) < _EXACT) & ~is_coarse
    scale = energy_amounts.SCALE // 10**4
    made = [
        int(number) * scale for number in np.where(is_coarse, coarse, 0).astype(np.int64).tolist()
    ]
    for place in np.flatnonzero(is_fine).tolist():
        made[place] = int(fine[place])
    for place in np.flatnonzero(~(is_coarse | is_fine)).tolist():
        made[place] = energy_amounts.amount(float(values[place]))
    return made


class Gathered:
    """The periods of one source of a unit, each put together once when it is asked for."""

    def __init__(self, values: Values, output_value_code: str) -> None:
        self._values = values
        self._output = output_value_code
        self._months: dict[int, Period] = {}
        self._with_days = {month for month, _ in values.own[StatType.DAY]}

    def period(self, kind: StatType, place: Slot) -> Period:
        """A day, month or year by frame and slot; its frames, and those below, were read."""
        frame, slot = place
        if kind is StatType.DAY:
            return self._day(place, self._around(frame))
        if kind is StatType.MONTH:
            return self._month(frame * MONTHS + slot)
        months = [self._month(slot * MONTHS + month) for month in range(MONTHS)]
        own = self._values.of(StatType.YEAR, place)
        return energy_amounts.gather(own, months, (), self._output)

    def _around(self, month: int) -> Sequence[Own]:
        """The values of a day's month and year."""
        year, number = divmod(month, MONTHS)
        return (
            self._values.of(StatType.MONTH, (year, number)),
            self._values.of(StatType.YEAR, (0, year)),
        )

    def _day(self, place: Slot, containing: Sequence[Own] = ()) -> Period:
        own = self._values.of(StatType.DAY, place)
        if not own:
            return _UNKNOWN
        return energy_amounts.gather(own, (), containing, self._output)

    def _month(self, month: int) -> Period:
        made = self._months.get(month)
        if made is None:
            year, number = divmod(month, MONTHS)
            own = self._values.of(StatType.MONTH, (year, number))
            if own or month in self._with_days:
                days = [self._day((month, slot)) for slot in marks.slots_of(StatType.DAY, month)]
                containing = (self._values.of(StatType.YEAR, (0, year)),)
                made = energy_amounts.gather(own, days, containing, self._output)
            else:
                made = _UNKNOWN
            self._months[month] = made
        return made


def frames_for(days: Collection[int], years: Collection[int]) -> dict[StatType, set[int]]:
    """The frames that totals of these months' days, and all totals of these years, are made of."""
    months = {year * MONTHS + month for year in years for month in range(MONTHS)}
    return {
        StatType.DAY: months | set(days),
        StatType.MONTH: set(years) | {day // MONTHS for day in days},
        StatType.YEAR: {0},
    }
