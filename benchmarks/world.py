"""A province on the loopback for measuring: its platform's process, its devices, their batches."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nenghao.clock import china_now
from nenghao.conformance.fleet import fleet, ticks
from nenghao.platform import certificates
from nenghao.platform import home as homes
from nenghao.platform.home import Home
from nenghao.security.contexts import client_context
from nenghao.security.credentials import write_credentials
from nenghao.standard import periods
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.regions import LIAONING

HOST = "127.0.0.1"
TICKS = 96
DAY = datetime(2026, 1, 1)
"""The first day that batches are about."""
PATIENCE = 300.0
"""Seconds after which a benchmark gives up."""
END_SECONDS = 10.0

UPLOAD = "/uploadEnergyData"


def values_of(items: int, day: datetime) -> list[list[float]]:
    """A day's 96 values of so many meters: the load shape of a steel works, two decimals."""
    unit = fleet(1)[0]
    shapes = [[float(value) for value in ticks(unit, item, day.date())] for item in unit.items]
    dice = random.Random(day.toordinal())
    return [
        [round(value * scale, 2) for value in shapes[item % len(shapes)]]
        for item, scale in enumerate(dice.uniform(0.5, 2) for _ in range(items))
    ]


def data_code(item: int) -> str:
    """The data code of a made-up meter."""
    return f"{item // 100 + 1:02d}-{item % 100:02d}-0000-023300-21"


def records_of(items: int, day: datetime) -> list[EnergyRecord]:
    """The records of a day's batch."""
    stamp = periods.format_time(day + timedelta(days=1, hours=1))
    labels = [periods.format_time(label) for label in periods.day_ticks(day.date())]
    return [
        EnergyRecord(data_code(item), value, 4, 0, label, stamp, 3, True)
        for item, values in enumerate(values_of(items, day))
        for label, value in zip(labels, values, strict=True)
    ]


@dataclass(frozen=True)
class Device:
    """A registered device and how it speaks."""

    code: str
    device_id: str
    context: ssl.SSLContext

    def batch(self, items: int, number: int) -> bytes:
        """Batch `number`: a day's 96 ticks of `items` meters; every number is another day."""
        data = records_of(items, DAY + timedelta(days=number))
        return write(EnergyUpload(self.device_id, self.code, data))


class Wire:
    """A kept-alive connection over mutual TLS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection((HOST, port), timeout=PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = context.wrap_socket(raw, server_hostname=HOST)
        self._answers = self._tls.makefile("rb")

    def post(self, path: str, body: bytes, encoding: str = "") -> dict[str, Any]:
        """The answer's JSON; raises RuntimeError unless it is a success."""
        self.begin(path, len(body), encoding)
        self.send(body)
        return self.answer()

    def begin(self, path: str, length: int, encoding: str = "") -> None:
        """Send a request's head."""
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n"
        if encoding:
            head += f"Content-Encoding: {encoding}\r\n"
        self.send(head.encode() + b"\r\n")

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def answer(self) -> dict[str, Any]:
        """The next answer, as of `post`."""
        status = self._answers.readline()
        length = 0
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer: dict[str, Any] = json.loads(self._answers.read(length) or b"{}")
        if b" 200 " not in status or answer.get("responseCode") != "0":
            raise RuntimeError(f"{status!r} {answer}")
        return answer

    def close(self) -> None:
        self._answers.close()
        self._tls.close()


class Province:
    """A platform's folder with its devices; `serving` runs it."""

    def __init__(self, folder: Path, values: Mapping[str, Any], units: int) -> None:
        with socket.create_server((HOST, 0)) as probe:
            self.port: int = probe.getsockname()[1]
        folder.mkdir(exist_ok=True)
        given = {
            "host": HOST,
            "device_port": self.port,
            "exchange_port": 0,
            "console_port": 0,
            "log_level": "warning",
            **values,
        }
        self.home: Home = homes.init(folder / "home", given, china_now())
        self.folder = folder
        self.units = fleet(units)
        self.devices: list[Device] = []
        authority, now = self.home.authority(), china_now()
        with self.home.store() as store, store.write() as conn:
            for unit in self.units:
                issued = authority.issue_device(unit.credit_code, unit.name, unit.region, 1, now)
                certificates.register(conn, issued, now)
                write_credentials(folder / unit.credit_code, issued, {})

    @contextlib.contextmanager
    def serving(
        self, cores: set[int] | None, environ: Mapping[str, str] | None = None
    ) -> Iterator[int]:
        """`nenghao platform serve` on these processor cores; gives its process id."""
        command = [sys.executable, "-m", "nenghao", "platform", "serve"]
        process = subprocess.Popen(
            [*command, "--home", str(self.home.path)],
            stdout=subprocess.PIPE,
            preexec_fn=pinning(cores),
            env={**os.environ, **(environ or {})},
        )
        assert process.stdout is not None
        try:
            if not process.stdout.readline().startswith(b"ready "):
                raise RuntimeError("the platform did not start")
            if not self.devices:
                self._register()
            yield process.pid
        finally:
            ended(process)

    def _register(self) -> None:
        for unit in self.units:
            own = self.folder / unit.credit_code
            context = client_context(own / "ca.pem", own / "device.pem", own / "device.key")
            wire = Wire(self.port, context)
            request = {
                "enterpriseCode": unit.credit_code,
                "enterpriseName": unit.name,
                "region": unit.region,
                "regionName": LIAONING.name(unit.region),
            }
            answer = wire.post("/", json.dumps(request).encode())
            wire.close()
            self.devices.append(Device(unit.credit_code, answer["deviceId"], context))

    def wires(self, count: int) -> list[tuple[Device, Wire]]:
        """So many connections, of one device each as far as there are devices."""
        some = [self.devices[at % len(self.devices)] for at in range(count)]
        return [(device, Wire(self.port, device.context)) for device in some]


def ended(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, some patience, SIGKILL; its pipes are closed."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def cores() -> tuple[int, int]:
    """The core that is measured and the one that measures; the same where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def pinning(allowed: set[int] | None) -> Callable[[], None] | None:
    """What ties a child process to some cores."""
    if allowed is None:
        return None
    return lambda: os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Tie the calling thread, and whatever it starts, to one core for a while."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def size_on_disk(paths: Sequence[Path]) -> int:
    """Bytes that files and folders take, in blocks as the file system counts them."""
    total = 0
    for path in paths:
        each = [path, *path.rglob("*")] if path.is_dir() else [path]
        total += sum(one.stat().st_blocks * 512 for one in each if one.is_file())
    return total
