"""Outside issuers (外部签发机构) in the platform's register: taken in, asked, revoked, removed.

Certificates of an outside issuer are not registered one by one: what its rule reads is believed,
unless the issuer was removed or the certificate revoked, by its serial, by the issuer's own list,
or with all of its unit. How a rule reads is `security.issuers`' business.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.trust_schema import issuer, outside_revocation
from nenghao.security.identity import PeerIdentity, identity_of
from nenghao.security.issuers import (
    OutsideIssuer,
    identity_under,
    issuer_name_of,
    name_digest,
)
from nenghao.security.leaves import china
from nenghao.security.names import AuthorityError
from nenghao.security.revocations import RevocationList

SERIAL, LISTED, UNIT = "serial", "crl", "unit"


def add(
    conn: Connection, certificate: x509.Certificate, rule: str, name: str, now: datetime
) -> str:
    """Take an issuer in, or again with another rule or name; its fingerprint.

    Raises AuthorityError for what is no CA, has ended, or a rule that says nothing.
    """
    made = OutsideIssuer.of(certificate, rule)
    end = china(certificate.not_valid_after_utc)
    if end <= now:
        raise AuthorityError(f"签发机构证书已于 {end} 到期")
    row = {
        "fingerprint": made.fingerprint,
        "subject_digest": name_digest(certificate.subject),
        "name": name or certificate.subject.rfc4514_string(),
        "rule": rule,
        "not_after": end,
        "added_at": now,
        "removed_at": None,
        "pem": made.pem.decode("ascii"),
    }
    mine = issuer.c.fingerprint == made.fingerprint
    if conn.execute(select(issuer.c.fingerprint).where(mine)).first() is None:
        conn.execute(insert(issuer).values(crl="", **row))
    else:
        conn.execute(update(issuer).where(mine).values(**row))
    return made.fingerprint


def remove(conn: Connection, fingerprint: str, now: datetime) -> RowMapping | None:
    """Take no certificates of an issuer any more, from the next request on; None if unknown.

    The beginning of the fingerprint will do where it is the only one that begins so.
    """
    found = [row for row in listing(conn) if row["fingerprint"].startswith(fingerprint.lower())]
    if len(found) != 1 or not fingerprint:
        return None
    mine = issuer.c.fingerprint == found[0]["fingerprint"]
    conn.execute(update(issuer).where(mine).values(removed_at=now))
    return found[0]


def take_list(conn: Connection, fingerprint: str, crl: RevocationList) -> None:
    """Go by an issuer's own revocation list, in place of the one before."""
    here = outside_revocation.c
    conn.execute(delete(outside_revocation).where(here.issuer == fingerprint, here.kind == LISTED))
    rows = [
        {"issuer": fingerprint, "kind": LISTED, "subject": serial, "revoked_at": when}
        for serial, when in crl.serials.items()
    ]
    if rows:
        conn.execute(insert(outside_revocation), rows)
    mine = issuer.c.fingerprint == fingerprint
    conn.execute(update(issuer).where(mine).values(crl=crl.pem.decode("ascii")))


def listing(conn: Connection) -> list[RowMapping]:
    """The issuers that are taken, oldest first."""
    query = select(issuer).where(issuer.c.removed_at.is_(None))
    return list(conn.execute(query.order_by(issuer.c.added_at, issuer.c.fingerprint)).mappings())


def identity(conn: Connection, der: bytes) -> PeerIdentity:
    """Whom a certificate speaks for, by the rule of whoever issued it. Raises IdentityError.

    Asked on every request, so that an issuer taken in or removed counts at once.
    """
    query = select(issuer.c.fingerprint, issuer.c.pem, issuer.c.rule).where(
        issuer.c.subject_digest == issuer_name_of(der), issuer.c.removed_at.is_(None)
    )
    for row in conn.execute(query):
        signer = OutsideIssuer(row.fingerprint, row.pem.encode("ascii"), row.rule)
        found = identity_under(der, signer)
        if found is not None:
            return found
    return identity_of(der)


def is_valid(conn: Connection, who: PeerIdentity) -> bool:
    """Whether the issuer is still taken, and the certificate not revoked."""
    trusted = select(issuer.c.fingerprint).where(
        issuer.c.fingerprint == who.issuer, issuer.c.removed_at.is_(None)
    )
    if conn.execute(trusted).first() is None:
        return False
    here = outside_revocation.c
    query = select(here.kind).where(
        here.issuer == who.issuer,
        or_(
            here.kind.in_((SERIAL, LISTED)) & (here.subject == who.serial),
            (here.kind == UNIT)
            & (here.subject == who.credit_code)
            & (here.revoked_at >= who.not_before),
        ),
    )
    return conn.execute(query).first() is None


def revoke_serial(conn: Connection, serial: str, now: datetime) -> int:
    """Refuse the certificate with this serial of every outside issuer; how many issuers."""
    return _refuse(conn, SERIAL, serial, now)


def revoke_unit(conn: Connection, credit_code: str, now: datetime) -> int:
    """Refuse all outside certificates of a unit that began before `now`; how many issuers."""
    return _refuse(conn, UNIT, credit_code, now)


def _refuse(conn: Connection, kind: str, subject: str, now: datetime) -> int:
    rows = [
        {"issuer": row["fingerprint"], "kind": kind, "subject": subject, "revoked_at": now}
        for row in listing(conn)
    ]
    if rows:
        upsert(conn, outside_revocation, rows)
    return len(rows)
