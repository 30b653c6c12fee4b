"""What comes back from the platform is what went up, and nothing of it goes up again."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from nenghao.device import history, manual, restore, totals
from nenghao.device.collection import gaps
from nenghao.device.manual import Entry
from nenghao.device.store import DeviceStore
from nenghao.standard.messages.config_data import ConfigDownloadAnswer
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType, day_ticks, format_time
from tests.device.world import ELECTRICITY, a_day, put

DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 20, 12, 0)


def record(stat_type: int, time: datetime, value: float, **changes: object) -> EnergyRecord:
    whole = EnergyRecord(
        data_code=ELECTRICITY,
        data_value=value,
        input_type=4,
        stat_type=stat_type,
        stat_date=format_time(time),
        upload_date="2026-03-02 01:05:00",
        scope=1,
        valid=True,
    )
    return msgspec.structs.replace(whole, **changes)


def ticks(day: date = DAY, step: int = 1) -> list[EnergyRecord]:
    return [
        record(0, time, number / 10_000)
        for number, time in enumerate(day_ticks(day), start=1)
        if number % step == 0
    ]


def keep(store: DeviceStore, records: list[EnergyRecord]) -> restore.Restored:
    with store.write() as connection:
        return restore.put(connection, records, {ELECTRICITY: "全厂-电力"}, NOW)


def row(store: DeviceStore, day: date = DAY) -> history.DayRow:
    with store.read() as connection:
        item = history.find_item(connection, ELECTRICITY)
        assert item is not None
        assert item.name == "全厂-电力"
        found = history.day_row(connection, item, day)
    assert found is not None
    return found


def dirty(store: DeviceStore) -> int:
    with store.read() as connection:
        (count,) = connection.execute("SELECT count(*) FROM dirty").fetchone()
    return int(count)


def test_a_day_comes_back_exactly_and_does_not_go_up_again(store: DeviceStore) -> None:
    restored = keep(store, ticks())
    assert (restored.ticks, restored.days) == (96, 1)
    assert row(store).ticks == tuple(reading.value for reading in a_day(DAY))
    assert dirty(store) == 0
    assert keep(store, ticks()).ticks == 0


@pytest.mark.parametrize(("step", "interval"), [(1, 15), (2, 30), (4, 60)])
def test_the_interval_is_told_by_the_ticks(store: DeviceStore, step: int, interval: int) -> None:
    keep(store, ticks(step=step))
    assert row(store).interval == interval
    total = row(store).total
    assert total is not None
    assert total.complete


def test_what_this_device_has_read_itself_stays(store: DeviceStore) -> None:
    put(store, a_day(DAY, lambda number: Decimal(7))[:10], NOW, name="全厂-电力")
    restored = keep(store, ticks())
    assert restored.ticks == 86
    kept = row(store).ticks
    assert kept is not None
    assert kept[9] == 7
    assert kept[10] == Decimal("0.0011")


def test_a_day_of_which_only_the_total_is_left_keeps_that(store: DeviceStore) -> None:
    keep(store, [record(1, datetime(2026, 1, number), 5.5) for number in range(1, 32)])
    found = row(store, date(2026, 1, 9))
    assert found.ticks is None
    with store.read() as connection:
        item = history.find_item(connection, ELECTRICITY)
        assert item is not None
        month = totals.of_month(connection, item, date(2026, 1, 1))
    assert month is not None
    assert (month.value, month.complete) == (Decimal("170.5"), True)


def test_a_total_from_the_register_is_complete_again(store: DeviceStore) -> None:
    some = [one for number, one in enumerate(ticks()) if number not in (10, 11, 40)]
    keep(store, [*some, record(1, datetime(2026, 3, 1), 0.9)])
    with store.read() as connection:
        item = history.find_item(connection, ELECTRICITY)
        assert item is not None
        total = gaps.register_total(connection, item, DAY, DAY + timedelta(days=1))
    assert total is not None
    assert (total.value, total.complete) == (Decimal("0.9"), True)


def test_invalid_ticks_come_back_as_doubtful(store: DeviceStore) -> None:
    keep(store, [msgspec.structs.replace(ticks()[0], valid=False), *ticks()[1:]])
    assert row(store).suspect == {0}


def test_what_was_filled_in_by_hand_comes_back_unless_it_was_changed_here(
    store: DeviceStore,
) -> None:
    given = record(2, datetime(2026, 2, 1), 12.5, input_type=5)
    assert keep(store, [given]).entries == 1
    with store.write() as connection:
        (entry,) = manual.entries(connection, datetime(2026, 2, 1), datetime(2026, 2, 2))
        assert (entry.value, entry.waiting) == (Decimal("12.5"), False)
        changed = Entry(ELECTRICITY, StatType.MONTH, datetime(2026, 2, 1), Decimal(13))
        manual.enter(connection, changed, NOW, limits={})
    assert keep(store, [given]).entries == 0
    with store.read() as connection:
        assert [one.value for one in manual.waiting(connection)] == [13]


def test_where_the_platform_has_no_configuration_there_is_no_file() -> None:
    answer = ConfigDownloadAnswer(response_code="0", response_message="RECEIVE SUCCESS")
    assert restore.configuration_file(answer) is None


def test_a_range_is_asked_for_in_parts() -> None:
    assert restore.windows(date(2026, 1, 1), date(2026, 1, 25), 10) == [
        (date(2026, 1, 1), date(2026, 1, 11)),
        (date(2026, 1, 11), date(2026, 1, 21)),
        (date(2026, 1, 21), date(2026, 1, 25)),
    ]
