"""Peak memory of one worker under 40 simultaneous batches of 8 MB, in three ways of sending.

    python -m benchmarks.memory [--clients 40]

Forty devices' connections are open before any of them sends. `plain` sends at once, `zstd` the
same batches compressed (a body counts with what it unpacks to), `slow` sends half of every body,
then waits until all forty have done so, the worst case for memory. The peak is the process's
high-water mark (VmHWM), of a fresh process each time. E1001 is an answer too: the device sends
the batch again later.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import zstandard

from benchmarks.report import Row, machine, show
from benchmarks.world import UPLOAD, Province, Wire

ITEMS = 480
UNITS = 4
HEADINGS = ("memory of one worker", "batches", "accepted", "told E1001", "seconds", "peak RSS")


def peak_megabytes(pid: int) -> float:
    """The process's largest resident set so far, in MB of 10⁶."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("this system does not tell a process's peak memory")


def measure(
    province: Province, way: str, clients: int, first: int, environ: dict[str, str] | None = None
) -> Row:
    """One way of sending, at a fresh process; `first` is a day that nobody has sent yet."""
    with province.serving(None, environ) as pid:
        wires = province.wires(clients)
        small = wires[0][0].batch(1, 10_000 + first)
        wires[0][1].post(UPLOAD, small)
        before = peak_megabytes(pid)
        days = [first + number // UNITS for number in range(clients)]
        bodies = [device.batch(ITEMS, day) for (device, _), day in zip(wires, days, strict=True)]
        if way == "zstd":
            bodies = [zstandard.compress(body) for body in bodies]
        meeting = threading.Barrier(clients)
        send: Callable[[Wire, bytes], str] = {
            "plain": partial(_send, meeting, ""),
            "zstd": partial(_send, meeting, "zstd"),
            "slow": partial(_send_in_halves, meeting),
        }[way]
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as threads:
            sent = [
                threads.submit(send, wire, body)
                for (_, wire), body in zip(wires, bodies, strict=True)
            ]
            codes = Counter(one.result() for one in sent)
        seconds = time.perf_counter() - began
        peak = peak_megabytes(pid)
        for _, wire in wires:
            wire.close()
    return (
        f"{way}, {len(bodies[0]) / 1e6:.1f} MB each, {before:.0f} MB before",
        clients,
        codes["0"],
        codes["E1001"],
        f"{seconds:.1f}",
        f"{peak:.0f} MB",
    )


def _send(meeting: threading.Barrier, encoding: str, wire: Wire, body: bytes) -> str:
    meeting.wait()
    try:
        wire.post(UPLOAD, body, encoding)
    except RuntimeError as error:
        return "E1001" if "E1001" in str(error) else str(error)
    return "0"


def _send_in_halves(meeting: threading.Barrier, wire: Wire, body: bytes) -> str:
    try:
        wire.begin(UPLOAD, len(body))
        meeting.wait()
        half = len(body) // 2
        wire.send(body[:half])
        time.sleep(2)  # what all forty have sent by now lies in the worker, or waits for it
        wire.send(body[half:])
        wire.answer()
    except RuntimeError as error:
        return "E1001" if "E1001" in str(error) else str(error)
    return "0"


def rows(clients: int = 40, ways: Sequence[str] = ("plain", "zstd", "slow")) -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory() as folder:
        province = Province(Path(folder), {}, UNITS)
        return [measure(province, way, clients, 100 * at) for at, way in enumerate(ways)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--clients", type=int, default=40)
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    show(HEADINGS, rows(asked.clients))


if __name__ == "__main__":
    main()
