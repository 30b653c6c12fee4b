"""How fast a backlog drains to the national platform, and what a running uplink costs the intake.

    python -m benchmarks.uplink                         # 12 units x 30 days x 60 items x 96 ticks
    python -m benchmarks.uplink --units 40 --rounds 5

A province's backlog is 3,000 units x 30 days x 175,000 values a unit (525 M); here it is as many
days and items of fewer units, so batches, marks and frames are of the same size and only their
number differs (the scale is printed). The two sides are measured apart, since they would share the
same two cores: the sender with a line that takes every body and answers at once (reading,
packing and gzip are all there, TLS is not), the receiver as a national platform that is asked in
process for what the sender sent (gzip, reading, merging, the commit with its fsync). The intake
that both are held against is the province's own, batch by batch, in this process on this database.

What the uplink costs the intake is measured with the sender as `serve` runs it: another process,
at a lower priority, on the same database, with more to send than it gets to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, median

from sqlalchemy import delete, insert, select

from benchmarks.report import Row, machine, rate, show
from benchmarks.world import data_code, records_of
from nenghao.platform import bulk, intake
from nenghao.platform import home as homes
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configured_item, device, unit
from nenghao.platform.store.uplink_schema import uplink_mark
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.line import NotSent
from nenghao.platform.uplink.pace import Pace
from nenghao.platform.uplink.sender import Sender
from nenghao.platform.uplink.service import LOOK_SECONDS, Service
from nenghao.standard import periods
from nenghao.standard.messages import uplink, write
from nenghao.standard.messages.energy_data import EnergyUpload

NOW = datetime(2026, 3, 1, 3)
FIRST_DAY = datetime(2026, 1, 1)
ITEMS, DAYS = 60, 30
PROVINCE_UNITS, PROVINCE_VALUES = 3_000, 525_000_000
SETTLE_SECONDS = 0.3
LOWER = 5
"""What `uplink run` is niced by beneath `serve`."""
HEADINGS = ("", "values/s", "of the intake")


class Sink:
    """A line whose nation takes everything; `kept` are the bodies, as they went over it."""

    def __init__(self, keep: bool = False) -> None:
        self.kept: list[bytes] | None = [] if keep else None

    def post(self, path: str, body: bytes, *, packed: bool = False) -> bytes:
        if self.kept is not None and path == uplink.DATA:
            self.kept.append(body)
        return b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS"}'


@dataclass
class Ground:
    """A platform's database with some units, and how long taking in took."""

    store: Store
    settings: PlatformSettings
    peers: list[Peer]
    items: int
    seconds: list[float] = field(default_factory=list)

    @property
    def values(self) -> int:
        """Values of one batch: a day of one unit."""
        return 96 * self.items

    def take_in(self, day: int) -> None:
        """A day's batch of every unit."""
        at = FIRST_DAY + timedelta(days=day)
        records = records_of(self.items, at)
        for peer in self.peers:
            body = write(EnergyUpload("0" * 32, peer.credit_code, records))
            begun = time.perf_counter()
            upload = bulk.read_upload(body)
            now = at + timedelta(days=1, hours=2)
            intake.upload(self.store, self.settings, peer, upload, Body.of(body), now, "")
            self.seconds.append(time.perf_counter() - begun)

    def taken(self) -> float:
        """Values a second since the last time this was asked."""
        found = self.values / median(self.seconds)
        self.seconds.clear()
        return found


@contextmanager
def ground(folder: Path, units: int, items: int) -> Iterator[Ground]:
    """A fresh platform in `folder`."""
    home = homes.init(folder, {}, FIRST_DAY)
    with home.store() as store:
        peers = []
        with store.write() as conn:
            for number in range(units):
                code = f"91210102MA{number:07d}X"
                row = {"name": "某厂", "region": "210102", "region_name": "和平区"}
                times = {"registered_at": FIRST_DAY, "updated_at": FIRST_DAY}
                made = conn.execute(insert(unit).values(code=code, **row, **times))
                (unit_id,) = made.inserted_primary_key or (0,)
                conn.execute(
                    insert(device).values(
                        unit_id=unit_id,
                        number=1,
                        device_id=f"{unit_id:032d}",
                        ordinal=number,
                        upload_time="01:00:00",
                        registered_at=FIRST_DAY,
                        last_registered_at=FIRST_DAY,
                    )
                )
                told = {"unit_id": unit_id, "device_number": 1, "stat_type": -1, "name": "项"}
                told |= {"input_type": 4, "scope": 3}
                conn.execute(
                    insert(configured_item),
                    [{**told, "data_code": data_code(item)} for item in range(items)],
                )
                peers.append(Peer(unit_id, code, 1, "某厂", "210102"))
        yield Ground(store, home.settings, peers, items)


def drain(here: Ground, connections: int, keep: bool = False) -> tuple[float, Sink]:
    """Values a second with so many connections, until nothing is left; what took them."""
    sink = Sink(keep)
    sender = Sender(here.store, sink, "f" * 32, lambda: NOW)
    with here.store.read() as conn:
        due = marks.due_units(conn, 1_000_000)
    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        sent = sum(done.records for done in pool.map(sender.unit, due))
    seconds = time.perf_counter() - begun
    with here.store.read() as conn:
        if marks.backlog(conn)[0]:
            raise SystemExit("not everything was sent")
    return sent / seconds, sink


