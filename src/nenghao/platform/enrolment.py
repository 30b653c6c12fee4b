"""Enrolment and renewal (注册码与续期): who may have a certificate for a key of his own.

A one-time code stands for one device of one unit until it is used or ends. The same key with the
same code gets the same certificate again, so that an answer lost on the way costs nothing;
another key is refused. Renewal asks nothing but the certificate that is still valid. What is
signed is `security.authority`'s business; refusals are one text for all reasons.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from nenghao.platform import audit, certificates, registry
from nenghao.platform.store.trust_schema import enrolment
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.enrolment import EnrolmentCode, digest_of
from nenghao.security.identity import PeerIdentity
from nenghao.security.leaves import spki
from nenghao.security.requests import RequestRefused, key_of_request
from nenghao.standard.findings import Finding
from nenghao.standard.replies import IllegalFormat

DEFAULT_HOURS = 72
LEAST_DAYS = 90
"""A renewed certificate holds at least so long: three times what renewal is ahead of its end."""
CODE_REFUSED = "注册码无效、已使用、已取消或已过期"
SM2_BY_HAND = "国密证书不能续期：请由平台运维人员用 nenghao ca issue --algorithm sm2 重新签发"
NO_MATTER_WHY = "不能续期：请由平台运维人员重新签发"


def create(
    conn: Connection,
    authority: CertificateAuthority,
    who: dict[str, Any],
    now: datetime,
    *,
    hours: int = DEFAULT_HOURS,
    days: int = 1095,
) -> EnrolmentCode:
    """A new code. `who`: credit_code, device_number, name, region, region_name.

    Earlier codes of the same device that nobody used are cancelled.
    """
    code = EnrolmentCode.fresh(authority.root_pem)
    cancel(conn, who["credit_code"], who["device_number"], now)
    conn.execute(
        insert(enrolment).values(
            digest=code.digest,
            created_at=now,
            expires_at=now + timedelta(hours=hours),
            days=days,
            **who,
        )
    )
    subject = registry.actor(who["credit_code"], who["device_number"])
    audit.record(conn, now, audit.OPERATOR, "", "ca.code", subject, detail=f"{hours} 小时内有效")
    return code


def cancel(conn: Connection, credit_code: str, device: int | None, now: datetime) -> int:
    """Make the unused codes of a device (None: of the whole unit) worthless; how many."""
    mine = (
        (enrolment.c.credit_code == credit_code)
        & enrolment.c.used_at.is_(None)
        & enrolment.c.cancelled_at.is_(None)
    )
    if device is not None:
        mine &= enrolment.c.device_number == device
    return conn.execute(update(enrolment).where(mine).values(cancelled_at=now)).rowcount


def withdraw(conn: Connection, credit_code: str, device: int, now: datetime) -> int:
    """An operator takes back the unused code of a device; how many there were. Recorded."""
    gone = cancel(conn, credit_code, device, now)
    if gone:
        subject = registry.actor(credit_code, device)
        audit.record(conn, now, audit.OPERATOR, "", "ca.code.withdraw", subject)
    return gone


def listing(conn: Connection) -> list[RowMapping]:
    """Every code ever made, newest first, without anything that would be of use to a thief."""
    columns = [one for one in enrolment.c if one.name not in ("digest", "used_by")]
    query = select(*columns).order_by(enrolment.c.created_at.desc(), enrolment.c.credit_code)
    return list(conn.execute(query).mappings())


def enrol(
    conn: Connection,
    authority: CertificateAuthority,
    secret: str,
    csr: str,
    now: datetime,
    address: str,
) -> tuple[Issued, RowMapping]:
    """A certificate for the key of the request, and the code's row. Needs a write transaction.

    Raises IllegalFormat: the code does not hold, the request cannot be signed; AuthorityLocked.
    """
    mine = enrolment.c.digest == digest_of(secret)
    row = conn.execute(select(enrolment).where(mine).with_for_update()).mappings().first()
    if row is None or row["cancelled_at"] is not None or now >= row["expires_at"]:
        raise IllegalFormat([Finding("secret", CODE_REFUSED)])
    key = _key(csr)
    key_digest = hashlib.sha256(spki(key)).hexdigest()
    if row["used_at"] is not None:
        return _again(conn, authority, row, key_digest), row
    issued = authority.issue_device(
        row["credit_code"], row["name"], row["region"], row["device_number"], now, row["days"],
        key=key,
    )  # fmt: skip
    certificates.register(conn, issued, now)
    used = {"used_at": now, "used_by": key_digest, "serial": issued.serial}
    conn.execute(update(enrolment).where(mine).values(**used))
    who = registry.actor(row["credit_code"], row["device_number"])
    detail = f"序列号 {issued.serial}"
    audit.record(conn, now, who, address, "ca.enrol", who, detail=detail)
    return issued, row


def renew(
    conn: Connection,
    authority: CertificateAuthority,
    identity: PeerIdentity,
    csr: str,
    now: datetime,
    address: str,
) -> Issued:
    """A new certificate for the holder of a valid one, which stays valid until it ends.

    It holds as long as the old one did, and at least `LEAST_DAYS`.
    The same key again within the last day gets the certificate that it got. Needs a write
    transaction. Raises IdentityRefusal, IllegalFormat, AuthorityLocked.
    """
    registry.check_certificate(conn, identity, "csr")
    old = None if identity.issuer else certificates.find(conn, identity.serial)
    if old is None:
        raise IllegalFormat([Finding("csr", "外部签发机构的证书请向原签发机构续期")])
    if certificates.of_sm2(old):
        raise IllegalFormat([Finding("csr", SM2_BY_HAND)])
    key = _key(csr)
    live = certificates.live(conn, identity.credit_code, identity.device, now)
    for row in live:
        fresh = row["serial"] != identity.serial and now - row["issued_at"] < timedelta(days=1)
        if fresh and not certificates.of_sm2(row) and _key_of(row["pem"]) == spki(key):
            return handed_over_before(authority, row)
    if len(live) >= certificates.MOST_LIVE:
        raise IllegalFormat(
            [Finding("csr", f"该端设备已有 {len(live)} 份有效证书，{NO_MATTER_WHY}")]
        )
    days = max(round((old["not_after"] - old["issued_at"]) / timedelta(days=1)), LEAST_DAYS)
    issued = authority.issue_device(
        old["credit_code"], old["name"], old["region"], old["device_number"], now, days, key=key
    )
    certificates.register(conn, issued, now)
    who = registry.actor(identity.credit_code, identity.device)
    detail = f"序列号 {identity.serial} 续为 {issued.serial}"
    audit.record(conn, now, who, address, "ca.renew", who, detail=detail)
    return issued


def handed_over_before(authority: CertificateAuthority, row: RowMapping) -> Issued:
    """A registered certificate as it was handed over, without its key."""
    return Issued(
        serial=row["serial"],
        not_before=row["not_before"],
        not_after=row["not_after"],
        certificate=row["pem"].encode("ascii"),
        issuer=authority.client_ca_file.read_bytes(),
        root=authority.root_pem,
        private_key=b"",
        credit_code=row["credit_code"],
        name=row["name"],
        region=row["region"],
        device=row["device_number"],
    )


def _again(
    conn: Connection, authority: CertificateAuthority, row: RowMapping, key_digest: str
) -> Issued:
    """What the code was used for, once more for the same key."""
    given = certificates.find(conn, row["serial"])
    if row["used_by"] != key_digest or given is None or given["revoked_at"] is not None:
        raise IllegalFormat([Finding("secret", CODE_REFUSED)])
    return handed_over_before(authority, given)


def _key(csr: str) -> Any:
    try:
        return key_of_request(csr.encode())
    except RequestRefused as refused:
        raise IllegalFormat([Finding("csr", str(refused))]) from None


def _key_of(pem: str) -> bytes:
    from cryptography import x509

    return spki(x509.load_pem_x509_certificate(pem.encode("ascii")).public_key())  # type: ignore[arg-type]
