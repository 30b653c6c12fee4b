"""Totals in standard coal, and what they need to know of units that are there already."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _tables()
    if not op.get_context().as_sql:
        _places(op.get_bind())
        _marks(op.get_bind())


def downgrade() -> None:
    for table in ("roll_up", "unit_total", "unit_place", "total_mark"):
        op.drop_table(table)


def _tables() -> None:
    op.create_table(
        "total_mark",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("stat_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "stat_type", "frame", name=op.f("pk_total_mark")),
        comment="Periods whose totals are to be computed again from their frame, from `due` on; "
        "bit i of slots is slot i, the last bit all later ones",
    )
    op.create_table(
        "unit_place",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("industry", sa.String(length=5), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "sequence", name=op.f("pk_unit_place")),
        comment="Region and industry that a unit's configurations told, a row for each change",
    )
    op.create_table(
        "unit_total",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("stat_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("totals", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "unit_id", "stat_type", "frame", "source", name=op.f("pk_unit_total")
        ),
        sqlite_with_rowid=False,
        comment="Of a unit, the ten indicators of every period of one frame, and where it was then",
    )
    op.create_table(
        "roll_up",
        sa.Column("stat_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("region", _ordered(7), nullable=False),
        sa.Column("industry", _ordered(6), nullable=False),
        sa.Column("frame", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("totals", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "stat_type", "source", "region", "industry", "frame", name=op.f("pk_roll_up")
        ),
        sqlite_with_rowid=False,
        comment="Sums of unit_total over a county and an industry, or over all that begins with "
        "the digits before *",
    )


def _ordered(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _places(conn: sa.Connection) -> None:
    """What the configurations so far said of region and industry."""
    configuration = sa.table(
        "configuration", *map(sa.column, ("unit_id", "sequence", "received_at", "message"))
    )
    # Typed, or SQLite's texts would come back as texts.
    received_at = sa.type_coerce(configuration.c.received_at, sa.DateTime())
    query = sa.select(
        configuration.c.unit_id, configuration.c.sequence, received_at, configuration.c.message
    ).order_by(configuration.c.unit_id, configuration.c.sequence)
    place = sa.table(
        "unit_place",
        sa.column("unit_id"),
        sa.column("sequence"),
        sa.column("since", sa.DateTime()),
        sa.column("region"),
        sa.column("industry"),
    )
    before: tuple[Any, ...] = ()
    for unit_id, sequence, since, message in conn.execute(query):
        enterprise = json.loads(message)["enterprise"]
        told = (enterprise["regionCode"], enterprise["industryCode"])
        if before[:3] != (unit_id, *told) or since < before[3]:
            row = (unit_id, sequence, since, *told)
            conn.execute(sa.insert(place).values(dict(zip(place.c.keys(), row, strict=True))))
        before = (unit_id, *told, since)


def _marks(conn: sa.Connection) -> None:
    """All that was ever uploaded is to be counted."""
    conn.execute(
        sa.text(
            "INSERT INTO total_mark (unit_id, stat_type, frame, slots, due)"
            " SELECT DISTINCT unit_id, stat_type, frame, CAST(:slots AS BIGINT),"
            " CAST(:due AS TIMESTAMP) FROM frame"
            " WHERE stat_type IN (1, 2, 3) AND data_code LIKE '00-00-0000-%'"
            if conn.dialect.name == "postgresql"
            else "INSERT INTO total_mark (unit_id, stat_type, frame, slots, due)"
            " SELECT DISTINCT unit_id, stat_type, frame, :slots, :due FROM frame"
            " WHERE stat_type IN (1, 2, 3) AND data_code LIKE '00-00-0000-%'"
        ),
        {"slots": 2**63 - 1, "due": "2000-01-01 00:00:00.000000"},
    )
