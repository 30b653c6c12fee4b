"""What the upload journal takes on the disk, and what chaining and checking it costs.

    python benchmarks/journal.py
    python benchmarks/journal.py --units 20 --days 30

A unit's day is one batch as our device writes it: 60 items with 96 ticks and the day's total each.
The values follow the load shapes of the simulated units (0.0001 of the dictionary's unit is the
last digit) or are uniform noise with two decimals, the worst case. Sizes are of the SQLite file
after a checkpoint, the receipts' table and index included; the empty file is taken off.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import zstandard
from sqlalchemy import create_engine, insert

from nenghao import __version__
from nenghao.conformance.fleet import fleet, ticks
from nenghao.platform import chain, journal
from nenghao.platform.journal import Body
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.standard import periods
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload

ITEMS = 60
DAY = datetime(2026, 3, 1)
PROVINCE = 3_000
"""Units of a province, for the figure of a year."""

Values = Callable[[int, int, datetime], list[float]]


@dataclass(frozen=True)
class Sender:
    """A unit of the benchmark."""

    unit_id: int
    credit_code: str
    device: int = 1


def shaped(unit: int, item: int, day: datetime) -> list[float]:
    """The ticks of a simulated unit."""
    plant = fleet(unit + 1)[unit]
    scale = 1 + item / 7
    values = ticks(plant, plant.items[item % len(plant.items)], day.date())
    return [round(float(value) * scale, 4) for value in values]


def noise(unit: int, item: int, day: datetime) -> list[float]:
    """Uniform noise with two decimals."""
    rolled = random.Random(f"{unit} {item} {day}")
    return [round(rolled.uniform(0, 1000), 2) for _ in range(96)]


def body_of(unit: int, day: datetime, values: Values) -> bytes:
    """A unit's day, as a device uploads it the night after."""
    stamp = periods.format_time(day + timedelta(days=1, hours=1, seconds=4 * unit))
    labels = [periods.format_time(label) for label in periods.day_ticks(day.date())]
    data = []
    for item in range(ITEMS):
        code = f"{item // 10 + 1:02d}-{item % 10:02d}-0000-023300-21"
        readings = values(unit, item, day)
        whole = [(0, label, value) for label, value in zip(labels, readings, strict=True)]
        whole.append((1, periods.format_time(day), round(sum(readings), 4)))
        data += [
            EnergyRecord(code, value, 4, stat_type, stat_date, stamp, 3, True)
            for stat_type, stat_date, value in whole
        ]
    return write(EnergyUpload(f"{unit:032x}", fleet(unit + 1)[unit].credit_code, data))


def fill(folder: Path, bodies: Iterator[tuple[int, bytes]]) -> Iterator[Store]:
    """A store whose journal holds the bodies and nothing else."""
    store = Store.open(f"sqlite:///{folder / 'journal.db'}")
    store.upgrade()
    yield store
    known: set[int] = set()
    for unit, body in bodies:
        code = fleet(unit + 1)[unit].credit_code
        with store.write() as conn:
            if unit not in known:
                row = {"name": "", "region": "", "region_name": ""}
                times = {"registered_at": DAY, "updated_at": DAY}
                conn.execute(insert(schema.unit).values(id=unit + 1, code=code, **row, **times))
                known.add(unit)
            journal.append(
                conn,
                Sender(unit + 1, code),
                journal.ENERGY,
                Body.of(body),
                records=ITEMS * 97,
                result={"records": ITEMS * 97, "stored": ITEMS * 97},
                now=DAY,
                address="127.0.0.1",
            )
    yield store


def file_size(folder: Path) -> int:
    """Bytes of the database, its log worked in."""
    engine = create_engine(f"sqlite:///{folder / 'journal.db'}")
    with engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return (folder / "journal.db").stat().st_size


def on_disk(units: int, days: int, values: Values) -> tuple[float, float, float]:
    """Bytes a value of the JSON, of the journal; values a second of the check with bodies."""
    raw = 0

    def bodies() -> Iterator[tuple[int, bytes]]:
        nonlocal raw
        for number in range(days):
            for unit in range(units):
                body = body_of(unit, DAY + timedelta(days=number), values)
                raw += len(body)
                yield unit, body

    count = units * days * ITEMS * 97
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stages = fill(folder, bodies())
        next(stages)
        empty = file_size(folder)
        store = next(stages)
        size = file_size(folder) - empty
        begun = time.perf_counter()
        with store.read() as conn:
            listed = chain.units(conn)
        checked = list(chain.check(store, listed))
        seconds = time.perf_counter() - begun
        assert not any(one.breaks for one in checked)
        store.close()
    return raw / count, size / count, count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--units", type=int, default=10)
    parser.add_argument("--days", type=int, default=10)
    asked = parser.parse_args()
    print(
        f"nenghao {__version__} · Python {platform.python_version()}"
        f" · zstandard {zstandard.__version__} · SQLite {sqlite3.sqlite_version}"
        f" · {platform.machine()}, {os.cpu_count()} processors"
    )
    print(f"{asked.units} units x {asked.days} days x {ITEMS} items x 97 values\n")
    print(f"{'values':<10} {'JSON B/value':>13} {'journal B/value':>16} {'checked values/s':>17}")
    for name, values in (("shaped", shaped), ("noise", noise)):
        raw, size, rate = on_disk(asked.units, asked.days, values)
        print(f"{name:<10} {raw:>13.1f} {size:>16.2f} {rate:>17,.0f}")
        year = PROVINCE * ITEMS * 97 * 365 * size
        print(f"{'':<10} a year of {PROVINCE:,} such units: {year / 1e9:.0f} GB")
    print(f"\n{'zstd level':<10} {'B/value':>8} {'MB/s':>8}")
    body = body_of(0, DAY, shaped)
    for level in (1, 3, 6, 9):
        begun = time.perf_counter()
        for _ in range(20):
            packed = zstandard.compress(body, level)
        rate = 20 * len(body) / (time.perf_counter() - begun)
        print(f"{level:<10} {len(packed) / ITEMS / 97:>8.2f} {rate / 1e6:>8.0f}")
    big = body * (8_000_000 // len(body))
    begun = time.perf_counter()
    hashlib.sha256(big).digest()
    print(f"\nSHA-256 of {len(big) / 1e6:.1f} MB: {(time.perf_counter() - begun) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
