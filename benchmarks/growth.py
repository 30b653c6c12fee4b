"""Whether intake stays as fast as the store grows: values/s with 0, 20 M, 100 M values stored.

    make bench-growth                           # 0, 20 and 100 million values, on SQLite
    make bench-growth ARGS="--millions 100 500" # as much as there is time and disk for

The values are loaded through the platform itself, over the whole path, as days of so many units of
480 meters each; then batches of days that are not there yet are measured, as `whole_path` does.
Each step decodes its bodies too, so that the ratio says more than the rate on a noisy machine. The
loaded figure is what really lies there, a little over what was asked for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.report import Row, machine, rate, show
from benchmarks.world import DAY, TICKS, UPLOAD, Province, Wire, cores, pinned, seconds_of
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyUpload

ITEMS = 480
UNITS = 100
MEASURED = 6
HEADINGS = ("values stored", "values/s", "decode only", "ratio", "to the first", "bytes/value")


class Days:
    """A batch's text for any unit and day without making 46,080 records anew each time."""

    def __init__(self, province: Province) -> None:
        self._devices = province.devices
        self._text = self._devices[0].batch(ITEMS, 0)
        self._places = [self._of(day) for day in (DAY, DAY + timedelta(days=1))]

    @staticmethod
    def _of(day: datetime) -> bytes:
        return periods.format_time(day)[:11].encode()

    def body(self, unit: int, day: int) -> bytes:
        """The batch of a unit's day; the values are the first day's."""
        begin = DAY + timedelta(days=day)
        text = self._text.replace(self._places[1], b"\0").replace(self._places[0], self._of(begin))
        text = text.replace(b"\0", self._of(begin + timedelta(days=1)))
        first, device = self._devices[0], self._devices[unit]
        text = text.replace(first.device_id.encode(), device.device_id.encode(), 1)
        return text.replace(first.code.encode(), device.code.encode(), 1)


class Growth:
    """A served province that fills up, unit by unit and day by day."""

    def __init__(self, province: Province, core: int) -> None:
        self._days = Days(province)
        self._province = province
        self._core = core
        self._turn = self._turns()
        self.stored = 0

    def _turns(self) -> Iterator[tuple[int, int]]:
        day = 0
        while True:
            yield from ((unit, day) for unit in range(UNITS))
            day += 1

    def load(self, values: int) -> float:
        """Store until so many values are there; seconds that it took."""
        began = time.perf_counter()
        while self.stored < values:
            self._send()
        return time.perf_counter() - began

    def _send(self) -> tuple[bytes, float]:
        unit, day = next(self._turn)
        body = self._days.body(unit, day)
        # Kept-alive connections would be idle for too long between two turns of a unit.
        wire = Wire(self._province.port, self._province.devices[unit].context)
        took = seconds_of(lambda: wire.post(UPLOAD, body))
        wire.close()
        self.stored += ITEMS * TICKS
        return body, took

    def measure(self) -> tuple[float, float]:
        """(values/s, values/s of decoding alone), medians of batches sent one after the other."""
        decode = msgspec.json.Decoder(EnergyUpload).decode
        sent, decoded = [], []
        for _ in range(MEASURED):
            body, took = self._send()
            sent.append(took)
            with pinned(self._core):
                decoded.append(seconds_of(lambda body=body: decode(body)))  # type: ignore[misc]
        return ITEMS * TICKS / median(sent), ITEMS * TICKS / median(decoded)


def rows(millions: Sequence[float]) -> Iterator[Row]:
    """One row for each amount stored, as they come; the first is the empty store."""
    measured, measuring = cores()
    with tempfile.TemporaryDirectory() as folder:
        province = Province(Path(folder), {}, UNITS)
        with province.serving({measured}), pinned(measuring):
            growth = Growth(province, measured)
            first = 0.0
            for million in [0.0, *sorted(millions)]:
                growth.load(round(million * 1e6))
                stored = growth.stored
                values, decoded = growth.measure()
                first = first or values / decoded
                size = (Path(folder) / "home" / "nenghao.db").stat().st_size
                yield (
                    f"{stored / 1e6:.1f} M",
                    rate(values),
                    rate(decoded),
                    f"{values / decoded:.2f}",
                    f"{values / decoded / first:.2f}",
                    f"{size / growth.stored:.2f}",
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--millions", type=float, nargs="*", default=[20.0, 100.0])
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    found = []
    for row in rows(asked.millions):
        print(f"… {row[0]} values stored", flush=True)
        found.append(row)
    print()
    show(HEADINGS, found)


if __name__ == "__main__":
    main()
