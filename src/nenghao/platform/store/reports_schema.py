"""Tables of what the operator keeps (运营数据): coefficients and key projects; and of companies.

Coefficients and projects belong to no unit and are small; a company is one row a unit.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, DateTime, Index, LargeBinary, String, Table, Text

from nenghao.platform.store.metadata import NUMBER, metadata

coefficient = Table(
    "coefficient",
    metadata,
    Column("energy_class", String(2), primary_key=True),
    Column("energy_type", String(4), primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("zbckz", Text, nullable=False),
    Column("dwzbxs", Text, nullable=False),
    Column("bounds", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("set_at", DateTime, nullable=False),
    comment="Dated standard coal coefficients (折标系数); the latest valid_from <= day holds, "
    "before the first the dictionary's",
)

project = Table(
    "project",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("region_code", String(6), nullable=False),
    Column("industry_code", String(5), nullable=False),
    Column("classified_disposal", Text, nullable=False),
    Column("construction_content", Text, nullable=False),
    Column("construction_site", Text, nullable=False),
    Column("design_energy_consumption", Text, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    comment="Key projects (重点项目) by their code; region and industry by code, names are the "
    "dictionary's",
)

company = Table(
    "company",
    metadata,
    Column("unit_id", NUMBER, primary_key=True, autoincrement=False),
    Column("region", String(6), nullable=False),
    Column("industry", String(5), nullable=False),
    Column("content", LargeBinary, nullable=False),
    comment="Each unit as C.5 shows it, JSON, prepared when it registers or uploads its "
    "configuration; region and industry are what it is found by",
)
Index("ix_company_region", company.c.region)
Index("ix_company_industry", company.c.industry)
