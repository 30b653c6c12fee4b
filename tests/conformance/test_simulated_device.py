"""A simulated device's meters read on from where they stopped, each tick once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.conformance.fleet import FleetUnit, fleet, readings
from nenghao.conformance.simulated_device import NotAnswered, SimulatedDevice, can_meter
from nenghao.device import history
from nenghao.device.home import DeviceHome, HomeBusy
from nenghao.security.authority import CertificateAuthority
from nenghao.security.credentials import write_credentials
from nenghao.standard.regions import LIAONING

NOON = datetime(2026, 11, 20, 12, 7, 30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca") / "ca", NOON)


@pytest.fixture
def home(authority: CertificateAuthority, tmp_path: Path) -> DeviceHome:
    (unit,) = fleet(1)
    issued = authority.issue_device(unit.credit_code, unit.name, unit.region, 1, NOON)
    about = {
        "code": unit.credit_code,
        "name": unit.name,
        "region": unit.region,
        "regionName": LIAONING.name(unit.region),
        "device": 1,
    }
    write_credentials(tmp_path / "out", issued, about)
    return SimulatedDevice.create(unit, tmp_path / "device", "127.0.0.1:1", tmp_path / "out")


@contextmanager
def running(home: DeviceHome) -> Iterator[SimulatedDevice]:
    (unit,) = fleet(1)
    device = SimulatedDevice(unit, home)
    try:
        yield device
    finally:
        asyncio.run(device.close())


def labels(home: DeviceHome, unit: FleetUnit, day: date) -> int:
    """How many ticks of the first item's day the device has."""
    with home.store() as store, store.read() as connection:
        item = history.find_item(connection, unit.items[0].code)
        assert item is not None
        row = history.day_row(connection, item, day)
    assert row is not None
    assert row.ticks is not None
    return sum(tick is not None for tick in row.ticks)


def test_meters_read_whole_days_and_today_up_to_the_last_tick(home: DeviceHome) -> None:
    with running(home) as device:
        days = device.feed(date(2026, 11, 18), NOON)
        assert days == {date(2026, 11, day) for day in (18, 19, 20)}
        assert labels(home, device.unit, date(2026, 11, 19)) == 96
        assert labels(home, device.unit, date(2026, 11, 20)) == 48
        assert device.queued() == 0


def test_what_was_read_is_what_the_fleet_says(home: DeviceHome) -> None:
    with running(home) as device:
        device.feed(date(2026, 11, 19), NOON)
        item = device.unit.items[0]
        with home.store() as store, store.read() as connection:
            known = history.find_item(connection, item.code)
            assert known is not None
            row = history.day_row(connection, known, date(2026, 11, 19))
        assert known.input_type == device.unit.input_type
        assert row is not None
        assert row.ticks == tuple(
            amount for _, amount in readings(device.unit, item, date(2026, 11, 19))
        )


def test_reading_again_changes_nothing_and_time_adds_only_what_is_new(home: DeviceHome) -> None:
    with running(home) as device:
        device.feed(date(2026, 11, 19), NOON)
        assert device.feed(date(2026, 11, 19), NOON) == set()
        assert device.feed(date(2026, 11, 20), NOON.replace(minute=14)) == set()
        assert device.feed(date(2026, 11, 20), NOON.replace(minute=15)) == {date(2026, 11, 20)}


def test_a_gap_while_nobody_ran_is_filled_and_an_earlier_begin_extends(home: DeviceHome) -> None:
    with running(home) as device:
        device.feed(date(2026, 11, 10), datetime(2026, 11, 11, 0, 0))
        assert min(device.feed(date(2026, 11, 20), NOON)) == date(2026, 11, 11)
        assert min(device.feed(date(2026, 11, 8), NOON)) == date(2026, 11, 8)
        for day in range(8, 20):
            assert labels(home, device.unit, date(2026, 11, day)) == 96


def test_without_a_registration_nothing_can_be_asked_back(home: DeviceHome) -> None:
    with running(home) as device, pytest.raises(NotAnswered):
        asyncio.run(device.arrived(date(2026, 11, 19), date(2026, 11, 20)))


def test_one_process_at_a_time_runs_a_device(home: DeviceHome) -> None:
    with running(home), pytest.raises(HomeBusy):
        SimulatedDevice(fleet(1)[0], home)


def test_without_a_platform_the_days_wait_in_the_queue(home: DeviceHome) -> None:
    async def upload() -> None:
        device = SimulatedDevice(fleet(1)[0], home)
        device.feed(date(2026, 11, 18), NOON)
        summary = await device.upload(NOON)
        assert not summary.is_well
        assert device.queued() == 2
        await device.close()

    asyncio.run(upload())


# --- a metered unit -------------------------------------------------------------------------------


@pytest.mark.skipif(not can_meter(), reason="pip install nenghao[modbus]")
def test_a_metered_units_device_reads_a_factory_and_is_not_fed_meanwhile(home: DeviceHome) -> None:
    (unit,) = fleet(1)

    async def run() -> None:
        device = SimulatedDevice(unit, home, metered=True)
        stop = asyncio.Event()
        task = asyncio.create_task(device.run(stop))
        try:
            async with asyncio.timeout(20):
                while not await asyncio.to_thread(sampled):
                    assert not task.done(), task.result()
            assert device.feed(date(2026, 11, 19), NOON) == set()
        finally:
            stop.set()
            await task
            await device.close()

    def sampled() -> int:
        with home.store() as store, store.read() as connection:
            (count,) = connection.execute("SELECT sum(samples) FROM raw_journal").fetchone()
        return int(count or 0)

    asyncio.run(run())
    assert sampled() >= 2 * len(unit.items)  # the counters and the rates
    assert 'type = "modbus_tcp"' in home.collection_file.read_text("utf-8")


def test_what_a_metered_units_device_has_read_is_not_fed_over(home: DeviceHome) -> None:
    (unit,) = fleet(1)
    first, second = readings(unit, unit.items[0], date(2026, 11, 20))[:2]
    device = SimulatedDevice(unit, home, metered=True)
    try:
        with home.store() as store, store.write() as connection:
            item = history.ensure_item(connection, unit.items[0].code, interval=15)
            own = history.Reading(first[0], first[1] + Decimal("0.000001"))
            history.put(connection, item, [own], NOON)
        device.feed(date(2026, 11, 20), NOON)
        with home.store() as store, store.read() as connection:
            row = history.day_row(connection, item, date(2026, 11, 20))
        assert row is not None
        assert row.ticks is not None
        assert row.ticks[:2] == (own.value, second[1])
    finally:
        asyncio.run(device.close())
