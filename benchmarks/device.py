"""What a device costs that reads 500 items over Modbus, with its page open: memory, CPU, start.

    python -m benchmarks.device                  # some three minutes
    python -m benchmarks.device --items 100 --seconds 30

A process of its own serves the meters; `nenghao device run` reads them every ten seconds, makes
quarter-hour ticks of them (one falls into the measured time) and serves its page, which a visitor
loads again and again, in the environment that deploy/nenghao-device@.service sets. It finds the
samples of the hour before its start unsorted, as after a crash. Memory is the resident set (VmRSS)
and its peak (VmHWM), which begins anew before the device builds and sends the batch of a whole day
to a platform beside it. CPU is that of the device's process, as a share of one core: at rest
between two ticks, and with a tick's cost spread over its fifteen minutes. Start is from the
process's beginning to the first request at the meters.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx

from benchmarks.report import Row, machine, show
from nenghao.clock import china_now
from nenghao.conformance.factory.clock import FastClock
from nenghao.conformance.factory.collection_file import SOURCE, Where, point_of, text
from nenghao.conformance.factory.loads import ReplayLoad
from nenghao.conformance.factory.modbus_server import FactoryModbus
from nenghao.conformance.factory.plant import Meter, Plant
from nenghao.conformance.fleet import fleet
from nenghao.device import history, outbox
from nenghao.device.collection.collector import load_plan
from nenghao.device.collection.recorder import Recorder
from nenghao.device.history import Reading
from nenghao.device.home import DeviceHome
from nenghao.device.outbox import BatchState
from nenghao.device.sources.base import Sample
from nenghao.device.web import access
from nenghao.platform import certificates
from nenghao.platform import home as platforms
from nenghao.security.credentials import write_credentials
from nenghao.standard import periods
from nenghao.standard.regions import LIAONING

MEGABYTE = 1_000_000
PASSWORD = "benchmark-password-1"
BEGIN = datetime(2026, 3, 10, 10, 29, 0)
"""The device's time at its start: the tick of 10:30 comes a minute later."""
LAST = datetime(2026, 3, 10, 10, 15, 0)
"""When it was last read, before an interruption."""
QUARTER = timedelta(minutes=15)
PAGES = ("/", "/sources", "/queue", "/calendar", "/mapping", "/manual", "/certificate", "/log")
WARM_SECONDS = 15.0
HOUR = timedelta(hours=1)
POLL = timedelta(seconds=10)
ASKED = {
    "cold start to the first poll [s]": 3.0,
    "resident, page in use [MB]": 90.0,
    "resident, peak until then [MB]": 90.0,
    "CPU with ticks and the page open [% of a core]": 3.0,
    "resident after sending a day [MB]": 90.0,
    "resident, peak while sending a day [MB]": 90.0,
}
"""At most so much, by the name of the figure."""
SLOT = 41
"""Where a day keeps its tick of 10:30."""
TICK_SECONDS = 10.0
"""After a tick's moment: when its work is surely done."""


def plant(items: int) -> Plant:
    """So many meters, each with a steady load of its own."""
    begin = LAST - HOUR - QUARTER
    meters = []
    for number in range(1, items + 1):
        amounts = [(begin + (n + 1) * QUARTER, 900 + number) for n in range(96)]
        load = ReplayLoad(amounts, QUARTER)
        code = f"{number // 100 + 1:02d}-{number % 100:02d}-0000-023300-21"
        name, start = f"测点 {number}", number * 1000
        meters.append(Meter(number, code, name, "kWh", 2, -4, load, start=start))
    return Plant(meters)


async def serve(items: int) -> None:
    """The meters; says its port, and when the first request came."""
    factory = FactoryModbus(plant(items), FastClock(BEGIN, 1, time.monotonic))
    async with factory.serving() as port:
        print(port, flush=True)
        while not factory.requests:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)
        print(time.monotonic(), flush=True)
        await asyncio.Event().wait()


