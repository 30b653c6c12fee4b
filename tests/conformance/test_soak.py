"""The long version (`make soak`): a platform killed again and again while a fleet uploads to it."""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from nenghao.conformance.fleet import FleetUnit, fleet
from nenghao.conformance.load_shapes import Dice
from nenghao.conformance.platform_process import serving
from nenghao.conformance.simulated_device import SimulatedDevice
from nenghao.platform import certificates
from nenghao.platform import home as homes
from nenghao.security.credentials import write_credentials
from nenghao.standard.regions import LIAONING

UNITS, DAYS, KILLS = 24, 20, 8
NOW = datetime(2026, 11, 20, 1, 5)


def make(root: Path) -> list[SimulatedDevice]:
    """A platform's folder and the fleet's devices, every certificate entered in its register."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = homes.init(
        root / "platform", {"device_port": port, "exchange_port": 0, "console_port": 0}, NOW
    )
    devices = []
    with home.store() as store:
        for unit in fleet(UNITS):
            out = root / "out" / str(unit.number)
            issued = home.authority().issue_device(unit.credit_code, unit.name, unit.region, 1, NOW)
            with store.write() as conn:
                certificates.register(conn, issued, NOW)
            about = {
                "code": unit.credit_code,
                "name": unit.name,
                "region": unit.region,
                "regionName": LIAONING.name(unit.region),
                "device": 1,
            }
            write_credentials(out, issued, about)
            folder = root / "devices" / str(unit.number)
            made = SimulatedDevice.create(unit, folder, f"127.0.0.1:{port}", out)
            devices.append(SimulatedDevice(unit, made))
    return devices


@pytest.mark.soak
@pytest.mark.clause("6.2.5-6")
@pytest.mark.clause("6.2.5-7")
@pytest.mark.clause("6.2.5-8")
def test_a_platform_killed_while_a_fleet_uploads_loses_and_doubles_nothing(tmp_path: Path) -> None:
    begin = NOW.date() - timedelta(days=DAYS)
    lost: list[tuple[FleetUnit, int]] = []

    async def killed_after(seconds: float, devices: list[SimulatedDevice]) -> None:
        async with serving(tmp_path / "platform", tmp_path / "log") as platform:
            uploads = asyncio.gather(*(device.upload(NOW) for device in devices))
            await asyncio.sleep(seconds)
            platform.kill()
            await uploads

    async def run() -> None:
        devices = make(tmp_path)
        for device in devices:
            device.feed(begin, NOW)
        for seconds in Dice("kills").uniforms(KILLS):
            await killed_after(0.2 + 1.8 * seconds, devices)
        waiting = sum(device.queued() for device in devices)
        assert 0 < waiting < UNITS * DAYS, "the kills should fall into the middle"
        async with serving(tmp_path / "platform", tmp_path / "log"):
            for device in devices:
                summary = await device.upload(NOW)
                assert summary.is_well, summary
                arrived = await device.arrived(begin, NOW.date())
                if not arrived.ticks == arrived.read == arrived.equal:
                    lost.append((device.unit, arrived.read - arrived.equal))
        for device in devices:
            await device.close()

    asyncio.run(run())
    assert lost == []
