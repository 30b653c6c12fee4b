"""Packing by column does what going through the records one by one would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.platform import packing
from nenghao.platform.packing import ONLINE, REPORT, Key, Labels, pack
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType
from tests.platform.energy import COAL, ELECTRICITY, NOW, record

LABELS = Labels([(datetime(2026, 11, 2), "start:30"), (datetime(2026, 11, 3), "end")])

DATES = {
    0: ["2026-11-02 00:00:00", "2026-11-02 00:30:00", "2026-11-02 23:45:00", "2026-11-03 00:15:00"],
    1: ["2026-11-01 00:00:00", "2026-11-30 00:00:00", "2026-12-01 00:00:00"],
    2: ["2026-11-01 00:00:00", "2027-01-01 00:00:00"],
    3: ["2026-01-01 00:00:00", "2000-01-01 00:00:00"],
}


@st.composite
def records(draw: st.DrawFn) -> EnergyRecord:
    stat_type = draw(st.sampled_from([0, 0, 0, 1, 2, 3]))
    return record(
        draw(st.sampled_from([1.0, 2.0, 0.0, -0.0, 0.1 + 0.2, 1e300])),
        draw(st.sampled_from(DATES[stat_type])),
        code=draw(st.sampled_from([ELECTRICITY, COAL])),
        stat_type=stat_type,
        upload_date=draw(st.sampled_from(["2026-11-21 00:00:00", "2027-01-01 00:00:00"])),
        input_type=draw(st.sampled_from([1, 5])),
        scope=draw(st.sampled_from([1, 2])),
        valid=draw(st.booleans()),
    )


@dataclass
class Model:
    """A batch as a loop over its records packs it: slots and the records that stand in them."""

    rows: dict[Key, dict[int, int]] = field(default_factory=dict)
    repeated: int = 0
    replaced: list[tuple[int, int]] = field(default_factory=list)


def model(batch: list[EnergyRecord]) -> Model:
    made = Model()
    for index, one in enumerate(batch):
        kind, time = StatType(one.stat_type), periods.parse_time(one.stat_date)
        time = LABELS.end_of(time) if kind is StatType.REALTIME else time
        frame, slot = periods.place(kind, time)
        key = Key(one.stat_type, frame, one.data_code, REPORT if one.input_type == 5 else ONLINE)
        row = made.rows.setdefault(key, {})
        earlier = row.setdefault(slot, index)
        if earlier != index and batch[earlier] == one:
            made.repeated += 1
        elif earlier != index:
            made.replaced.append((earlier, index))
            row[slot] = index
    return made


@settings(deadline=None, max_examples=300)
@given(st.lists(records(), max_size=40), st.sampled_from([0, 8, 1000]))
def test_a_batch_is_packed_as_a_loop_over_its_records_would(
    batch: list[EnergyRecord], room: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:  # by table and by sorting
        patch.setattr(packing, "_ROOM", room)
        check(batch)


def check(batch: list[EnergyRecord]) -> None:
    packed, expected = pack(batch, LABELS, NOW), model(batch)
    assert (packed.repeated, packed.replaced) == (expected.repeated, expected.replaced)
    assert list(packed.frames) == list(expected.rows)
    for key, one in packed.frames.items():
        slots = sorted(expected.rows[key])
        stand = [expected.rows[key][slot] for slot in slots]
        frame, chosen = one.frame, [batch[index] for index in stand]
        assert (one.records, list(frame.positions())) == (stand, slots)
        assert frame.slots == periods.slots(StatType(key.stat_type))
        assert [value.hex() for value in frame.value] == [rec.data_value.hex() for rec in chosen]
        sent = [periods.seconds(periods.parse_time(rec.upload_date)) for rec in chosen]
        assert frame.upload_date == sent
        assert frame.rank == [min(date, periods.seconds(NOW)) for date in sent]
        assert frame.valid == [int(rec.valid) for rec in chosen]
        assert frame.input_type == [rec.input_type for rec in chosen]
        assert frame.scope == [rec.scope for rec in chosen]
        assert frame.findings == [0] * len(stand)
