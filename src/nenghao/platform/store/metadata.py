"""What the platform's tables are declared in: one MetaData for all modules of tables.

A leaf, so that `schema` can name every module of tables and these need not name `schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# BigInteger on SQLite would not be the rowid alias that numbers itself.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""The type of ids that a table hands out, and of whatever refers to them."""
