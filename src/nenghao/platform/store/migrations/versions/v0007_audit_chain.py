"""The audit log as a chain: links, and no record is changed or taken out any more.

What was recorded before is chained here, in the order of its numbers.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from nenghao.platform import audit_chain

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("audit", "audit_link")
REFUSAL = "audit records are never changed"


def upgrade() -> None:
    op.create_table(
        "audit_link",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_link_audit_id")),
        comment="The chain of the audit records: SM3 over the record, its number here and the "
        "digest before; number and digest of the last stand in platform_state as audit_head",
    )
    if op.get_context().as_sql:
        return  # the rest needs a database to ask
    audit_chain.begin(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    for table in TABLES:
        for event in ("update", "delete", *(("truncate",) if on_server else ())):
            place = f" ON {table}" if on_server else ""
            op.execute(f"DROP TRIGGER {table}_{event}{place}")
    if on_server:
        op.execute("DROP FUNCTION audit_is_append_only")
    op.drop_table("audit_link")
    op.execute("DELETE FROM platform_state WHERE name = 'audit_head'")


def _guard_sqlite() -> None:
    for table in TABLES:
        for event in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_{event} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    for table in TABLES:
        for event, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_{event} BEFORE {event} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION audit_is_append_only()"
            )
