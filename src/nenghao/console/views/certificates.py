"""The register of certificates (数字证书) as a list, when they end, and for whom one is made."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    String,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from nenghao.console.views.devices import CertificateState, Part, ordered, state_of
from nenghao.platform import certificates
from nenghao.platform.issuing import Wanted as Holder
from nenghao.platform.store.schema import certificate, unit
from nenghao.platform.store.trust_schema import enrolment
from nenghao.security.authority import Issued
from nenghao.security.credentials import credential_files

SORTS: Final = ("name", "credit_code", "not_after", "issued_at", "revoked_at")
MONTHS: Final = 37
"""Of the chart of ends: this month and three years, as long as one holds."""


@dataclass(frozen=True)
class Wanted:
    """Which certificates; empty: all."""

    text: str = ""
    """Part of a name, of a code, or of a serial number."""
    state: CertificateState | None = None
    ending_days: int = 0
    """Only those that hold and end within so many days; 0: all."""


@dataclass(frozen=True)
class Certificate:
    """One certificate as its row shows it."""

    serial: str
    code: str
    """Credit code, or the region of a province's platform."""
    name: str
    device: int
    of_province: bool
    is_sm2: bool
    state: CertificateState
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    days_left: int
    replaced: bool
    """Whether the device has another one that holds longer."""


@dataclass(frozen=True)
class Certificates:
    """A page of them, and how many there are in all."""

    rows: list[Certificate]
    total: int


def page(conn: Connection, wanted: Wanted, part: Part, now: datetime) -> Certificates:
    """The certificates that match, the latest first unless sorted otherwise."""
    c = certificate.c
    where = _conditions(wanted, now)
    total = conn.execute(select(func.count()).select_from(certificate).where(*where)).scalar_one()
    query = (
        select(certificate, _state(now).label("state"), _replaced().label("replaced"))
        .where(*where)
        .order_by(*_order(part, wanted), c.serial)
        .limit(part.limit)
        .offset(part.offset)
    )
    rows = conn.execute(query).mappings()
    return Certificates([_certificate(row, now) for row in rows], total)


def counts(conn: Connection, now: datetime) -> dict[CertificateState, int]:
    """How many there are in each state."""
    state = _state(now).label("state")
    query = select(state, func.count()).select_from(certificate).group_by(state)
    found = {CertificateState(state): number for state, number in conn.execute(query)}
    return {state: found.get(state, 0) for state in CertificateState}


def ends_by_month(conn: Connection, now: datetime) -> dict[str, int]:
    """How many that hold end in each month (`YYYY-MM`), from this one on, `MONTHS` of them.

    One whose device has another that holds longer does not count.
    """
    c = certificate.c
    month = func.substr(cast(c.not_after, String), 1, 7)
    query = (
        select(month, func.count())
        .select_from(certificate)
        .where(c.revoked_at.is_(None), c.not_after > now, ~_replaced())
        .group_by(month)
    )
    found: dict[str, int] = {row[0]: row[1] for row in conn.execute(query)}
    first = now.year * 12 + now.month - 1
    names = [f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(first, first + MONTHS)]
    return {name: found.get(name, 0) for name in names}


def holder(conn: Connection, code: str) -> Holder | None:
    """What is known of a unit: registered, or of its last certificate or code; else None."""
    unit_row = conn.execute(select(unit).where(unit.c.code == code)).mappings().first()
    if unit_row is not None:
        return Holder(code, 1, unit_row["name"], unit_row["region"], unit_row["region_name"])
    c, e = certificate.c, enrolment.c
    issued = select(c.name, c.region, literal("")).where(c.credit_code == code)
    coded = select(e.name, e.region, e.region_name).where(e.credit_code == code)
    for query in (issued.order_by(c.issued_at.desc()), coded.order_by(e.created_at.desc())):
        found = conn.execute(query.limit(1)).first()
        if found is not None:
            return Holder(code, 1, *found)
    return None


def zipped(issued: Issued, region_name: str) -> tuple[str, bytes]:
    """What a device needs with a certificate made by us, its key included: name and content."""
    about = {
        "code": issued.credit_code,
        "name": issued.name,
        "region": issued.region,
        "regionName": region_name,
        "device": issued.device,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in credential_files(issued, about).items():
            entry = zipfile.ZipInfo(name, issued.not_before.timetuple()[:6])
            secret = name not in ("device.pem", "ca.pem", "unit.json")
            entry.external_attr = (0o600 if secret else 0o644) << 16
            archive.writestr(entry, content)
    return f"{issued.credit_code}-{issued.device}.zip", out.getvalue()


def _state(now: datetime) -> ColumnElement[str]:
    c = certificate.c
    return state_of(c.serial, case((c.revoked_at.is_(None), c.not_after)), now)


def _replaced() -> ColumnElement[bool]:
    """Whether the same device has a certificate that holds longer."""
    c, other = certificate.c, certificate.alias("other")
    return (
        select(other.c.serial)
        .where(
            other.c.credit_code == c.credit_code,
            other.c.device_number == c.device_number,
            other.c.purpose == c.purpose,
            other.c.revoked_at.is_(None),
            other.c.not_after > c.not_after,
        )
        .correlate(certificate)
        .exists()
    )


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    c = certificate.c
    where: list[ColumnElement[bool]] = []
    if wanted.text:
        serial = wanted.text.replace(":", "").lower().lstrip("0")
        where.append(
            or_(
                c.name.contains(wanted.text, autoescape=True),
                c.credit_code.contains(wanted.text.upper(), autoescape=True),
                c.serial.startswith(serial, autoescape=True) if serial else c.serial == "",
            )
        )
    if wanted.state is not None:
        where.append(_state(now) == wanted.state.value)
    if wanted.ending_days:
        end = now + timedelta(days=wanted.ending_days)
        where += [c.revoked_at.is_(None), c.not_after > now, c.not_after <= end, ~_replaced()]
    return where


def _order(part: Part, wanted: Wanted) -> list[ColumnElement[Any]]:
    c = certificate.c
    if part.sort in SORTS:
        return [ordered(c[part.sort], part)]
    return [c.not_after.asc()] if wanted.ending_days else [c.issued_at.desc()]


def _certificate(row: RowMapping, now: datetime) -> Certificate:
    return Certificate(
        serial=row["serial"],
        code=row["credit_code"],
        name=row["name"],
        device=row["device_number"],
        of_province=row["purpose"] == certificates.PROVINCE,
        is_sm2=certificates.of_sm2(row),
        state=CertificateState(row["state"]),
        issued_at=row["issued_at"],
        not_after=row["not_after"],
        revoked_at=row["revoked_at"],
        days_left=max((row["not_after"] - now).days, 0),
        replaced=bool(row["replaced"]),
    )
