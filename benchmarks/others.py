"""The same values into other stores, one core each: values/s, and bytes per value after a flush.

    python -m benchmarks.others [--rounds 8]

Each round sends one day of 480 meters (46,080 values) to every store in turn, so that a noisy
machine is noisy for all; medians count. InfluxDB and VictoriaMetrics get line protocol with a
series per meter (VictoriaMetrics its own JSON import too), PostgreSQL a row per value with all
eight fields, by COPY and by upsert: text that is made beforehand, no TLS, no form checked. Ours
gets the batch as a device sends it, over mutual TLS. Ours, InfluxDB and PostgreSQL are on disk
(fsync) when they answer; VictoriaMetrics is not. What is not installed is skipped with a word
(Debian: influxdb, victoria-metrics, postgresql).
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import zstandard

from benchmarks.postgres import postgresql
from benchmarks.report import Row, machine, rate, show
from benchmarks.stores import ITEMS, NotHere, Store, influxdb, victoria_metrics
from benchmarks.world import TICKS, UPLOAD, Province, Wire, cores, pinned, seconds_of
from nenghao.standard.messages.energy_data import EnergyUpload

VALUES = ITEMS * TICKS
_DECODER = msgspec.json.Decoder(EnergyUpload)
HEADINGS = ("store, one core each", "values/s", "x InfluxDB", "bytes/value")


@contextmanager
def ours(folder: Path, core: int) -> Iterator[list[Store]]:
    """This platform, plain and compressed; each way has a unit of its own."""
    province = Province(folder / "nenghao", {}, 2)
    with province.serving({core}):
        (plain, plain_wire), (packed, packed_wire) = province.wires(2)
        database = province.home.path / "nenghao.db"

        def sending(wire: Wire, encoding: str) -> Callable[[object], None]:
            def send(body: object) -> None:
                assert isinstance(body, bytes)
                wire.post(UPLOAD, body, encoding)

            return send

        yield [
            Store(
                "nenghao, mutual TLS, plain",
                lambda day: plain.batch(ITEMS, day),
                sending(plain_wire, ""),
                lambda: table_bytes(database, "frame") // 2,
            ),
            Store(
                "nenghao, mutual TLS, zstd",
                lambda day: zstandard.compress(packed.batch(ITEMS, day)),
                sending(packed_wire, "zstd"),
                lambda: table_bytes(database, "frame") // 2,
            ),
            Store("nenghao, journal", lambda _: b"", lambda _: None, lambda: _journal(database)),
        ]
        plain_wire.close()
        packed_wire.close()


def _journal(database: Path) -> int:
    return table_bytes(database, "receipt") // 2


def table_bytes(database: Path, table: str) -> int:
    """Pages of a table and its indexes in an SQLite file, in bytes."""
    query = (
        "SELECT coalesce(sum(s.pgsize), 0) FROM dbstat s JOIN sqlite_master m ON s.name = m.name"
        " WHERE m.tbl_name = ? AND s.aggregate = TRUE"
    )
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
        return int(conn.execute(query, [table]).fetchone()[0])


SYSTEMS: tuple[Callable[[Path, int], AbstractContextManager[list[Store]]], ...] = (
    ours,
    influxdb,
    victoria_metrics,
    postgresql,
)


def rows(rounds: int) -> list[Row]:
    """The table's rows: decoding alone, then every store, then those that were skipped."""
    measured, measuring = cores()
    skipped: list[Row] = []
    stores: list[Store] = []
    decoded: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for system in SYSTEMS:
            try:
                stores += stack.enter_context(system(folder, measured))
            except NotHere as reason:
                skipped.append((f"{system.__name__}: skipped, {reason}", "", "", ""))
        stack.enter_context(pinned(measuring))
        for day in range(rounds):
            decoded.append(_round(stores, day, measured))
        sizes = [f"{store.size() / (store.days * VALUES):.2f}" for store in stores]
    typical = {store.name: VALUES / median(store.seconds) for store in stores}
    influx = next((typical[name] for name in typical if name.startswith("InfluxDB")), None)
    found: list[Row] = [_row("decode only (msgspec, typed)", VALUES / median(decoded), influx, "")]
    for store, size in zip(stores, sizes, strict=True):
        if store.name == "nenghao, journal":
            found.append((f"{store.name} (each body, as well)", "", "", size))
        else:
            found.append(_row(store.name, typical[store.name], influx, size))
    return found + skipped


def _round(stores: list[Store], day: int, core: int) -> float:
    """Send a day to every store; the seconds of decoding ours alone."""
    decoding = 0.0
    for store in stores:
        work = store.prepare(day)
        store.seconds.append(seconds_of(partial(store.send, work)))
        store.days += 1
        if not decoding and isinstance(work, bytes):
            with pinned(core):
                decoding = seconds_of(partial(_DECODER.decode, work))
    return decoding


def _row(name: str, values: float, influx: float | None, size: str) -> Row:
    return name, rate(values), f"{values / influx:.2f}" if influx else "", size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=8)
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    show(HEADINGS, rows(asked.rounds))


if __name__ == "__main__":
    main()