@contextmanager
def process(*words: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    made = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    try:
        yield made
    finally:
        made.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            made.wait(15)
        made.kill()


def make_home(folder: Path, platform: Path, port: int) -> DeviceHome:
    """A platform in one folder and in the other a device of the fleet's first unit."""
    unit, now = fleet(1)[0], china_now()
    province = platforms.init(
        platform, {"device_port": port, "exchange_port": 0, "console_port": 0}, now
    )
    issued = province.authority().issue_device(unit.credit_code, unit.name, unit.region, 1, now)
    with province.store() as store, store.write() as connection:
        certificates.register(connection, issued, now)
    about = {"code": unit.credit_code, "name": unit.name, "region": unit.region,
             "regionName": LIAONING.name(unit.region), "device": 1}  # fmt: skip
    write_credentials(folder / "out", issued, about)
    home = DeviceHome.create(
        folder / "device", platform=f"https://127.0.0.1:{port}", credentials=folder / "out"
    )
    access.set_password(home.root, PASSWORD)
    return home


def fill_yesterday(home: DeviceHome, items: int) -> None:
    """A whole day of all items, due to be sent."""
    day = BEGIN.date() - timedelta(days=1)
    with home.store() as store, store.write() as connection:
        for meter in plant(items).meters:
            item = history.ensure_item(connection, meter.code, interval=15)
            ticks = [
                Reading(tick, Decimal(meter.number * 100 + number).scaleb(-6))
                for number, tick in enumerate(periods.day_ticks(day))
            ]
            history.put(connection, item, ticks, BEGIN)


def read_before(home: DeviceHome, meters: Plant) -> None:
    """The meters have been read for an hour until `LAST`, and the samples are not sorted in."""
    _, planned = load_plan(home)
    with home.store() as store:
        recorder = Recorder(store, planned, LAST - HOUR)
        time_ = LAST - HOUR
        while time_ <= LAST:
            samples = [
                Sample(point_of(meter), time_, meters.shown(meter, time_).counter * meter.step)
                for meter in meters.meters
            ]
            recorder.take(SOURCE, samples, time_)
            time_ += POLL


def service_environment() -> dict[str, str]:
    """What the service unit sets for the device's process."""
    unit = (Path(__file__).parents[1] / "deploy" / "nenghao-device@.service").read_text("utf-8")
    lines = re.findall(r"^Environment=(.*)$", unit, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def device_command(home: DeviceHome, *options: str) -> list[str]:
    return ["-m", "nenghao", "device", "run", "--home", str(home.root), *options]


def memory(pid: int) -> tuple[float, float]:
    """Resident set and its peak, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    return int(found["VmRSS"]) * 1024 / MEGABYTE, int(found["VmHWM"]) * 1024 / MEGABYTE


def forget_peak(pid: int) -> None:
    """Let the peak be counted from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu(pid: int) -> float:
    """Seconds of CPU so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Visitor:
    """Somebody who looks at the page."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30
        )
        self.visits = 0

    def log_in(self) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                shown = self._client.get("/login").text
                break
            except httpx.ConnectError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        token = re.search(r'name="token" value="(\w+)"', shown)
        assert token is not None
        answer = self._client.post("/login", data={"token": token[1], "password": PASSWORD})
        assert answer.url.path == "/", answer.text

    def press(self, path: str) -> None:
        token = re.search(r'name="token" value="(\w+)"', self._client.get("/queue").text)
        assert token is not None
        assert self._client.post(path, data={"token": token[1]}).status_code == 200

    def look(self, path: str) -> None:
        answer = self._client.get(path)
        assert answer.status_code == 200, path
        self.visits += 1


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(home: DeviceHome, platform: Path, items: int, seconds: float) -> dict[str, float]:
    """Run the device for so long, then let it send a day."""
    page = free_port()
    environ = os.environ | service_environment()
    environ |= {"NENGHAO_PAGE_PORT": str(page), "NENGHAO_LOG_LEVEL": "warning"}
    with (
        process("-m", "nenghao", "platform", "serve", "--home", str(platform)) as site,
        process("-m", "benchmarks.device", "--items", str(items), "--serve") as meters,
    ):
        assert site.stdout is not None
        assert meters.stdout is not None
        assert site.stdout.readline().startswith("ready device")
        where = Where(modbus_port=int(meters.stdout.readline()))
        home.collection_file.write_text(text(plant(items), where), "utf-8")
        read_before(home, plant(items))
        start = time.monotonic()
        log = (home.root.parent / "device.log").open("w")
        command = device_command(home, "--at", periods.format_time(BEGIN))
        with process(*command, env=environ, stderr=log) as device:
            first = float(meters.stdout.readline()) - start
            visitor = Visitor(page)
            visitor.log_in()
            for path in PAGES:
                visitor.look(path)
            time.sleep(WARM_SECONDS)
            figures = {"cold start to the first poll [s]": first}
            figures |= _watched(device.pid, visitor, start, seconds)
            figures |= _sent(device.pid, visitor, home)
            _has_worked(home, items)
            assert device.poll() is None, "the device ended by itself"
    return figures


def _watched(pid: int, visitor: Visitor, start: float, seconds: float) -> dict[str, float]:
    tick_at = start + 60.0
    before = time.monotonic(), cpu(pid)
    time.sleep(max(0.0, tick_at - 2.0 - time.monotonic()))
    at_tick = time.monotonic(), cpu(pid)
    quiet = (at_tick[1] - before[1]) / (at_tick[0] - before[0])
    time.sleep(TICK_SECONDS + 2.0)
    after = time.monotonic(), cpu(pid)
    tick = max(0.0, after[1] - at_tick[1] - quiet * (after[0] - at_tick[0]))
    end = after[0] + seconds
    while time.monotonic() < end:
        visitor.look("/")  # as a page that renews itself
        time.sleep(5.0)
    done = time.monotonic(), cpu(pid)
    viewed = (done[1] - after[1]) / (done[0] - after[0])
    for path in PAGES:
        visitor.look(path)
    resident, peak = memory(pid)
    return {
        "resident, page in use [MB]": resident,
        "resident, peak until then [MB]": peak,
        "CPU polling alone [% of a core]": 100 * quiet,
        "CPU of one tick of all items [s]": tick,
        "CPU with ticks [% of a core]": 100 * (quiet + tick / 900),
        "CPU with ticks and the page open [% of a core]": 100 * (viewed + tick / 900),
    }


def _sent(pid: int, visitor: Visitor, home: DeviceHome) -> dict[str, float]:
    """Let the device send yesterday, by the button of its page."""
    used = cpu(pid)
    forget_peak(pid)
    visitor.press("/queue/send")
    end = time.monotonic() + 60
    with home.store() as store:
        while True:
            with store.read() as connection:
                counts = outbox.counts(connection)
            if counts[BatchState.ACCEPTED] and not counts[BatchState.QUEUED]:
                break
            assert time.monotonic() < end, f"not sent: {counts}"
            time.sleep(0.2)
    time.sleep(5.0)
    resident, peak = memory(pid)
    return {
        "resident after sending a day [MB]": resident,
        "resident, peak while sending a day [MB]": peak,
        "CPU of sending a day [s]": cpu(pid) - used,
    }


def _has_worked(home: DeviceHome, items: int) -> None:
    """The figures are those of a device that did its work: every item has its tick."""
    with home.store() as store, store.read() as connection:
        rows = [
            history.day_row(connection, item, BEGIN.date()) for item in history.items(connection)
        ]
    made = sum(bool(row and row.ticks and row.ticks[SLOT] is not None) for row in rows)
    assert made >= items, f"only {made} of {items} items have their tick"


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0, help="with the page open")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(given.items))
        return
    with tempfile.TemporaryDirectory(prefix="nenghao-bench-") as name:
        folder = Path(name)
        home = make_home(folder, folder / "platform", free_port())
        fill_yesterday(home, given.items)
        figures = measure(home, folder / "platform", given.items, given.seconds)
    print(machine(), end="\n\n")
    title = f"{given.items} items, 15 minutes, polled every 10 s over Modbus TCP, page open"
    show((title, "asked", "found", ""), [row(name, value) for name, value in figures.items()])


def row(name: str, found: float) -> Row:
    """A figure beside what is asked of it."""
    asked = ASKED.get(name)
    if asked is None:
        return name, "", f"{found:.2f}", ""
    return name, f"≤ {asked:g}", f"{found:.2f}", "" if found <= asked else "missed"


if __name__ == "__main__":
    main()
