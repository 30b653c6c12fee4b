"""The tables of what operators change in the console: base data in draft, and the history of both.

Who writes and reads them is the business of `platform.base_data_drafts`, `base_data_versions`,
`base_data_held` and `coefficients_history`.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, DateTime, Index, Integer, LargeBinary, String, Table, Text

from nenghao.platform.store.metadata import NUMBER, metadata

base_data_draft = Table(
    "base_data_draft",
    metadata,
    Column("table_name", String(20), primary_key=True),
    Column("row_key", Text, primary_key=True),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    comment="Changes of base data that are not in force yet (草稿), a row each: the row in force "
    "that was changed (empty: none), what it becomes (empty: it goes); JSON as in dictionary_row",
)

base_data_change = Table(
    "base_data_change",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("table_name", String(20), primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("total", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("difference", LargeBinary, nullable=False),
    comment="What each dicVersion changed in which table, by whom: rows then, rows added, changed, "
    "removed, and these rows (JSON, compressed)",
)

base_data_held = Table(
    "base_data_held",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("device_number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("tables", Integer, nullable=False),
    Column("at", DateTime, nullable=False),
    comment="Which dicVersion a device fetched last, and which tables of it: bit i is the i-th "
    "table of A.2",
)

coefficient_change = Table(
    "coefficient_change",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("energy_class", String(2), nullable=False),
    Column("energy_type", String(4), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    comment="Every change of a coefficient (折标系数): from which day on, who, what held on that "
    "day and what holds since",
)
Index(
    "ix_coefficient_change_kind",
    coefficient_change.c.energy_class,
    coefficient_change.c.energy_type,
)
