"""All devices of all units (端设备): certificate, last upload, version of base data, upload time.

A device is listed from its first certificate on, so that one sees who has one and never registered.
States of certificates are told in SQL for many at once; `certificates` uses them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    null,
    or_,
    select,
    union,
)

from nenghao.platform import certificates, dictionary, journal
from nenghao.platform.store.console_schema import base_data_held
from nenghao.platform.store.schema import certificate, device, receipt, unit

Badge = Literal["good", "warn", "bad", "dull"]
"""The colours that go with words of state."""

ENDING_DAYS: Final = certificates.RENEW_DAYS
"""So many days before its end a certificate is shown as ending: devices renew it from then on."""
QUIET_AFTER: Final = timedelta(days=1, hours=2)
"""A device uploads once a day; so long after its last upload it is late."""


class CertificateState(StrEnum):
    """What a certificate, or the best one of a device, is worth now."""

    VALID = "valid"
    ENDING = "ending"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NONE = "none"
    """None of ours: by an outside issuer, or none at all."""

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _LABELS[self]

    @property
    def badge(self) -> Badge:
        """The colour that goes with the word."""
        return _BADGES[self]


_LABELS: Final[Mapping[CertificateState, str]] = {
    CertificateState.VALID: "有效",
    CertificateState.ENDING: f"{ENDING_DAYS} 天内到期",
    CertificateState.EXPIRED: "已过期",
    CertificateState.REVOKED: "已吊销",
    CertificateState.NONE: "外部签发或无",
}
_BADGES: Final[Mapping[CertificateState, Badge]] = {
    CertificateState.VALID: "good",
    CertificateState.ENDING: "warn",
    CertificateState.EXPIRED: "bad",
    CertificateState.REVOKED: "bad",
    CertificateState.NONE: "dull",
}


class Uploads(StrEnum):
    """Which devices are asked for by their last upload of energy data."""

    ANY = ""
    RECENT = "recent"
    QUIET = "quiet"
    NEVER = "never"
    UNREGISTERED = "unregistered"


UPLOADS: Final[Mapping[str, str]] = {
    Uploads.ANY: "全部",
    Uploads.RECENT: "一天内有上传",
    Uploads.QUIET: "一天以上没有上传",
    Uploads.NEVER: "从未上传",
    Uploads.UNREGISTERED: "尚未注册",
}


@dataclass(frozen=True)
class Part:
    """Which rows, in which order; an empty or unknown `sort` is the natural one."""

    offset: int = 0
    limit: int | None = 50
    sort: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Wanted:
    """Which devices; empty: all."""

    text: str = ""
    """Part of a name or a code."""
    state: CertificateState | None = None
    uploads: Uploads = Uploads.ANY


@dataclass(frozen=True)
class Device:
    """One device as its row shows it."""

    code: str
    name: str
    number: int
    region: str
    state: CertificateState
    not_after: datetime | None
    """End of the certificate that holds longest; None where all are revoked, or none is ours."""
    registered_at: datetime | None
    last_registered_at: datetime | None
    upload_time: str
    """"" until it registers."""
    last_upload: datetime | None
    dic_version: int | None
    """Which version of base data it fetched last."""


@dataclass(frozen=True)
class Devices:
    """A page of them, how many there are in all, and what is in force now."""

    rows: list[Device]
    total: int
    dic_version: int


_UPLOADED: Final = "last_upload"
_BY_UPLOAD: Final = (Uploads.RECENT, Uploads.QUIET, Uploads.NEVER)
SORTS: Final = ("name", "code", "region", "not_after", "upload_time", "last_upload", "dic_version")


def page(conn: Connection, wanted: Wanted, part: Part, now: datetime) -> Devices:
    """The devices that match."""
    by_upload = part.sort == _UPLOADED or wanted.uploads in _BY_UPLOAD
    inner = _every(now, uploads=by_upload).subquery()
    where = _conditions(inner, wanted, now)
    total = conn.execute(select(func.count()).select_from(inner).where(*where)).scalar_one()
    query = select(inner).where(*where).order_by(*_order(inner, part))
    rows = conn.execute(query.limit(part.limit).offset(part.offset)).mappings().all()
    last = {} if by_upload else _last_uploads(conn, rows)
    made = [_device(row, last) for row in rows]
    return Devices(made, total, dictionary.version(conn))


def counts(conn: Connection, now: datetime) -> dict[CertificateState, int]:
    """How many devices there are by the state of their certificate."""
    inner = _every(now).subquery()
    query = select(inner.c.state, func.count()).group_by(inner.c.state)
    found = {CertificateState(state): number for state, number in conn.execute(query)}
    return {state: found.get(state, 0) for state in CertificateState}


def state_of(
    issued: ColumnElement[Any], live_until: ColumnElement[Any], now: datetime
) -> ColumnElement[str]:
    """A state in SQL: `issued` is not NULL where there ever was one, `live_until` its end."""
    soon = now + timedelta(days=ENDING_DAYS)
    return case(
        (issued.is_(None), CertificateState.NONE.value),
        (live_until.is_(None), CertificateState.REVOKED.value),
        (live_until <= now, CertificateState.EXPIRED.value),
        (live_until <= soon, CertificateState.ENDING.value),
        else_=CertificateState.VALID.value,
    )


def ordered(column: ColumnElement[Any], part: Part) -> ColumnElement[Any]:
    """The column as it is sorted by; what is not there comes last."""
    return column.desc().nulls_last() if part.descending else column.asc().nulls_last()


def _every(now: datetime, *, uploads: bool = False) -> Select[Any]:
    """Every device; with its last upload where that is searched or sorted by."""
    keys = union(
        select(unit.c.code, device.c.number).join(device, device.c.unit_id == unit.c.id),
        select(certificate.c.credit_code, certificate.c.device_number).where(
            certificate.c.purpose == certificates.DEVICE
        ),
    ).subquery()
    held = _held().subquery()
    return (
        select(
            keys.c.code,
            keys.c.number,
            func.coalesce(unit.c.name, held.c.name).label("name"),
            func.coalesce(unit.c.region_name, held.c.region).label("region"),
            state_of(held.c.issued, held.c.live_until, now).label("state"),
            held.c.live_until.label("not_after"),
            device.c.registered_at,
            device.c.last_registered_at,
            device.c.upload_time,
            device.c.unit_id,
            (_last_upload() if uploads else null()).label(_UPLOADED),
            base_data_held.c.version.label("dic_version"),
        )
        .select_from(keys)
        .outerjoin(unit, unit.c.code == keys.c.code)
        .outerjoin(device, and_(device.c.unit_id == unit.c.id, device.c.number == keys.c.number))
        .outerjoin(
            held,
            and_(held.c.credit_code == keys.c.code, held.c.device_number == keys.c.number),
        )
        .outerjoin(
            base_data_held,
            and_(
                base_data_held.c.unit_id == device.c.unit_id,
                base_data_held.c.device_number == device.c.number,
            ),
        )
    )


def _held() -> Select[Any]:
    """By device how many certificates it ever had, and until when one of them holds."""
    c = certificate.c
    return (
        select(
            c.credit_code,
            c.device_number,
            func.count().label("issued"),
            func.max(case((c.revoked_at.is_(None), c.not_after))).label("live_until"),
            func.max(c.name).label("name"),
            func.max(c.region).label("region"),
        )
        .where(c.purpose == certificates.DEVICE)
        .group_by(c.credit_code, c.device_number)
    )


def _last_upload() -> Any:
    """When the device last sent energy data that were accepted."""
    return (
        select(receipt.c.received_at)
        .where(
            receipt.c.unit_id == device.c.unit_id,
            receipt.c.kind == journal.ENERGY,
            receipt.c.device_number == device.c.number,
        )
        .order_by(receipt.c.sequence.desc())
        .limit(1)
        .correlate(device)
        .scalar_subquery()
    )


def _last_uploads(
    conn: Connection, rows: Sequence[RowMapping]
) -> dict[tuple[int, int], datetime | None]:
    """Of the devices of one page alone: it costs a look into each unit's journal."""
    units = {row["unit_id"] for row in rows if row["unit_id"] is not None}
    query = select(device.c.unit_id, device.c.number, _last_upload()).where(
        device.c.unit_id.in_(units)
    )
    return {(row[0], row[1]): row[2] for row in conn.execute(query)}


