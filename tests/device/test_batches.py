from __future__ import annotations

import tracemalloc
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nenghao.device import batches, history, outbox
from nenghao.device.batches import Limits
from nenghao.device.history import Reading
from nenghao.device.outbox import Batch, BatchState
from nenghao.device.settings import IncompletePolicy
from nenghao.device.store import DeviceStore
from nenghao.standard.messages import codec, write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.periods import StatType
from tests.device.world import COAL, ELECTRICITY, UNIT_CODE, a_day, put, put_days

DEVICE_ID = "0ef6ecea08bf84c7b639c3e9b84ed546"


def build(
    store: DeviceStore,
    now: datetime,
    limits: Limits | None = None,
    incomplete: IncompletePolicy = "invalid",
) -> list[Batch]:
    with store.write() as connection:
        numbers = batches.build(
            connection,
            enterprise_code=UNIT_CODE,
            before=now.date(),
            now=now,
            limits=limits or Limits(),
            incomplete=incomplete,
        )
        found = [outbox.get(connection, number) for number in numbers]
    return [batch for batch in found if batch is not None]


def records(store: DeviceStore, batch: Batch) -> list[EnergyRecord]:
    return upload(store, batch).data


def upload(store: DeviceStore, batch: Batch) -> EnergyUpload:
    with store.read() as connection:
        made = outbox.body(connection, batch.id, DEVICE_ID)
    assert made is not None
    body = bytes(made)
    return codec.read(EnergyUpload, body)


def of(found: list[EnergyRecord], stat_type: StatType) -> list[EnergyRecord]:
    return [record for record in found if record.stat_type == stat_type]


