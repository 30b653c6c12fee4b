"""The tables of energy totals (能耗合计): what is dirty, what each unit comes to, roll-ups.

Who writes and reads them is `platform.totals`' business; how the totals are packed into a row is
`totals.packed`'s.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
)

from nenghao.platform.store.metadata import NUMBER, metadata

# Cells are looked for by how they begin: bytes in order, whatever the database's language is.
_REGION = String(7).with_variant(String(7, collation="C"), "postgresql")
_INDUSTRY = String(6).with_variant(String(6, collation="C"), "postgresql")

total_mark = Table(
    "total_mark",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("stat_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("slots", BigInteger, nullable=False),
    Column("due", DateTime, nullable=False),
    comment="Periods whose totals are to be computed again from their frame, from `due` on; "
    "bit i of slots is slot i, the last bit all later ones",
)

unit_place = Table(
    "unit_place",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("since", DateTime, nullable=False),
    Column("region", String(6), nullable=False),
    Column("industry", String(5), nullable=False),
    comment="Region and industry that a unit's configurations told, a row for each change",
)

unit_total = Table(
    "unit_total",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("stat_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("source", SmallInteger, primary_key=True, autoincrement=False),
    Column("totals", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    comment="Of a unit, the ten indicators of every period of one frame, and where it was then",
)

roll_up = Table(
    "roll_up",
    metadata,
    Column("stat_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("source", SmallInteger, primary_key=True, autoincrement=False),
    Column("region", _REGION, primary_key=True),
    Column("industry", _INDUSTRY, primary_key=True),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("totals", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    comment="Sums of unit_total over a county and an industry, or over all that begins with the "
    "digits before *",
)
