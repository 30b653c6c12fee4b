"""Enrolment, outside issuers, lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enrolment",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("credit_code", sa.String(length=18), nullable=False),
        sa.Column("device_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("region_name", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.Column("used_by", sa.String(length=64), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_enrolment")),
        comment="One-time enrolment codes (注册码) by the SHA-256 of their secret; used_by is the "
        "SHA-256 of the key that used it",
    )
    op.create_index("ix_enrolment_credit_code", "enrolment", ["credit_code"], unique=False)
    op.create_table(
        "issuer",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("subject_digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("removed_at", sa.DateTime(), nullable=True),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("crl", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_issuer")),
        comment="Outside issuers (外部签发机构) whose certificates are taken, with the rule that "
        "says where the credit code stands",
    )
    op.create_index("ix_issuer_subject_digest", "issuer", ["subject_digest"], unique=False)
    op.create_table(
        "outside_revocation",
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "kind", "subject", name=op.f("pk_outside_revocation")),
        comment="Certificates of outside issuers that are not taken: one serial (kind serial, or "
        "crl from the issuer's list), or all of a unit that began before revoked_at (kind unit)",
    )


def downgrade() -> None:
    for table in ("outside_revocation", "issuer", "enrolment"):
        op.drop_table(table)