def _conditions(inner: Any, wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    c = inner.c
    if wanted.text:
        where.append(
            or_(
                c.name.contains(wanted.text, autoescape=True),
                c.code.contains(wanted.text.upper(), autoescape=True),
            )
        )
    if wanted.state is not None:
        where.append(c.state == wanted.state.value)
    match wanted.uploads:
        case Uploads.RECENT:
            where.append(c.last_upload >= now - QUIET_AFTER)
        case Uploads.QUIET:
            where.append(c.last_upload < now - QUIET_AFTER)
        case Uploads.NEVER:
            where += [c.registered_at.is_not(None), c.last_upload.is_(None)]
        case Uploads.UNREGISTERED:
            where.append(c.registered_at.is_(None))
    return where


def _order(inner: Any, part: Part) -> list[ColumnElement[Any]]:
    column = inner.c[part.sort if part.sort in SORTS else "name"]
    return [ordered(column, part), inner.c.code, inner.c.number]


def _device(row: RowMapping, last: Mapping[tuple[int, int], datetime | None]) -> Device:
    return Device(
        code=row["code"],
        name=row["name"],
        number=row["number"],
        region=row["region"],
        state=CertificateState(row["state"]),
        not_after=row["not_after"],
        registered_at=row["registered_at"],
        last_registered_at=row["last_registered_at"],
        upload_time=row["upload_time"] or "",
        last_upload=row[_UPLOADED] or last.get((row["unit_id"], row["number"])),
        dic_version=row["dic_version"],
    )
