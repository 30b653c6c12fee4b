"""A small province as the console's tests find it: units, data, certificates, partners, operators.

Everything went through the services, dated so that it looks lived in at `now`. What is random
elsewhere is counted here: the same day gives the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from nenghao.platform import (
    accounts,
    certificates,
    configuration,
    enrolment,
    intake,
    journal,
    projects,
    registry,
    reports,
)
from nenghao.platform.home import Home, init
from nenghao.platform.permissions import Role
from nenghao.platform.registry import Peer
from nenghao.platform.reports_form import Entry, Filled, Line, Place
from nenghao.platform.store.engine import Store
from nenghao.platform.totals import settle
from nenghao.platform.web.exchange_api import Exchange, exchange_app
from nenghao.security.identity import PeerIdentity
from nenghao.standard import periods
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.periods import StatType
from nenghao.standard.regions import LIAONING
from tests.platform.partners import Gate, Partner
from tests.platform.staff import Person, hire
from tests.platform.world import ADDRESS, World, sample, unit_code

DAYS: Final = 40
"""So many days of daily values lie before today."""
DAILY: Final = 12
"""So many of them came day by day; those before at once, as a device catches up."""
TICK_DAYS: Final = 3
"""So many of them in ticks as well."""
LATE_DAYS: Final = 4
"""Since so many days the late unit has sent nothing."""
MONTHS: Final = 14
"""So many months of monthly values lie before the days."""

EVIL: Final = "<script>alert(1)</script>&\"'"
"""What no page may take for its own markup."""


class SeededUnit(NamedTuple):
    """A unit of the seeded province."""

    code: str
    name: str
    region: str
    industry: str


UNITS: Final = (
    SeededUnit(unit_code(1), "沈阳示例炼钢有限公司", "210102", "C3120"),
    SeededUnit(unit_code(2), "大连示例石化有限公司", "210202", "C2511"),
    SeededUnit(unit_code(3), f"鞍山{EVIL}水泥厂", "210302", "C3011"),
    SeededUnit(unit_code(4), "阜新示例热电厂", "210902", "D4411"),
    SeededUnit(unit_code(5), "沈阳示例氮肥厂", "210102", "C2621"),
    SeededUnit(unit_code(6), "大连尚无数据有限公司", "210202", "C3120"),
)
STEEL, REFINERY, CEMENT, LATE, FERTILIZER, SILENT = UNITS
"""CEMENT has EVIL in its name, LATE has sent nothing for days, SILENT never has."""

ELECTRICITY: Final = "00-00-0000-023300-11"
GAS: Final = "00-00-0000-011500-11"
COAL: Final = "00-00-0000-010100-11"
FURNACE: Final = "06-01-0000-023300-20"
"""Electricity of one unit of the electric furnace process."""
STRANGER: Final = "00-00-0000-023200-11"
"""Heat, which no unit has configured."""
NAMES: Final = {
    ELECTRICITY: "全厂-二次能源-电力-购进已消费",
    GAS: "全厂-一次能源-天然气-购进已消费",
    COAL: "全厂-一次能源-其他原煤-购进已消费",
    FURNACE: "电炉工序-#1 电炉-二次能源-电力-能源消费合计",
}
MOST: Final = {"0": 60, "1": 900, "2": 90_000}
"""By statType, the largest value that is configured."""
PARTNER: Final = "lnxxzx"
PROJECT: Final = "2101-0001"


@dataclass(frozen=True)
class Seeded:
    """A folder that was seeded, to be copied."""

    path: Path
    now: datetime
    people: dict[Role, Person]
    """Their `store` is closed by now."""


def seed(path: Path, now: datetime) -> Seeded:
    """Make and fill a platform's folder; some two seconds."""
    home = init(path, {}, now - timedelta(days=DAYS + 2))
    with home.store() as store:
        people = _operators(home, store, now)
        world = World(store, home.authority(), home.settings, now)
        for number, one in enumerate(UNITS):
            _unit(world, one, number, now)
        _refused(world, now)
        _certificates(world, now)
        _partner(world, home, now)
        _projects_and_reports(world, now)
        settle.settle(store, now)
    return Seeded(path, now, people)


# --- operators ------------------------------------------------------------------------------


def _operators(home: Home, store: Store, now: datetime) -> dict[Role, Person]:
    """One of each role, each with a password of his own; the unit's user belongs to STEEL."""
    begun = now - timedelta(days=DAYS)
    master = home.master_key()
    return {
        role: hire(
            store,
            role.value,
            role,
            unit=STEEL.code if role is Role.UNIT else "",
            master=master,
            now=begun,
        ).settled(begun)
        for role in Role
    }


