"""Issuing, renewing and revoking certificates of devices (证书签发、续期、吊销), with their traces.

What the command line and the console have in common: the register is written and the trail says
who did it. What is signed is `security.authority`'s business, what the register answers
`certificates`'; codes by which a device fetches its own are `enrolment`'s.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection, RowMapping

from nenghao.platform import (
    audit,
    certificates,
    enrolment,
    outside,
    registry,
    sm2_home,
    trust_files,
)
from nenghao.platform.dictionary import Vocabulary, vocabulary
from nenghao.platform.home import Home
from nenghao.platform.store.engine import Store
from nenghao.security.authority import AuthorityError, AuthorityLocked, Issued
from nenghao.security.leaves import PublicKey
from nenghao.standard import credit_code
from nenghao.standard.regions import COUNTY

Algorithm = Literal["p256", "rsa2048", "sm2"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
DAYS = 1095
"""How many days a certificate holds unless somebody says otherwise."""
MOST_DAYS = 3650
MOST_DEVICES = 999_999

LOCKED = (
    "签发机构的密钥以口令封存，控制台没有口令，不能签发。请在平台所在的机器上用设置项 "
    "ca_passphrase_file 指定口令文件，或设置环境变量 NENGHAO_CA_PASSPHRASE，再重新启动平台和控制台"
)
"""What somebody at the console is told; at the command line one is asked for the passphrase."""


class IssuingError(AuthorityError):
    """What was asked cannot be done; the text says why, in Chinese."""


class Wanted(NamedTuple):
    """The device that a certificate or a code is to be for."""

    credit_code: str
    device: int
    name: str
    region: str
    region_name: str = ""
    """"" : as the base data name it."""


class Revoked(NamedTuple):
    """What a revocation did."""

    gone: list[RowMapping]
    """Those of ours that held until now: serial, credit_code, device_number, not_after."""
    known: bool
    """Whether the register has it at all."""
    others: int
    """Certificates of the same device that still hold."""


def wrong(wanted: Wanted) -> list[str]:
    """What cannot be meant, in Chinese; empty when all is well in form."""
    found = []
    why = credit_code.explain(wanted.credit_code)
    if why is not None:
        found.append(why)
    if not 1 <= wanted.device <= MOST_DEVICES:
        found.append(f"端设备序号应为 1 至 {MOST_DEVICES}，收到 {wanted.device}")
    if not wanted.name.strip():
        found.append("用能单位全称不能为空")
    if not re.fullmatch(r"[0-9]{6}", wanted.region, re.ASCII):
        found.append(f"行政区划代码应为 6 位数字，收到 {wanted.region!r}")
    return found


def completed(words: Vocabulary, wanted: Wanted) -> tuple[Wanted, list[str]]:
    """With the region's name, its code where nobody knows one; and what is odd, in Chinese."""
    odd = []
    known = words.regions.get(wanted.region)
    name = wanted.region_name
    if known is None:
        odd.append(f"行政区划代码 {wanted.region} 不在基础数据中，请核对")
        name = name or wanted.region
    else:
        if known.type != COUNTY:
            odd.append(f"行政区划代码 {wanted.region}（{known.name}）未具体到县级，请核对")
        name = name or known.name
    if not credit_code.has_valid_check(wanted.credit_code):
        odd.append(f"统一社会信用代码 {wanted.credit_code} 的校验位不符，请核对")
    return wanted._replace(name=wanted.name.strip(), region_name=name), odd


def checked(conn: Connection, wanted: Wanted) -> tuple[Wanted, list[str]]:
    """As `completed`. Raises IssuingError for what cannot be meant."""
    found = wrong(wanted)
    if found:
        raise IssuingError("；".join(found))
    return completed(vocabulary(conn), wanted)


def issue(
    conn: Connection,
    home: Home,
    wanted: Wanted,
    now: datetime,
    *,
    days: int = DAYS,
    algorithm: Algorithm = "p256",
    key: PublicKey | None = None,
) -> Issued:
    """A new certificate, registered; with its key, unless the device brings its own.

    Needs a write transaction. Raises AuthorityError, AuthorityLocked without the passphrase.
    """
    check_days(days)
    device = (wanted.credit_code, wanted.name, wanted.region, wanted.device)
    if algorithm == "sm2":
        if key is not None:
            raise IssuingError("SM2 证书不支持证书签名请求")
        issued = sm2_home.authority(home, now).issue_device(*device, now, days)
    else:
        authority = home.authority()
        issued = authority.issue_device(*device, now, days, algorithm=algorithm, key=key)
    certificates.register(conn, issued, now)
    who = registry.actor(issued.credit_code, issued.device)
    detail = f"序列号 {issued.serial}"
    audit.record(conn, now, audit.OPERATOR, "", "ca.issue", who, detail=detail)
    return issued


