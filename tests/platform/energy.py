"""A small unit to upload energy data for: its store, its sender, its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select

from nenghao.platform import download, intake
from nenghao.platform.intake import IntakeResult
from nenghao.platform.journal import Body
from nenghao.platform.packing import Key, opened
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.store.frames import Frame
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import (
    EnergyDownloadAnswer,
    EnergyDownloadRequest,
    EnergyRecord,
    EnergyUpload,
)

CODE = "91330000573973053F"
DEVICE_ID = "0123456789abcdef0123456789abcdef"
ELECTRICITY = "00-00-0000-023300-11"
"""Electricity bought by the whole plant."""
COAL = "00-00-0000-020100-11"
NOW = datetime(2026, 11, 22, 1, 30)
"""When uploads are received unless a test says otherwise."""
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Strict:
    """The settings that intake asks for."""

    strict: tuple[AdviceKind, ...] = ()
    statdate_tolerance: int = 0
    record_limit: int = 200_000


def new_peer(store: Store, code: str = CODE) -> Peer:
    """A registered unit's device 1."""
    with store.write() as conn:
        row = {"name": "某厂", "region": "210102", "region_name": "和平区"}
        times = {"registered_at": NOW, "updated_at": NOW}
        conn.execute(insert(schema.unit).values(code=code, **row, **times))
        query = select(schema.unit.c.id).where(schema.unit.c.code == code)
        unit_id = int(conn.execute(query).scalar_one())
    return Peer(unit_id, code, 1, "某厂", "210102")


def configure(
    store: Store, peer: Peer, code: str, low: float | None = None, high: float | None = None
) -> None:
    """Configure a data code for every statType."""
    with store.write() as conn:
        conn.execute(
            insert(schema.configured_item).values(
                unit_id=peer.unit_id,
                device_number=1,
                data_code=code,
                stat_type=-1,
                name="项",
                input_type=1,
                value_min=low,
                value_max=high,
                scope=1,
            )
        )


def record(
    value: float = 1.5,
    stat_date: str = "2026-11-21 00:00:00",
    *,
    code: str = ELECTRICITY,
    stat_type: int = 1,
    upload_date: str = "2026-11-22 01:00:00",
    input_type: int = 1,
    scope: int = 1,
    valid: bool = True,
) -> EnergyRecord:
    """One record: by default a day's value of yesterday."""
    return EnergyRecord(
        data_code=code,
        data_value=value,
        input_type=input_type,
        stat_type=stat_type,
        stat_date=stat_date,
        upload_date=upload_date,
        scope=scope,
        valid=valid,
    )


def day(
    on: date = date(2026, 11, 21), codes: Sequence[str] = (ELECTRICITY,), start: float = 0.25
) -> list[EnergyRecord]:
    """The 96 ticks of a day for every code."""
    labels = [periods.format_time(tick) for tick in periods.day_ticks(on)]
    return [
        record(round(start + at / 100, 2), label, code=code, stat_type=0)
        for code in codes
        for at, label in enumerate(labels)
    ]


def send(
    store: Store,
    peer: Peer,
    records: Sequence[EnergyRecord],
    *,
    now: datetime = NOW,
    strict: tuple[AdviceKind, ...] = (),
) -> IntakeResult:
    """Upload the records, as the web layer would."""
    message = EnergyUpload(DEVICE_ID, peer.credit_code, list(records))
    return intake.upload(
        store, Strict(strict), peer, message, Body.of(write(message)), now, ADDRESS
    )


def fetch(
    store: Store,
    peer: Peer,
    stat_type: int = 1,
    begin: str = "2000-01-01 00:00:00",
    end: str = "2099-12-31 00:00:00",
    *,
    data_code: str = "",
    page: int = 1,
    page_size: int = 20_000,
) -> EnergyDownloadAnswer:
    """Download, as the web layer would."""
    request = EnergyDownloadRequest(
        DEVICE_ID, peer.credit_code, stat_type, begin, end, data_code, page
    )
    with store.read() as conn:
        return download.energy(conn, peer, request, page_size)


def stored_frame(store: Store, key: Key) -> Frame:
    """A stored frame of the only unit."""
    table = schema.frame
    with store.read() as conn:
        query = select(table.c.planes).where(
            table.c.stat_type == key.stat_type,
            table.c.frame == key.frame,
            table.c.data_code == key.data_code,
            table.c.source == key.source,
        )
        return opened(key, conn.execute(query).scalar_one())


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the refused uploads: to see that nothing has changed."""
    with store.read() as conn:
        return {
            table.name: [tuple(row) for row in conn.execute(select(table))]
            for table in schema.metadata.sorted_tables
            if table is not schema.refused_upload
        }
