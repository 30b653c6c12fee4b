"""The tables of the uplink (上送国家平台): what is not yet up, what was refused, who sends.

Who writes and reads them is `platform.uplink`'s business.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Integer, SmallInteger, String, Table, Text

from nenghao.platform.store.metadata import NUMBER, metadata

uplink_mark = Table(
    "uplink_mark",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("slots", BigInteger, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("token", BigInteger, nullable=False),
    comment="What is not yet up: kind -2 the unit, -1 the configuration of device `number`, 0..3 "
    "slots of frame `number` of that statType; marked first and last; token is another one "
    "whenever it is marked again",
)

uplink_refused = Table(
    "uplink_refused",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("slots", BigInteger, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("refused_at", DateTime, nullable=False),
    Column("code", String(5), nullable=False),
    Column("words", Text, nullable=False),
    comment="Marks that the national platform refused, with its words; sent again with whatever "
    "is marked there next, or when the operator says so",
)

uplink_lease = Table(
    "uplink_lease",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("holder", String(100), nullable=False),
    Column("heartbeat_at", DateTime, nullable=True),
    Column("reserved", BigInteger, nullable=False),
    Column("sent_at", DateTime, nullable=True),
    Column("failing_since", DateTime, nullable=True),
    Column("failure", Text, nullable=False),
    comment="One row: which process sends; the highest `order` that was handed out; when "
    "something was acknowledged last, since when nothing is and why",
)
