"""Exchange accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _accounts()
    _minutes()


def downgrade() -> None:
    op.drop_index("ix_exchange_nonce_seen_at", table_name="exchange_nonce")
    for table in ("exchange_count", "exchange_nonce", "exchange_key", "exchange_account"):
        op.drop_table(table)


def _accounts() -> None:
    """Accounts and their keys."""
    op.create_table(
        "exchange_account",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("app_id", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=40), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("cipher", sa.String(length=20), nullable=False),
        sa.Column("plain", sa.Boolean(), nullable=False),
        sa.Column("interfaces", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("industries", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("locked_at", sa.DateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(), nullable=True),
        sa.Column("locked_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_account")),
        sa.UniqueConstraint("app_id", name=op.f("uq_exchange_account_app_id")),
        sa.UniqueConstraint("user_name", name=op.f("uq_exchange_account_user_name")),
        comment="Other application platforms (其他应用平台): password hash, what they may ask "
        "(empty: anything), the operator's lock, and wrong passwords with the lock that follows "
        "from them",
    )
    op.create_table(
        "exchange_key",
        sa.Column("account_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("retired_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "kid", name=op.f("pk_exchange_key")),
        comment="Keys of the accounts, sealed under the master key file; at most two are not "
        "retired",
    )


def _minutes() -> None:
    """What is remembered for minutes."""
    op.create_table(
        "exchange_nonce",
        sa.Column("account_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "nonce", name=op.f("pk_exchange_nonce")),
        comment="Nonces whose requests were opened, for ten minutes",
    )
    op.create_index("ix_exchange_nonce_seen_at", "exchange_nonce", ["seen_at"])
    op.create_table(
        "exchange_count",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("minute", sa.DateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "minute", name=op.f("pk_exchange_count")),
        comment="Calls of an account, failures from an address, in the last minutes",
    )
