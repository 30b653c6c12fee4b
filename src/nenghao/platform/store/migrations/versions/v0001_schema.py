"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _units()
    _platform()
    _configuration()
    _data()
    _journal()


def downgrade() -> None:
    for table in (
        "refused_upload",
        "receipt",
        "finding",
        "frame",
        "configured_item",
        "configuration",
        "dictionary_row",
        "audit",
        "certificate",
        "platform_state",
        "device",
        "unit_setting",
        "unit_head",
        "unit",
    ):
        op.drop_table(table)


def _units() -> None:
    """Units, their devices and dated settings."""
    op.create_table(
        "unit",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("code", sa.String(length=18), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("region_name", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_unit_code")),
        comment="A key energy-using unit (重点用能单位), by its credit code",
    )
    op.create_table(
        "unit_head",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("receipt_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_unit_head")),
        comment="Locked first by whatever writes data of a unit; number and digest of its last "
        "receipt",
    )
    op.create_table(
        "unit_setting",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("valid_from", sa.DateTime(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "name", "valid_from", name=op.f("pk_unit_setting")),
        comment="Dated settings of a unit, such as realtime_label; "
        "the latest valid_from <= time holds",
    )
    op.create_table(
        "device",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("upload_time", sa.String(length=8), nullable=False),
        sa.Column("registered_at", sa.DateTime(), nullable=False),
        sa.Column("last_registered_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "number", name=op.f("pk_device")),
        comment="An end device (端设备): keeps its GUID and upload time through re-registration",
    )


def _platform() -> None:
    """What the platform keeps for itself: state, certificates, audit records, base data."""
    op.create_table(
        "platform_state",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform_state")),
        comment="Single values: reg_version, dic_version, registration_settings, next_ordinal",
    )
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("credit_code", sa.String(length=18), nullable=False),
        sa.Column("device_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("not_before", sa.DateTime(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("issued_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_certificate")),
        comment="Register of issued certificates; "
        "asked on every request (serial in lower-case hex)",
    )
    op.create_index("ix_certificate_credit_code", "certificate", ["credit_code"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("result", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        comment="Who did what, from where, with which result (审计记录)",
    )
    op.create_table(
        "dictionary_row",
        sa.Column("table_name", sa.String(length=20), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "position", name=op.f("pk_dictionary_row")),
        comment="Base data (基础数据), one JSON object a row, exactly as it is handed out",
    )


def _configuration() -> None:
    """Configuration uploads and the items in force."""
    op.create_table(
        "configuration",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("device_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "unit_id", "device_number", "sequence", name=op.f("pk_configuration")
        ),
        comment="Every accepted configuration upload, normalised; the highest sequence is in force",
    )
    op.create_table(
        "configured_item",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("device_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data_code", sa.String(length=20), nullable=False),
        sa.Column("stat_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("input_type", sa.SmallInteger(), nullable=False),
        sa.Column("value_min", sa.Float(), nullable=True),
        sa.Column("value_max", sa.Float(), nullable=True),
        sa.Column("scope", sa.SmallInteger(), nullable=False),
        sa.Column("retired_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "unit_id", "device_number", "data_code", "stat_type", name=op.f("pk_configured_item")
        ),
        comment="Items of the configuration in force; stat_type -1 where the upload named none",
    )


def _data() -> None:
    """Values and what was found about them."""
    op.create_table(
        "frame",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("stat_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data_code", sa.String(length=20), nullable=False),
        sa.Column("source", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("planes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "unit_id", "stat_type", "frame", "data_code", "source", name=op.f("pk_frame")
        ),
        comment="Values of one item in one frame; source 0 online, 1 report (填报)",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "kind", "subject", name=op.f("pk_finding")),
        comment="Membership findings (提示) per unit, kind and subject (data code or field), "
        "never per value; "
        "which slots they touch stands in the frame's own findings plane",
    )


def _journal() -> None:
    """Accepted and refused uploads."""
    op.create_table(
        "receipt",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("device_number", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("covers", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("encoding", sa.String(length=8), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "sequence", name=op.f("pk_receipt")),
        comment="Upload journal, one chain per unit: the accepted body, compressed, with SHA-256 "
        "and size; the times it covers, the settings in force and the result (JSON); SM3 over all "
        "of that and over the previous receipt's digest",
    )
    op.create_table(
        "refused_upload",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_number", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=5), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("encoding", sa.String(length=8), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "number", name=op.f("pk_refused_upload")),
        comment="Bodies of refused uploads for the operator to look at; kept 30 days, 64 MB a unit",
    )
