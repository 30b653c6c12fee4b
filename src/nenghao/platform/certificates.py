"""The register of issued certificates (证书登记), asked on every request.

Resumed TLS sessions and kept-alive connections pass by revocation lists, so whether a certificate
still holds is looked up here by its serial, each time. Issuing is `security.authority`'s work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select

from nenghao.platform.store.schema import certificate
from nenghao.security.authority import Issued
from nenghao.security.identity import PeerIdentity

DEVICE = "device"
"""`purpose` of a certificate that a device shows."""


def register(conn: Connection, issued: Issued, now: datetime) -> None:
    """Enter a device's certificate that was just issued; from now on it is admitted.

    An earlier certificate of the same device stays valid until it expires or is revoked.
    """
    conn.execute(
        insert(certificate).values(
            serial=issued.serial,
            purpose=DEVICE,
            credit_code=issued.credit_code,
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

    Its dates were checked when the connection was made.
    """
    query = select(certificate.c.serial).where(
        certificate.c.serial == identity.serial,
        certificate.c.purpose == DEVICE,
        certificate.c.credit_code == identity.credit_code,
        certificate.c.device_number == identity.device,
        certificate.c.revoked_at.is_(None),
    )
    return conn.execute(query).first() is not None


def listing(conn: Connection, credit_code: str = "") -> list[RowMapping]:
    """All certificates ever issued, of one unit if `credit_code` is given, oldest first."""
    columns = [column for column in certificate.c if column.name != "pem"]
    query = select(*columns).order_by(
        certificate.c.credit_code, certificate.c.device_number, certificate.c.issued_at
    )
    if credit_code:
        query = query.where(certificate.c.credit_code == credit_code)
    return list(conn.execute(query).mappings())
