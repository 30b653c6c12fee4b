from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from nenghao.device import history, outbox
from nenghao.device.aggregation import Total
from nenghao.device.history import HistoryError, Item, Reading
from nenghao.device.packing import Packer
from nenghao.device.store import DeviceStore
from tests.device.world import ELECTRICITY, a_day, put

DAY = date(2026, 1, 31)
NOW = datetime(2026, 2, 1, 0, 30)


def item_of(store: DeviceStore, code: str = ELECTRICITY) -> Item:
    with store.read() as connection:
        item = history.find_item(connection, code)
    assert item is not None
    return item


def row_of(store: DeviceStore, day: date = DAY) -> history.DayRow:
    with store.read() as connection:
        item = history.find_item(connection, ELECTRICITY)
        assert item is not None
        row = history.day_row(connection, item, day)
    assert row is not None
    return row


def dirty(store: DeviceStore) -> set[tuple[int, str]]:
    with store.read() as connection:
        return {tuple(row) for row in connection.execute("SELECT stat_type, start FROM dirty")}


def clean(store: DeviceStore) -> None:
    with store.write() as connection:
        connection.execute("DELETE FROM dirty")


def test_values_stay_exact(store: DeviceStore) -> None:
    value = history.scaled(Decimal("3.78"), Decimal("0.0001"))
    assert history.plain(value) == "0.000378"
    put(store, [Reading(datetime(2026, 1, 31, 0, 15), value)], NOW)
    ticks = row_of(store).ticks
    assert ticks is not None
    assert str(ticks[0]) == "0.000378"
    assert ticks[1] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [("1200", "1200"), ("1E+3", "1000"), ("-0.0", "0"), ("0.10", "0.1"), ("1E-10", "0.0000000001")],
)
def test_numbers_are_written_without_exponent(value: str, text: str) -> None:
    assert history.plain(Decimal(value)) == text


def test_the_tick_of_midnight_closes_the_day_before(store: DeviceStore) -> None:
    put(store, [Reading(datetime(2026, 2, 1), Decimal(7))], NOW)
    ticks = row_of(store).ticks
    assert ticks is not None
    assert ticks[95] == 7


def test_new_readings_mark_day_month_and_year(store: DeviceStore) -> None:
    result = put(store, a_day(DAY), NOW)
    assert (result.added, result.changed, result.same, result.days) == (96, 0, 0, (DAY,))
    assert dirty(store) == {(1, "2026-01-31"), (2, "2026-01-01"), (3, "2026-01-01")}
    assert row_of(store).total == Total(Decimal("0.4656"), True)


def test_the_same_readings_again_change_nothing_and_re_open_no_day(store: DeviceStore) -> None:
    put(store, a_day(DAY), NOW)
    clean(store)
    result = put(store, a_day(DAY), NOW + timedelta(days=9))
    assert (result.added, result.changed, result.same, result.days) == (0, 0, 96, ())
    assert dirty(store) == set()


def test_a_late_and_a_changed_reading_re_open_their_day(store: DeviceStore) -> None:
    put(store, a_day(DAY)[:-1], NOW)
    assert row_of(store).total == Total(Decimal("0.456"), False)
    clean(store)
    assert put(store, a_day(DAY)[-1:], NOW).days == (DAY,)
    assert row_of(store).total == Total(Decimal("0.4656"), True)
    clean(store)
    result = put(store, [Reading(datetime(2026, 1, 31, 0, 15), Decimal(1))], NOW)
    assert (result.added, result.changed) == (0, 1)
    assert (1, "2026-01-31") in dirty(store)


@pytest.mark.parametrize(
    ("reading", "word"),
    [
        (Reading(datetime(2026, 1, 31, 0, 10), Decimal(1)), "刻度"),
        (Reading(datetime(2026, 1, 31, 0, 15, 1), Decimal(1)), "刻度"),
        (Reading(datetime(2026, 1, 31, 0, 15), Decimal("NaN")), "不可用"),
        (Reading(datetime(2026, 1, 31, 0, 15), Decimal("Infinity")), "不可用"),
        (Reading(datetime(2026, 1, 31, 0, 15), Decimal(10) ** 15), "不可用"),
    ],
)
def test_what_is_no_reading_is_refused_and_nothing_is_kept(
    store: DeviceStore, reading: Reading, word: str
) -> None:
    with pytest.raises(HistoryError, match=word):
        put(store, [*a_day(DAY), reading], NOW)
    assert dirty(store) == set()


def test_an_item_keeps_its_finer_interval_unless_the_coarser_is_meant(store: DeviceStore) -> None:
    put(store, a_day(DAY), NOW)
    put(store, [], NOW, interval=60)
    assert item_of(store).interval == 15
    put(store, [], NOW, interval=60, coarser=True)
    assert item_of(store).interval == 60
    put(store, [], NOW, interval=30, input_type=2, name="电")
    assert (item_of(store).interval, item_of(store).input_type, item_of(store).name) == (
        30,
        2,
        "电",
    )


@pytest.mark.parametrize(("code", "interval"), [("00-00-0000-02330-11", 15), (ELECTRICITY, 20)])
def test_an_ill_formed_item_is_refused(store: DeviceStore, code: str, interval: int) -> None:
    with pytest.raises(HistoryError):
        put(store, [], NOW, code=code, interval=interval)


def test_ticks_are_forgotten_after_half_a_year_and_totals_stay(store: DeviceStore) -> None:
    put(store, a_day(DAY), NOW)
    later = NOW + timedelta(days=191)
    with store.write() as connection:
        assert history.forget(connection, later, 190) == 0  # it was never sent
    clean(store)
    with store.write() as connection:
        assert history.forget(connection, later - timedelta(days=2), 190) == 0
        assert history.forget(connection, later, 190) == 1
    assert row_of(store).ticks is None
    assert row_of(store).total == Total(Decimal("0.4656"), True)


def test_a_day_whose_batch_is_not_accepted_is_not_forgotten(store: DeviceStore) -> None:
    put(store, a_day(DAY), NOW)
    clean(store)
    with store.write() as connection:
        new = outbox.NewBatch(DAY, Packer().finish(), "2026-02-01 00:30:00")
        number = outbox.add(connection, new, "x", NOW)
        assert history.forget(connection, NOW + timedelta(days=999), 190) == 0
        outbox.accept(connection, number, NOW)
        assert history.forget(connection, NOW + timedelta(days=999), 190) == 1


def test_back_filled_days_are_kept_from_their_writing_on(store: DeviceStore) -> None:
    put(store, a_day(date(2018, 1, 1)), NOW)
    clean(store)
    with store.write() as connection:
        assert history.forget(connection, NOW + timedelta(days=1), 190) == 0


def test_a_forgotten_day_knows_its_readings_again_and_takes_only_a_whole_new_day(
    store: DeviceStore,
) -> None:
    put(store, a_day(DAY), NOW)
    clean(store)
    with store.write() as connection:
        history.forget(connection, NOW + timedelta(days=999), 190)
    assert put(store, a_day(DAY), NOW).days == ()
    with pytest.raises(HistoryError, match="保存期限"):
        put(store, [Reading(datetime(2026, 1, 31, 0, 15), Decimal(9))], NOW)
    assert put(store, a_day(DAY, lambda number: Decimal(2)), NOW).days == (DAY,)
    assert row_of(store).total == Total(Decimal(192), True)
