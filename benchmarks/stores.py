"""Other stores for time series, run on the loopback with one core: InfluxDB and VictoriaMetrics.

Each gets the text that its own documentation recommends for bulk loading, over kept-alive HTTP.
PostgreSQL is `postgres`' business, what is compared `others`'.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.world import DAY, HOST, PATIENCE, data_code, ended, pinning, size_on_disk, values_of
from nenghao.standard import periods

ITEMS = 480
UNIT = "91330000573973053F"
_CST_SECONDS = 8 * 3600


class NotHere(Exception):
    """A store cannot be measured here; the text says why."""


@dataclass
class Store:
    """Something that takes days of values."""

    name: str
    prepare: Callable[[int], object]
    """The day's values as it likes them; not counted."""
    send: Callable[[object], None]
    """Have it store them; counted."""
    size: Callable[[], int]
    """Flush, and tell the bytes that all values sent so far take on disk."""
    seconds: list[float] = field(default_factory=list)
    days: int = 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def labels(day: int) -> list[datetime]:
    """The ticks of day number so many."""
    return periods.day_ticks((DAY + timedelta(days=day)).date())


def values(day: int) -> list[list[float]]:
    return values_of(ITEMS, DAY + timedelta(days=day))


def unix(label: datetime) -> int:
    """Seconds since 1970 of a time of China."""
    return round((label - datetime(1970, 1, 1)).total_seconds()) - _CST_SECONDS


def line_protocol(day: int, factor: int) -> bytes:
    """A line a value; the time in seconds times `factor`."""
    stamps = [unix(label) * factor for label in labels(day)]
    return "".join(
        f"energy,unit={UNIT},code={data_code(item)} value={value} {stamp}\n"
        for item, row in enumerate(values(day))
        for value, stamp in zip(row, stamps, strict=True)
    ).encode()


def json_lines(day: int) -> bytes:
    """A line a meter, as VictoriaMetrics exports it."""
    stamps = [unix(label) * 1000 for label in labels(day)]
    return b"\n".join(
        json.dumps(
            {
                "metric": {"__name__": "energy_json", "unit": UNIT, "code": data_code(item)},
                "values": row,
                "timestamps": stamps,
            }
        ).encode()
        for item, row in enumerate(values(day))
    )


class Http:
    """A kept-alive plain connection to a store."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's body; RuntimeError unless it is 2xx."""
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
        return content

    def close(self) -> None:
        self._connection.close()

    def until_it_answers(self, path: str) -> None:
        """Wait for the store to come up."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("GET", path)
                return
            except OSError:
                self._connection.close()
                if time.monotonic() > deadline:
                    raise NotHere("did not come up") from None
                time.sleep(0.1)


@contextmanager
def _running(command: Sequence[str], core: int) -> Iterator[None]:
    if shutil.which(command[0]) is None:
        raise NotHere(f"{command[0]} is not installed")
    process = subprocess.Popen(
        list(command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=pinning({core}),
        env={**os.environ, "GOMAXPROCS": "1"},
    )
    try:
        yield
    finally:
        ended(process)


_INFLUX = """
reporting-disabled = true
bind-address = "{host}:{other}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  cache-snapshot-write-cold-duration = "1s"
[monitor]
  store-enabled = false
[http]
  bind-address = "{host}:{port}"
  log-enabled = false
"""


@contextmanager
def influxdb(folder: Path, core: int) -> Iterator[list[Store]]:
    """InfluxDB 1.x with its default durability: the write-ahead log is fsynced before it answers.

    Only how soon an idle cache is written to disk differs from the defaults, for the flush.
    """
    port, home = free_port(), folder / "influxdb"
    home.mkdir()
    config = home / "influxdb.conf"
    config.write_text(_INFLUX.format(host=HOST, port=port, other=free_port(), folder=home))
    with _running(["influxd", "-config", str(config)], core), contextlib.closing(Http(port)) as at:
        at.until_it_answers("/ping")
        at.ask("POST", "/query?q=CREATE+DATABASE+energy")

        def send(body: object) -> None:
            assert isinstance(body, bytes)
            at.ask("POST", "/write?db=energy&precision=s", body)

        def size() -> int:
            # The cache goes to disk when it has been idle for a second; then its log disappears.
            _settled(lambda: size_on_disk([home / "wal"]), 30)
            return size_on_disk([home / "data", home / "wal"])

        yield [Store("InfluxDB, line protocol", lambda day: line_protocol(day, 1), send, size)]


@contextmanager
def victoria_metrics(folder: Path, core: int) -> Iterator[list[Store]]:
    """VictoriaMetrics: holds values in memory for some seconds before they are on disk."""
    port, home = free_port(), folder / "victoria"
    command = ["victoria-metrics", f"-storageDataPath={home}", f"-httpListenAddr={HOST}:{port}"]
    long_kept = ["-retentionPeriod=100y", "-loggerLevel=ERROR"]
    with _running([*command, *long_kept], core), contextlib.closing(Http(port)) as at:
        at.until_it_answers("/health")

        def sending(path: str) -> Callable[[object], None]:
            def send(body: object) -> None:
                assert isinstance(body, bytes)
                at.ask("POST", path, body)

            return send

        def size() -> int:
            at.ask("GET", "/internal/force_flush")
            at.ask("GET", "/internal/force_merge")
            _settled(lambda: size_on_disk([home / "data"]), 15)
            # Both ways went into the same folder, the same values each: half of it is one of them.
            return size_on_disk([home / "data", home / "indexdb"]) // 2

        yield [
            Store(
                "VictoriaMetrics, line protocol",
                lambda day: line_protocol(day, 10**9),
                sending("/write"),
                size,
            ),
            Store("VictoriaMetrics, JSON import", json_lines, sending("/api/v1/import"), size),
        ]


def _settled(size: Callable[[], int], seconds: float) -> None:
    """Wait until a size has not changed for three seconds, or long enough."""
    deadline = time.monotonic() + seconds
    last, since = size(), time.monotonic()
    while time.monotonic() < min(deadline, since + 3):
        time.sleep(0.2)
        if (now := size()) != last:
            last, since = now, time.monotonic()
