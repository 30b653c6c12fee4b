"""What revision 0008 makes for the uplink: the tables of `uplink_schema`, and first marks.

Everything that is there already is marked: a province that is told of a national platform later
sends all it has, and what it has is never looked for again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_COLUMNS = "unit_id, kind, number, slots, since, received_at, token"
_ALL = "9223372036854775807"


def create() -> None:
    """Make the tables and mark what is there."""
    op.create_table(
        "uplink_mark",
        *_key(),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "kind", "number", name=op.f("pk_uplink_mark")),
        comment="What is not yet up: kind -2 the unit, -1 the configuration of device `number`, "
        "0..3 slots of frame `number` of that statType; marked first and last; token is another "
        "one whenever it is marked again",
    )
    op.create_table(
        "uplink_refused",
        *_key(),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("refused_at", sa.DateTime(), nullable=False),
        sa.Column("code", sa.String(length=5), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "kind", "number", name=op.f("pk_uplink_refused")),
        comment="Marks that the national platform refused, with its words; sent again with "
        "whatever is marked there next, or when the operator says so",
    )
    op.create_table(
        "uplink_lease",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("failing_since", sa.DateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uplink_lease")),
        comment="One row: which process sends; the highest `order` that was handed out; when "
        "something was acknowledged last, since when nothing is and why",
    )
    if not op.get_context().as_sql:
        _mark()


def drop() -> None:
    """Remove them."""
    for table in ("uplink_lease", "uplink_refused", "uplink_mark"):
        op.drop_table(table)


def _key() -> list[sa.Column[int]]:
    return [
        sa.Column("unit_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
    ]


def _mark() -> None:
    for what in (
        f"SELECT id, -2, 0, {_ALL}, updated_at, updated_at, 1 FROM unit",  # noqa: S608 - constants
        f"SELECT unit_id, -1, device_number, {_ALL}, MIN(received_at), MAX(received_at), 1"  # noqa: S608
        " FROM configuration GROUP BY unit_id, device_number",
        f"SELECT frames.unit_id, frames.stat_type, frames.frame, {_ALL}, unit.registered_at,"  # noqa: S608
        " unit.registered_at, 1 FROM (SELECT DISTINCT unit_id, stat_type, frame FROM frame)"
        " AS frames JOIN unit ON unit.id = frames.unit_id",
    ):
        op.execute(f"INSERT INTO uplink_mark ({_COLUMNS}) {what}")
