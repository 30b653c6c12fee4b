"""How fast a batch is taken in, stage by stage, in one process on one core's worth of Python.

    make bench                    # 480 items × 96 ticks, fifteen rounds
    make bench ARGS="--items 40 --rounds 50"

Every round takes one day's batch through all stages, so what disturbs the machine disturbs them
alike: machines differ and are noisy, the ratios say more than the rates. Typed decoding alone is
the ceiling. The intake ends with a commit on an SQLite file (WAL, synchronous=FULL: an fsync).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import described, print_rates
from nenghao.platform import bulk, certificates, intake, registry
from nenghao.platform import home as homes
from nenghao.platform.intake import IntakeResult
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configured_item
from nenghao.security.identity import PeerIdentity
from nenghao.standard import periods
from nenghao.standard.energy import ENERGY_TYPES, ITEM, USAGES
from nenghao.standard.messages import energy_data, write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.regions import LIAONING

CREDIT_CODE = "91210000MA0UF5NN3J"
REGION = "210102"
FIRST_DAY = datetime(2026, 3, 1)
CODES = [
    f"00-00-0000-{kind.class_code}{kind.code}-{usage}"
    for kind in ENERGY_TYPES
    if kind.class_code and kind.type == ITEM
    for usage in USAGES
]


def batch(codes: list[str], day: datetime, *, by_moment: bool = False, seed: int = 0) -> bytes:
    """A day's batch: uniform noise with two decimals, item by item or moment by moment."""
    chance = random.Random(f"{day} {seed}")
    stamp = periods.format_time(day + timedelta(days=1, hours=1, seconds=seed))
    labels = [periods.format_time(label) for label in periods.day_ticks(day.date())]
    places = [(code, label) for code in codes for label in labels]
    if by_moment:
        places.sort(key=lambda place: place[1])
    data = [
        EnergyRecord(
            data_code=code,
            data_value=round(chance.random() * 100, 2),
            input_type=4,
            stat_type=0,
            stat_date=label,
            upload_date=stamp,
            scope=1,
            valid=True,
        )
        for code, label in places
    ]
    return write(EnergyUpload("0" * 32, CREDIT_CODE, data))


@contextmanager
def province(
    folder: Path, codes: list[str], database: str
) -> Iterator[tuple[Store, PlatformSettings, Peer]]:
    """A platform, its database in `folder` unless named, and a device whose items are known."""
    home = homes.init(folder, {"database": database}, FIRST_DAY)
    issued = home.authority().issue_device(CREDIT_CODE, "某厂", REGION, 1, FIRST_DAY)
    identity = PeerIdentity(CREDIT_CODE, 1, issued.serial)
    request = RegistrationRequest(CREDIT_CODE, "某厂", REGION, LIAONING.name(REGION))
    with home.store() as store:
        with store.write() as conn:
            certificates.register(conn, issued, FIRST_DAY)
            answer = registry.register(conn, home.settings, identity, request, FIRST_DAY)
            peer = registry.identify(conn, identity, answer.device_id)
            item = {"unit_id": peer.unit_id, "device_number": 1, "stat_type": -1, "name": "项"}
            bounds = {"input_type": 4, "value_min": 0.0, "value_max": 100.0, "scope": 1}
            conn.execute(
                insert(configured_item), [{**item, **bounds, "data_code": code} for code in codes]
            )
        yield store, home.settings, peer


def measure(
    codes: list[str], rounds: int, by_moment: bool, database: str = ""
) -> dict[str, list[float]]:
    """Seconds of each stage in each round."""
    seconds: dict[str, list[float]] = defaultdict(list)
    decode = msgspec.json.Decoder(EnergyUpload).decode
    with (
        tempfile.TemporaryDirectory() as folder,
        province(Path(folder) / "home", codes, database) as (store, settings, peer),
    ):

        def take_in(body: bytes, now: datetime) -> IntakeResult:
            upload = bulk.read_upload(body)
            return intake.upload(store, settings, peer, upload, Body.of(body), now, "127.0.0.1")

        def timed(name: str, work: Callable[[], object]) -> object:
            begun = time.perf_counter()
            result = work()
            if not isinstance(result, IntakeResult):
                result = None  # letting go of what was decoded is part of the price
            seconds[name].append(time.perf_counter() - begun)
            return result

        for number in range(rounds):
            day = FIRST_DAY + timedelta(days=number)
            now = day + timedelta(days=1, hours=1, minutes=5)
            body = batch(codes, day, by_moment=by_moment)
            corrected = batch(codes, day, by_moment=by_moment, seed=1)
            timed("typed decoding alone (msgspec)", partial(decode, body))
            timed("read, record by record", partial(energy_data.read_upload, body))
            timed("read, by column", partial(bulk.read_upload, body))
            stored = timed(
                "whole intake: new frames, committed",
                partial(take_in, body, now),
            )
            timed("whole intake: the same again", partial(take_in, body, now))
            merged = timed(
                "whole intake: merged with stored frames",
                partial(take_in, corrected, now),
            )
            for result in (stored, merged):
                if not isinstance(result, IntakeResult) or result.stored != 96 * len(codes):
                    raise SystemExit(f"not everything was stored: {result}")
    return dict(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--items", type=int, default=480, help="items of the unit (x 96 ticks)")
    parser.add_argument("--rounds", type=int, default=15, help="days, each taken in once")
    asked = parser.parse_args()
    if not 1 <= asked.items <= len(CODES):
        raise SystemExit(f"--items: 1 to {len(CODES)}")
    codes, values = CODES[: asked.items], asked.items * 96
    size = len(batch(codes, FIRST_DAY))
    print(described())
    for by_moment, order in ((False, "item by item"), (True, "moment by moment")):
        title = f"{values:,} records, {size / 1e6:.1f} MB a batch, {order}, {asked.rounds} rounds"
        print_rates(title, measure(codes, asked.rounds, by_moment), values)


if __name__ == "__main__":
    main()
