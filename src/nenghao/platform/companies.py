"""Each unit as other application platforms see it (企业基础信息; 7.3.5, 7.3.6, C.5, C.6).

A unit's JSON is prepared when it registers and when it uploads its configuration, exactly as it
uploaded it last, every key present, with group, process and processUnit inside; so an answer about
a province is a matter of reading rows. Who may ask is the exchange's business.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from nenghao.platform import journal
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.reports_schema import company
from nenghao.platform.store.schema import configuration, unit
from nenghao.standard import industries, regions
from nenghao.standard.messages import read, write
from nenghao.standard.messages.companies import Company
from nenghao.standard.messages.config_data import ConfigUpload


def find(conn: Connection, region: str | None = None, industry: str | None = None) -> list[bytes]:
    """The units of a region's subtree, of an industry and all under it, or of both; None: of any.

    Each is the JSON object of C.5, in the order of registration. A unit that has not uploaded its
    configuration is found by the region that it registered with and by no industry.
    """
    where: list[ColumnElement[bool]] = []
    if region is not None and regions.prefix(region):
        where.append(company.c.region.between(*region_bounds(region)))
    if industry is not None and industry != industries.TOP:
        where.append(company.c.industry.between(*industry_bounds(industry)))
    query = select(company.c.content).where(*where).order_by(company.c.unit_id)
    return [bytes(content) for content in conn.execute(query).scalars()]


def region_bounds(region: str) -> tuple[str, str]:
    """The first and the last code of a region's subtree: digits, so any collation orders them."""
    prefix = regions.prefix(region)
    return prefix.ljust(6, "0"), prefix.ljust(6, "9")


def industry_bounds(industry: str) -> tuple[str, str]:
    """The first and the last code of an industry and all under it."""
    return industry, industry.ljust(5, "9")


def configured(conn: Connection, unit_id: int, request: ConfigUpload) -> None:
    """Prepare a unit from what it uploads now; its head is locked."""
    query = select(unit.c.region).where(unit.c.id == unit_id)
    _put(conn, unit_id, conn.execute(query).scalar_one(), _uploaded(request))


def registered(conn: Connection, unit_id: int) -> None:
    """Prepare a unit that registered, or registered with another name or region."""
    journal.lock(conn, unit_id)  # an upload at the same moment must not be overwritten
    row = conn.execute(select(unit).where(unit.c.id == unit_id)).one()
    query = (
        select(configuration.c.message)
        .where(configuration.c.unit_id == unit_id)
        .order_by(configuration.c.sequence.desc())
        .limit(1)
    )
    message = conn.execute(query).scalar()
    if message is None:
        shown = Company(
            code=row.code, name=row.name, region_code=row.region, region_name=row.region_name
        )
    else:
        shown = _uploaded(read(ConfigUpload, message.encode()))
    _put(conn, unit_id, row.region, shown)


def _uploaded(request: ConfigUpload) -> Company:
    told = request.enterprise
    return Company(
        **{name: getattr(told, name) for name in told.__struct_fields__},
        group=request.group,
        process=request.process or [],
        process_unit=request.process_unit or [],
    )


def _put(conn: Connection, unit_id: int, registered_in: str, shown: Company) -> None:
    row = {
        "unit_id": unit_id,
        "region": regions.counted_in(shown.region_code, registered_in),
        "industry": shown.industry_code,
        "content": write(shown),
    }
    upsert(conn, company, [row])
