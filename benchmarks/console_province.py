"""A platform's folder with a province and a year of data in it, for measuring the console.

The kept totals of last year and this one are written as `exchange_province` does. One unit is real:
registered, configured, a year of daily uploads and a week of ticks taken in by the services; the
others get copies of its device, configuration, daily values and receipts in SQL, so that no table
pages look into has fewer rows than a province's. Copied receipts have no body, and a digest that is
not their unit's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from benchmarks.exchange_province import Unit, fill, units_of
from nenghao.platform import certificates, configuration, intake, journal, registry
from nenghao.platform.home import Home, init
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.totals import settle
from nenghao.security.identity import PeerIdentity
from nenghao.standard import periods
from nenghao.standard.energy import ENERGY_TYPES
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.periods import StatType
from nenghao.standard.regions import LIAONING

DAYS: Final = 365
TICK_DAYS: Final = 7
ITEMS: Final = 20
LATE_SHARE: Final = 20
"""One unit of so many has not sent the last two days."""
_SAMPLE = (
    Path(__file__).parents[1] / "tests/standard/messages/samples/uploadConfigData.request.json"
)


@dataclass(frozen=True)
class Filled:
    """The folder, and the unit that is real."""

    home: Home
    unit: Unit
    receipts: int
    frames: int


def make(folder: Path, count: int, now: datetime) -> Filled:
    """Make and fill the folder with `count` units as they stand at `now`."""
    home = init(folder, {"exchange_port": 0}, now - timedelta(days=DAYS + 1))
    units = units_of(count)
    with home.store() as store:
        fill(store, units, 2, now.year - 1)
        _real(home, store, units[0], now)
        with store.write() as conn:
            _copy(conn, now)
        settle.settle(store, now)
        with store.read() as conn:
            receipts, frames = (
                int(conn.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())
                for table in ("receipt", "frame")
            )
    return Filled(home, units[0], receipts, frames)


# --- the real unit ----------------------------------------------------------------------------


def _codes() -> list[str]:
    """The items of a unit: electricity and whatever else there is, bought and consumed."""
    rows = [one for one in ENERGY_TYPES if one.type == 2 and one.class_code in ("01", "02")]
    kinds = ["023300", *(f"{one.class_code}{one.code}" for one in rows)]
    return [f"00-00-0000-{kind}-11" for kind in dict.fromkeys(kinds)][:ITEMS]


def _real(home: Home, store: Store, unit: Unit, now: datetime) -> None:
    begun = now - timedelta(days=DAYS)
    name = f"示例单位{unit.number}"
    issued = home.authority().issue_device(unit.code, name, unit.place.region, 1, begun)
    identity = PeerIdentity(unit.code, 1, issued.serial)
    region = unit.place.region
    request = RegistrationRequest(unit.code, name, region, LIAONING.name(region))
    with store.write() as conn:
        # its configuration will say so itself
        conn.execute(text("DELETE FROM unit_place WHERE unit_id = 1"))
        certificates.register(conn, issued, begun)
        answer = registry.register(conn, home.settings, identity, request, begun)
    with store.read() as conn:
        peer = registry.identify(conn, identity, answer.device_id, unit.code)
    _configure(store, peer, unit, begun)
    upload_time = time.fromisoformat(answer.upload_time)
    for back in range(DAYS, 0, -1):
        day = now.date() - timedelta(days=back)
        at = min(datetime.combine(day + timedelta(days=1), upload_time), now)
        _send(store, home.settings, peer, list(_records(day, back)), at)


def _configure(store: Store, peer: Peer, unit: Unit, at: datetime) -> None:
    message: dict[str, Any] = json.loads(_SAMPLE.read_text("utf-8"))
    message["enterpriseCode"] = unit.code
    message["enterprise"] |= {
        "code": unit.code,
        "regionCode": unit.place.region,
        "industryCode": unit.place.industry,
    }
    (item,) = message["collectItemConfig"]
    message["collectItemConfig"] = [
        item
        | {"energyClassCode": code[11:13], "energyTypeCode": code[13:17], "statType": ""}
        | {"name": f"全厂-{code[11:17]}-购进已消费"}
        for code in _codes()
    ]
    body = json.dumps(message).encode()
    with store.write() as conn:
        request = read(ConfigUpload, body)
        configuration.upload(conn, peer, request, journal.Body.of(body), at, "127.0.0.1")


def _records(day: date, back: int) -> Iterator[EnergyRecord]:
    stamp = f"{day} 23:59:59"
    for at, code in enumerate(_codes()):
        value = 100.0 + at + (day.toordinal() * 7 + at) % 31
        yield EnergyRecord(code, value, 1, int(StatType.DAY), f"{day} 00:00:00", stamp, 1, True)
        if back <= TICK_DAYS:
            for tick, label in enumerate(periods.day_ticks(day)):
                told = (1.0 + tick % 24, 1, int(StatType.REALTIME), periods.format_time(label))
                yield EnergyRecord(code, *told, stamp, 1, True)


def _send(
    store: Store,
    settings: PlatformSettings,
    peer: Peer,
    records: Sequence[EnergyRecord],
    at: datetime,
) -> None:
    message = EnergyUpload("0" * 32, peer.credit_code, list(records))
    body = journal.Body.of(write(message))
    intake.upload(store, settings, peer, message, body, at, "127.0.0.1")


# --- the others -------------------------------------------------------------------------------

_COPIES: Final = {
    "frame": "AND frame.stat_type <> 0",
    "configured_item": "",
    "configuration": "",
    "receipt": f"AND (unit.id % {LATE_SHARE} OR receipt.received_at < :late)",
}
"""Tables that other units have rows of like the first one's, and which of them they lack."""
_OTHERWISE: Final = {"unit_id": "unit.id", "body": "x''"}


def _copy(conn: Connection, now: datetime) -> None:
    for table, lacking in _COPIES.items():
        columns = [row.name for row in conn.execute(text(f"PRAGMA table_info({table})"))]
        values = [_OTHERWISE.get(name, f"{table}.{name}") for name in columns]
        conn.execute(
            text(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
                f" FROM unit, {table} WHERE {table}.unit_id = 1 AND unit.id > 1 {lacking}"
            ),
            {"late": now - timedelta(days=2)} if lacking else {},
        )
    conn.execute(
        text(
            "INSERT INTO device (unit_id, number, device_id, ordinal, upload_time, registered_at,"
            " last_registered_at) SELECT unit.id, 1, printf('%032x', unit.id), unit.id,"
            " time(3600 + (unit.id * 4) % 14400, 'unixepoch'), unit.registered_at,"
            " unit.registered_at FROM unit, device WHERE device.unit_id = 1 AND unit.id > 1"
        )
    )
    conn.execute(
        text(
            "UPDATE unit_head SET sequence = (SELECT MAX(sequence) FROM receipt"
            " WHERE receipt.unit_id = unit_head.unit_id) WHERE unit_id > 1"
        )
    )
    conn.execute(text("ANALYZE"))
