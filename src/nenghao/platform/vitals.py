"""How a platform is doing at this moment (运行状况): what answers, how full it is, what waits.

Quick looks only, for a page that somebody watches; what is wrong and what to do about it is
`doctor`'s business. Nothing is changed, and nothing here raises for what it finds.
"""

from __future__ import annotations

import http.client
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, distinct, func, select, text

from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import device, receipt, unit, unit_head
from nenghao.platform.store.totals_schema import total_mark
from nenghao.security.leaves import UNREADABLE, china

CONNECT_SECONDS: Final = 1.0
LOOPBACK: Final = "127.0.0.1"
MOST_METRICS: Final = 4_000_000
"""Bytes of an answer of the health listener that are looked at."""

_SAMPLE = re.compile(r"nenghao_([a-z_]+?)(?:_total)?\{([^}]*)\} ([0-9.eE+]+)")
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')


@dataclass(frozen=True)
class Port:
    """One listener that the settings ask for."""

    name: str
    host: str
    port: int
    setting: str

    @property
    def address(self) -> str:
        """HOST:PORT, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Database:
    """Where the data lie."""

    kind: str
    size: int
    """Bytes."""
    units: int
    devices: int
    receipts: int
    newest: datetime | None
    """When the last upload was received."""


@dataclass(frozen=True)
class Settling:
    """Totals that are to be computed again."""

    marks: int
    units: int
    due: int
    """Of the marks, those whose time has come; the others wait for the end of their period."""


@dataclass(frozen=True)
class Ending:
    """A certificate with its end."""

    what: str
    subject: str
    not_after: datetime

    def days(self, now: datetime) -> int:
        """Whole days that are left, negative when it is over."""
        return (self.not_after - now).days


@dataclass(frozen=True)
class Count:
    """One number of the health listener."""

    name: str
    labels: dict[str, str]
    value: float


def ports(settings: PlatformSettings) -> list[Port]:
    """The listeners of `platform serve` that the settings ask for."""
    here = settings.listen_address
    every = [
        Port("端设备接口（第 6 章）", here, settings.device_port, "device_port"),
        Port("端设备接口（国密）", here, settings.sm_port, "sm_port"),
        Port("其他应用平台接口（第 7 章）", here, settings.exchange_port, "exchange_port"),
        Port("领取证书", here, settings.enrol_port, "enrol_port"),
        Port("网关", settings.gateway_bind, settings.gateway_port, "gateway_port"),
        Port("运行指标", LOOPBACK, settings.health_port, "health_port"),
    ]
    return [port for port in every if port.port]


def answers(port: Port) -> bool:
    """Whether somebody accepts connections there."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(port.host, port.host)  # noqa: S104 - not bound
    try:
        with socket.create_connection((host, port.port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def database(conn: Connection, store: Store, home: Home) -> Database:
    """Kind, size and contents; quick with a year of uploads of thousands of units."""
    if store.on_postgresql:
        query = text("SELECT pg_database_size(current_database())")
        kind, size = "PostgreSQL", int(conn.execute(query).scalar_one())
    else:
        kind, size = "SQLite", sum(_size(file) for file in _files(store, home))
    heads = select(func.coalesce(func.sum(unit_head.c.sequence), 0))
    # Of each unit its last receipt, by the primary key: the whole journal is not looked through.
    newest = select(func.max(receipt.c.received_at)).join_from(
        unit_head,
        receipt,
        (receipt.c.unit_id == unit_head.c.unit_id) & (receipt.c.sequence == unit_head.c.sequence),
    )
    return Database(
        kind,
        size,
        _count(conn, unit.c.id),
        _count(conn, device.c.unit_id),
        int(conn.execute(heads).scalar_one()),
        conn.execute(newest).scalar(),
    )


def settling(conn: Connection, now: datetime) -> Settling:
    """What waits to be settled."""
    table = total_mark.c
    due = func.count().filter(table.due <= now)
    row = conn.execute(select(func.count(), func.count(distinct(table.unit_id)), due)).one()
    return Settling(*map(int, row))


def free(home: Home) -> tuple[int, int]:
    """Bytes that are free on the folder's disk, and all of them."""
    usage = shutil.disk_usage(home.path)
    return usage.free, usage.total


def endings(home: Home) -> list[Ending]:
    """The platform's own certificates, those that end first at the beginning."""
    files = [("服务器证书", home.server_chain), ("国密服务器证书", home.server / "sm2.pem")]
    files += [("签发机构", file) for file in sorted(home.ca.glob("*.pem"))]
    files += [("国密签发机构", file) for file in sorted(home.ca.glob("sm2/*.pem"))]
    files += [("上送国家平台的证书", home.path / "uplink" / "device.pem")]
    found = {one for what, file in files for one in _endings(what, file)}
    return sorted(found, key=lambda one: (one.not_after, one.what, one.subject))


def counts(settings: PlatformSettings) -> list[Count]:
    """What the health listener has counted; empty where there is none."""
    if not settings.health_port:
        return []
    asked = http.client.HTTPConnection(LOOPBACK, settings.health_port, timeout=CONNECT_SECONDS)
    try:
        with closing(asked):
            asked.request("GET", "/metrics")
            body = asked.getresponse().read(MOST_METRICS).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return []
    return [
        Count(found[1], dict(_LABEL.findall(found[2])), float(found[3]))
        for found in map(_SAMPLE.fullmatch, body.splitlines())
        if found is not None
    ]


def _endings(what: str, file: Path) -> Iterator[Ending]:
    try:
        made = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, *UNREADABLE):
        return
    for one in made[:1] if what.endswith("服务器证书") else made:
        try:
            named = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            subject = str(named[0].value) if named else one.subject.rfc4514_string()
            yield Ending(what, subject or file.name, china(one.not_valid_after_utc))
        except UNREADABLE:
            continue


def _files(store: Store, home: Home) -> list[Path]:
    file = Path(str(store.url.database or home.path / "nenghao.db"))
    return [file.with_name(file.name + end) for end in ("", "-wal", "-shm")]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _count(conn: Connection, column: object) -> int:
    return int(conn.execute(select(func.count(column))).scalar_one())  # type: ignore[arg-type]