# --- units and their data -------------------------------------------------------------------


def _unit(world: World, one: SeededUnit, number: int, now: datetime) -> None:
    world.now = now - timedelta(days=DAYS + 1, minutes=-number)
    peer, upload_time = _registered(world, one)
    if one is SILENT:
        return
    _configured(world, peer, one)
    days = {back: now.date() - timedelta(days=back) for back in range(DAYS, 0, -1)}
    early = [
        record
        for back, day in days.items()
        if back > DAILY
        for record in _day(one, number, day, back)
    ]
    records = [*_months(number, days[DAYS]), *early]
    _send(world, peer, records, now - timedelta(days=DAILY, minutes=-number))
    for back in range(DAILY, LATE_DAYS if one is LATE else 0, -1):
        due = datetime.combine(days[back] + timedelta(days=1), upload_time)
        at = min(due, now - timedelta(minutes=10 - number))
        _send(world, peer, list(_day(one, number, days[back], back)), at)


def _registered(world: World, one: SeededUnit) -> tuple[Peer, time]:
    issued = world.authority.issue_device(one.code, one.name, one.region, 1, world.now)
    identity = PeerIdentity(one.code, 1, issued.serial)
    request = RegistrationRequest(one.code, one.name, one.region, LIAONING.name(one.region))
    with world.store.write() as conn:
        certificates.register(conn, issued, world.now)
        answer = registry.register(conn, world.settings, identity, request, world.now, ADDRESS)
    with world.store.read() as conn:
        peer = registry.identify(conn, identity, answer.device_id, one.code)
    return peer, time.fromisoformat(answer.upload_time)


def _configured(world: World, peer: Peer, one: SeededUnit) -> None:
    message = sample("uploadConfigData.request", enterpriseCode=one.code)
    message["enterprise"] |= {
        "code": one.code,
        "corporationCode": one.code,
        "name": one.name,
        "industryCode": one.industry,
        "regionCode": one.region,
        "regionName": LIAONING.name(one.region),
        "energyConsumeLevel": 1 + UNITS.index(one) % 4,
    }
    (item,) = message["collectItemConfig"]
    message["collectItemConfig"] = [
        item | _segments(code) | {"name": name, "statType": kind, "dataValueMax": most}
        for code, name in NAMES.items()
        if one is STEEL or code != FURNACE
        for kind, most in MOST.items()
    ]
    if one is not STEEL:
        message |= {"process": [], "processUnit": []}
    body = json.dumps(message).encode()
    with world.store.write() as conn:
        request = read(ConfigUpload, body)
        configuration.upload(conn, peer, request, journal.Body.of(body), world.now, ADDRESS)


def _segments(code: str) -> dict[str, Any]:
    """A data code as the fields of a configured item."""
    process, process_unit, equipment, energy, usage = code.split("-")
    return {
        "processCode": process,
        "processUnitCode": process_unit,
        "equipmentCode": equipment[:2],
        "equipmentUnitCode": equipment[2:],
        "energyClassCode": energy[:2],
        "energyTypeCode": energy[2:],
        "dataUsageCode": usage,
        "scope": 1 if process == "00" else 3,
    }


