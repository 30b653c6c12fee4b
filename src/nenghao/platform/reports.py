"""Reported data (填报): the monthly form of units, taken in as it comes back filled.

Filled cells become values of inputType 5 and go through `intake` like a device's upload: source
`report`, same key rules, journalled, with a receipt of device 0 (the operator). A file is taken
whole, in one transaction, or not at all. What its values contradict in each other is found
(docs/decisions 7) and kept as findings. What an empty form has in it is `reports_blank`'s business,
what a filled one looks like `reports_excel`'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Connection, select

from nenghao.platform import advice, audit, in_force, intake, journal, report_log, reports_blank
from nenghao.platform.packing import REPORT
from nenghao.platform.registry import PLATFORM_DEVICE, Peer
from nenghao.platform.reports_blank import MOST_UNITS, kinds_of
from nenghao.platform.reports_excel import read
from nenghao.platform.reports_form import (
    CODE,
    FIXED,
    KIND,
    Entry,
    Filled,
    FormError,
    Line,
    Place,
)
from nenghao.platform.store.engine import Store
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import unit
from nenghao.platform.totals import inputs
from nenghao.standard import energy_amounts, energy_checks, periods
from nenghao.standard.data_code import DataCode, Scope
from nenghao.standard.energy_checks import EnergyFinding
from nenghao.standard.findings import quote
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.periods import StatType
from nenghao.standard.replies import RequestError
from nenghao.standard.sources import InputType

NO_DEVICE_ID: Final = "0" * 32

_RECORD = re.compile(r"data\[([0-9]+)\]")


class Settings(reports_blank.Settings, in_force.Settings, Protocol):
    """The platform's settings that decide how a form is taken in."""


@dataclass(frozen=True)
class UnitReport:
    """What became of one unit's rows."""

    code: str
    name: str
    result: intake.IntakeResult
    findings: list[EnergyFinding]
    """What the unit's reported values of the month contradict in each other."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    month: str
    units: list[UnitReport]


def import_form(
    store: Store, settings: Settings, content: bytes, now: datetime, source: str = ""
) -> Imported:
    """Take a filled form in, all of it or nothing; `source` names the file in the audit trail.

    Raises FormError naming every cell that is wrong, or that a strict setting refuses.
    """
    digest = hashlib.sha256(content).hexdigest()
    return take(store, settings, read(content), now, source, f"文件 SHA-256 {digest}")


def take(
    store: Store,
    settings: Settings,
    told: Filled,
    now: datetime,
    source: str = "",
    note: str = "",
    then: Callable[[Connection, UnitReport], None] | None = None,
    action: str = "reports.import",
) -> Imported:
    """Take what was read of a form, as `import_form`; `note` goes into the audit trail.

    `then` is called for every unit in the same transaction, its head being locked: what it raises
    leaves everything as it was. By default the month is noted as imported by the operator.
    """
    with store.read() as conn:
        uploads = _uploads(conn, settings, told, now)
    prepared = [(one, _prepared(store, settings, one, now)) for one in uploads]
    with store.write() as conn:
        done = []
        for one, ready in prepared:
            done.append(_take(conn, told.month, one, ready, now))
            (then or _imported(told.month, now))(conn, done[-1])
        records = sum(one.result.records for one in done)
        detail = f"{told.month}：{len(done)} 个单位，{records} 个数值"
        detail = f"{detail}，{note}" if note else detail
        audit.record(conn, now, audit.OPERATOR, "", action, source, detail=detail)
    return Imported(told.month, done)


def _imported(month: str, now: datetime) -> Callable[[Connection, UnitReport], None]:
    def note(conn: Connection, one: UnitReport) -> None:
        report_log.imported(conn, one.code, month, one.result.sequence, now)

    return note


@dataclass(frozen=True)
class _Upload:
    """One unit's rows as a batch."""

    peer: Peer
    message: EnergyUpload
    entries: list[Entry]
    """The cells behind the records, in their order."""


