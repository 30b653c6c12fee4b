"""Tables of a national platform (国家平台): the provinces, and which units each brought."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, String, Table, Text

from nenghao.platform.store.metadata import NUMBER, metadata

province = Table(
    "province",
    metadata,
    Column("region", String(6), primary_key=True),
    Column("name", Text, nullable=False),
    Column("device_id", String(32), nullable=False),
    Column("created_at", DateTime, nullable=False),
    comment="Platforms of provinces (省级平台) that certificates were issued to, with the deviceId "
    "that each speaks under for itself",
)

province_unit = Table(
    "province_unit",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("province", String(6), nullable=False),
    Column("announced_at", DateTime, nullable=False),
    Column("last_order", BigInteger, nullable=False),
    comment="Units that a province brought: the first one that announced them; the order of the "
    "last attempt that was taken in (standard.messages.uplink)",
)
Index("ix_province_unit_province", province_unit.c.province)
