"""Units and devices (用能单位与端设备注册): who is who, on every request, and when each uploads.

A device is (unit, number) of its certificate. It keeps its `deviceId` and its upload time through
re-registration and renewal (docs/decisions 5); upload times are handed out in order of
registration (6.2.1-2). Which certificates there are is `certificates`' business, the arithmetic of
the window `schedule`'s. Refusals of identity are `IdentityRefusal`, which the web layer audits.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, insert, select, update

from nenghao.platform import advice, audit, companies, journal, state
from nenghao.platform.certificates import is_valid
from nenghao.platform.dictionary import Vocabulary, vocabulary
from nenghao.platform.schedule import UploadWindow
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import device, unit
from nenghao.platform.totals import marks
from nenghao.platform.uplink import marks as uplink_marks
from nenghao.security.identity import PeerIdentity
from nenghao.standard import credit_code
from nenghao.standard.findings import Advice, AdviceKind, Finding, quote
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.replies import IllegalFormat

PLATFORM_DEVICE = 0
"""The device number of what the operator does to a unit's data: no device has it."""

COUNTY = 3
"""`type` of a region at county level, to which a unit's region is given (6.3.1.1-b)."""

CERTIFICATE_UNKNOWN = "所属的数字证书未登记、已吊销或不属于本平台"


class IdentityRefusal(IllegalFormat):
    """E2002: `deviceId` or `enterpriseCode` is not the certificate's; to be audited."""


@dataclass(frozen=True)
class Peer:
    """The unit and device that speak: certificate, registration and message agree on them."""

    unit_id: int
    credit_code: str
    device: int
    name: str
    region: str

    @property
    def actor(self) -> str:
        """Who speaks, as the audit trail writes it."""
        return actor(self.credit_code, self.device)


def actor(code: str, number: int) -> str:
    """A device as the audit trail writes it: `91210000573973053F#1`."""
    return f"{code}#{number}"


def actor_of(identity: PeerIdentity) -> str:
    """Whom a certificate speaks for, as the audit trail writes it: also `province:210000`."""
    if identity.province:
        return f"province:{identity.province}"
    return actor(identity.credit_code, identity.device)


def register(
    conn: Connection,
    settings: PlatformSettings,
    identity: PeerIdentity,
    request: RegistrationRequest,
    now: datetime,
    address: str = "",
) -> RegistrationAnswer:
    """Take a device in, or again, and tell it the addresses and its upload time (6.3.1.2).

    Needs a write transaction. Raises IdentityRefusal when the message names another unit than
    the certificate, IllegalFormat for advice that a setting made strict.
    """
    check_certificate(conn, identity, "enterpriseCode")
    if request.enterprise_code != identity.credit_code:
        raise IdentityRefusal([_not_the_certificates("enterpriseCode", request.enterprise_code)])
    odd = list(oddities(request, vocabulary(conn)))
    advice.refuse_strict(odd, settings.strict)
    unit_id, changes = take_unit(conn, request, now)
    advice.keep(conn, unit_id, odd, advice.NO_SEQUENCE, now)
    known, fresh = _take_device(conn, settings, unit_id, identity.device, now)
    if fresh:
        changes.insert(0, f"首次注册，上报时间点 {known.upload_time}")
    if changes:
        audit.record(
            conn,
            now,
            actor(identity.credit_code, identity.device),
            address,
            "register",
            known.device_id,
            detail="；".join(changes),
        )
        uplink_marks.put(conn, unit_id, [uplink_marks.Mark(uplink_marks.UNIT, 0)], now)
    return _answer(settings, known.device_id, known.upload_time)


def identify(
    conn: Connection,
    identity: PeerIdentity,
    device_id: str,
    enterprise_code: str | None = None,
) -> Peer:
    """The unit and device behind a request, its certificate and its own words agreeing.

    Raises IdentityRefusal naming `deviceId`, `enterpriseCode` or both: a device that never
    registered, another's id, another unit's code, a certificate that is not in the register or
    was revoked.
    """
    check_certificate(conn, identity, "deviceId")
    findings = []
    found = conn.execute(
        select(unit.c.id, unit.c.code, unit.c.name, unit.c.region, device.c.device_id)
        .join_from(unit, device, unit.c.id == device.c.unit_id)
        .where(unit.c.code == identity.credit_code, device.c.number == identity.device)
    ).first()
    if found is None:
        findings.append(Finding("deviceId", "所属的端设备尚未注册", quote(device_id)))
    elif found.device_id != device_id:
        findings.append(_not_the_certificates("deviceId", device_id))
    if enterprise_code is not None and enterprise_code != identity.credit_code:
        findings.append(_not_the_certificates("enterpriseCode", enterprise_code))
    if found is None or findings:
        raise IdentityRefusal(findings)
    return Peer(found.id, found.code, identity.device, found.name, found.region)


