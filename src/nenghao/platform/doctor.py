"""The platform's checkup (平台体检): everything that keeps a province from running well.

It looks and changes nothing, beside a running platform too. What is common to platform and device
is `security.checkup`'s.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from nenghao.platform import certificates, sm2_home, trust_files
from nenghao.platform.home import Home, HomeError, open_home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.postgresql import StoreError
from nenghao.platform.store.schema import audit, receipt, unit_head
from nenghao.security import checkup
from nenghao.security.checkup import Line, beware, fault, well
from nenghao.settings import SettingsError

CONNECT_SECONDS = 3.0
_SECRET_NAMES = ("*.key", "seal", "*.pass", "*.secret", "platform.toml")
_PRIVATE_NAMES = ("nenghao.db", "nenghao.db-*")
"""Secret as long as the folder is: others cannot reach into it."""
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


def examine(path: Path, environ: Mapping[str, str], now: datetime) -> list[Line]:
    """All lines of a platform's folder."""
    try:
        home = open_home(path, environ)
    except (HomeError, SettingsError) as error:
        return [fault("设置", str(error), "改正 platform.toml")]
    return [well("设置", f"{home.settings_file} 可用"), *_lines(home, now)]


def _lines(home: Home, now: datetime) -> Iterator[Line]:
    yield from checkup.runs_as(home.path)
    store: Store | None = None
    try:
        store = Store.open(home.database_url)
        newest, database = _database(home, store)
        with store.read() as conn:
            alarms = trust_files.issuer_alarms(conn, now)
            ending = certificates.sm2_ending(conn, now)
    except (StoreError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error)
        newest, database = None, [fault("数据库", reason, "启动数据库，或改正设置项 database")]
        alarms, ending = [], []
    finally:
        if store is not None:
            store.close()
    yield checkup.clock(now, newest)
    yield from _certificates(home, now)
    yield from _lists([*trust_files.list_alarms(home.ca, now), *alarms])
    yield from _sm2(home, ending, now)
    yield from checkup.private_files(home.path, _SECRET_NAMES, _PRIVATE_NAMES)
    yield from database
    yield checkup.disk(home.path)
    yield from _listening(home.settings)
    yield _reached(home)
    yield _watched(home.settings)
    if not home.settings.login_totp:
        yield beware("动态口令", "未启用：操作员仅凭口令登录", "设置项 login_totp 改为 true")


def _certificates(home: Home, now: datetime) -> Iterator[Line]:
    renew = "重新启动平台即自动更新；签发机构的密钥须在本机"
    yield from checkup.chain("服务器证书", home.server_chain, home.ca / "root.pem", now, renew)
    for file in sorted(home.ca.glob("*.pem")):
        yield from checkup.dates("签发机构证书", file, now, "nenghao ca init 建立新的签发机构")


def _lists(alarms: list[trust_files.Alarm]) -> Iterator[Line]:
    """Revocation lists, and outside issuers with theirs."""
    subject = "吊销列表"
    for each in alarms:
        yield (fault if each.is_over else beware)(subject, each.found, each.advice)
    if not alarms:
        yield well(subject, "均在有效期内")


def _sm2(home: Home, ending: Sequence[RowMapping], now: datetime) -> Iterator[Line]:
    """What of national cryptography ends; devices' certificates are not renewed by themselves."""
    if home.settings.sm_port:
        chain, _ = sm2_home.server_files(home)
        root = sm2_home.folder(home) / "root.pem"
        renew = "重新启动平台即自动更新；签发机构的密钥须在本机"
        yield from checkup.chain("国密服务器证书", chain, root, now, renew)
    for file in sorted(sm2_home.folder(home).glob("*.pem")):
        yield from checkup.dates("国密签发机构证书", file, now, "建立新的国密签发机构")
    for row in ending:
        whose = f"{row['credit_code']} 端设备 {row['device_number']}"
        yield beware(
            "国密端设备证书",
            f"{whose} 的证书有效至 {row['not_after']:%Y-%m-%d}，不会自动续期",
            "nenghao ca issue --algorithm sm2 重新签发并交给该单位",
        )


# --- the database --------------------------------------------------------------------------------


