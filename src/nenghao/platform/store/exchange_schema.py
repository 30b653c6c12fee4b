"""The tables of the exchange (第 7 章): accounts, their keys, nonces seen, calls counted.

None belongs to a unit and all are small: nonces and counts are dropped after minutes.
"""

from __future__ import annotations

from sqlalchemy import (
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

exchange_account = Table(
    "exchange_account",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("app_id", String(64), nullable=False, unique=True),
    Column("user_name", String(40), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("cipher", String(20), nullable=False),
    Column("plain", Boolean, nullable=False),
    Column("interfaces", Text, nullable=False),
    Column("region", String(6), nullable=False),
    Column("industries", Text, nullable=False),
    Column("requests_per_minute", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("locked_at", DateTime, nullable=True),
    Column("failures", Integer, nullable=False),
    Column("failing_since", DateTime, nullable=True),
    Column("locked_until", DateTime, nullable=True),
    comment="Other application platforms (其他应用平台): password hash, what they may ask (empty: "
    "anything), the operator's lock, and wrong passwords with the lock that follows from them",
)

exchange_key = Table(
    "exchange_key",
    metadata,
    Column("account_id", NUMBER, primary_key=True, autoincrement=False),
    Column("kid", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("retired_at", DateTime, nullable=True),
    comment="Keys of the accounts, sealed under the master key file; at most two are not retired",
)

exchange_nonce = Table(
    "exchange_nonce",
    metadata,
    Column("account_id", NUMBER, primary_key=True, autoincrement=False),
    Column("nonce", String(32), primary_key=True),
    Column("seen_at", DateTime, nullable=False),
    comment="Nonces whose requests were opened, for ten minutes",
)
Index("ix_exchange_nonce_seen_at", exchange_nonce.c.seen_at)

exchange_count = Table(
    "exchange_count",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("minute", DateTime, primary_key=True),
    Column("times", Integer, nullable=False),
    comment="Calls of an account, failures from an address, in the last minutes",
)
