"""What the listeners count (运行指标), in the text format of Prometheus.

One counter says how often each limit of docs/limits was reached; the others what was served and
what is open at present. Where several workers serve, each writes into files of a common folder
(prometheus_client's multiprocess mode) and whichever is asked adds them up.

The library reads the folder's name from the environment when it is imported. So it is imported
here and nowhere else, at the first count: in a worker that is after the fork.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nenghao.platform.web.limits import LIMITS

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which the library knows the common folder."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class _Counts:
    """The metrics of this process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry: Any = CollectorRegistry()
        self.limits = Counter(
            "nenghao_limit_reached",
            "Times a limit of docs/limits.md was reached (达到限制的次数)",
            ["listener", "limit"],
            registry=self.registry,
        )
        self.requests = Counter(
            "nenghao_requests",
            "Requests answered, by responseCode (已应答的请求)",
            ["listener", "code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "nenghao_request_seconds",
            "From the request's whole body to its answer (处理时间, 秒)",
            ["listener"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.handshakes = Counter(
            "nenghao_handshakes_refused",
            "TLS handshakes that failed or were refused (被拒绝的 TLS 握手)",
            ["listener"],
            registry=self.registry,
        )
        self.present = {
            name: Gauge(
                f"nenghao_{name}",
                text,
                ["listener"],
                registry=self.registry,
                multiprocess_mode="livesum",
            )
            for name, text in _PRESENT.items()
        }


_PRESENT = {
    "connections": "Connections that are open (打开的连接)",
    "handshakes_under_way": "TLS handshakes under way (进行中的 TLS 握手)",
    "body_bytes": "Bytes of request bodies in memory, unpacked (在途请求体, 字节)",
}


@cache
def _counts() -> _Counts:
    return _Counts()


def prepare(listener: str) -> None:
    """Let everything that can be counted for a listener stand there with 0."""
    counts = _counts()
    for limit in LIMITS:
        counts.limits.labels(listener, limit)
    counts.handshakes.labels(listener)
    for gauge in counts.present.values():
        gauge.labels(listener)


def reached(listener: str, limit: str) -> None:
    """A limit (a key of `limits.LIMITS`) was reached."""
    _counts().limits.labels(listener, limit).inc()


def handshake_refused(listener: str) -> None:
    """A handshake came to nothing."""
    _counts().handshakes.labels(listener).inc()


def served(listener: str, code: str, seconds: float) -> None:
    """A request was answered with a code of table 1."""
    counts = _counts()
    counts.requests.labels(listener, code).inc()
    counts.seconds.labels(listener).observe(seconds)


def present(listener: str, **values: int) -> None:
    """How things stand: `connections`, `handshakes_under_way`, `body_bytes`."""
    counts = _counts()
    for name, value in values.items():
        counts.present[name].labels(listener).set(value)


def exposition() -> bytes:
    """Everything counted, of all workers together."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = _counts().registry
    if FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def told(values: Mapping[str, tuple[str, float]]) -> bytes:
    """What was looked up just now, by name: its English words and its value; in the same format.

    For what stands in the database and is nobody's count.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

    class Told(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            for name, (text, value) in values.items():
                yield GaugeMetricFamily(f"nenghao_{name}", text, value=value)

    registry = CollectorRegistry()
    registry.register(Told())
    return generate_latest(registry)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Have the processes that are forked within the block count together."""
    folder = tempfile.mkdtemp(prefix="nenghao-metrics-")
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER]
        else:
            os.environ[FOLDER] = before
        shutil.rmtree(folder, ignore_errors=True)


def forget(pid: int) -> None:
    """A worker has ended: what was open in it is not open any more."""
    folder = os.environ.get(FOLDER)
    if folder is not None:
        for file in Path(folder).glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)
