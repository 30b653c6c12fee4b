"""How fast a batch is taken in, stage by stage, in one process on one core's worth of Python.

    make bench                    # 480 items × 96 ticks, five rounds
    make bench ARGS="--items 100 --rounds 9"

Three stages of the same body: typed decoding alone; `read_upload`, which also checks every form;
and the whole intake with its commit on an SQLite file (WAL, synchronous=FULL). Machines differ and
are noisy: the ratios say more than the rates. The best round counts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from nenghao import __version__
from nenghao.conformance.fleet import fleet, ticks
from nenghao.platform import certificates, intake, registry
from nenghao.platform import home as homes
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.security.identity import PeerIdentity
from nenghao.standard import periods
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload, read_upload
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.regions import LIAONING

DAY = datetime(2026, 3, 1)
NOW = datetime(2026, 3, 2, 1, 5)


def body_of(items: int, day: datetime) -> bytes:
    """A day's batch of so many items, with the steel works' load shape."""
    unit = fleet(1)[0]
    values = [float(value) for value in ticks(unit, unit.items[0], day.date())]
    stamp = periods.format_time(day + timedelta(days=1, hours=1))
    labels = [periods.format_time(label) for label in periods.day_ticks(day.date())]
    data = [
        EnergyRecord(
            data_code=f"{item // 100 + 1:02d}-{item % 100:02d}-0000-023300-21",
            data_value=round(value * (1 + item / 1000), 6),
            input_type=4,
            stat_type=0,
            stat_date=label,
            upload_date=stamp,
            scope=3,
            valid=True,
        )
        for item in range(items)
        for label, value in zip(labels, values, strict=True)
    ]
    return write(EnergyUpload("0" * 32, unit.credit_code, data))


@contextmanager
def province(folder: Path) -> Iterator[tuple[Store, PlatformSettings, Peer]]:
    """A platform's database in `folder`, and one registered device of it."""
    home = homes.init(folder, {}, NOW)
    unit = fleet(1)[0]
    issued = home.authority().issue_device(unit.credit_code, unit.name, unit.region, 1, NOW)
    identity = PeerIdentity(unit.credit_code, 1, issued.serial)
    request = RegistrationRequest(
        enterprise_code=unit.credit_code,
        enterprise_name=unit.name,
        region=unit.region,
        region_name=LIAONING.name(unit.region),
    )
    with home.store() as store:
        with store.write() as conn:
            certificates.register(conn, issued, NOW)
            answer = registry.register(conn, home.settings, identity, request, NOW)
            peer = registry.identify(conn, identity, answer.device_id)
        yield store, home.settings, peer


def best_seconds(rounds: Sequence[Callable[[], object]]) -> float:
    """The quickest of the rounds."""
    times = []
    for work in rounds:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def machine() -> str:
    """What ran it: interpreter, libraries, processor."""
    names = ("msgspec", "sqlalchemy", "zstandard")
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return (
        f"nenghao {__version__} · {platform.python_implementation()} {platform.python_version()}"
        f" · {versions} · SQLite {sqlite3.sqlite_version}\n"
        f"{platform.system()} {platform.machine()} · {os.cpu_count()} processors · {_processor()}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def measure(items: int, rounds: int) -> list[tuple[str, float]]:
    """Seconds of each stage."""
    bodies = [body_of(items, DAY - timedelta(days=number)) for number in range(rounds)]
    decode = msgspec.json.Decoder(EnergyUpload).decode
    stages = [
        ("typed decoding alone", [partial(decode, body) for body in bodies]),
        ("read_upload (decode, check every form)", [partial(read_upload, body) for body in bodies]),
    ]
    measured = [(name, best_seconds(works)) for name, works in stages]
    with (
        tempfile.TemporaryDirectory() as folder,
        province(Path(folder) / "home") as (store, settings, peer),
    ):

        def take_in(body: bytes) -> None:
            intake.upload(store, settings, peer, read_upload(body), body, NOW, "127.0.0.1")

        whole = best_seconds([partial(take_in, body) for body in bodies])
    measured.append(("whole intake (and merge, journal, commit)", whole))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--items", type=int, default=480, help="items of the unit (x 96 ticks)")
    parser.add_argument("--rounds", type=int, default=5, help="days, each taken in once")
    asked = parser.parse_args()
    records = asked.items * 96
    size = len(body_of(asked.items, DAY))
    print(machine())
    print(f"{records:,} records, {size / 1e6:.1f} MB a batch, best of {asked.rounds}\n")
    measured = measure(asked.items, asked.rounds)
    base = measured[0][1]
    print(f"{'stage':<42} {'ms':>8} {'records/s':>12} {'x decoding':>11}")
    for name, seconds in measured:
        print(
            f"{name:<42} {seconds * 1000:>8.1f} {records / seconds:>12,.0f} {seconds / base:>11.2f}"
        )


if __name__ == "__main__":
    main()
