"""What listeners and gateways go by (信任文件): issuers and lists, written from the register.

    ca/clients.pem      the device CA and every outside issuer that is taken
    ca/clients.crl      a current list of each of these; absent while one of them has none
    ca/device-ca.crl    the device CA's own list
    ca/sm2/…            the same two of the SM2 authority, where there is one (`sm2_home`)

A running listener follows these files; the register is asked on every request whatever they say.
Lists of our own are published early: daily, though one is valid for thirty days, so that there are
weeks to notice when something keeps them from being published.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection

from nenghao.platform import certificates, outside
from nenghao.security import revocations
from nenghao.security.authority import DEVICE_CA, ROOT, SERVER_CA, CertificateAuthority
from nenghao.security.files import write_public
from nenghao.security.names import AuthorityError
from nenghao.security.sm2_authority import Sm2Authority

PUBLISH_EVERY = timedelta(days=1)
ALARM_BEFORE = timedelta(days=7)
"""A list or issuer with less time left is told of."""

CLIENTS = "clients.pem"
CLIENTS_LISTS = "clients.crl"
SM2 = "sm2"
"""Folder of the SM2 authority within the CA's."""


def publish(conn: Connection, authority: CertificateAuthority, now: datetime) -> list[Path]:
    """Write the lists of all CAs whose keys are at hand, and what listeners go by.

    Raises AuthorityLocked, or AuthorityError where the SM2 authority cannot sign; what listeners
    go by is written all the same.
    """
    written = []
    try:
        revoked = certificates.revoked(conn, now)
        written.append(authority.publish_revocations(DEVICE_CA, revoked, now))
        written.append(authority.publish_revocations(SERVER_CA, (), now))
        if authority.has_root_key:
            written.append(authority.publish_revocations(ROOT, (), now))
        if (authority.directory / SM2).exists():
            national = Sm2Authority.open(authority.directory / SM2, authority.seal.secret)
            written.append(national.publish_revocations(DEVICE_CA, revoked, now))
            written.append(national.publish_revocations(SERVER_CA, (), now))
    finally:
        written += write_trust(conn, authority.directory, now)
    return written


def is_due(directory: Path, now: datetime) -> bool:
    """Whether a device CA's list is to be published again."""
    lists = [revocations.read(folder / f"{DEVICE_CA}.crl") for folder in _folders(directory)]
    return any(crl is None or now - crl.last_update >= PUBLISH_EVERY for crl in lists)


def _folders(directory: Path) -> list[Path]:
    """Where the platform's authorities have their files."""
    return [each for each in (directory, directory / SM2) if each.exists()]


def write_trust(conn: Connection, directory: Path, now: datetime) -> list[Path]:
    """Write `clients.pem` and `clients.crl` where they are not yet what the register says."""
    issuers = [row for row in outside.listing(conn) if row["not_after"] > now]
    trusted = (directory / f"{DEVICE_CA}.pem").read_bytes()
    trusted += b"".join(row["pem"].encode("ascii") for row in issuers)
    lists: list[bytes] = []
    for crl in _lists(directory, [row["crl"] for row in issuers]):
        if crl is None or not crl.is_current(now + timedelta(hours=1)):
            lists = []  # one without a list would be refused altogether
            break
        lists.append(crl.pem)
    written = []
    for name, content in ((CLIENTS, trusted), (CLIENTS_LISTS, b"".join(lists))):
        path = directory / name
        if not path.exists() or path.read_bytes() != content:
            write_public(path, content)
            written.append(path)
    return written


def _lists(directory: Path, texts: list[str]) -> list[revocations.RevocationList | None]:
    found = [revocations.read(directory / f"{DEVICE_CA}.crl")]
    for text in texts:
        try:
            found.append(revocations.parse(text.encode("ascii")) if text else None)
        except AuthorityError:
            found.append(None)
    return found


class Alarm(Struct, frozen=True):
    """Something an operator must see to; both texts are Chinese."""

    found: str
    advice: str
    is_over: bool = False
    """It is too late already."""


def alarms(conn: Connection, directory: Path, now: datetime) -> list[str]:
    """What an operator must do about lists and issuers soon, in Chinese; empty when all is well."""
    told = [*list_alarms(directory, now), *issuer_alarms(conn, now)]
    return [f"{each.found}，{'请立即' if each.is_over else '请'}{each.advice}" for each in told]


def list_alarms(directory: Path, now: datetime) -> list[Alarm]:
    """Of the lists of our own CAs."""
    told = []
    names = [DEVICE_CA, SERVER_CA, ROOT]
    if (directory / SM2).exists():
        names += [f"{SM2}/{DEVICE_CA}", f"{SM2}/{SERVER_CA}"]
    for name in names:
        crl = revocations.read(directory / f"{name}.crl")
        end = None if crl is None else crl.next_update
        what = f"吊销列表 {name}.crl"
        how = "运行 nenghao ca crl" + (" --root-dir（离线根）" if name == ROOT else "")
        if end is None:
            told.append(Alarm(f"{what} 缺失或损坏", how, is_over=True))
        elif now >= end:
            told.append(Alarm(f"{what} 已于 {end} 失效", how, is_over=True))
        elif end - now < ALARM_BEFORE:
            told.append(Alarm(f"{what} 将于 {end} 失效", how))
    return told


def issuer_alarms(conn: Connection, now: datetime) -> list[Alarm]:
    """Of outside issuers and their lists."""
    told = []
    for row in outside.listing(conn):
        who = f"外部签发机构 {row['name']}"
        if row["not_after"] - now < ALARM_BEFORE:
            over = row["not_after"] <= now
            what = f"{who} 的证书于 {row['not_after']} 到期"
            told.append(Alarm(what, "用新的证书运行 nenghao ca import-issuer", is_over=over))
        if not row["crl"]:
            continue
        end = revocations.parse(row["crl"].encode("ascii")).next_update
        if end is None or end - now < ALARM_BEFORE:
            over = end is not None and end <= now
            what = f"{who} 的吊销列表于 {end or '（未写明）'} 失效"
            how = "向其索取新的列表并运行 nenghao ca import-issuer"
            told.append(Alarm(what, how, is_over=over))
    return told