def receive(folder: Path, here: Ground, bodies: list[bytes]) -> float:
    """Values a second that a national platform takes of these bodies, one after the other."""
    seconds, values = 0.0, 0
    with ground(folder, len(here.peers), here.items) as nation:
        peers = {peer.credit_code: peer for peer in nation.peers}
        for packed in bodies:
            begun = time.perf_counter()
            body = zlib.decompress(packed, 31)
            upload = bulk.read_upload(body)
            told = uplink.read_extension(body)
            received_at = periods.parse_time(told.received_at)
            peer = peers[upload.enterprise_code]
            intake.upload(
                nation.store,
                nation.settings,
                peer,
                upload,
                Body.of(body),
                NOW,
                "",
                received_at=received_at,
            )
            seconds += time.perf_counter() - begun
            values += len(upload.data)
    return values / seconds


def mark_all(here: Ground) -> None:
    """Everything is to be sent again."""
    for peer in here.peers:
        with here.store.write() as conn:
            marks.mark_unit(conn, peer.unit_id, NOW)


class Neighbour:
    """A sender beside this process, as `serve` has one; it has never done, but can be told to rest.

    It rests with a message made and not sent, so with nothing locked.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.uplink", "--sender", str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"sending\n":
            raise SystemExit("the sender did not come up")

    def tell(self, word: bytes) -> None:
        """`rest` or `send`; it takes a moment."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + b"\n")
        self._process.stdin.flush()
        time.sleep(SETTLE_SECONDS)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def send_for_ever(folder: Path) -> None:
    """What that process does, until its standard input ends."""
    os.nice(LOWER)
    end, go = threading.Event(), threading.Event()

    def obey() -> None:
        for line in sys.stdin:
            (go.set if line == "send\n" else go.clear)()
        end.set()
        go.set()

    threading.Thread(target=obey, daemon=True).start()
    home = homes.open_home(folder, {})

    class Resting(Sink):
        def post(self, path: str, body: bytes, *, packed: bool = False) -> bytes:
            go.wait()
            if end.is_set():
                raise NotSent("the end", reached=False)
            return super().post(path, body, packed=packed)

    with home.store() as store:
        sender = Sender(store, Resting(), "f" * 32, lambda: NOW, pace=Pace(store, end.wait))
        every = home.settings.uplink_connections
        window = home.settings.uplink_hours
        service = Service(store, sender, window, lambda: NOW, end, holder="here", connections=every)
        threading.Thread(target=service.run, daemon=True).start()
        print("sending", flush=True)
        while not end.wait(LOOK_SECONDS):
            with store.read() as conn:
                if marks.due_units(conn, 1):
                    continue
                every_unit = [row.id for row in conn.execute(select(unit.c.id))]
            for unit_id in every_unit:
                with store.write() as conn:
                    marks.mark_unit(conn, unit_id, NOW)


def rows(units: int, rounds: int, days: int = DAYS, items: int = ITEMS) -> list[Row]:
    """The table."""
    with tempfile.TemporaryDirectory() as name, ground(Path(name) / "here", units, items) as here:
        for day in range(days):
            here.take_in(day)
        taken = here.taken()
        with here.store.write() as conn:
            conn.execute(delete(uplink_mark))
        table: list[Row] = [("intake, a unit's day at a time", rate(taken), "")]
        bodies: list[bytes] = []
        for connections in (1, 2, 4):
            found = []
            for _ in range(rounds):
                mark_all(here)
                speed, sink = drain(here, connections, keep=not bodies)
                found.append(speed)
                bodies = bodies or sink.kept or []
            name_of = f"sending, {connections} connection{'s' if connections > 1 else ''}"
            table.append((name_of, rate(median(found)), f"{median(found) / taken:.2f}"))
        speed = receive(Path(name) / "nation", here, bodies)
        table.append(("receiving, one after the other", rate(speed), f"{speed / taken:.2f}"))
        alone, beside = _beside(Path(name) / "here", here, days, 5 * rounds)
        table.append(("intake while nothing is sent", rate(alone), ""))
        name_of = "intake beside a running uplink; ratio: to nothing sent"
        table.append((name_of, rate(beside), f"{beside / alone:.2f}"))
    return table


def _beside(folder: Path, here: Ground, day: int, rounds: int) -> tuple[float, float]:
    """Values a second of the intake while the neighbour rests, and while it sends.

    In turns, so that what else disturbs the machine disturbs both alike.
    """
    mark_all(here)
    neighbour = Neighbour(folder)
    seconds: dict[bytes, list[float]] = {b"rest": [], b"send": []}
    try:
        for _ in range(rounds):
            for word, taken in seconds.items():
                neighbour.tell(word)
                here.take_in(day)
                taken += here.seconds
                here.seconds.clear()
                day += 1
    finally:
        neighbour.end()
    return here.values / fmean(seconds[b"rest"]), here.values / fmean(seconds[b"send"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--units", type=int, default=12, help="units of the backlog")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many")
    parser.add_argument("--sender", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sender is not None:
        send_for_ever(asked.sender)
        return
    values = asked.units * DAYS * ITEMS * 96
    print(machine())
    print(
        f"{asked.units} units x {DAYS} days x {ITEMS} items x 96 = {values:,} values:"
        f" 1/{PROVINCE_VALUES // values} of a province's ({PROVINCE_UNITS:,} units)\n"
    )
    show(HEADINGS, rows(asked.units, asked.rounds))


if __name__ == "__main__":
    main()