def _months(number: int, first: date) -> Iterator[EnergyRecord]:
    """Monthly values of the months before the days'."""
    month = first.replace(day=1)
    for back in range(MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
        for at, code in enumerate((ELECTRICITY, GAS, COAL)):
            value = 3000.0 + 500 * number + 40 * at + 25 * (back % 12)
            yield _record(code, value, StatType.MONTH, f"{month} 00:00:00", first)


def _day(one: SeededUnit, number: int, day: date, back: int) -> Iterator[EnergyRecord]:
    """What is sent of one day: a value a code, of late ticks, and now and then something odd."""
    if back % 17 == 5:
        return  # a gap in the calendar: an upload without a value
    label = f"{day} 00:00:00"
    for at, code in enumerate(NAMES):
        if code == FURNACE and one is not STEEL:
            continue
        value = 100.0 + 20 * number + 7 * at + (day.toordinal() * 7 + at * 3) % 11
        yield _record(code, value, StatType.DAY, label, day, valid=back % 13 != 4)
    if one is REFINERY and back < 10:
        yield _record(STRANGER, 12.5, StatType.DAY, label, day)
        yield _record(ELECTRICITY, 950.0 + back, StatType.DAY, label, day)  # out of range
    if back <= TICK_DAYS:
        for at, tick in enumerate(periods.day_ticks(day)):
            if not 40 <= at < 44:  # an hour is missing
                value = 1.0 + number / 10 + (at % 24) / 20
                text = periods.format_time(tick)
                yield _record(ELECTRICITY, value, StatType.REALTIME, text, day, valid=at != 60)


def _record(
    code: str, value: float, kind: StatType, label: str, day: date, *, valid: bool = True
) -> EnergyRecord:
    return EnergyRecord(
        data_code=code,
        data_value=round(value, 3),
        input_type=1,
        stat_type=int(kind),
        stat_date=label,
        upload_date=f"{day} 23:59:59",
        scope=1 if code.startswith("00") else 3,
        valid=valid,
    )


def _upload(peer: Peer, records: list[EnergyRecord]) -> EnergyUpload:
    return EnergyUpload("0" * 32, peer.credit_code, records)


def _send(world: World, peer: Peer, records: list[EnergyRecord], at: datetime) -> None:
    message = _upload(peer, records)
    body = journal.Body.of(write(message))
    intake.upload(world.store, world.settings, peer, message, body, at, ADDRESS)


# --- refusals, certificates, partners, projects, reports ---------------------------------------


def _refused(world: World, now: datetime) -> None:
    """Two uploads of REFINERY that the platform refused, the second one an hour ago."""
    client = world.client(REFINERY.code)
    world.now = now - timedelta(days=2)
    registered = client.post(
        "/",
        sample(
            "register.request",
            enterpriseCode=REFINERY.code,
            enterpriseName=REFINERY.name,
            region=REFINERY.region,
            regionName=LIAONING.name(REFINERY.region),
        ),
    )
    device_id = registered.json["deviceId"]
    for back in (timedelta(days=1), timedelta(hours=1)):
        world.now = now - back
        body = sample("uploadEnergyData.request", deviceId=device_id, enterpriseCode=REFINERY.code)
        body["data"][1] |= {"statDate": "2026/11/21", "dataCode": EVIL[:20]}
        reply = client.post("/uploadEnergyData", body)
        assert reply.code == "E2002", reply.text


def _certificates(world: World, now: datetime) -> None:
    """One that was revoked, one that ends in twelve days, and an enrolment code not yet used."""
    issue = world.authority.issue_device
    with world.store.write() as conn:
        revoked = issue(CEMENT.code, CEMENT.name, CEMENT.region, 2, now - timedelta(days=30))
        certificates.register(conn, revoked, now - timedelta(days=30))
        certificates.revoke(conn, now - timedelta(days=3), serial=revoked.serial)
        ending = issue(LATE.code, LATE.name, LATE.region, 2, now - timedelta(days=20), 32)
        certificates.register(conn, ending, now - timedelta(days=20))
        who = {
            "credit_code": SILENT.code,
            "device_number": 2,
            "name": SILENT.name,
            "region": SILENT.region,
            "region_name": LIAONING.name(SILENT.region),
        }
        enrolment.create(conn, world.authority, who, now - timedelta(hours=2))


def _partner(world: World, home: Home, now: datetime) -> None:
    """An account that has asked twice yesterday, and once today what it may not."""
    world.now = now - timedelta(days=20)
    master = home.master_key()
    scope = accounts.Scope((), "210100", ())
    with world.store.write() as conn:
        issued = accounts.add(
            conn, master, user_name=PARTNER, app_id=PARTNER, now=world.now, scope=scope
        )
    gate = Gate(world)
    gate.exchange = Exchange(gate.exchange.platform, master, gate.floor)
    gate.app = exchange_app(gate.exchange)
    partner = Partner(gate, issued)
    world.now = now - timedelta(days=1)
    asked = "getCompanyByRegion"
    for _ in range(2):
        partner.ask(asked, partner.plain(asked, query={"regionCode": "210100"}))
    world.now = now - timedelta(minutes=30)
    partner.ask(asked, partner.plain(asked, query={"regionCode": "210200"}))
    world.now = now


def _projects_and_reports(world: World, now: datetime) -> None:
    """A key project, and STEEL's monthly report of last month."""
    cells = ("示例改造项目", PROJECT, "存量项目", "210102", "C3120", "前期手续完成", "余热利用")
    with world.store.write() as conn:
        projects.replace_or_add(
            conn, [(2, (*cells, "沈阳市和平区", "1200.5"))], now - timedelta(days=5)
        )
    month = (now.date().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    entries = [
        Entry(Place(5, 6 + at, usage), usage, value)
        for at, (usage, value) in enumerate((("10", 500.0), ("20", 480.0), ("21", 470.0)))
    ]
    lines = [Line(5, STEEL.code, "023300", entries)]
    told = Filled(month, lines, [])
    reports.take(world.store, world.settings, told, now - timedelta(days=1), "示例月报.xlsx")
