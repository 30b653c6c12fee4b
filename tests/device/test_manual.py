"""What is filled in by hand, and which values are valid."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec
import pytest

from nenghao.device import batches, configuration, manual, outbox, validity
from nenghao.device.aggregation import Rule
from nenghao.device.batches import Limits
from nenghao.device.history import Reading
from nenghao.device.home import Unit
from nenghao.device.manual import Entry, ManualError, OutOfBounds
from nenghao.device.store import DeviceStore
from nenghao.device.validity import Bounds
from nenghao.standard.messages import codec
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.periods import StatType
from tests.device.world import ELECTRICITY, UNIT_CODE, a_day, put
from tests.device.world import configuration as sample_configuration

NOW = datetime(2026, 3, 2, 1, 5)
DAY = date(2026, 3, 1)
REPORT = "00-00-0000-090100-80"
FEBRUARY = datetime(2026, 2, 1)


def packed(store: DeviceStore, bounds: validity.AllBounds | None = None) -> list[EnergyRecord]:
    """The records of all batches that are due at NOW."""
    records: list[EnergyRecord] = []
    with store.write() as connection:
        numbers = batches.build(
            connection, enterprise_code=UNIT_CODE, before=NOW.date(), now=NOW,
            limits=Limits(), bounds=bounds,
        )  # fmt: skip
        for number in numbers:
            body = outbox.body(connection, number, "a" * 32)
            assert body is not None
            records += codec.read(EnergyUpload, bytes(body)).data
    return records


def enter(store: DeviceStore, value: str, **keys: object) -> Entry:
    entry = Entry(REPORT, StatType.MONTH, FEBRUARY, Decimal(value))
    limits = {(REPORT, 2): Bounds(Decimal(0), Decimal(100))}
    with store.write() as connection:
        return manual.enter(connection, entry, NOW, limits=limits, **keys)  # type: ignore[arg-type]


@pytest.mark.clause("6.2.5-4")
def test_an_entry_goes_up_once_and_again_when_it_is_changed(store: DeviceStore) -> None:
    enter(store, "12.5")
    (record,) = packed(store)
    assert (record.input_type, record.stat_type, record.stat_date) == (5, 2, "2026-02-01 00:00:00")
    assert (record.data_value, record.valid) == (12.5, True)
    assert packed(store) == []
    assert not enter(store, "12.50").waiting
    assert packed(store) == []
    enter(store, "13")
    assert [one.data_value for one in packed(store)] == [13]


def test_entries_go_with_the_newest_day(store: DeviceStore) -> None:
    put(store, a_day(DAY), NOW)
    enter(store, "1")
    assert len(packed(store)) == 98
    with store.read() as connection:
        assert len(outbox.queued(connection)) == 1


def test_an_entry_outside_its_limits_is_taken_knowingly_and_is_invalid(store: DeviceStore) -> None:
    with pytest.raises(OutOfBounds, match="0 至 100"):
        enter(store, "101")
    enter(store, "101", accept_outside=True)
    assert [record.valid for record in packed(store)] == [False]


@pytest.mark.parametrize("text", ["", "2026", "2026-02", "2026-02-28"])
def test_a_period_is_named_by_its_length(text: str) -> None:
    if not text:
        with pytest.raises(ManualError):
            manual.period(text)
        return
    stat_type, start = manual.period(text)
    assert (int(stat_type), f"{start:%Y-%m-%d}".startswith(text)) == (
        {4: 3, 7: 2, 10: 1}[len(text)], True
    )  # fmt: skip


def test_a_tick_cannot_be_entered_by_hand(store: DeviceStore) -> None:
    entry = Entry(REPORT, StatType.REALTIME, FEBRUARY, Decimal(1))
    with store.write() as connection, pytest.raises(ManualError, match="日、月、年"):
        manual.enter(connection, entry, NOW, limits={})


# --- limits ---------------------------------------------------------------------------------------


def test_a_tick_outside_its_limits_is_not_valid_and_the_day_is_judged_by_its_own(
    store: DeviceStore,
) -> None:
    put(store, a_day(DAY, lambda number: Decimal(50 if number == 3 else 1)), NOW)
    limits = {
        (ELECTRICITY, 0): Bounds(Decimal(0), Decimal(2)),
        (ELECTRICITY, 1): Bounds(Decimal(0), Decimal(1000)),
    }
    records = packed(store, limits)
    assert [record.stat_date for record in records if not record.valid] == ["2026-03-01 00:45:00"]


def test_a_day_without_limits_is_held_against_those_of_its_ticks(store: DeviceStore) -> None:
    put(store, a_day(DAY, lambda number: Decimal(500 if number == 3 else 1)), NOW)
    records = packed(store, {(ELECTRICITY, 0): Bounds(Decimal(0), Decimal(2))})
    assert [record.stat_type for record in records if not record.valid] == [0, 1]


def test_a_doubtful_tick_makes_its_totals_doubtful(store: DeviceStore) -> None:
    put(store, [Reading(one.time, one.value, number == 5) for number, one in enumerate(a_day(DAY))],
        NOW)  # fmt: skip
    assert [record.stat_type for record in packed(store) if not record.valid] == [0, 1]


def test_limits_come_from_the_configuration() -> None:
    unit = Unit(UNIT_CODE, "x", "210102", "和平区")
    content = msgspec.json.encode(sample_configuration())
    found = validity.of_configuration(configuration.check(content, unit))
    assert next(iter(found.values())) == Bounds(Decimal(0), Decimal(300000))


@pytest.mark.parametrize(
    ("stat_type", "rule", "expected"),
    [
        (StatType.REALTIME, Rule.SUM, Bounds(Decimal(-1), Decimal(2))),
        (StatType.DAY, Rule.SUM, Bounds(Decimal(-96), Decimal(192))),
        (StatType.MONTH, Rule.SUM, Bounds(Decimal(-96 * 31), Decimal(192 * 31))),
        (StatType.YEAR, Rule.LAST, Bounds(Decimal(-1), Decimal(2))),
    ],
)
def test_limits_of_totals_follow_from_those_of_ticks(
    stat_type: StatType, rule: Rule, expected: Bounds
) -> None:
    limits = {(ELECTRICITY, 0): Bounds(Decimal(-1), Decimal(2))}
    assert validity.bounds(limits, ELECTRICITY, stat_type, rule=rule) == expected


def test_a_positive_least_is_not_multiplied() -> None:
    limits = {(ELECTRICITY, 0): Bounds(Decimal(1), None)}
    assert validity.bounds(limits, ELECTRICITY, StatType.MONTH) == Bounds(Decimal(1), None)