def peer_of_certificate(conn: Connection, identity: PeerIdentity) -> Peer | None:
    """The registered unit whose valid certificate speaks, whatever its message says; else None."""
    found = conn.execute(
        select(unit.c.id, unit.c.name, unit.c.region).where(unit.c.code == identity.credit_code)
    ).first()
    if found is None or not is_valid(conn, identity):
        return None
    return Peer(found.id, identity.credit_code, identity.device, found.name, found.region)


def versions(conn: Connection) -> tuple[int, int]:
    """regVersion and dicVersion (6.3.3.2-c, -d), as they stand in the database now."""
    return state.number(conn, state.REG_VERSION, 1), state.number(conn, state.DIC_VERSION, 1)


def note_registration_settings(conn: Connection, settings: PlatformSettings) -> bool:
    """Raise regVersion if what registration tells has changed since the last start (6.2.3-1).

    That is the addresses and the window of upload times. Says whether it was raised; at the very
    first start version and ordinals begin.
    """
    told = _Told(_base(settings), _window_text(settings.window))
    version = state.locked(conn, state.REG_VERSION, 1)
    before = _told_before(conn)
    if told == before:
        return False
    _tell(conn, told)
    if before is None:
        state.put(conn, state.REG_VERSION, 1)
        state.put(conn, state.NEXT_ORDINAL, 0)
        return False
    state.put(conn, state.REG_VERSION, version + 1)
    return True


def replan(conn: Connection, settings: PlatformSettings, now: datetime) -> int:
    """Hand out all upload times anew, in order of first registration; raises regVersion.

    A running platform gives new devices times of the new window from now on. Says how many
    devices there are.
    """
    window = settings.window
    # Devices that register meanwhile wait here: their times are handed out by the new plan.
    state.locked(conn, state.NEXT_ORDINAL, 0)
    rows = conn.execute(
        select(device.c.unit_id, device.c.number).order_by(
            device.c.ordinal, device.c.unit_id, device.c.number
        )
    ).all()
    for ordinal, row in enumerate(rows):
        conn.execute(
            update(device)
            .where(device.c.unit_id == row.unit_id, device.c.number == row.number)
            .values(ordinal=ordinal, upload_time=window.upload_time(ordinal))
        )
    state.put(conn, state.NEXT_ORDINAL, len(rows))
    # The addresses stay as noted: other ones in the settings count from the next start on.
    before = _told_before(conn)
    base = _base(settings) if before is None else before.base
    _tell(conn, _Told(base, _window_text(window)))
    state.put(conn, state.REG_VERSION, state.locked(conn, state.REG_VERSION, 1) + 1)
    audit.record(conn, now, audit.OPERATOR, "", "schedule.replan", _window_text(window))
    return len(rows)


def unit_id_of(conn: Connection, credit_code: str) -> int | None:
    """The id of a registered unit, None when no device of it ever registered."""
    return conn.execute(select(unit.c.id).where(unit.c.code == credit_code)).scalar()


def devices(conn: Connection, credit_code: str = "") -> list[RowMapping]:
    """Every registered device with its unit and upload time, in order of upload."""
    query = (
        select(
            unit.c.code,
            unit.c.name,
            unit.c.region,
            unit.c.region_name,
            device.c.number,
            device.c.device_id,
            device.c.upload_time,
            device.c.registered_at,
            device.c.last_registered_at,
        )
        .join_from(device, unit, device.c.unit_id == unit.c.id)
        .order_by(device.c.upload_time, device.c.ordinal)
    )
    if credit_code:
        query = query.where(unit.c.code == credit_code)
    return list(conn.execute(query).mappings())


class _Told(Struct, frozen=True):
    """What registration tells everybody alike, as `platform_state` keeps it."""

    base: str
    window: str


def _told_before(conn: Connection) -> _Told | None:
    text = state.text(conn, state.REGISTRATION_SETTINGS)
    return None if text is None else msgspec.json.decode(text, type=_Told)


def _tell(conn: Connection, told: _Told) -> None:
    state.put(conn, state.REGISTRATION_SETTINGS, msgspec.json.encode(told).decode())


@dataclass(frozen=True)
class _Place:
    """What a device keeps from its first registration on."""

    device_id: str
    upload_time: str


def check_certificate(conn: Connection, identity: PeerIdentity, path: str) -> None:
    """Raise IdentityRefusal naming `path` when the certificate is not, or no longer, good."""
    if not is_valid(conn, identity):
        raise IdentityRefusal([Finding(path, CERTIFICATE_UNKNOWN)])


