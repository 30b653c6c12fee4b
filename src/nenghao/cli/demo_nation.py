"""The demo's national platform: made beside the province's, which sends it everything.

How the demo goes is `demo`'s business; here a nation is set up above a province's folder, and it
is told how much of the province has arrived there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from nenghao import settings as settings_files
from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform import home as platform_homes
from nenghao.platform.home import Home
from nenghao.platform.national import provinces
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import frames
from nenghao.platform.store.schema import frame, unit
from nenghao.platform.uplink import credentials, status
from nenghao.security.credentials import write_province
from nenghao.standard.periods import StatType

PROVINCE, NAME = "210000", "辽宁省"
PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Received:
    """What the nation has, and what the province still has to send."""

    units: int
    ticks: int
    backlog: int
    refused: int

    def text(self) -> str:
        """For the reader of the demo."""
        rest = "，全部送达"
        if self.backlog or self.refused:
            rest = f"，未送 {self.backlog} 条，被拒绝 {self.refused} 条"
        return f"国家平台已收到 {self.units} 家用能单位的 {self.ticks:,} 个实时值{rest}"


def prepare(path: Path, province: Path, free_port: Callable[[int], int], wanted: int) -> str:
    """The nation's folder above the province's, made if it is not there; its address."""
    if not platform_homes.settings_file(path).exists():
        values = {
            "role": "national",
            "device_port": free_port(wanted),
            "exchange_port": 0,
            "console_port": 0,
        }
        platform_homes.init(path, values, china_now())
    nation = platform_homes.open_home(path, os.environ)
    url = f"https://{nation.settings.host}:{nation.settings.device_port}"
    below = platform_homes.open_home(province, os.environ)
    if below.settings.uplink_to != url:
        _introduce(nation, below, path.with_name("province-credentials"))
        settings_files.set_value(below.settings_file, "uplink_to", url, PlatformSettings)
    return url


def _introduce(nation: Home, province: Home, out: Path) -> None:
    """What `nenghao ca issue --province` and `platform uplink set` do."""
    now = china_now()
    issued = nation.authority().issue_province(PROVINCE, NAME, now)
    with nation.store() as store, store.write() as conn:
        device_id = provinces.enter(conn, PROVINCE, NAME, now)
        certificates.register(conn, issued, now)
    out.mkdir(parents=True, exist_ok=True)
    write_province(out, issued, {"province": PROVINCE, "name": NAME, "deviceId": device_id})
    credentials.take_over(out, province.path)


async def until_received(nation: Path, province: Path) -> Received:
    """Wait until the province has nothing left to send, with some patience; what arrived."""
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        found = await asyncio.to_thread(_left, province)
        if not found.backlog or asyncio.get_running_loop().time() > end:
            return await asyncio.to_thread(_received, nation, found)
        await asyncio.sleep(_LOOK_SECONDS)


def _left(province: Path) -> status.Status:
    with platform_homes.open_home(province, os.environ).store() as store, store.read() as conn:
        return status.of(conn, china_now())


def _received(nation: Path, left: status.Status) -> Received:
    with platform_homes.open_home(nation, os.environ).store() as store, store.read() as conn:
        units = int(conn.execute(select(func.count()).select_from(unit)).scalar_one())
        query = select(frame.c.planes).where(frame.c.stat_type == int(StatType.REALTIME))
        ticks = sum(frames.count(planes) for (planes,) in conn.execute(query))
    return Received(units, ticks, left.backlog, len(left.refused))
