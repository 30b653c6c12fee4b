"""How small and how fast frames are: this package's codec beside others, and bytes on disk.

    python benchmarks/codec.py

Two series: a year of real 15-minute readings of a steel plant as 万千瓦时 (skipped with a word
where the file is not there), and uniform noise with two decimals. Others' figures are for the
values alone; ours are whole frames with header, upload date, flags, findings and checksum.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import READINGS, described, print_table
from nenghao.platform.store import frames_codec, frames_table
from nenghao.platform.store.engine import Store
from nenghao.platform.store.frames_columns import FrameColumns
from nenghao.standard.energy import ENERGY_TYPES, ITEM, USAGES

SLOTS = 96
Values = NDArray[np.float64]
Codec = tuple[str, Callable[[Values], list[bytes]], Callable[[list[bytes]], object]]


def readings() -> Values | None:
    """The real readings, a row a day; None where the file is not there."""
    if not READINGS.exists():
        return None
    with READINGS.open(encoding="utf-8-sig") as file:
        usage = [round(float(row["Usage_kWh"]) / 10_000, 10) for row in csv.DictReader(file)]
    return np.array(usage[: len(usage) // SLOTS * SLOTS]).reshape(-1, SLOTS)


def noise(days: int = 365) -> Values:
    """Uniform noise from 0 to 100 with two decimals."""
    return np.round(np.random.default_rng(1).random((days, SLOTS)) * 100, 2)


def columns_of(values: Values) -> FrameColumns:
    """Full frames as a device sends them: everything agrees but the values."""
    days, size = len(values), values.size
    upload_date = np.repeat(np.arange(days, dtype=np.int64) * 86400 + 820_000_000, SLOTS)
    return FrameColumns(
        slots=np.full(days, SLOTS),
        starts=np.arange(days + 1) * SLOTS,
        slot=np.tile(np.arange(SLOTS), days),
        value=values.reshape(-1),
        valid=np.ones(size, np.uint8),
        upload_date=upload_date,
        rank=upload_date,
        input_type=np.full(size, 4, np.uint8),
        scope=np.ones(size, np.uint8),
        findings=np.zeros(size, np.int64),
    )


def scaled(values: Values) -> NDArray[np.int64]:
    """The values as integers of the fewest decimals, the same for all."""
    for decimals in range(11):
        integers = np.rint(values * 10.0**decimals)
        if (integers / 10.0**decimals == values).all():
            return integers.astype(np.int64)
    raise SystemExit("values with more than ten decimals")


def zigzag_steps(integers: NDArray[np.int64]) -> NDArray[np.uint64]:
    steps = np.diff(integers, axis=1, prepend=0)
    return ((steps << 1) ^ (steps >> 63)).view(np.uint64)


def shuffled(rows: NDArray[np.generic]) -> list[bytes]:
    """The bytes of each row by significance, without the leading ones that are zero throughout."""
    planes = rows.view(np.uint8).reshape(len(rows), -1, 8).transpose(0, 2, 1)
    used = 8 - int(np.argmax(np.flip(planes.max(axis=(0, 2)) > 0)))
    return [np.ascontiguousarray(row[:used]).tobytes() for row in planes]


def compressed(level: int, rows: list[bytes]) -> list[bytes]:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    compress = zstandard.ZstdCompressor(compression_params=parameters).compress
    return [compress(row) for row in rows]


def _shrunk(level: int, rows: Callable[[Values], list[bytes]], values: Values) -> list[bytes]:
    return compressed(level, rows(values))


def decompressed(rows: list[bytes]) -> list[bytes]:
    decompress = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS).decompress
    return [decompress(row, max_output_size=SLOTS * 8) for row in rows]


def varints(values: Values) -> list[bytes]:
    """Zigzag steps in groups of seven bits, without zstd."""
    encoded = []
    for row in zigzag_steps(scaled(values)).tolist():
        body = bytearray()
        for left in row:
            while left > 0x7F:
                body.append(left & 0x7F | 0x80)
                left >>= 7
            body.append(left)
        encoded.append(bytes(body))
    return encoded


def doubles(values: Values) -> list[bytes]:
    return [row.tobytes() for row in values]


def steps(values: Values) -> list[bytes]:
    return shuffled(zigzag_steps(scaled(values)))


def codecs() -> list[Codec]:
    every: list[Codec] = []
    for level in (1, 3):
        for name, rows in (
            ("doubles", doubles),
            ("shuffled doubles", shuffled),
            ("scaled integers, steps", steps),
        ):
            encode = partial(_shrunk, level, rows)
            every.append((f"{name}, zstd {level}", encode, decompressed))
    every.append(("scaled integers, steps, varint", varints, lambda rows: None))
    if find_spec("pcodec"):
        # By name: it is compared with where it happens to be installed, and not pinned.
        standalone = import_module("pcodec.standalone")
        configuration = import_module("pcodec").ChunkConfig()
        pcodec: Codec = (
            "pcodec, doubles",
            lambda values: [standalone.simple_compress(row, configuration) for row in values],
            lambda rows: [standalone.simple_decompress(row) for row in rows],
        )
        every.append(pcodec)
    else:
        print("pcodec is not installed: left out")
    every.append(
        (
            "frame, version 1 (everything included)",
            lambda values: frames_codec.encode(columns_of(values)),
            frames_codec.decode,
        )
    )
    return every


def quickest(work: Callable[[], object], times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def compare(name: str, values: Values) -> None:
    """One table: bytes per value, and million values a second there and back."""
    rows = []
    for title, encode, decode in codecs():
        encoded = encode(values)
        there = values.size / quickest(partial(encode, values)) / 1e6
        back = values.size / quickest(partial(decode, encoded)) / 1e6
        size = sum(map(len, encoded)) / values.size
        slow = decode(encoded[:1]) is None
        rows.append((title, f"{size:.2f}", f"{there:.1f}", "-" if slow else f"{back:.1f}"))
    print_table(
        f"{name}: {len(values)} frames of {SLOTS} values",
        ("codec", "bytes/value", "M values/s in", "M values/s out"),
        rows,
    )


def bytes_on_disk(values: Values, units: int = 10, items: int = 12) -> float:
    """Bytes per value of the frame table and its key, written day by day, unit by unit."""
    codes = [
        f"00-00-0000-{kind.class_code}{kind.code}-{usage}"
        for kind in ENERGY_TYPES
        if kind.class_code and kind.type == ITEM
        for usage in USAGES
    ][:items]
    encoded = frames_codec.encode(columns_of(values))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.db"
        store = Store.open(f"sqlite:///{path}")
        store.upgrade()
        empty = path.stat().st_size
        for day in range(len(values)):
            for unit in range(units):
                with store.write() as conn:
                    rows: Sequence[tuple[int, int, str, int, bytes]] = [
                        (0, 9500 + day, code, 0, encoded[(day + 31 * unit + at) % len(encoded)])
                        for at, code in enumerate(codes)
                    ]
                    frames_table.write(conn, unit, rows)
        store.close()  # the last connection empties the write-ahead log into the file
        return (path.stat().st_size - empty) / (values.size * units * items)


def main() -> None:
    print(described())
    real = readings()
    if real is None:
        print(f"the real readings are not here ({READINGS.name}): left out")
    sources = {"steel plant, real": real, "uniform noise, two decimals": noise()}
    on_disk = []
    for name, values in sources.items():
        if values is not None:
            compare(name, values)
            on_disk.append((name, f"{bytes_on_disk(values):.2f}"))
    print_table(
        "SQLite file, table and key, 10 units × 12 items × a year",
        ("values", "bytes/value"),
        on_disk,
    )


if __name__ == "__main__":
    main()