def renewable(conn: Connection, *, serial: str = "", code: str = "", device: int = 1) -> RowMapping:
    """The registered certificate that is renewed; it may have ended, but not been revoked.

    By its serial, or the latest of a device. Raises IssuingError.
    """
    if not serial:
        rows = [
            row for row in certificates.listing(conn, code)
            if row["device_number"] == device and row["revoked_at"] is None
        ]  # fmt: skip
        serial = rows[-1]["serial"] if rows else ""
    found = certificates.find(conn, serial) if serial else None
    if found is not None and found["purpose"] == certificates.PROVINCE:
        raise IssuingError("省级平台的证书请用 nenghao ca issue --province 重新签发")
    if found is None:
        raise IssuingError("登记中没有这台端设备的证书，请重新签发（nenghao ca issue）")
    if found["revoked_at"] is not None:
        at = found["revoked_at"]
        raise IssuingError(f"证书已于 {at} 吊销，请重新签发（nenghao ca issue）")
    if certificates.of_sm2(found):
        raise IssuingError("国密证书不能续期，请重新签发（nenghao ca issue --algorithm sm2）")
    return found


def renew(
    conn: Connection,
    home: Home,
    old: RowMapping,
    now: datetime,
    *,
    days: int = DAYS,
    key: PublicKey | None = None,
) -> Issued:
    """A new certificate for the device of `old`, which stays valid until it ends.

    Needs a write transaction. Raises AuthorityError.
    """
    check_days(days)
    issued = home.authority().issue_device(
        old["credit_code"], old["name"], old["region"], old["device_number"], now, days, key=key
    )
    certificates.register(conn, issued, now)
    who = registry.actor(issued.credit_code, issued.device)
    detail = f"序列号 {old['serial']} 续为 {issued.serial}"
    audit.record(conn, now, audit.OPERATOR, "", "ca.renew", who, detail=detail)
    return issued


def revoke(
    conn: Connection, now: datetime, *, serial: str = "", code: str = "", reason: str = ""
) -> Revoked:
    """Revoke one certificate, or all of a unit's with its codes; in force from the next request.

    Certificates of outside issuers are refused as well. Needs a write transaction. Raises
    IssuingError when nobody knows such a certificate. Lists are `published` afterwards.
    """
    gone = certificates.revoke(conn, now, serial=serial, credit_code=code)
    issuers = 0
    if code:
        known = bool(certificates.listing(conn, code))
        issuers = outside.revoke_unit(conn, code, now)
        enrolment.cancel(conn, code, None, now)
    else:
        known = certificates.find(conn, serial) is not None
        if not known:
            issuers = outside.revoke_serial(conn, serial, now)
    if not known and not issuers:
        raise IssuingError(f"登记中没有这样的证书：{code or serial}")
    others = sum(
        len(certificates.live(conn, row["credit_code"], row["device_number"], now)) for row in gone
    )
    detail = "；".join(filter(None, [*(row["serial"] for row in gone), reason]))
    audit.record(conn, now, audit.OPERATOR, "", "ca.revoke", code or serial, detail=detail)
    return Revoked(gone, known, others)


def published(home: Home, store: Store, now: datetime) -> str:
    """Publish the lists anew; "" or, in Chinese, why that failed: the register counts all the same.

    A locked authority cannot sign them.
    """
    try:
        with store.read() as conn:
            trust_files.publish(conn, home.authority(), now)
    except AuthorityError as error:
        return str(error)
    return ""


def require_unlocked(home: Home) -> None:
    """Raise AuthorityLocked saying what to do when nothing can be signed. Raises AuthorityError."""
    if home.authority().is_locked:
        raise AuthorityLocked(LOCKED)


def check_days(days: int) -> None:
    """Raise IssuingError for what is no time that a certificate can hold."""
    if not 1 <= days <= MOST_DAYS:
        raise IssuingError(f"有效天数应为 1 至 {MOST_DAYS}，收到 {days}")
