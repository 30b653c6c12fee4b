"""Where a unit's monthly form stands (填报状态): drafts and what became of them.

What stands here is in force for nobody: an accepted form's values are in the frames, under the
receipt that is named here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, String, Table, Text

from nenghao.platform.store.metadata import NUMBER, metadata

report_state = Table(
    "report_state",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("month", String(7), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("cells", Text, nullable=False),
    Column("changed_at", DateTime, nullable=False),
    Column("changed_by", String(64), nullable=False),
    Column("remark", Text, nullable=False),
    Column("taken_at", DateTime, nullable=True),
    Column("sequence", BigInteger, nullable=True),
    comment="A unit's form of a month (填报): draft, submitted, returned or accepted; what is "
    "typed in it, JSON; version rises with every change; when values came into force last, "
    "and under which receipt",
)
Index("ix_report_state_month", report_state.c.month, report_state.c.state)

report_step = Table(
    "report_step",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("month", String(7), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("step", String(10), nullable=False),
    Column("remark", Text, nullable=False),
    Column("cells", Text, nullable=False),
    comment="What became of a form, step by step, each with the cells as they stood then",
)