@pytest.mark.clause("6.2.5-2")
@pytest.mark.clause("6.2.5-4")
@pytest.mark.clause("6.2.5-5")
def test_the_batch_of_a_day_carries_its_ticks_and_its_daily_value(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    assert (batch.day, batch.state, batch.records) == ("2026-01-15", BatchState.QUEUED, 97)
    found = records(store, batch)
    ticks = of(found, StatType.REALTIME)
    assert [tick.stat_date for tick in ticks[:2]] == ["2026-01-15 00:15:00", "2026-01-15 00:30:00"]
    assert ticks[-1].stat_date == "2026-01-16 00:00:00"
    assert len(ticks) == 96
    (day,) = of(found, StatType.DAY)
    assert (day.stat_date, day.data_value, day.valid) == ("2026-01-15 00:00:00", 0.4656, True)
    assert {record.upload_date for record in found} == {"2026-01-16 01:05:00"}
    assert {(record.input_type, record.scope) for record in found} == {(4, 1)}


def test_the_running_day_is_not_sent(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    assert build(store, datetime(2026, 1, 15, 23, 59)) == []
    assert [batch.day for batch in build(store, datetime(2026, 1, 16))] == ["2026-01-15"]


@pytest.mark.clause("6.2.5-2")
def test_the_first_of_a_month_carries_the_month_and_1_january_the_year(store: DeviceStore) -> None:
    put_days(store, date(2025, 1, 1), 365, datetime(2026, 1, 1))
    built = build(store, datetime(2026, 1, 1, 1, 5))
    assert [batch.day for batch in built] == [
        (date(2025, 1, 1) + timedelta(days=number)).isoformat() for number in range(365)
    ]
    months = {
        batch.day: [record.stat_date for record in of(records(store, batch), StatType.MONTH)]
        for batch in built
    }
    assert {day: dates for day, dates in months.items() if dates} == {
        (date(2025 + month // 12, month % 12 + 1, 1) - timedelta(days=1)).isoformat(): [
            f"2025-{month:02d}-01 00:00:00"
        ]
        for month in range(1, 13)
    }
    last = records(store, built[-1])
    (year,) = of(last, StatType.YEAR)
    assert (year.stat_date, year.data_value, year.valid) == ("2025-01-01 00:00:00", 169.944, True)
    (february,) = of(records(store, built[58]), StatType.MONTH)
    assert february.data_value == float(Decimal("0.4656") * 28)


def test_a_month_without_its_last_day_is_still_sent_on_the_first(store: DeviceStore) -> None:
    put_days(store, date(2026, 1, 1), 30, datetime(2026, 1, 31))
    build(store, datetime(2026, 1, 31, 1, 5))
    (batch,) = build(store, datetime(2026, 2, 1, 1, 5))
    (month,) = records(store, batch)
    assert (batch.day, month.stat_type, month.valid) == ("2026-01-31", 2, False)


def test_a_late_reading_sends_its_day_again_and_the_month_that_was_sent(
    store: DeviceStore,
) -> None:
    put_days(store, date(2026, 1, 1), 31, datetime(2026, 2, 1))
    build(store, datetime(2026, 2, 1, 1, 5))
    put(store, [Reading(datetime(2026, 1, 10, 0, 15), Decimal(1))], datetime(2026, 2, 3))
    (again,) = build(store, datetime(2026, 2, 3, 1, 5))
    found = records(store, again)
    assert again.day == "2026-01-10"
    assert found[0].data_value == 1
    (month,) = of(found, StatType.MONTH)
    assert month.data_value == float(Decimal("0.4656") * 31 + Decimal("0.9999"))
    assert build(store, datetime(2026, 2, 4, 1, 5)) == []


def test_only_items_that_changed_are_sent_again(store: DeviceStore) -> None:
    day = date(2026, 1, 15)
    put(store, a_day(day), datetime(2026, 1, 16))
    put(store, a_day(day), datetime(2026, 1, 16), code=COAL)
    (both,) = build(store, datetime(2026, 1, 16, 1, 5))
    assert {record.data_code for record in records(store, both)} == {ELECTRICITY, COAL}
    put(store, [Reading(datetime(2026, 1, 15, 0, 15), Decimal(1))], datetime(2026, 1, 17), COAL)
    (again,) = build(store, datetime(2026, 1, 17, 1, 5))
    assert {record.data_code for record in records(store, again)} == {COAL}


@pytest.mark.parametrize(
    ("policy", "expected"), [("invalid", [False]), ("valid", [True]), ("omit", [])]
)
def test_a_missing_tick_is_not_sent_and_the_day_goes_by_the_setting(
    store: DeviceStore, policy: IncompletePolicy, expected: list[bool]
) -> None:
    put(store, a_day(date(2026, 1, 15))[1:], datetime(2026, 1, 16))
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5), incomplete=policy)
    found = records(store, batch)
    ticks = of(found, StatType.REALTIME)
    assert len(ticks) == 95
    assert ticks[0].stat_date == "2026-01-15 00:30:00"
    assert 0 not in {tick.data_value for tick in ticks}
    assert [record.valid for record in of(found, StatType.DAY)] == expected


@pytest.mark.clause("6.2.5-4")
def test_what_is_filled_in_by_hand_has_no_ticks(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16), input_type=5)
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    assert [(record.stat_type, record.input_type) for record in records(store, batch)] == [(1, 5)]


def test_a_coefficient_is_sent_as_read_and_never_summed(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 31)), datetime(2026, 2, 1), code="00-00-0000-050100-80")
    (batch,) = build(store, datetime(2026, 2, 1, 1, 5))
    assert {record.stat_type for record in records(store, batch)} == {0}


def test_the_body_is_what_the_standards_writer_writes(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    with store.read() as connection:
        made = outbox.body(connection, batch.id, DEVICE_ID)
    assert made is not None
    body = bytes(made)
    written = write(codec.read(EnergyUpload, body))
    assert msgspec.json.decode(body) == msgspec.json.decode(written)
    assert list(msgspec.json.decode(body)["data"][0]) == list(
        msgspec.json.decode(written)["data"][0]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("3.78") * Decimal("0.0001"), "0.000378"),
        (Decimal("3.17") * Decimal("0.0001"), "0.000317"),
        (Decimal("0.00000000005"), "0.0000000001"),
        (Decimal("-0.00000000005"), "-0.0000000001"),
        (Decimal("0.00000000004"), "0"),
        (Decimal("123456789012.1234567890"), "123456789012.123456789"),
        (Decimal("1E+5"), "100000"),
    ],
)
def test_numbers_stand_on_the_wire_as_decimals_of_at_most_ten_places(
    value: Decimal, text: str
) -> None:
    assert batches.wire_number(value) == text