def _database(home: Home, store: Store) -> tuple[datetime | None, list[Line]]:
    """When something last happened, and how durable what is acknowledged is."""
    with store.read() as conn:
        # The newest by their keys: the whole journal would take long to look through.
        last = select(audit.c.at).order_by(audit.c.id.desc()).limit(1)
        uploads = select(func.max(receipt.c.received_at)).join_from(
            unit_head,
            receipt,
            (receipt.c.unit_id == unit_head.c.unit_id)
            & (receipt.c.sequence == unit_head.c.sequence),
        )
        moments = [conn.execute(query).scalar() for query in (last, uploads)]
        asked = ("fsync", "synchronous_commit", "full_page_writes")
        server = (
            {name: str(conn.execute(text(f"SHOW {name}")).scalar()) for name in asked}
            if store.on_postgresql
            else {}
        )
    newest = max((moment for moment in moments if moment is not None), default=None)
    if store.on_postgresql:
        return newest, _postgresql(server)
    with store.write() as conn:
        journal = str(conn.execute(text("PRAGMA journal_mode")).scalar())
        synchronous = int(conn.execute(text("PRAGMA synchronous")).scalar_one())
    return newest, _sqlite(home, journal, synchronous)


def _postgresql(told: Mapping[str, str]) -> list[Line]:
    advice = "在 postgresql.conf 中改为 on：否则断电会丢失已应答的数据"
    off = [f"{name} = {value}" for name, value in told.items() if value in ("off", "local")]
    if off:
        return [fault("数据库持久性", "、".join(off), advice)]
    return [well("数据库持久性", "PostgreSQL：fsync、synchronous_commit、full_page_writes 均开启")]


def _sqlite(home: Home, journal: str, synchronous: int) -> list[Line]:
    lines = []
    if journal != "wal" or synchronous < 2:
        lines.append(
            fault(
                "数据库持久性",
                f"SQLite：journal_mode={journal}，synchronous={synchronous}",
                "应为 wal 和 2（FULL）；检查是否有其他程序改动过数据库",
            )
        )
    kind = _file_system(home.path)
    if kind in _NETWORK_FILE_SYSTEMS:
        lines.append(
            fault(
                "数据库持久性",
                f"SQLite 数据库在网络文件系统（{kind}）上，锁和落盘都不可靠",
                "移到本机磁盘，或改用 PostgreSQL",
            )
        )
    return lines or [well("数据库持久性", "SQLite：WAL，每次提交都落盘")]


def _file_system(path: Path) -> str:
    """The kind of file system that holds a path; "" where it cannot be told."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return ""
    whole = path.resolve()
    holding = [
        (len(Path(mount[1]).parts), mount[2]) for mount in mounts if whole.is_relative_to(mount[1])
    ]
    return max(holding, default=(0, ""))[1]


# --- the network ---------------------------------------------------------------------------------


def _listening(settings: PlatformSettings) -> Iterator[Line]:
    subject = "监听范围"
    advice = "设置项 bind 填 VPN 的地址，或 bind_interface 填其网卡（如 wg0），见 docs/security.md"
    if settings.bind_interface:
        yield checkup.interface(subject, settings.bind_interface, "bind_interface")
        return
    try:
        address = ipaddress.ip_address(settings.listen_address)
    except ValueError:
        yield beware(subject, f"按域名 {settings.listen_address} 监听", advice)
        return
    if address.is_unspecified:
        yield beware(subject, f"监听所有地址（{address}）", advice)
    elif not (address.is_private or address.is_loopback):
        yield beware(subject, f"监听公网地址 {address}", advice)
    else:
        yield well(subject, f"只监听 {address}")


def _reached(home: Home) -> Line:
    """Whether the device port answers with TLS as its devices would see it."""
    subject = "端设备端口"
    settings = home.settings
    where = f"{settings.host}:{settings.device_port}"
    context = ssl.create_default_context(cafile=str(home.ca / "root.pem"))
    try:
        with (
            socket.create_connection(
                (settings.host, settings.device_port), timeout=CONNECT_SECONDS
            ) as raw,
            context.wrap_socket(raw, server_hostname=settings.host) as tls,
        ):
            return well(subject, f"{where} 可连接，{tls.version()}")
    except ssl.SSLCertVerificationError as error:
        return fault(
            subject, f"{where} 的证书未通过验证：{error.verify_message}", "检查该端口上是哪个程序"
        )
    except ConnectionRefusedError:
        return beware(subject, f"{where} 没有监听", f"nenghao platform serve --home {home.path}")
    except OSError as error:
        return fault(subject, f"{where} 不可连接：{error}", "检查平台、防火墙和设置项 host")


def _watched(settings: PlatformSettings) -> Line:
    if settings.health_port:
        where = f"http://127.0.0.1:{settings.health_port}/metrics"
        return well("运行指标", where)
    return beware("运行指标", "未开放", "设置项 health_port 填一个端口，如 9464，并接入 Prometheus")
