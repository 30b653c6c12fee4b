"""The recorder: samples on the disk with the ticks they complete, late ones, restarts, clocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.device import history
from nenghao.device.collection import samples as raw
from nenghao.device.collection.counters import Drop
from nenghao.device.collection.recorder import Recorder
from nenghao.device.store import DeviceStore
from tests.device.collection.factory import (
    MORNING,
    QUARTER,
    every,
    fake_source,
    item,
    planned,
    readings_of,
    sample,
    ticks_of,
)

COUNTER = planned(item())


def feed(
    recorder: Recorder, begin: datetime, end: datetime, rate: float = 1, **keys: object
) -> None:
    """Poll every ten seconds; the register counts `rate` a second since MORNING."""
    for one in every(10, begin, end, lambda past: 0):
        value = round((one.time - MORNING).total_seconds() * rate, 3)
        recorder.take("gate", [sample(one.time, value)], one.time)


def clean(store: DeviceStore) -> None:
    with store.write() as connection:
        connection.execute("DELETE FROM dirty")


@pytest.mark.clause("3.4-1")
@pytest.mark.clause("6.2.5-3")
def test_polls_with_any_jitter_give_ticks_on_the_exact_grid(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    for number in range(400):
        time = MORNING + timedelta(seconds=10 * number, milliseconds=(number * 7919) % 3000)
        value = Decimal((time - MORNING) // timedelta(milliseconds=1)) / 1000
        recorder.take("gate", [sample(time, value)], time)
    ticks = ticks_of(store)
    assert list(ticks) == [MORNING + QUARTER * number for number in range(1, 5)]
    assert set(ticks.values()) == {Decimal(900)}


def test_a_start_in_mid_interval_makes_no_tick_of_the_part(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING + timedelta(minutes=7), MORNING + timedelta(minutes=50))
    assert list(ticks_of(store)) == [MORNING + QUARTER * 2, MORNING + QUARTER * 3]


def test_a_tick_is_made_with_the_first_sample_after_its_end(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING, MORNING + QUARTER - timedelta(seconds=10))
    assert ticks_of(store) == {}
    after = MORNING + QUARTER + timedelta(seconds=3)
    taken = recorder.take("gate", [sample(after, 903)], after)
    assert ticks_of(store) == {MORNING + QUARTER: Decimal(900)}
    assert taken.days == {MORNING.date()}


def test_the_same_samples_again_are_known_and_change_nothing(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    samples = every(10, MORNING, MORNING + QUARTER * 3, lambda past: int(past))
    recorder.take("gate", samples, MORNING + QUARTER * 3)
    before = readings_of(store)
    clean(store)
    for chunk in (samples, samples[40:60], samples[-1:]):
        taken = recorder.take("gate", chunk, MORNING + QUARTER * 4)
        assert (taken.kept, taken.known, taken.days) == (0, len(chunk), set())
    assert readings_of(store) == before
    with store.read() as connection:
        assert history.dirty_days(connection) == 0


def test_late_samples_fill_their_ticks_and_re_open_the_day(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    samples = every(10, MORNING, MORNING + QUARTER * 8, lambda past: int(past))
    late = [one for one in samples if QUARTER * 2 < one.time - MORNING < QUARTER * 5]
    now = MORNING + timedelta(days=2)
    recorder.take("gate", [one for one in samples if one not in late], now)
    assert len(ticks_of(store)) == 5
    clean(store)
    taken = recorder.take("gate", late, now)
    assert taken.days == {MORNING.date()}
    assert set(ticks_of(store).values()) == {Decimal(900)}
    assert len(ticks_of(store)) == 8


def test_a_corrected_sample_corrects_its_tick(store: DeviceStore) -> None:
    recorder = Recorder(store, planned(item(kind="interval")), MORNING)
    now = MORNING + timedelta(hours=2)
    recorder.take("gate", [sample(MORNING + QUARTER * n, n) for n in range(1, 5)], now)
    clean(store)
    recorder.take("gate", [sample(MORNING + QUARTER * 2, 20)], now)
    assert list(ticks_of(store).values()) == [1, 20, 3, 4]
    with store.read() as connection:
        assert history.dirty_days(connection) == 1


def test_what_a_source_calls_bad_is_not_used(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    samples = every(10, MORNING, MORNING + QUARTER * 2, lambda past: int(past))
    wrong = [sample(one.time, 0, good=False) for one in samples[5:20]]
    recorder.take("gate", samples[:5] + wrong + samples[20:], MORNING + QUARTER * 2)
    assert list(ticks_of(store).values()) == [900, 900]


def test_samples_that_cannot_be_are_counted_and_left_out(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    ahead = MORNING + timedelta(hours=8)
    taken = recorder.take(
        "gate",
        [sample(ahead, 1), sample(MORNING, "NaN"), sample(MORNING, 1, "other"), sample(MORNING, 2)],
        MORNING,
    )
    assert (taken.ahead, taken.unusable, taken.unknown, taken.kept) == (1, 1, 1, 1)


def test_after_a_kill_nothing_is_lost_and_ticks_go_on(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    store = DeviceStore.create(path)
    for part in range(9):
        begin = MORNING + timedelta(minutes=5 * part)
        recorder = Recorder(store, COUNTER, begin)
        feed(recorder, begin, begin + timedelta(minutes=4, seconds=50))
        store.close()  # no goodbye: what was taken is on the disk
        store = DeviceStore.open(path)
    assert list(ticks_of(store).values()) == [900, 900]
    store.close()


@contextmanager
def failing(store: DeviceStore) -> Iterator[None]:
    """The disk is full: no page can be added."""
    connection = store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute(f"PRAGMA max_page_count = {most}")


def test_what_could_not_be_written_is_taken_again_as_if_nothing_had_been(
    store: DeviceStore,
) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    samples = every(1, MORNING, MORNING + QUARTER * 2, lambda past: int(past) * 7919 % 10007)
    rising = sorted(one.value for one in samples)
    samples = [sample(one.time, value) for one, value in zip(samples, rising, strict=True)]
    with failing(store), pytest.raises(sqlite3.OperationalError, match="full"):
        recorder.take("gate", samples, MORNING + QUARTER * 2)
    assert ticks_of(store) == {}
    recorder.take("gate", samples, MORNING + QUARTER * 2)
    assert len(ticks_of(store)) == 2


def test_a_reset_is_told_once(store: DeviceStore) -> None:
    recorder = Recorder(store, planned(item(max_rate=4000)), MORNING)
    told = []
    for one in every(10, MORNING, MORNING + QUARTER * 5, lambda past: int(past) % 2000):
        told += recorder.take("gate", [one], one.time).events
    assert [event.event.kind for event in told] == [Drop.RESET, Drop.RESET]
    # the ten seconds before each reset were counted by nobody
    assert list(ticks_of(store).values()) == [900, 900, 890, 900, 890]


def test_garbage_that_ends_corrects_the_tick_that_was_made_during_it(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)

    def value(past: float) -> int:
        return 0 if 850 <= past < 1000 else 10_000 + int(past)

    for one in every(10, MORNING, MORNING + QUARTER * 3, value):
        recorder.take("gate", [one], one.time)
    assert list(ticks_of(store).values()) == [900, 900, 900]


def test_a_spike_is_flagged_and_its_tick_is_not_valid(store: DeviceStore) -> None:
    recorder = Recorder(store, planned(item(max_rate=4000)), MORNING)
    for one in every(10, MORNING, MORNING + QUARTER * 3,
                     lambda past: int(past) + (100_000 if past > 1000 else 0)):  # fmt: skip
        recorder.take("gate", [one], one.time)
    assert [doubt for _, doubt in readings_of(store).values()] == [False, True, False]
    assert sum(ticks_of(store).values()) == 102_700


def test_a_spike_on_reconnection_is_spread_over_the_standstill_if_that_is_wanted(
    store: DeviceStore,
) -> None:
    plan = planned(item(max_rate=4000, on_spike="spread"))
    recorder = Recorder(store, plan, MORNING)

    def stale(past: float) -> int:
        return int(past) if not 1200 <= past < 6600 else 1200  # the concentrator lost the meter

    for one in every(10, MORNING, MORNING + QUARTER * 8, stale):
        recorder.take("gate", [one], one.time)
    assert set(ticks_of(store).values()) == {Decimal(900)}
    assert len(ticks_of(store)) == 8


# --- the clock ------------------------------------------------------------------------------------


def test_a_clock_set_forwards_leaves_a_gap_and_counts_nothing_twice(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING, MORNING + QUARTER * 2)
    for one in every(
        10, MORNING + QUARTER * 6, MORNING + QUARTER * 8, lambda past: int(1810 + past)
    ):
        recorder.take("gate", [one], one.time)
    assert list(ticks_of(store)) == [MORNING + QUARTER * number for number in (1, 2, 7, 8)]
    assert set(ticks_of(store).values()) == {Decimal(900)}


def test_a_clock_set_back_undoes_what_it_labelled_ahead_and_loses_no_consumption(
    store: DeviceStore,
) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING, MORNING + QUARTER * 8)
    assert len(ticks_of(store)) == 8
    back = MORNING + QUARTER * 4 + timedelta(minutes=5)
    days = recorder.step_back(back)
    assert list(days) == [MORNING.date()]
    assert len(ticks_of(store)) == 4
    for one in every(10, back, MORNING + QUARTER * 8, lambda past: int(7210 + past)):
        taken = recorder.take("gate", [one], one.time)
        assert taken.kept == 1
    ticks = ticks_of(store)
    assert len(ticks) == 8
    assert all(value >= 0 for value in ticks.values())
    # everything that the register showed is in a tick: nothing negative, nothing twice
    last = 7210 + int((MORNING + QUARTER * 8 - back).total_seconds())
    assert sum(ticks.values()) == last


def test_samples_with_their_sources_own_time_outlive_a_clock_set_back(store: DeviceStore) -> None:
    recorder = Recorder(store, planned(item(kind="interval")), MORNING)
    now = MORNING + timedelta(hours=3, minutes=1)
    recorder.take("gate", [sample(MORNING + QUARTER * n, n) for n in range(1, 13)], now)
    assert recorder.step_back(MORNING + QUARTER * 2) == set()
    assert len(ticks_of(store)) == 12


# --- raw samples ----------------------------------------------------------------------------------


def test_raw_samples_are_kept_seven_days_and_later_ones_are_refused(store: DeviceStore) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING, MORNING + QUARTER * 2)
    later = MORNING + timedelta(days=8)
    recorder.tidy(MORNING + QUARTER * 2, 7)
    feed(recorder, later, later + QUARTER * 2)
    recorder.tidy(later + QUARTER * 2, 7)
    with store.read() as connection:
        (hours,) = connection.execute("SELECT count(*) FROM raw").fetchone()
    assert hours == 1
    late = recorder.take("gate", [sample(MORNING + timedelta(seconds=5), 1)], later + QUARTER * 2)
    assert (late.too_old, late.kept) == (1, 0)
    assert len(ticks_of(store)) == 4


def test_the_last_hour_before_a_long_gap_is_not_forgotten(store: DeviceStore) -> None:
    recorder = Recorder(store, planned(item(day_from="register")), MORNING)
    feed(recorder, MORNING, MORNING + QUARTER * 2)
    later = MORNING + timedelta(days=20)
    recorder.tidy(later, 7)
    feed(recorder, later, later + QUARTER)
    with store.read() as connection:
        (amount,) = connection.execute("SELECT amount FROM gap").fetchone()
    assert Decimal(amount) == (later - MORNING - QUARTER * 2).total_seconds()


def test_a_year_of_old_rows_is_taken_in_though_raw_samples_are_kept_a_week(
    store: DeviceStore,
) -> None:
    recorder = Recorder(store, planned(item(kind="interval")), MORNING)
    rows = [sample(MORNING - timedelta(days=300) + QUARTER * n, n % 7) for n in range(2000)]
    for number in range(0, 2000, 400):
        recorder.take("gate", rows[number : number + 400], MORNING)
        recorder.tidy(MORNING + timedelta(hours=number), 7)
    assert len(ticks_of(store)) == 2000


def test_values_come_back_exactly(store: DeviceStore) -> None:
    values = ["0", "-0.001", "123456789012345678", "3.170", "1E+5", "1E-12", "0.1234567890123456"]
    with store.write() as connection:
        point = raw.point(connection, "gate", "total")
        now = raw.milliseconds(MORNING)
        given = [
            one
            for number, value in enumerate(values)
            if (one := raw.raw(point.id, now + number * 977_131, Decimal(value), number != 2))
        ]
        raw.append(connection, given[::2], now)
        raw.append(connection, given[1::2], now)
        journal = raw.read(connection, [point.id], 0, 10**15)[point.id].rows()
        raw.compact(connection, now)
        assert raw.journal_size(connection) == 0
        stored = raw.read(connection, [point.id], 0, 10**15)[point.id].rows()
    assert journal == stored
    assert [Decimal(row[1]).scaleb(row[2]) for row in stored] == [Decimal(v) for v in values]
    assert [row[3] for row in stored] == [number != 2 for number in range(len(values))]


# --- plans ----------------------------------------------------------------------------------------


def test_a_new_item_over_known_points_gets_the_ticks_of_the_samples_there_are(
    store: DeviceStore,
) -> None:
    recorder = Recorder(store, COUNTER, MORNING)
    feed(recorder, MORNING, MORNING + QUARTER * 4)
    other = "00-00-0000-023300-20"
    plan = planned(item(), item(data_code=other, scale="0.5"))
    recorder.replan(plan, MORNING + QUARTER * 4)
    assert recorder.catch_up(MORNING + QUARTER * 4) is False
    assert list(ticks_of(store, other).values()) == [450] * 4
    feed(recorder, MORNING + QUARTER * 4 + timedelta(seconds=10), MORNING + QUARTER * 5)
    assert len(ticks_of(store, other)) == len(ticks_of(store)) == 5


def test_an_item_of_two_sources_waits_for_the_slower(store: DeviceStore) -> None:
    sources = [fake_source("a", p=""), fake_source("b", p="")]
    plan = planned(item(value="a.p - b.p"), sources=sources)
    recorder = Recorder(store, plan, MORNING)
    for one in every(10, MORNING, MORNING + QUARTER * 4, lambda past: int(past) * 3):
        recorder.take("a", [sample(one.time, one.value, "p")], one.time)
    assert ticks_of(store) == {}
    slow = every(60, MORNING, MORNING + QUARTER * 4, lambda past: int(past), "p")
    recorder.take("b", slow, MORNING + QUARTER * 4)
    assert list(ticks_of(store).values()) == [1800] * 4