def test_3_78_kwh_is_0_000378_on_the_wire(store: DeviceStore) -> None:
    value = history.scaled(Decimal("3.78"), Decimal("0.0001"))
    put(store, [Reading(datetime(2026, 1, 15, 0, 15), value)], datetime(2026, 1, 16))
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    with store.read() as connection:
        made = outbox.body(connection, batch.id, DEVICE_ID)
    assert made is not None
    body = bytes(made)
    assert b'"dataValue":0.000378,' in body


@pytest.mark.parametrize("limits", [Limits(records=40), Limits(size=8_000)])
def test_a_day_over_a_limit_goes_in_several_batches(store: DeviceStore, limits: Limits) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    built = build(store, datetime(2026, 1, 16, 1, 5), limits)
    assert len(built) > 1
    assert {batch.day for batch in built} == {"2026-01-15"}
    assert sum(batch.records for batch in built) == 97
    for batch in built:
        assert batch.records <= limits.records
        with store.read() as connection:
            made = outbox.body(connection, batch.id, DEVICE_ID)
        assert made is not None
        assert len(bytes(made)) == len(made) <= limits.size


def test_an_upload_date_never_goes_back_behind_what_it_corrects(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    build(store, datetime(2026, 3, 1))
    put(store, [Reading(datetime(2026, 1, 15, 0, 15), Decimal(1))], datetime(2026, 1, 16))
    (again,) = build(store, datetime(2026, 1, 20))  # the clock was set back
    assert again.upload_date == "2026-03-01 00:00:00"


def test_a_batch_that_fails_the_form_is_kept_aside_with_the_reason(store: DeviceStore) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16), input_type=9)
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    assert batch.state is BatchState.REFUSED
    assert "本机检查未通过" in batch.reason
    assert "data[0].inputType" in batch.reason
    with store.read() as connection:
        assert outbox.queued(connection) == ()


def test_a_batch_and_its_clean_days_are_one_transaction(
    store: DeviceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))

    def crash(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(batches, "_clean", crash)
        with pytest.raises(MemoryError):
            build(store, datetime(2026, 1, 16, 1, 5))
    with store.read() as connection:
        assert outbox.queued(connection) == ()
        assert history.dirty_days(connection) == 1
    assert len(build(store, datetime(2026, 1, 16, 1, 5))) == 1


def test_a_fault_far_into_a_day_is_named_at_its_place_in_the_batch(store: DeviceStore) -> None:
    with store.write() as connection:
        for number in range(25):
            code = f"{number + 1:02d}-00-0000-023300-11"
            item = history.ensure_item(connection, code, interval=15, input_type=4)
            history.put(connection, item, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
        bad = history.ensure_item(connection, "99-00-0000-023300-11", interval=15, input_type=9)
        history.put(connection, bad, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    (batch,) = build(store, datetime(2026, 1, 16, 1, 5))
    assert batch.records == 26 * 97
    assert batch.state is BatchState.REFUSED
    assert f"data[{25 * 97}].inputType" in batch.reason
    assert f"data[{25 * 97 - 1}]" not in batch.reason


def test_of_several_batches_of_a_day_only_the_faulty_one_is_refused(store: DeviceStore) -> None:
    with store.write() as connection:
        for code, input_type in ((COAL, 9), (ELECTRICITY, 4)):
            item = history.ensure_item(connection, code, interval=15, input_type=input_type)
            history.put(connection, item, a_day(date(2026, 1, 15)), datetime(2026, 1, 16))
    built = build(store, datetime(2026, 1, 16, 1, 5), Limits(records=97))
    assert [batch.state for batch in built] == [BatchState.REFUSED, BatchState.QUEUED]


def test_the_memory_of_building_a_day_does_not_grow_with_the_items(store: DeviceStore) -> None:
    def peak(items: int, day: date) -> int:
        now = datetime(day.year, day.month, day.day) + timedelta(days=1, hours=1)
        with store.write() as connection:
            for number in range(items):
                code = f"{number // 100 + 1:02d}-{number % 100:02d}-0000-023300-21"
                item = history.ensure_item(connection, code, interval=15, input_type=4)
                history.put(connection, item, a_day(day), now)
        tracemalloc.start()
        try:
            (batch,) = build(store, now)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert batch.records >= items * 97

    build_one = peak(1, date(2026, 1, 14))
    small, large = peak(40, date(2026, 1, 15)), peak(160, date(2026, 1, 16))
    assert build_one < small
    assert large < small + 1_000_000  # the records of the 120 more are 2.2 MB
