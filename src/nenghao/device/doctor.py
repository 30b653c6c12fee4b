"""The device's checkup (端设备体检): everything that keeps a device from collecting and sending.

It looks and changes nothing, beside a running device too. What is common to platform and device
is `security.checkup`'s.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from nenghao.device.client import PlatformClient
from nenghao.device.home import DeviceHome, HomeError
from nenghao.device.renewal import is_by_hand
from nenghao.device.settings import DeviceSettings
from nenghao.device.urls import BadAddress, read_url
from nenghao.device.way_out import NoWayOut, interface_of
from nenghao.security import checkup
from nenghao.security.checkup import Line, beware, fault, well
from nenghao.security.identity import IdentityError, identity_of
from nenghao.settings import SettingsError

CONNECT_SECONDS = 10.0
CLOCK_SECONDS = 60.0
"""A greater difference to the platform's clock puts readings at risk of the wrong quarter hour."""
_SECRET_NAMES = ("*.key", "*.p12", "*.pass")
_PRIVATE_NAMES = ("collection.toml", "device.db", "device.db-*")
"""Secret as long as the folder is: others cannot reach into it."""


def examine(path: Path, environ: Mapping[str, str], now: datetime) -> list[Line]:
    """All lines of a device's folder."""
    try:
        home = DeviceHome.open(path)
        settings = home.settings(environ)
    except (HomeError, SettingsError) as error:
        return [fault("设置", str(error), "改正 device.toml")]
    return [well("设置", f"{home.settings_file} 可用"), *_lines(home, settings, now)]


def _lines(home: DeviceHome, settings: DeviceSettings, now: datetime) -> Iterator[Line]:
    yield from checkup.runs_as(home.root)
    yield from _certificate(home, settings, now)
    key = home.root / settings.private_key
    yield from checkup.private_files(home.root, _SECRET_NAMES, _PRIVATE_NAMES, key)
    yield _database(home)
    yield checkup.disk(home.root)
    yield _leaving(settings)
    yield from _platform(home, settings, now)


def _certificate(home: DeviceHome, settings: DeviceSettings, now: datetime) -> Iterator[Line]:
    subject = "端设备证书"
    file, trust = home.root / settings.certificate, home.root / settings.trust
    renew = "正在运行的端设备在到期前 30 天自动更新；已过期须由平台重新签发"
    if is_by_hand(home, settings):
        renew = "国密证书不能自动更新，须由平台重新签发：nenghao ca issue --algorithm sm2"
    yield from checkup.chain(subject, file, trust, now, renew)
    yield from checkup.dates("平台根证书", trust, now, "向省级平台索取新的根证书")
    try:
        home.context(settings)
        unit = home.unit()
    except HomeError as error:
        yield fault(subject, str(error), "恢复证书和私钥，或重新注册证书")
        return
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
        named = identity_of(leaf.public_bytes(Encoding.DER)).credit_code
    except (IdentityError, ValueError):
        return  # an outside issuer's way of naming: the platform judges
    if named != unit.code:
        yield fault(subject, f"证书属于 {named}，unit.json 写的是 {unit.code}", "使用本单位的证书")


def _database(home: DeviceHome) -> Line:
    subject = "数据库持久性"
    advice = "停止端设备，从备份恢复，或用 nenghao device restore 从平台恢复"
    try:
        with sqlite3.connect(f"file:{home.database}?mode=ro", uri=True) as conn:
            mode = conn.execute("PRAGMA journal_mode").fetchone()[0]
            sound = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
        conn.close()
    except sqlite3.Error as error:
        return fault(subject, f"{home.database}：{error}", advice)
    if sound != "ok":
        return fault(subject, f"{home.database} 已损坏：{sound}", advice)
    if mode != "wal":
        return fault(subject, f"journal_mode={mode}，应为 wal", "检查是否有其他程序改动过数据库")
    return well(subject, "WAL，每次提交都落盘，文件完好")


def _leaving(settings: DeviceSettings) -> Line:
    subject = "出口"
    if not settings.leave_by:
        return beware(
            subject,
            "由系统选路：VPN 断开后会从其他线路出去",
            "设置项 leave_by 填 VPN 的网卡（如 wg0），见 docs/security.md",
        )
    try:
        return checkup.interface(subject, interface_of(settings.leave_by), "leave_by")
    except NoWayOut as error:
        return fault(subject, error.strerror or "", "启动 VPN，或改正设置项 leave_by")


def _platform(home: DeviceHome, settings: DeviceSettings, now: datetime) -> Iterator[Line]:
    """Whether the platform answers this device, and what its clock shows."""
    shown: list[datetime] = []
    try:
        url = read_url(settings.platform)
        reason = asyncio.run(_asked(home, settings, url, shown))
    except (BadAddress, HomeError) as error:
        yield fault("平台连接", str(error), "改正设置项 platform，检查证书文件")
        yield checkup.clock(now)
        return
    if not shown:
        yield fault("平台连接", reason, "检查网络、VPN、防火墙和设置项 platform")
        yield checkup.clock(now)
        return
    yield well("平台连接", f"{urlsplit(url).netloc} 可连接，双向证书验证通过")
    ahead = (now - shown[0]).total_seconds()
    if abs(ahead) > CLOCK_SECONDS:
        yield fault(
            "时钟",
            f"本机时间比平台{'快' if ahead > 0 else '慢'} {abs(ahead):.0f} 秒",
            "启用 chrony 或 systemd-timesyncd，并检查时间服务器",
        )
    else:
        yield well("时钟", f"与平台相差 {abs(ahead):.0f} 秒")


async def _asked(
    home: DeviceHome, settings: DeviceSettings, url: str, shown: list[datetime]
) -> str:
    """Ask for the versions of nobody: any answer will do; why there was none."""
    client = PlatformClient(
        context=home.context(settings),
        timeout=min(CONNECT_SECONDS, settings.timeout_seconds),
        on_date=shown.append,
        leave_by=settings.leave_by,
    )
    async with client:
        answer = await client.post(f"{url.rstrip('/')}/nenghao-doctor", b"{}")
    return str(getattr(answer, "reason", ""))
