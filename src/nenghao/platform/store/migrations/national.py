"""What revision 0008 makes for a national platform: the tables of `national_schema`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create() -> None:
    """Make the tables."""
    op.create_table(
        "province",
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("region", name=op.f("pk_province")),
        comment="Platforms of provinces (省级平台) that certificates were issued to, with the "
        "deviceId that each speaks under for itself",
    )
    op.create_table(
        "province_unit",
        sa.Column("unit_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("province", sa.String(length=6), nullable=False),
        sa.Column("announced_at", sa.DateTime(), nullable=False),
        sa.Column("last_order", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_province_unit")),
        comment="Units that a province brought: the first one that announced them; the order of "
        "the last attempt that was taken in (standard.messages.uplink)",
    )
    op.create_index("ix_province_unit_province", "province_unit", ["province"], unique=False)


def drop() -> None:
    """Remove them."""
    op.drop_index("ix_province_unit_province", table_name="province_unit")
    op.drop_table("province_unit")
    op.drop_table("province")
