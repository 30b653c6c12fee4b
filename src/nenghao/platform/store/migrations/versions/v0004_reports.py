"""Reported data, key projects, coefficients, companies.

Units that are there already get their company row here, so that the first question after an
upgrade finds them: what `platform.companies` makes of a unit, spelt out as it was at this revision.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_TEXTS_BEFORE = ("typeCode", "typeName", "industryCode", "regionCode", "regionName")
_TEXTS_AFTER = (
    "phone",
    "fax",
    "email",
    "address",
    "zipCode",
    "url",
    "fieldCode",
    "fieldName",
    "corporationName",
    "registerDate",
)
_REST = (
    "energyOffice",
    "energyOfficial",
    "energyOfficialPosition",
    "energyOfficialPhone",
    "energyPass",
    "energyRespName",
    "energyRespPhone",
    "passDate",
    "passOrg",
    "productionLine",
    "leadingProduct",
    "remark",
)


def upgrade() -> None:
    op.create_table(
        "coefficient",
        sa.Column("energy_class", sa.String(length=2), nullable=False),
        sa.Column("energy_type", sa.String(length=4), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("zbckz", sa.Text(), nullable=False),
        sa.Column("dwzbxs", sa.Text(), nullable=False),
        sa.Column("bounds", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint(
            "energy_class", "energy_type", "valid_from", name=op.f("pk_coefficient")
        ),
        comment="Dated standard coal coefficients (折标系数); the latest valid_from <= day holds, "
        "before the first the dictionary's",
    )
    op.create_table(
        "project",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("industry_code", sa.String(length=5), nullable=False),
        sa.Column("classified_disposal", sa.Text(), nullable=False),
        sa.Column("construction_content", sa.Text(), nullable=False),
        sa.Column("construction_site", sa.Text(), nullable=False),
        sa.Column("design_energy_consumption", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_project")),
        comment="Key projects (重点项目) by their code; region and industry by code, names are the "
        "dictionary's",
    )
    op.create_table(
        "company",
        sa.Column("unit_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("industry", sa.String(length=5), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_company")),
        comment="Each unit as C.5 shows it, JSON, prepared when it registers or uploads its "
        "configuration; region and industry are what it is found by",
    )
    op.create_index("ix_company_region", "company", ["region"])
    op.create_index("ix_company_industry", "company", ["industry"])
    if not op.get_context().as_sql:
        _fill(op.get_bind())


def downgrade() -> None:
    op.drop_table("company")
    op.drop_table("project")
    op.drop_table("coefficient")


def _fill(conn: sa.Connection) -> None:
    """A company row for every unit that is there, of its latest configuration if it has one."""
    units = conn.execute(sa.text("SELECT id, code, name, region, region_name FROM unit")).all()
    latest = sa.text(
        "SELECT message FROM configuration WHERE unit_id = :id ORDER BY sequence DESC LIMIT 1"
    )
    insert = sa.text(
        "INSERT INTO company (unit_id, region, industry, content) "
        "VALUES (:unit_id, :region, :industry, :content)"
    )
    for one in units:
        message = conn.execute(latest, {"id": one.id}).scalar()
        shown = _unconfigured(one) if message is None else _configured(json.loads(message))
        region = shown["regionCode"]
        city = region[:4] if region.endswith("00") and not region.endswith("0000") else ""
        if city and one.region.startswith(city):
            region = one.region
        row = {
            "unit_id": one.id,
            "region": region,
            "industry": shown["industryCode"],
            "content": json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode(),
        }
        conn.execute(insert, row)


def _configured(message: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = message["enterprise"]
    return shown | {
        "group": message.get("group"),
        "process": message.get("process") or [],
        "processUnit": message.get("processUnit") or [],
    }


def _unconfigured(unit: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": unit.code, "name": unit.name}
    shown |= dict.fromkeys(_TEXTS_BEFORE, "")
    shown |= {"regionCode": unit.region, "regionName": unit.region_name}
    shown |= {"center": None, "corporationCode": "", "jgzh": None}
    shown |= {"energyConsumeLevel": None, "latitude": None, "longitude": None}
    shown |= dict.fromkeys(_TEXTS_AFTER, "") | {"registerPrincipal": None}
    shown |= dict.fromkeys(_REST, "") | {"energyPass": None}
    return shown | {"group": None, "process": [], "processUnit": []}
