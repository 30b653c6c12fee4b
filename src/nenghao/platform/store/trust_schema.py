"""Tables of certificates beyond the register: enrolment codes, outside issuers, their revoked."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Integer, String, Table, Text

from nenghao.platform.store.metadata import metadata

enrolment = Table(
    "enrolment",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("credit_code", String(18), nullable=False),
    Column("device_number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("region", String(6), nullable=False),
    Column("region_name", Text, nullable=False),
    Column("days", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("expires_at", DateTime, nullable=False),
    Column("used_at", DateTime, nullable=True),
    Column("used_by", String(64), nullable=True),
    Column("serial", String(40), nullable=True),
    Column("cancelled_at", DateTime, nullable=True),
    comment="One-time enrolment codes (注册码) by the SHA-256 of their secret; used_by is the "
    "SHA-256 of the key that used it",
)
Index("ix_enrolment_credit_code", enrolment.c.credit_code)

issuer = Table(
    "issuer",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("subject_digest", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("not_after", DateTime, nullable=False),
    Column("added_at", DateTime, nullable=False),
    Column("removed_at", DateTime, nullable=True),
    Column("pem", Text, nullable=False),
    Column("crl", Text, nullable=False),
    comment="Outside issuers (外部签发机构) whose certificates are taken, with the rule that says "
    "where the credit code stands",
)
Index("ix_issuer_subject_digest", issuer.c.subject_digest)

outside_revocation = Table(
    "outside_revocation",
    metadata,
    Column("issuer", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("subject", String(40), primary_key=True),
    Column("revoked_at", DateTime, nullable=False),
    comment="Certificates of outside issuers that are not taken: one serial (kind serial, or crl "
    "from the issuer's list), or all of a unit that began before revoked_at (kind unit)",
)
