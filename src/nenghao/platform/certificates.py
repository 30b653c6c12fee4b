"""The register of issued certificates (证书登记), asked on every request.

Resumed TLS sessions and kept-alive connections pass by revocation lists, so whether a certificate
still holds is looked up here by its serial, each time. Issuing is `security.authority`'s work.
"""

from __future__ import annotations

import hashlib
import ssl
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Connection, RowMapping, insert, select, update

from nenghao.platform import outside
from nenghao.platform.store.schema import certificate
from nenghao.security.authority import Issued
from nenghao.security.identity import PeerIdentity
from nenghao.security.sm2_certificates import is_sm2

DEVICE = "device"
"""`purpose` of a certificate that a device shows."""

PROVINCE = "province"
"""`purpose` of one that a province's platform shows; its region stands for the credit code."""

LISTED_AFTER_END = timedelta(days=60)
"""So long after its end a revoked certificate stays on the list: two lists' lives."""


RENEW_DAYS = 30
"""From so many days before its end a device renews its certificate; so long both hold."""

MOST_LIVE = 5
"""Certificates of one device that may hold at a time; a stolen one cannot breed for ever."""


def register(conn: Connection, issued: Issued, now: datetime) -> None:
    """Enter a certificate of a device, or a province, that was just issued: it is admitted now.

    An earlier certificate of the same device stays valid until it expires or is revoked.
    """
    purpose = DEVICE if issued.credit_code else PROVINCE
    conn.execute(
        insert(certificate).values(
            serial=issued.serial,
            purpose=purpose,
            credit_code=issued.credit_code or issued.region,
            device_number=issued.device,
            name=issued.name,
            region=issued.region,
            not_before=issued.not_before,
            not_after=issued.not_after,
            issued_at=now,
            revoked_at=None,
            pem=issued.certificate.decode("ascii"),
        )
    )


def is_valid(conn: Connection, identity: PeerIdentity) -> bool:
    """Whether the certificate is registered for just this unit and device, and not revoked.

    The registered certificate itself is compared, not only its names: nobody else's CA can make
    another one that passes. For those of outside issuers `outside.is_valid` answers. Dates are the
    caller's business (`PeerIdentity.has_expired`).
    """
    if identity.issuer:
        return outside.is_valid(conn, identity)
    return _is_registered(conn, identity, DEVICE, identity.credit_code)


def is_valid_province(conn: Connection, identity: PeerIdentity) -> bool:
    """As `is_valid`, of the certificate of a province's platform: only our own CA issues those."""
    return bool(identity.province) and _is_registered(conn, identity, PROVINCE, identity.province)


def _is_registered(conn: Connection, identity: PeerIdentity, purpose: str, holder: str) -> bool:
    query = select(certificate.c.pem).where(
        certificate.c.serial == identity.serial,
        certificate.c.purpose == purpose,
        certificate.c.credit_code == holder,
        certificate.c.device_number == identity.device,
        certificate.c.revoked_at.is_(None),
    )
    pem = conn.execute(query).scalar()
    if pem is None:
        return False
    return not identity.sha256 or identity.sha256 == _sha256_of(pem)


@lru_cache(maxsize=8192)
def _sha256_of(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def find(conn: Connection, serial: str) -> RowMapping | None:
    """The registered certificate of ours with a serial number, its PEM included."""
    query = select(certificate).where(certificate.c.serial == serial)
    return conn.execute(query).mappings().first()


def live(conn: Connection, credit_code: str, device: int, now: datetime) -> list[RowMapping]:
    """The certificates of a device that hold now, the one that ends last first."""
    query = (
        select(certificate)
        .where(
            certificate.c.purpose == DEVICE,
            certificate.c.credit_code == credit_code,
            certificate.c.device_number == device,
            certificate.c.revoked_at.is_(None),
            certificate.c.not_after > now,
        )
        .order_by(certificate.c.not_after.desc(), certificate.c.serial)
    )
    return list(conn.execute(query).mappings())


def revoke(
    conn: Connection, now: datetime, *, serial: str = "", credit_code: str = ""
) -> list[RowMapping]:
    """Revoke one certificate of ours, or all of a unit's; in force from the next request on.

    Gives those that were revoked by this: serial, credit_code, device_number, not_after. Those
    revoked before stay as they are.
    """
    mine = (
        certificate.c.serial == serial if serial else certificate.c.credit_code == credit_code
    ) & certificate.c.revoked_at.is_(None)
    query = select(
        certificate.c.serial,
        certificate.c.credit_code,
        certificate.c.device_number,
        certificate.c.not_after,
    ).where(mine)
    found = list(conn.execute(query.with_for_update()).mappings())
    conn.execute(update(certificate).where(mine).values(revoked_at=now))
    return found


def sm2_ending(conn: Connection, now: datetime) -> list[RowMapping]:
    """SM2 certificates that end within `RENEW_DAYS` with none after them: no device renews them."""
    soon = now + timedelta(days=RENEW_DAYS)
    ending = (
        select(certificate)
        .where(
            certificate.c.purpose == DEVICE,
            certificate.c.revoked_at.is_(None),
            certificate.c.not_after > now,
            certificate.c.not_after <= soon,
        )
        .order_by(certificate.c.not_after, certificate.c.serial)
    )
    found = []
    for row in conn.execute(ending).mappings().all():
        others = live(conn, row["credit_code"], row["device_number"], now)
        later = [one for one in others if one["not_after"] > soon and of_sm2(one)]
        if of_sm2(row) and not later:
            found.append(row)
    return found


def of_sm2(row: RowMapping) -> bool:
    """Whether a registered certificate is one of SM2."""
    return is_sm2(row["pem"].encode("ascii"))


def revoked(conn: Connection, now: datetime) -> list[tuple[int, datetime]]:
    """What a revocation list holds: serial and when, of those that have not ended long ago."""
    query = (
        select(certificate.c.serial, certificate.c.revoked_at)
        .where(
            certificate.c.revoked_at.is_not(None),
            certificate.c.not_after > now - LISTED_AFTER_END,
        )
        .order_by(certificate.c.revoked_at, certificate.c.serial)
    )
    return [(int(row.serial, 16), row.revoked_at) for row in conn.execute(query)]


def listing(conn: Connection, credit_code: str = "") -> list[RowMapping]:
    """All certificates ever issued, of one unit if `credit_code` is given, oldest first."""
    columns = [column for column in certificate.c if column.name != "pem"]
    query = select(*columns).order_by(
        certificate.c.credit_code, certificate.c.device_number, certificate.c.issued_at
    )
    if credit_code:
        query = query.where(certificate.c.credit_code == credit_code)
    return list(conn.execute(query).mappings())
