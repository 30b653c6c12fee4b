"""Uploads, totals and sums without a database: the pure parts of intake and settling."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from msgspec.structs import replace

from nenghao.platform import packing
from nenghao.platform.packing import Key, Labels
from nenghao.platform.store import frames_codec
from nenghao.platform.store.frames_columns import merge
from nenghao.platform.totals import inputs, marks, settle
from nenghao.platform.totals.options import Arithmetic
from nenghao.platform.totals.packed import Numbers
from nenghao.platform.totals.places import Place, Places
from nenghao.platform.totals.roll_ups import Changes
from nenghao.platform.totals.settle import Rules, Work
from nenghao.standard import coefficients, energy, periods
from nenghao.standard.coefficients import Coefficients
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.periods import StatType
from tests.platform.totals.events import BEGIN, PLACES, UNITS, Upload
from tests.platform.totals.scenes import BOOK, Period, only_known_parts, periods_of
from tests.standard import naive_energy
from tests.standard.naive_energy import Value

NOW = BEGIN + timedelta(days=60)
"""All periods of the scenes have begun."""

RULES = Rules(
    Coefficients(
        one for kind in energy.ENERGY_TYPES if (one := coefficients.of_type(kind)) is not None
    ),
    Arithmetic(),
)


class Frames:
    """Stored frames of some units, and the values that stand in them."""

    def __init__(self) -> None:
        self.planes: dict[tuple[int, Key], bytes] = {}
        self._values: list[dict[tuple[int, str, int, str], tuple[int, Value]]] = [
            {} for _ in range(UNITS)
        ]

    def take(self, upload: Upload, number: int) -> None:
        """Take the upload that was made as number so many, whenever it comes."""
        sent = periods.format_time(BEGIN + timedelta(minutes=number))
        records = [replace(record, upload_date=sent) for record in upload.records]
        batch = packing.pack(records, Labels(), NOW)
        names = [(upload.unit, key) for key in batch.keys]
        met = [at for at, name in enumerate(names) if name in self.planes]
        new = [at for at, name in enumerate(names) if name not in self.planes]
        for some in filter(None, (met, new)):
            columns = batch.columns.take(some)
            if some is met:
                held = frames_codec.decode([self.planes[names[at]] for at in some])
                columns = merge(held, columns).frames
            encoded = frames_codec.encode(columns)
            self.planes |= {names[at]: data for at, data in zip(some, encoded, strict=True)}
        for record in records:
            source = int(record.input_type == 5)
            name = (source, record.data_code, record.stat_type, record.stat_date)
            start = periods.parse_time(record.stat_date)
            value = Value(
                record.data_code, record.stat_type, start, record.data_value, record.valid
            )
            before = self._values[upload.unit].get(name)
            if before is None or before[0] <= number:
                self._values[upload.unit][name] = number, value

    def expected(self) -> dict[tuple[int, Period], tuple[tuple[str, str], list[int]]]:
        """The naive totals."""
        made = {}
        for unit, values in enumerate(self._values):
            for source in (0, 1):
                its = [value for (of, *_), (_, value) in values.items() if of == source]
                with only_known_parts(its):
                    for stat_type, start in periods_of(its):
                        totals = naive_energy.totals(its, stat_type, start, PLACES[unit][1], BOOK)
                        numbers = [number for code in INDICATORS for number in totals[code]]
                        made[unit, (source, stat_type, start)] = PLACES[unit], numbers
        return made


Totals = dict[tuple[int, Period], tuple[tuple[str, str], Numbers]]


def sums_of_frames(
    frames: Frames,
) -> tuple[Totals, dict[tuple[Period, str, str], list[int]]]:
    """The units' totals and the sums, as settling makes them."""
    totals: Totals = {}
    changes = Changes()
    for unit in range(UNITS):
        rows = [(key, planes) for (of, key), planes in frames.planes.items() if of == unit]
        work = Work.of(marks.Mark(key.stat_type, key.frame) for key, _ in rows)
        years = {key.frame for key, _ in rows if key.stat_type == StatType.MONTH}
        years |= {key.frame // 12 for key, _ in rows if key.stat_type == StatType.DAY}
        years |= {25, 26}
        work.slots[StatType.YEAR] = {0: years}
        where = Places("", [(BEGIN, Place(*PLACES[unit]))])
        made = settle.computed(inputs.taken(rows, NOW, unit), work, where, RULES)
        for kind, slots in made.totals.items():
            stat_type, frame, source = kind
            for slot, total in slots.items():
                changes.move(kind, slot, None, total)
                if total is not None:
                    start = periods.time_of(StatType(stat_type), frame, slot)
                    totals[unit, (source, stat_type, start)] = (PLACES[unit], total[1])
                    assert total[0] == PLACES[unit]
    sums: defaultdict[tuple[Period, str, str], list[int]] = defaultdict(list)
    for row, changed in changes.rows(keep_zeros=True).items():
        for slot, numbers in changed.items():
            start = periods.time_of(StatType(row.stat_type), row.frame, slot)
            period = (row.source, row.stat_type, start)
            sums[period, row.region, row.industry] = numbers
    return totals, dict(sums)