def _not_the_certificates(path: str, received: str) -> Finding:
    return Finding(path, "与客户端数字证书所属的用能单位或端设备不符", quote(received))


def take_unit(
    conn: Connection, request: RegistrationRequest, now: datetime
) -> tuple[int, list[str]]:
    """The unit's id, made if it is new, and what the registration changed about it."""
    told = {
        "name": request.enterprise_name,
        "region": request.region,
        "region_name": request.region_name,
    }
    query = select(unit).where(unit.c.code == request.enterprise_code).with_for_update()
    found = conn.execute(query).mappings().first()
    if found is None:
        # Two of its devices may register at the same moment: the second waits, then finds it.
        row = {"code": request.enterprise_code, "registered_at": now, "updated_at": now, **told}
        upsert(conn, unit, [row], lambda _: {}, keys=("code",))
        found = conn.execute(query).mappings().one()
        journal.open_head(conn, found["id"])
        companies.registered(conn, found["id"])
    labels = {"name": "名称", "region": "行政区划代码", "region_name": "行政区划名称"}
    changes = [
        f"{labels[key]}由 {found[key]} 改为 {value}"
        for key, value in told.items()
        if found[key] != value
    ]
    if changes:
        conn.execute(update(unit).where(unit.c.id == found["id"]).values(updated_at=now, **told))
        if found["region"] != request.region:
            marks.hold(conn)
            marks.touch_unit(conn, found["id"])
        companies.registered(conn, found["id"])
    return found["id"], changes


def _take_device(
    conn: Connection, settings: PlatformSettings, unit_id: int, number: int, now: datetime
) -> tuple[_Place, bool]:
    """The device's id and upload time, and whether it is new."""
    mine = (device.c.unit_id == unit_id) & (device.c.number == number)
    found = conn.execute(select(device.c.device_id, device.c.upload_time).where(mine)).first()
    if found is not None:
        conn.execute(update(device).where(mine).values(last_registered_at=now))
        return _Place(found.device_id, found.upload_time), False
    ordinal = state.take(conn, state.NEXT_ORDINAL)
    place = _Place(uuid.uuid4().hex, window_in_force(conn, settings).upload_time(ordinal))
    conn.execute(
        insert(device).values(
            unit_id=unit_id,
            number=number,
            device_id=place.device_id,
            ordinal=ordinal,
            upload_time=place.upload_time,
            registered_at=now,
            last_registered_at=now,
        )
    )
    return place, True


def oddities(request: RegistrationRequest, words: Vocabulary) -> Iterator[Advice]:
    """What is odd about a registration whose form is right."""
    code, region = request.enterprise_code, request.region
    if not credit_code.has_valid_check(code):
        yield Advice(
            AdviceKind.CHECK_DIGIT,
            "enterpriseCode",
            code,
            "统一社会信用代码校验位不符",
            quote(code),
        )
    known = words.regions.get(region)
    if known is None:
        yield Advice(
            AdviceKind.UNKNOWN_REGION,
            "region",
            region,
            "不是基础数据中的行政区划代码",
            quote(region),
        )
    elif known.type != COUNTY:
        yield Advice(AdviceKind.UNKNOWN_REGION, "region", region, "未具体到县级", quote(region))
    elif not request.region_name.endswith(known.name):
        yield Advice(
            AdviceKind.ODD_COMBINATION,
            "regionName",
            region,
            f"与行政区划代码 {region}（{known.name}）不符",
            quote(request.region_name),
        )


def _base(settings: PlatformSettings) -> str:
    """What stands before the path in the addresses handed out: `IP:port`, or with `https://`."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https://" if settings.url_style == "https" else ""
    return f"{scheme}{host}:{settings.device_port}"


def _answer(settings: PlatformSettings, device_id: str, upload_time: str) -> RegistrationAnswer:
    base = _base(settings)
    return RegistrationAnswer(
        device_id=device_id,
        load_config_url=f"{base}/downloadBaseData",
        load_dic_version_url=f"{base}/versionCheck",
        center_info_url=f"{base}/uploadConfigData",
        center_data_url=f"{base}/uploadEnergyData",
        center_info_download_url=f"{base}/downloadConfigData",
        center_data_download_url=f"{base}/downloadEnergyData",
        upload_time=upload_time,
    )


def _window_text(window: UploadWindow) -> str:
    return f"{window.start}-{window.end}/{window.step}"


def window_in_force(conn: Connection, settings: PlatformSettings) -> UploadWindow:
    """The window in force: the last one planned, since a running platform must see a new plan."""
    told = _told_before(conn)
    if told is None:
        return settings.window
    hours, _, step = told.window.partition("/")
    start, _, end = hours.partition("-")
    return UploadWindow(time.fromisoformat(start), time.fromisoformat(end), int(step))
