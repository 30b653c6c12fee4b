"""The whole path over mutual TLS on the loopback: from the first byte sent to the last answered.

    python -m benchmarks.whole_path [--rounds 3] [--quick]

One worker on one core, then two workers on two; batches of 96, 3,840, 5,760 and 46,080 records, the
largest plain and as zstd. Every batch is another day of its unit and is committed (fsync) before
it is answered. Each round decodes the same bodies first (msgspec, typed, nothing else) on the same
core, and the ratio is of these two; the median of the rounds counts. p50 and p99 are of the answer
at half of the load that was just measured, counted from when the batch was due. With two workers
the clients share the cores, so these figures say what two cores do in all.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import zstandard

from benchmarks.report import Row, at_share, machine, milliseconds, rate, show
from benchmarks.world import TICKS, UPLOAD, Device, Province, Wire, cores, pinned, seconds_of
from nenghao.standard.messages.energy_data import EnergyUpload

CONNECTIONS = 4
HEADINGS = ("batch, workers", "values/s", "decode only", "ratio", "half load: p50", "p99")


@dataclass(frozen=True)
class Load:
    """Batches of one size."""

    items: int
    each: int
    """Batches of every connection in a round."""
    paced: int
    """Batches at half load."""
    encoding: str = ""

    @property
    def records(self) -> int:
        return self.items * TICKS

    def name(self, workers: int) -> str:
        how = self.encoding or "plain"
        return f"{self.records:,} records, {how}, {workers} worker{'s' * (workers > 1)}"


LOADS = (
    Load(1, 60, 200),
    Load(40, 8, 100),
    Load(60, 8, 100),
    Load(480, 2, 8),
    Load(480, 2, 8, "zstd"),
)


@dataclass(frozen=True)
class Measured:
    """What one load came to."""

    values: float
    """Values a second, median of the rounds."""
    decoded: float
    latencies: list[float]

    @property
    def ratio(self) -> float:
        return self.values / self.decoded

    def row(self, name: str) -> Row:
        return (
            name,
            rate(self.values),
            rate(self.decoded),
            f"{self.ratio:.2f}",
            milliseconds(at_share(self.latencies, 0.5)),
            milliseconds(at_share(self.latencies, 0.99)),
        )


class Bench:
    """Connections to a served province, and the days they have not used yet."""

    def __init__(self, province: Province, core: int) -> None:
        self._core = core
        self._wires: list[tuple[Device, Wire]] = province.wires(CONNECTIONS)
        self._day = 0

    def measure(self, load: Load, rounds: int) -> Measured:
        """Saturate, several times, then send at half of that rate."""
        values, decoded = [], []
        self._send_all(load, self._bodies(load, 1))  # the first batch of a shape warms caches
        for _ in range(rounds):
            bodies = self._bodies(load, load.each)
            total = load.records * CONNECTIONS * load.each
            decoded.append(total / self._decode(bodies))
            values.append(total / self._send_all(load, bodies))
        half = median(values) / load.records / 2
        return Measured(median(values), median(decoded), self._pace(load, half))

    def close(self) -> None:
        for _, wire in self._wires:
            wire.close()

    def _bodies(self, load: Load, each: int) -> list[list[bytes]]:
        """So many batches for every connection."""
        begin, self._day = self._day, self._day + each
        days = range(begin, begin + each)
        return [[device.batch(load.items, day) for day in days] for device, _ in self._wires]

    def _decode(self, bodies: Sequence[Sequence[bytes]]) -> float:
        decode = msgspec.json.Decoder(EnergyUpload).decode

        def work() -> None:
            for some in bodies:
                for body in some:
                    decode(body)

        with pinned(self._core):
            return seconds_of(work)

    def _send_all(self, load: Load, bodies: Sequence[Sequence[bytes]]) -> float:
        packed = [[packing(load)(body) for body in some] for some in bodies]
        begin = threading.Barrier(CONNECTIONS + 1)

        def send(wire: Wire, some: Sequence[bytes]) -> None:
            begin.wait()
            for body in some:
                wire.post(UPLOAD, body, load.encoding)

        with ThreadPoolExecutor(CONNECTIONS) as threads:
            sent = [
                threads.submit(send, wire, some)
                for (_, wire), some in zip(self._wires, packed, strict=True)
            ]
            begin.wait()
            return seconds_of(lambda: [one.result() for one in sent])

    def _pace(self, load: Load, pace: float) -> list[float]:
        """Send `pace` batches a second whatever becomes of them; the seconds each one took."""
        each = -(-load.paced // CONNECTIONS)
        waiting = [
            queue.SimpleQueue[tuple[float, bytes]]() for _ in self._wires
        ]  # a device's days stay in their order
        bodies = self._bodies(load, each)
        begin = time.perf_counter() + 0.2
        for number in range(each * CONNECTIONS):
            connection, turn = number % CONNECTIONS, number // CONNECTIONS
            body = packing(load)(bodies[connection][turn])
            waiting[connection].put((begin + number / pace, body))

        def send(wire: Wire, mine: queue.SimpleQueue[tuple[float, bytes]]) -> list[float]:
            took = []
            while not mine.empty():
                due, body = mine.get()
                time.sleep(max(due - time.perf_counter(), 0))
                wire.post(UPLOAD, body, load.encoding)
                took.append(time.perf_counter() - due)
            return took

        with ThreadPoolExecutor(CONNECTIONS) as threads:
            sent = [
                threads.submit(send, wire, mine)
                for (_, wire), mine in zip(self._wires, waiting, strict=True)
            ]
            return [seconds for one in sent for seconds in one.result()]


def packing(load: Load) -> Callable[[bytes], bytes]:
    """What the device does to a body before it sends it."""
    return zstandard.compress if load.encoding == "zstd" else bytes


def measure(
    workers: int, loads: Sequence[Load], rounds: int, values: dict[str, object] | None = None
) -> list[tuple[Load, Measured]]:
    """All loads at one platform with so many workers."""
    measured, measuring = cores()
    with tempfile.TemporaryDirectory() as folder:
        province = Province(Path(folder), {"workers": workers, **(values or {})}, CONNECTIONS)
        allowed = {measured} if workers == 1 else {measured, measuring}
        with province.serving(allowed), pinned(measuring):
            bench = Bench(province, measured)
            try:
                return [(load, bench.measure(load, rounds)) for load in loads]
            finally:
                bench.close()


def rows(rounds: int, loads: Sequence[Load] = LOADS) -> list[Row]:
    """The table's rows, for one worker and for two."""
    return [
        found.row(load.name(workers))
        for workers in (1, 2)
        for load, found in measure(workers, loads, rounds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, the largest batches only")
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    show(HEADINGS, rows(1, LOADS[3:]) if asked.quick else rows(asked.rounds))


if __name__ == "__main__":
    main()
