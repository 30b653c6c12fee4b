"""Takes in the units that a province announces (用能单位报送): before any data of theirs.

A unit belongs to the first province that brings it; another one is refused by name. Announced
again it is brought up to date. Its devices keep the numbers and the deviceIds that the province
gave them; when they upload is the province's business.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from nenghao.platform import advice, audit, dictionary, registry
from nenghao.platform.national import provinces
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.national_schema import province_unit
from nenghao.platform.store.schema import device
from nenghao.security.identity import PeerIdentity
from nenghao.standard import regions
from nenghao.standard.findings import Advice, AdviceKind, quote
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.messages.uplink import Announcement

NO_UPLOAD_TIME = ""
"""`upload_time` of a device that uploads to its province."""


def announce(
    conn: Connection,
    settings: PlatformSettings,
    identity: PeerIdentity,
    request: Announcement,
    now: datetime,
    address: str = "",
) -> None:
    """Take a unit and its devices in, or again. Needs a write transaction.

    Raises IdentityRefusal for a deviceId that is not the province's and for a unit that is not
    its own, IllegalFormat for an attempt that comes too late and for advice made strict.
    """
    provinces.check_province(conn, settings, identity, request.device_id)
    told = RegistrationRequest(
        enterprise_code=request.enterprise_code,
        enterprise_name=request.enterprise_name,
        region=request.region,
        region_name=request.region_name,
    )
    odd = list(registry.oddities(told, dictionary.vocabulary(conn)))
    if not regions.contains(identity.province, request.region):
        odd.append(_outside(request.region, identity.province))
    advice.refuse_strict(odd, settings.strict)
    fresh = registry.unit_id_of(conn, request.enterprise_code) is None
    unit_id, changes = registry.take_unit(conn, told, now)
    if fresh:
        _claim(conn, unit_id, identity.province, now)
    mine = select(province_unit.c.province).where(province_unit.c.unit_id == unit_id)
    provinces.refuse_foreign(conn.execute(mine).scalar(), identity, request.enterprise_code)
    provinces.in_order(conn, unit_id, request.order)
    advice.keep(conn, unit_id, odd, advice.NO_SEQUENCE, now)
    changes += _take_devices(conn, unit_id, request, now)
    if fresh:
        changes.insert(0, f"由 {identity.province} 首次报送")
    if changes:
        who = registry.actor_of(identity)
        audit.record(
            conn, now, who, address, "announce", request.enterprise_code, detail="；".join(changes)
        )


def _outside(region: str, province: str) -> Advice:
    return Advice(
        AdviceKind.ODD_COMBINATION,
        "region",
        region,
        f"不在报送的省级平台（{province}）的行政区域内",
        quote(region),
    )


def _claim(conn: Connection, unit_id: int, province: str, now: datetime) -> None:
    """The unit is the province's, if nobody else made it at the same moment."""
    row = {"unit_id": unit_id, "province": province, "announced_at": now, "last_order": 0}
    upsert(conn, province_unit, [row], lambda _: {})


def _take_devices(
    conn: Connection, unit_id: int, request: Announcement, now: datetime
) -> list[str]:
    query = select(device.c.number, device.c.device_id).where(device.c.unit_id == unit_id)
    known = {row.number: row.device_id for row in conn.execute(query)}
    changes = []
    for one in request.devices:
        if known.get(one.device) == one.device_id:
            continue
        values = {"device_id": one.device_id, "last_registered_at": now}
        if one.device in known:
            mine = (device.c.unit_id == unit_id) & (device.c.number == one.device)
            conn.execute(update(device).where(mine).values(**values))
            changes.append(f"端设备 {one.device} 的序列号改为 {one.device_id}")
        else:
            conn.execute(
                insert(device).values(
                    unit_id=unit_id,
                    number=one.device,
                    ordinal=0,
                    upload_time=NO_UPLOAD_TIME,
                    registered_at=now,
                    **values,
                )
            )
            changes.append(f"端设备 {one.device}")
        known[one.device] = one.device_id
    return changes
