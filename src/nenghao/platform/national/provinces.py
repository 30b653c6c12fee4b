"""Whom a certificate speaks for on a national platform: a device, or a province for its units.

A province's platform (省级平台) has a deviceId of its own, which comes with its certificate; under
it it announces units and asks for versions and base data. For a unit that it brought it speaks
under the deviceId of the unit's own device (docs/decisions 9). Attempts of one unit are taken in
the order in which the province made them (`in_order`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from nenghao.platform import certificates, journal, registry
from nenghao.platform.registry import CERTIFICATE_UNKNOWN, IdentityRefusal, Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.national_schema import province, province_unit
from nenghao.platform.store.schema import device, unit
from nenghao.security.identity import PeerIdentity
from nenghao.standard.findings import Finding, quote
from nenghao.standard.messages import uplink
from nenghao.standard.messages.codec import drop_bom
from nenghao.standard.replies import IllegalFormat

NATIONAL = "national"
"""The role of a platform that provinces may speak to."""

NO_PROVINCE = "须为省级平台的，客户端数字证书不是省级平台的证书"


def enter(conn: Connection, region: str, name: str, now: datetime) -> str:
    """The deviceId of a province, made with its first certificate and kept from then on."""
    query = select(province.c.device_id).where(province.c.region == region)
    found: str | None = conn.execute(query).scalar()
    if found is not None:
        conn.execute(update(province).where(province.c.region == region).values(name=name))
        return found
    made = uuid.uuid4().hex
    conn.execute(insert(province).values(region=region, name=name, device_id=made, created_at=now))
    return made


def listing(conn: Connection) -> Sequence[RowMapping]:
    """The provinces with how many units each brought: region, name, device_id, units."""
    columns = (province.c.region, province.c.name, province.c.device_id)
    query = (
        select(*columns, func.count(province_unit.c.unit_id).label("units"))
        .join_from(
            province, province_unit, province.c.region == province_unit.c.province, isouter=True
        )
        .group_by(*columns)
        .order_by(province.c.region)
    )
    return conn.execute(query).mappings().all()


def check_province(
    conn: Connection, settings: PlatformSettings, identity: PeerIdentity, device_id: str
) -> None:
    """Raise IdentityRefusal unless a province speaks, under its own deviceId."""
    if not identity.province:
        raise IdentityRefusal([Finding("deviceId", NO_PROVINCE, quote(device_id))])
    check_certificate(conn, settings, identity)
    query = select(province.c.device_id).where(province.c.region == identity.province)
    if conn.execute(query).scalar() != device_id:
        finding = Finding("deviceId", "与客户端数字证书所属的省级平台不符", quote(device_id))
        raise IdentityRefusal([finding])


def check(
    conn: Connection, settings: PlatformSettings, identity: PeerIdentity, device_id: str
) -> Peer | None:
    """Raise IdentityRefusal unless `deviceId` is the certificate's own: a device's, a province's.

    For what is handed out to everybody alike: versions and base data. The device, None for a
    province.
    """
    if not identity.province:
        return registry.identify(conn, identity, device_id)
    check_province(conn, settings, identity, device_id)
    return None


def speaker(
    conn: Connection,
    settings: PlatformSettings,
    identity: PeerIdentity,
    device_id: str,
    enterprise_code: str,
) -> Peer:
    """The unit and device behind a request, or that a province speaks for.

    Raises IdentityRefusal as `registry.identify`. Of a province: naming `deviceId` where it did
    not announce the unit or the device yet, `enterpriseCode` where the unit is not its own.
    """
    if not identity.province:
        return registry.identify(conn, identity, device_id, enterprise_code)
    check_certificate(conn, settings, identity)
    found = _unit(conn, enterprise_code)
    if found is not None:
        refuse_foreign(found.province, identity, enterprise_code)
        query = select(device.c.number).where(
            device.c.unit_id == found.id, device.c.device_id == device_id
        )
        number = conn.execute(query.order_by(device.c.number).limit(1)).scalar()
        if number is not None:
            return Peer(found.id, enterprise_code, number, found.name, found.region)
    raise IdentityRefusal([Finding("deviceId", "所属的端设备尚未由省级平台报送", quote(device_id))])


def check_certificate(conn: Connection, settings: PlatformSettings, identity: PeerIdentity) -> None:
    """Raise IdentityRefusal unless a province speaks here whose certificate is still good."""
    if settings.role != NATIONAL:
        raise IdentityRefusal([Finding("deviceId", "本平台不是国家平台，不接受省级平台的证书")])
    if not certificates.is_valid_province(conn, identity):
        raise IdentityRefusal([Finding("deviceId", CERTIFICATE_UNKNOWN)])


def refuse_foreign(brought_by: str | None, identity: PeerIdentity, enterprise_code: str) -> None:
    """Raise IdentityRefusal where another province brought the unit, or it came by itself."""
    if brought_by is None:
        reason = "的用能单位直接接入本平台，不由省级平台报送"
    elif brought_by != identity.province:
        reason = f"的用能单位已由另一省级平台（{brought_by}）报送"
    else:
        return
    raise IdentityRefusal([Finding("enterpriseCode", reason, quote(enterprise_code))])


def in_order(conn: Connection, unit_id: int, order: int) -> None:
    """Let an attempt pass that is later than the last one taken of its unit.

    The unit's head is locked until the transaction ends. Raises IllegalFormat naming `order`.
    """
    journal.lock(conn, unit_id)
    mine = province_unit.c.unit_id == unit_id
    last = int(conn.execute(select(province_unit.c.last_order).where(mine)).scalar_one())
    if order <= last:
        raise IllegalFormat([uplink.stale(order, last)])
    conn.execute(update(province_unit).where(mine).values(last_order=order))


def unit_named_in(conn: Connection, identity: PeerIdentity, body: bytes) -> Peer | None:
    """The unit of the province that a refused body names; None where it names none of them."""
    try:
        code = _named.decode(drop_bom(body)).enterprise_code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = _unit(conn, code) if certificates.is_valid_province(conn, identity) else None
    if found is None or found.province != identity.province:
        return None
    return Peer(found.id, code, registry.PLATFORM_DEVICE, found.name, found.region)


class _Named(msgspec.Struct, rename="camel"):
    enterprise_code: str


_named = msgspec.json.Decoder(_Named)


class _Unit(msgspec.Struct, frozen=True):
    id: int
    name: str
    region: str
    province: str | None


def _unit(conn: Connection, code: str) -> _Unit | None:
    query = (
        select(unit.c.id, unit.c.name, unit.c.region, province_unit.c.province)
        .join_from(unit, province_unit, unit.c.id == province_unit.c.unit_id, isouter=True)
        .where(unit.c.code == code)
    )
    row = conn.execute(query).first()
    return None if row is None else _Unit(row.id, row.name, row.region, row.province)
