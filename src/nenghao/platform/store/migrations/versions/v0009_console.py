"""What operators change in the console: base data in draft, and the history of what changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "base_data_draft",
        sa.Column("table_name", sa.String(length=20), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "row_key", name=op.f("pk_base_data_draft")),
        comment="Changes of base data that are not in force yet (草稿), a row each: the row in "
        "force that was changed (empty: none), what it becomes (empty: it goes); JSON as in "
        "dictionary_row",
    )
    op.create_table(
        "base_data_change",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("table_name", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("difference", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", "table_name", name=op.f("pk_base_data_change")),
        comment="What each dicVersion changed in which table, by whom: rows then, rows added, "
        "changed, removed, and these rows (JSON, compressed)",
    )
    op.create_table(
        "base_data_held",
        sa.Column("unit_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("device_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tables", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "device_number", name=op.f("pk_base_data_held")),
        comment="Which dicVersion a device fetched last, and which tables of it: bit i is the "
        "i-th table of A.2",
    )
    op.create_table(
        "coefficient_change",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("energy_class", sa.String(length=2), nullable=False),
        sa.Column("energy_type", sa.String(length=4), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coefficient_change")),
        comment="Every change of a coefficient (折标系数): from which day on, who, what held on "
        "that day and what holds since",
    )
    op.create_index(
        "ix_coefficient_change_kind",
        "coefficient_change",
        ["energy_class", "energy_type"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_coefficient_change_kind", table_name="coefficient_change")
    for table in ("coefficient_change", "base_data_held", "base_data_change", "base_data_draft"):
        op.drop_table(table)
