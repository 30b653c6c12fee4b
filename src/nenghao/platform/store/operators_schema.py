"""The tables of operators (操作员), of their sessions, and of the audit chain's links.

None belongs to a unit. A session is kept by the digest of its token, so that a copy of the
database opens nobody's page.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from nenghao.platform.store.metadata import NUMBER, metadata

operator = Table(
    "operator",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("full_name", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("credit_code", String(18), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("totp", LargeBinary, nullable=True),
    Column("activation", String(64), nullable=True),
    Column("totp_step", BigInteger, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("last_login_at", DateTime, nullable=True),
    Column("locked_at", DateTime, nullable=True),
    Column("failures", Integer, nullable=False),
    Column("failing_since", DateTime, nullable=True),
    Column("locked_until", DateTime, nullable=True),
    comment="Operators (操作员): role ('' until one is granted), the unit of a unit's user, "
    "password hash, sealed TOTP secret with the last step used, SHA-256 of the "
    "activation code, locks",
)

operator_session = Table(
    "operator_session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("operator_id", NUMBER, nullable=False),
    Column("address", String(64), nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("seen_at", DateTime, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("expires_at", DateTime, nullable=False),
    comment="Sessions that are not ended, by the SHA-256 of their token",
)
Index("ix_operator_session_operator_id", operator_session.c.operator_id)

audit_link = Table(
    "audit_link",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", NUMBER, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    comment="The chain of the audit records: SM3 over the record, its number here and the digest "
    "before; number and digest of the last stand in platform_state as audit_head",
)