def _uploads(conn: Connection, settings: Settings, told: Filled, now: datetime) -> list[_Upload]:
    """The rows by unit, in the order of the units' ids; FormError for what is not known."""
    problems = list(told.problems)
    kinds = kinds_of(conn, settings)
    known = _peers(conn, {line.unit for line in told.lines})
    by_unit: dict[str, list[Line]] = {}
    for line in told.lines:
        if not line.unit or not line.kind:
            continue  # said already
        if line.unit not in known:
            place = Place(line.row, CODE, FIXED[CODE])
            problems.append(f"{place}：没有注册过的用能单位，收到 {quote(line.unit)}")
        if line.kind not in kinds:
            place = Place(line.row, KIND, FIXED[KIND])
            problems.append(f"{place}：基础数据中没有这个能源品种，收到 {quote(line.kind)}")
        else:
            problems += [
                f"{entry.place}：{kinds[line.kind].name}不填报这一用途"
                for entry in line.entries
                if entry.usage not in kinds[line.kind].usages
            ]
        by_unit.setdefault(line.unit, []).append(line)
    if len(by_unit) > MOST_UNITS:
        problems.append(f"共 {len(by_unit)} 个用能单位，一个文件至多 {MOST_UNITS} 个，请拆分")
    if problems:
        raise FormError(problems)
    made = [_upload(known[code], told.month, lines, now) for code, lines in by_unit.items()]
    return sorted(made, key=lambda one: one.peer.unit_id)


def _peers(conn: Connection, codes: Collection[str]) -> dict[str, Peer]:
    """The registered ones of these units, spoken for by the operator."""
    found = {}
    for row in conn.execute(select(unit.c.id, unit.c.code, unit.c.name, unit.c.region)):
        if row.code in codes:
            found[row.code] = Peer(row.id, row.code, PLATFORM_DEVICE, row.name, row.region)
    return found


def _upload(peer: Peer, month: str, lines: Sequence[Line], now: datetime) -> _Upload:
    entries = [(line.kind, entry) for line in lines for entry in line.entries]
    records = [record_of(month, kind, entry, now) for kind, entry in entries]
    message = EnergyUpload(NO_DEVICE_ID, peer.credit_code, records)
    return _Upload(peer, message, [entry for _, entry in entries])


def record_of(month: str, kind: str, entry: Entry, now: datetime) -> EnergyRecord:
    """The value that a filled cell of an energy type (`023300`) says."""
    code = DataCode("00", "00", "00", "00", kind[:2], kind[2:], entry.usage)
    return EnergyRecord(
        data_code=code.format(),
        data_value=0.0 if entry.value is None else entry.value,
        input_type=int(InputType.MANUAL),
        stat_type=int(StatType.MONTH),
        stat_date=f"{month}-01 00:00:00",
        upload_date=periods.format_time(now),
        scope=int(Scope.WHOLE_PLANT),
        valid=entry.value is not None,
    )


def _prepared(
    store: Store, settings: Settings, one: _Upload, now: datetime
) -> tuple[intake.Prepared, journal.Body]:
    with _places(one):
        return (
            intake.prepare(store, settings, one.peer, one.message, now),
            journal.Body.of(write(one.message)),
        )


def _take(
    conn: Connection,
    month: str,
    one: _Upload,
    ready: tuple[intake.Prepared, journal.Body],
    now: datetime,
) -> UnitReport:
    prepared, body = ready
    with _places(one):
        result = intake.take(conn, prepared, body, now, "")
    found = _checks(conn, one.peer.unit_id, month, now)
    advice.keep_checks(conn, one.peer.unit_id, found, f"{month} 填报", result.sequence, now)
    return UnitReport(one.peer.credit_code, one.peer.name, result, found)


def _checks(conn: Connection, unit_id: int, month: str, now: datetime) -> list[EnergyFinding]:
    """What the unit's reported values of the month, all that it has, contradict in each other."""
    period = energy_amounts.gather(in_force_of(conn, unit_id, month, now))
    return energy_checks.checks(period, converts_energy(conn, unit_id))


def in_force_of(conn: Connection, unit_id: int, month: str, now: datetime) -> inputs.Own:
    """The unit's reported values of the month that count: amounts by data code."""
    place = periods.place(StatType.MONTH, datetime.strptime(month, "%Y-%m"))
    held = inputs.load(conn, unit_id, {StatType.MONTH: {place[0]}}, now)
    return held.sources[REPORT].of(StatType.MONTH, place)


def converts_energy(conn: Connection, unit_id: int) -> bool | None:
    """Whether the unit says that it converts energy (是否能源加工转换类); None: it did not say."""
    query = select(company.c.content).where(company.c.unit_id == unit_id)
    content = conn.execute(query).scalar()
    said: bool | None = None if content is None else json.loads(content)["jgzh"]
    return said


@contextmanager
def _places(one: _Upload) -> Iterator[None]:
    """Say of what intake refuses which cells it stood in."""
    try:
        yield
    except RequestError as error:
        problems = []
        for finding in error.findings:
            match = _RECORD.match(finding.path)
            if match is None:
                problems.append(finding.text())
                continue
            place = one.entries[int(match[1])].place
            received = f"，收到 {finding.received}" if finding.received is not None else ""
            problems.append(f"{place}：{finding.reason}{received}")
        raise FormError(problems) from error
