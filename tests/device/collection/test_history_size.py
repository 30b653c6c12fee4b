"""History of 190 days of 500 items by the quarter of an hour takes no more than 200 MB (3.4)."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.device import history
from nenghao.device.collection import samples
from nenghao.device.history import DayRow
from nenghao.device.store import DeviceStore

MOST = 200_000_000
ITEMS = 500
DAYS = 190
FIRST = date(2026, 1, 1)


def a_day(chance: random.Random) -> tuple[Decimal | None, ...]:
    """Amounts as meters give them: seven digits, in 万千瓦时 with ten decimals."""
    return tuple(Decimal(chance.randrange(10**7)).scaleb(-10) for _ in range(96))


def size_of(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize(("items", "days"), [(50, 19)])
def test_history_is_small_in_proportion(tmp_path: Path, items: int, days: int) -> None:
    fill_and_measure(tmp_path, items, days)


@pytest.mark.soak
def test_history_of_half_a_year_of_five_hundred_items_is_small(tmp_path: Path) -> None:
    fill_and_measure(tmp_path, ITEMS, DAYS)


def fill_and_measure(folder: Path, items: int, days: int) -> None:
    path = folder / "device.db"
    chance = random.Random(1)
    with DeviceStore.create(path) as store:
        empty = size_of(path)
        for offset in range(days):
            day = FIRST + timedelta(days=offset)
            now = datetime.combine(day, time()) + timedelta(days=1)
            with store.write() as connection:
                for number in range(items):
                    item = history.ensure_item(
                        connection, f"00-{number // 100:02d}-{number % 100:02d}01-023300-11",
                        interval=15,
                    )  # fmt: skip
                    row = DayRow(day, 15, a_day(chance), None)
                    history.write_day(connection, item, row, now)
    used = size_of(path) - empty
    print(f"{items} items, {days} days: {used / 1e6:.1f} MB")
    assert used <= MOST * (items * days) / (ITEMS * DAYS)


def test_a_week_of_raw_samples_takes_little_room(tmp_path: Path) -> None:
    """Ten-second polls of registers with some jitter: under three bytes a sample."""
    path = tmp_path / "device.db"
    chance = random.Random(2)
    points, polls = 20, 2160
    with DeviceStore.create(path) as store, store.write() as connection:
        ids = [samples.point(connection, "gate", f"p{number}").id for number in range(points)]
        values = [chance.randrange(10**8) for _ in ids]
        begin = samples.milliseconds(datetime(2026, 3, 2))
        for poll in range(polls):
            now = begin + poll * 10_000 + chance.randrange(8)
            values = [value + chance.randrange(60) for value in values]
            taken = [
                raw
                for number, value in zip(ids, values, strict=True)
                if (raw := samples.raw(number, now, Decimal(value).scaleb(-2), True))
            ]
            samples.append(connection, taken, now)
        samples.compact(connection, now)
        (used,) = connection.execute("SELECT sum(length(data)) FROM raw").fetchone()
    assert used / (points * polls) < 3
