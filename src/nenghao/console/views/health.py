"""What the page of health shows (运行状况): figures, listeners, certificates, what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from nenghao.platform import vitals
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import lease, marks
from nenghao.platform.vitals import Count, Ending, Port
from nenghao.security.checkup import Line, State

SOON_DAYS: Final = 30
KINDS: Final = {State.OK: "good", State.WARNING: "warn", State.FAULT: "bad"}
LISTENERS: Final = {
    "device": "端设备接口",
    "device-sm": "端设备接口（国密）",
    "exchange": "其他应用平台接口",
    "enrol": "领取证书",
    "gateway": "网关",
    "health": "运行指标",
}


@dataclass(frozen=True)
class Figures:
    """What is read from the database and the folder."""

    database: str
    size: str
    units: int
    devices: int
    receipts: int
    newest: str
    disk_free: str
    disk_total: str
    disk_kind: str
    """good, warn or bad."""
    marks: int
    marked_units: int
    due: int
    backlog: int
    sending: bool
    workers: int
    threads: int


@dataclass(frozen=True)
class Certificate:
    """One of the platform's own certificates."""

    what: str
    subject: str
    until: str
    state: str
    kind: str


@dataclass(frozen=True)
class Listening:
    """One listener of `platform serve`."""

    name: str
    address: str
    setting: str
    state: str
    kind: str


@dataclass(frozen=True)
class Finding:
    """One line of the checkup."""

    subject: str
    state: str
    kind: str
    found: str
    advice: str


@dataclass(frozen=True)
class Counted:
    """What one listener has counted since it began."""

    name: str
    connections: int
    answered: int
    faults: int
    """Answers that were no success."""
    limits: int
    handshakes: int


def figures(
    conn: Connection, store: Store, home: Home, settings: PlatformSettings, now: datetime
) -> Figures:
    """The figures; quick at any size. `settings` are the present ones of the file."""
    held = vitals.database(conn, store, home)
    settling = vitals.settling(conn, now)
    free, total = vitals.free(home)
    return Figures(
        database=held.kind,
        size=size(held.size),
        units=held.units,
        devices=held.devices,
        receipts=held.receipts,
        newest="" if held.newest is None else f"{held.newest:%Y-%m-%d %H:%M}",
        disk_free=size(free),
        disk_total=size(total),
        disk_kind="good" if free >= 0.1 * total else "warn" if free >= 0.02 * total else "bad",
        marks=settling.marks,
        marked_units=settling.units,
        due=settling.due,
        backlog=marks.backlog(conn)[0],
        sending=lease.standing(conn).is_held(now),
        workers=settings.workers,
        threads=settings.worker_threads,
    )


def certificates(found: Iterable[Ending], now: datetime) -> list[Certificate]:
    """The platform's own certificates, with how long they last."""
    return [_certificate(each, each.days(now)) for each in found]


def listening(answers: Iterable[tuple[Port, bool]]) -> list[Listening]:
    """The listeners, and whether somebody answers there."""
    return [
        Listening(
            port.name,
            port.address,
            port.setting,
            "可连接" if answered else "没有监听",
            "good" if answered else "bad",
        )
        for port, answered in answers
    ]


def findings(lines: Iterable[Line]) -> list[Finding]:
    """The checkup, what is wrong first."""
    order = [State.FAULT, State.WARNING, State.OK]
    return [
        Finding(line.subject, line.state.label, KINDS[line.state], line.found, line.advice)
        for line in sorted(lines, key=lambda line: order.index(line.state))
    ]


def counted(counts: Iterable[Count]) -> list[Counted]:
    """What the health listener tells, a line for each listener."""
    sums: dict[str, dict[str, float]] = {}
    for one in counts:
        listener = one.labels.get("listener", "")
        here = sums.setdefault(listener, {})
        here[one.name] = here.get(one.name, 0) + one.value
        if one.name == "requests" and one.labels.get("code") != "0":
            here["faults"] = here.get("faults", 0) + one.value
    return [
        Counted(
            LISTENERS.get(listener, listener),
            int(here.get("connections", 0)),
            int(here.get("requests", 0)),
            int(here.get("faults", 0)),
            int(here.get("limit_reached", 0)),
            int(here.get("handshakes_refused", 0)),
        )
        for listener, here in sorted(sums.items())
        if listener
    ]


def size(count: int) -> str:
    """Bytes in the unit that fits."""
    value, names = float(count), ("B", "kB", "MB", "GB", "TB")
    for name in names:
        if value < 1000 or name == names[-1]:
            break
        value /= 1000
    return f"{value:.0f} {name}" if name == "B" else f"{value:.1f} {name}"


def _certificate(each: Ending, days: int) -> Certificate:
    if days < 0:
        state, kind = "已过期", "bad"
    elif days < SOON_DAYS:
        state, kind = f"还有 {days} 天", "warn"
    else:
        state, kind = f"还有 {days} 天", "good"
    return Certificate(each.what, each.subject, f"{each.not_after:%Y-%m-%d}", state, kind)
