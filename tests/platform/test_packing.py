"""Packing: which frame and slot a record belongs to, and which of two records stands."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from nenghao.platform.packing import ONLINE, REPORT, Key, Labels, pack, unpack
from nenghao.standard import periods
from nenghao.standard.periods import StatType
from nenghao.standard.replies import IllegalFormat
from tests.platform.energy import COAL, ELECTRICITY, NOW, day, record

DAY_OF_TICKS = periods.day_number(date(2026, 11, 21))
LABEL_END = Labels()


def test_a_day_of_ticks_is_one_full_frame() -> None:
    batch = pack(day(), LABEL_END, NOW)
    (key,) = batch.frames
    assert key == Key(0, DAY_OF_TICKS, ELECTRICITY, ONLINE)
    assert batch.frames[key].frame.presence == 2**96 - 1


def test_items_stat_types_and_sources_have_frames_of_their_own() -> None:
    records = [
        record(1),
        record(2, code=COAL),
        record(3, input_type=5),
        record(4, "2026-11-01 00:00:00", stat_type=2),
        record(5, "2026-01-01 00:00:00", stat_type=3),
    ]
    assert sorted(pack(records, LABEL_END, NOW).frames) == [
        Key(1, 322, COAL, ONLINE),
        Key(1, 322, ELECTRICITY, ONLINE),
        Key(1, 322, ELECTRICITY, REPORT),
        Key(2, 26, ELECTRICITY, ONLINE),
        Key(3, 0, ELECTRICITY, ONLINE),
    ]


def test_what_is_packed_is_unpacked() -> None:
    records = [*day(), record(-1, valid=False), record(2, input_type=5, scope=3)]
    batch = pack(records, LABEL_END, NOW)
    unpacked = [one for key, p in batch.frames.items() for _, one in unpack(key, p.frame)]
    assert unpacked == records


def test_each_slot_knows_the_record_that_stands_in_it() -> None:
    records = list(reversed(day()))
    (packed,) = pack(records, LABEL_END, NOW).frames.values()
    assert packed.records == list(range(95, -1, -1))
    assert [records[index].data_value for index in packed.records] == packed.frame.value


def test_the_same_record_twice_is_one() -> None:
    batch = pack([record(1), record(1)], LABEL_END, NOW)
    (packed,) = batch.frames.values()
    assert (batch.repeated, batch.replaced, packed.frame.value) == (1, [], [1])


def test_of_two_different_records_of_one_key_the_last_stands() -> None:
    """Whatever their uploadDate: within a batch the order of the batch decides."""
    records = [
        record(1, upload_date="2026-11-22 01:00:00"),
        record(2, upload_date="2026-11-21 01:00:00"),
    ]
    batch = pack(records, LABEL_END, NOW)
    (packed,) = batch.frames.values()
    assert (packed.frame.value, packed.records, batch.replaced) == ([2], [1], [(0, 1)])


def test_a_record_that_returns_after_another_stands_again() -> None:
    batch = pack([record(1), record(2), record(1)], LABEL_END, NOW)
    (packed,) = batch.frames.values()
    assert (packed.frame.value, batch.repeated, batch.replaced) == ([1], 0, [(0, 1), (1, 2)])


def test_a_future_upload_date_is_kept_and_ranks_as_the_receipt() -> None:
    records = [
        record(1, "2026-11-20 00:00:00", upload_date="2026-11-22 01:00:00"),
        record(2, "2026-11-21 00:00:00", upload_date="2027-01-01 00:00:00"),
    ]
    (packed,) = pack(records, LABEL_END, NOW).frames.values()
    assert list(map(periods.from_seconds, packed.frame.upload_date)) == [
        datetime(2026, 11, 22, 1),
        datetime(2027, 1, 1),
    ]
    assert list(map(periods.from_seconds, packed.frame.rank)) == [datetime(2026, 11, 22, 1), NOW]


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize(
    ("label", "sent", "end"),
    [
        ("end", "2026-11-21 00:15:00", "2026-11-21 00:15:00"),
        ("start:15", "2026-11-21 00:00:00", "2026-11-21 00:15:00"),
        ("start:15", "2026-11-21 23:45:00", "2026-11-22 00:00:00"),
        ("start:30", "2026-11-21 00:00:00", "2026-11-21 00:30:00"),
        ("start:60", "2026-11-21 23:00:00", "2026-11-22 00:00:00"),
    ],
)
def test_a_unit_that_labels_the_start_is_shifted_to_the_end(
    label: str, sent: str, end: str
) -> None:
    labels = Labels([(datetime(2026, 1, 1), label)])
    batch = pack([record(1, sent, stat_type=0)], labels, NOW)
    ((key, packed),) = batch.frames.items()
    assert key.frame == DAY_OF_TICKS
    assert [one.stat_date for _, one in unpack(key, packed.frame)] == [end]


def test_the_label_shifts_ticks_only() -> None:
    labels = Labels([(datetime(2026, 1, 1), "start:60")])
    for stat_type, start in [(1, "2026-11-21"), (2, "2026-11-01"), (3, "2026-01-01")]:
        time = f"{start} 00:00:00"
        batch = pack([record(1, time, stat_type=stat_type)], labels, NOW)
        ((key, packed),) = batch.frames.items()
        assert unpack(key, packed.frame)[0][1].stat_date == time


def test_a_label_holds_from_its_date_on_and_before_the_first_the_end_is_meant() -> None:
    labels = Labels([(datetime(2026, 11, 20), "start:15"), (datetime(2026, 11, 1), "start:60")])
    ends = {
        datetime(2026, 10, 31, 23): datetime(2026, 10, 31, 23),
        datetime(2026, 11, 1): datetime(2026, 11, 1, 1),
        datetime(2026, 11, 19, 23): datetime(2026, 11, 20),
        datetime(2026, 11, 20): datetime(2026, 11, 20, 0, 15),
    }
    assert {label: labels.end_of(label) for label in ends} == ends


def test_a_tick_that_its_label_moves_out_of_all_years_is_refused_by_name() -> None:
    labels = Labels([(datetime(2026, 1, 1), "start:60")])
    with pytest.raises(IllegalFormat, match=r"data\[1\]\.statDate"):
        pack([record(), record(1, "2099-12-31 23:45:00", stat_type=0)], labels, NOW)


def test_the_tick_that_opens_the_first_day_closes_the_one_before() -> None:
    batch = pack([record(1, "2000-01-01 00:00:00", stat_type=0)], LABEL_END, NOW)
    assert list(batch.frames) == [Key(StatType.REALTIME, -1, ELECTRICITY, ONLINE)]
