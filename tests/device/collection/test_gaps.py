"""Gaps stay gaps; with the register, days and months know what was counted in them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from nenghao.device import history, totals
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.recorder import Recorder
from nenghao.device.store import DeviceStore
from tests.device.collection.factory import QUARTER, every, item, planned, sample, ticks_of
from tests.device.world import ELECTRICITY

COUNTER = planned(item())


def a_day_with_a_gap(store: DeviceStore, plan: Plan, gap: tuple[datetime, datetime]) -> Recorder:
    begin = datetime(2026, 3, 1, 23, 0)
    recorder = Recorder(store, plan, begin)
    samples = [
        one
        for one in every(60, begin, datetime(2026, 3, 3, 1, 0), lambda past: int(past))
        if not gap[0] < one.time < gap[1]
    ]
    for number in range(0, len(samples), 50):
        chunk = samples[number : number + 50]
        recorder.take("gate", chunk, chunk[-1].time)
    return recorder


def total_of(store: DeviceStore, day: datetime) -> tuple[Decimal, bool] | None:
    with store.read() as connection:
        known = history.find_item(connection, ELECTRICITY)
        assert known is not None
        row = history.day_row(connection, known, day.date())
        made = totals.of_day(connection, known, day.date(), row.total if row else None)
    return None if made is None else (made.value, made.complete)


GAP = (datetime(2026, 3, 2, 3, 7), datetime(2026, 3, 2, 5, 22))


def test_a_gap_stays_a_gap_and_the_day_from_ticks_is_incomplete(store: DeviceStore) -> None:
    a_day_with_a_gap(store, COUNTER, GAP)
    ticks = ticks_of(store)
    day = [datetime(2026, 3, 2) + QUARTER * number for number in range(1, 97)]
    absent = [time for time in day if time not in ticks]
    assert absent == [datetime(2026, 3, 2, 3) + QUARTER * number for number in range(1, 11)]
    assert total_of(store, datetime(2026, 3, 2)) == (Decimal(86 * 900), False)


def test_the_day_from_the_register_knows_what_was_counted_in_the_gap(store: DeviceStore) -> None:
    a_day_with_a_gap(store, planned(item(day_from="register")), GAP)
    assert len([time for time in ticks_of(store) if time.day == 2]) == 86
    assert total_of(store, datetime(2026, 3, 2)) == (Decimal(86400), True)


def test_late_samples_that_fill_the_gap_leave_no_trace_of_it(store: DeviceStore) -> None:
    recorder = a_day_with_a_gap(store, planned(item(day_from="register")), GAP)
    begin = datetime(2026, 3, 1, 23, 0)
    late = [
        sample(one.time, int((one.time - begin).total_seconds()))
        for one in every(60, *GAP, lambda past: 0)
    ]
    recorder.take("gate", late, datetime(2026, 3, 3, 1, 0))
    with store.read() as connection:
        assert connection.execute("SELECT count(*) FROM gap").fetchone() == (0,)
    assert total_of(store, datetime(2026, 3, 2)) == (Decimal(86400), True)


def test_a_month_can_be_complete_of_which_two_days_are_not(store: DeviceStore) -> None:
    begin, end = datetime(2026, 2, 27, 23), datetime(2026, 4, 1, 1)
    night = (datetime(2026, 3, 9, 22, 10), datetime(2026, 3, 10, 4, 40))
    recorder = Recorder(store, planned(item(day_from="register")), begin)
    samples = [one for one in every(600, begin, end, lambda past: int(past))
               if not night[0] < one.time < night[1]]  # fmt: skip
    for number in range(0, len(samples), 100):
        chunk = samples[number : number + 100]
        recorder.take("gate", chunk, chunk[-1].time)
    assert total_of(store, datetime(2026, 3, 9)) == (Decimal(88 * 900), False)
    with store.read() as connection:
        known = history.find_item(connection, ELECTRICITY)
        assert known is not None
        month = totals.of_month(connection, known, datetime(2026, 3, 1).date())
    assert month is not None
    assert (month.value, month.complete) == (Decimal(31 * 86400), True)
