"""What listeners and gateways go by (信任文件): issuers and lists, written from the register.

    ca/clients.pem      the device CA and every outside issuer that is taken
    ca/clients.crl      a current list of each of these; absent while one of them has none
    ca/device-ca.crl    the device CA's own list

A running listener follows these files; the register is asked on every request whatever they say.
Lists of our own are published early: daily, though one is valid for thirty days, so that there are
weeks to notice when something keeps them from being published.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from nenghao.platform import certificates, outside
from nenghao.security import revocations
from nenghao.security.authority import DEVICE_CA, ROOT, SERVER_CA, CertificateAuthority
from nenghao.security.files import write_public
from nenghao.security.names import AuthorityError

PUBLISH_EVERY = timedelta(days=1)
ALARM_BEFORE = timedelta(days=7)
"""A list or issuer with less time left is told of."""

CLIENTS = "clients.pem"
CLIENTS_LISTS = "clients.crl"


def publish(conn: Connection, authority: CertificateAuthority, now: datetime) -> list[Path]:
    """Write the lists of all CAs whose keys are at hand, and what listeners go by.

    Raises AuthorityLocked; what listeners go by is written all the same.
    """
    written = []
    try:
        revoked = certificates.revoked(conn, now)
        written.append(authority.publish_revocations(DEVICE_CA, revoked, now))
        written.append(authority.publish_revocations(SERVER_CA, (), now))
        if authority.has_root_key:
            written.append(authority.publish_revocations(ROOT, (), now))
    finally:
        written += write_trust(conn, authority.directory, now)
    return written


def is_due(directory: Path, now: datetime) -> bool:
    """Whether the device CA's list is to be published again."""
    crl = revocations.read(directory / f"{DEVICE_CA}.crl")
    return crl is None or now - crl.last_update >= PUBLISH_EVERY


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


def alarms(conn: Connection, directory: Path, now: datetime) -> list[str]:
    """What an operator must do about lists and issuers soon, in Chinese; empty when all is well."""
    told = []
    for name in (DEVICE_CA, SERVER_CA, ROOT):
        crl = revocations.read(directory / f"{name}.crl")
        end = None if crl is None else crl.next_update
        what = f"吊销列表 {name}.crl"
        how = "nenghao ca crl" + (" --root-dir（离线根）" if name == ROOT else "")
        if end is None:
            told.append(f"{what} 缺失或损坏，请运行 {how}")
        elif now >= end:
            told.append(f"{what} 已于 {end} 失效，请立即运行 {how}")
        elif end - now < ALARM_BEFORE:
            told.append(f"{what} 将于 {end} 失效，请运行 {how}")
    for row in outside.listing(conn):
        if row["not_after"] - now < ALARM_BEFORE:
            told.append(f"外部签发机构 {row['name']} 的证书于 {row['not_after']} 到期")
        if not row["crl"]:
            continue
        end = revocations.parse(row["crl"].encode("ascii")).next_update
        if end is None or end - now < ALARM_BEFORE:
            told.append(
                f"外部签发机构 {row['name']} 的吊销列表于 {end or '（未写明）'} 失效，"
                "请向其索取新的列表并运行 nenghao ca import-issuer"
            )
    return told
