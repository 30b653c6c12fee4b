"""The provincial platform's tables (SQLAlchemy Core), one schema for every backend.

Every large table has the unit's id in its primary key and in every unique key, so that the
database can be distributed by unit without touching this file. Times are naive China Standard
Time. What the columns mean to the services is said at each table; how a frame's planes are
packed is `frames`' business. Tables of one concern that stand in modules of their own
(`reports_schema` and its like) are imported here, so that `metadata` is complete.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from nenghao.platform.store import console_schema as console_schema
from nenghao.platform.store import exchange_schema as exchange_schema
from nenghao.platform.store import national_schema as national_schema
from nenghao.platform.store import operators_schema as operators_schema
from nenghao.platform.store import report_states_schema as report_states_schema
from nenghao.platform.store import reports_schema as reports_schema
from nenghao.platform.store import totals_schema as totals_schema
from nenghao.platform.store import trust_schema as trust_schema
from nenghao.platform.store import uplink_schema as uplink_schema
from nenghao.platform.store.metadata import NUMBER as _Number
from nenghao.platform.store.metadata import metadata as metadata

platform_state = Table(
    "platform_state",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
    comment="Single values: reg_version, dic_version, registration_settings, next_ordinal",
)

unit = Table(
    "unit",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("code", String(18), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("region", String(6), nullable=False),
    Column("region_name", Text, nullable=False),
    Column("registered_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    comment="A key energy-using unit (重点用能单位), by its credit code",
)

unit_head = Table(
    "unit_head",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("receipt_digest", LargeBinary, nullable=True),
    comment="Locked first by whatever writes data of a unit; number and digest of its last receipt",
)

unit_setting = Table(
    "unit_setting",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("name", String(40), primary_key=True),
    Column("valid_from", DateTime, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Dated settings of a unit, such as realtime_label; the latest valid_from <= time holds",
)

device = Table(
    "device",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("device_id", String(32), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("upload_time", String(8), nullable=False),
    Column("registered_at", DateTime, nullable=False),
    Column("last_registered_at", DateTime, nullable=False),
    comment="An end device (端设备): keeps its GUID and upload time through re-registration",
)

certificate = Table(
    "certificate",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("purpose", String(10), nullable=False),
    Column("credit_code", String(18), nullable=False),
    Column("device_number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("region", String(6), nullable=False),
    Column("not_before", DateTime, nullable=False),
    Column("not_after", DateTime, nullable=False),
    Column("issued_at", DateTime, nullable=False),
    Column("revoked_at", DateTime, nullable=True),
    Column("pem", Text, nullable=False),
    comment="Register of issued certificates; asked on every request (serial in lower-case hex)",
)
Index("ix_certificate_credit_code", certificate.c.credit_code)

dictionary_row = Table(
    "dictionary_row",
    metadata,
    Column("table_name", String(20), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("row", Text, nullable=False),
    comment="Base data (基础数据), one JSON object a row, exactly as it is handed out",
)

configuration = Table(
    "configuration",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("device_number", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("received_at", DateTime, nullable=False),
    Column("message", Text, nullable=False),
    comment="Every accepted configuration upload, normalised; the highest sequence is in force",
)

configured_item = Table(
    "configured_item",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("device_number", Integer, primary_key=True, autoincrement=False),
    Column("data_code", String(20), primary_key=True),
    Column("stat_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("input_type", SmallInteger, nullable=False),
    Column("value_min", Float, nullable=True),
    Column("value_max", Float, nullable=True),
    Column("scope", SmallInteger, nullable=False),
    Column("retired_at", DateTime, nullable=True),
    comment="Items of the configuration in force; stat_type -1 where the upload named none",
)

frame = Table(
    "frame",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("stat_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("data_code", String(20), primary_key=True),
    Column("source", SmallInteger, primary_key=True, autoincrement=False),
    Column("planes", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    comment="Values of one item in one frame; source 0 online, 1 report (填报)",
)

receipt = Table(
    "receipt",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("device_number", Integer, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("address", String(64), nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("covers", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("previous_digest", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("encoding", String(8), nullable=False),
    # Last, so that SQLite reads the others without following the body's pages.
    Column("body", LargeBinary, nullable=False),
    comment="Upload journal, one chain per unit: the accepted body, compressed, with SHA-256 and "
    "size; the times it covers, the settings in force and the result (JSON); SM3 over all of that "
    "and over the previous receipt's digest",
)

refused_upload = Table(
    "refused_upload",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("device_number", Integer, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("address", String(64), nullable=False),
    Column("path", String(40), nullable=False),
    Column("code", String(5), nullable=False),
    Column("text", Text, nullable=False),
    Column("encoding", String(8), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="Bodies of refused uploads for the operator to look at; kept 30 days, 64 MB a unit",
)

finding = Table(
    "finding",
    metadata,
    Column("unit_id", _Number, primary_key=True, autoincrement=False),
    Column("kind", String(30), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("first_at", DateTime, nullable=False),
    Column("last_at", DateTime, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    comment="Membership findings (提示) per unit, kind and subject (data code or field), "
    "never per value; which slots they touch stands in the frame's own findings plane",
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("at", DateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("result", String(10), nullable=False),
    Column("detail", Text, nullable=False),
    comment="Who did what, from where, with which result (审计记录)",
)
Index("ix_audit_action_at", audit.c.action, audit.c.at)
Index("ix_audit_at", audit.c.at)
