"""Drafts and states of the monthly forms; what was imported by then counts as accepted."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MONTHLY = "2"


def upgrade() -> None:
    state = op.create_table(
        "report_state",
        sa.Column("unit_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id", "month", name=op.f("pk_report_state")),
        comment="A unit's form of a month (填报): draft, submitted, returned or accepted; what is "
        "typed in it, JSON; version rises with every change; when values came into force last, "
        "and under which receipt",
    )
    op.create_index("ix_report_state_month", "report_state", ["month", "state"], unique=False)
    step = op.create_table(
        "report_step",
        sa.Column("unit_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "month", "number", name=op.f("pk_report_step")),
        comment="What became of a form, step by step, each with the cells as they stood then",
    )
    if not op.get_context().as_sql:
        _imported_before(state, step)


def _imported_before(state: Any, step: Any) -> None:
    """Enter the forms that came as files: receipts of device 0, the last one of each month."""
    conn = op.get_bind()
    found = conn.execute(
        sa.text(
            "SELECT unit_id, sequence, received_at, covers FROM receipt "
            "WHERE kind = 'energy' AND device_number = 0 ORDER BY unit_id, sequence"
        ).columns(received_at=sa.DateTime())
    )
    last: dict[tuple[int, str], Any] = {}
    for row in found:
        covers = json.loads(row.covers)
        if _MONTHLY in covers:
            last[row.unit_id, covers[_MONTHLY][0][:7]] = row
    states, steps = [], []
    for (unit_id, month), row in last.items():
        key = {"unit_id": unit_id, "month": month, "remark": "", "cells": "{}"}
        by = {"changed_at": row.received_at, "changed_by": "operator"}
        taken = {"taken_at": row.received_at, "sequence": row.sequence}
        states.append(key | by | taken | {"state": "accepted", "version": 1})
        steps.append(
            key | {"number": 1, "at": row.received_at, "actor": "operator", "step": "import"}
        )
    if states:
        conn.execute(sa.insert(state), states)
        conn.execute(sa.insert(step), steps)


def downgrade() -> None:
    op.drop_table("report_step")
    op.drop_index("ix_report_state_month", table_name="report_state")
    op.drop_table("report_state")
