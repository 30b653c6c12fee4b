"""A device killed at the worst moments: real processes, real TLS, SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import httpx
import pytest

from nenghao.device import outbox
from nenghao.device.home import DeviceHome
from nenghao.device.outbox import Batch
from nenghao.security.authority import CertificateAuthority
from tests.device.https_platform import HttpsPlatform, https_platform
from tests.device.world import Answer, put_days

ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("NENGHAO_")}
DATA = "/uploadEnergyData"


@pytest.fixture
def platform(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpsPlatform]:
    with https_platform(authority, tmp_path / "server") as running:
        yield running


@pytest.fixture
def device(platform: HttpsPlatform, tmp_path: Path, credentials: Path) -> DeviceHome:
    home = DeviceHome.create(
        tmp_path / "device", platform=platform.address, credentials=credentials
    )
    with home.store() as store:
        put_days(store, date(2026, 3, 1), 2, datetime(2026, 3, 3))
    return home


def start(device: DeviceHome) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "nenghao", "device", "run", "--home", str(device.root)),
            *("--once", "--at", "2026-03-03 06:00:00"),
        ],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def run(device: DeviceHome) -> int:
    process = start(device)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 1), errors.decode()
    return process.returncode


def kill_at(platform: HttpsPlatform, device: DeviceHome, path: str, taken: bool) -> None:
    """Run the device and kill it when its request for `path` has arrived.

    `taken`: the platform takes what came first, so that only the answer is lost.
    """
    process: list[subprocess.Popen[bytes]] = []

    def trouble(asked: str, request: httpx.Request) -> Answer | None:
        if asked != path:
            return None
        if taken:
            platform._answer(asked, request)
        process[0].send_signal(signal.SIGKILL)
        process[0].wait(timeout=60)
        return 200, b"nobody is there to read this"

    platform.trouble = trouble
    process.append(start(device))
    process[0].communicate(timeout=60)
    assert process[0].returncode == -signal.SIGKILL
    platform.trouble = lambda asked, request: None


def waiting(device: DeviceHome) -> list[Batch]:
    with device.store() as store, store.read() as connection:
        return outbox.waiting(connection)


def test_killed_between_queued_and_sent_the_batches_are_still_there(
    platform: HttpsPlatform, device: DeviceHome
) -> None:
    kill_at(platform, device, "/versionCheck", taken=True)  # packed, nothing sent yet
    assert [(batch.day, batch.attempts) for batch in waiting(device)] == [
        ("2026-03-01", 0),
        ("2026-03-02", 0),
    ]
    assert run(device) == 0
    assert platform.days == ["2026-03-01", "2026-03-02"]
    assert waiting(device) == []


@pytest.mark.clause("6.2.5-8")
def test_killed_while_sending_before_the_platform_took_it_nothing_is_lost(
    platform: HttpsPlatform, device: DeviceHome
) -> None:
    kill_at(platform, device, DATA, taken=False)
    assert platform.taken == []
    interrupted = platform.bodies[DATA]
    assert [batch.attempts for batch in waiting(device)] == [1, 0]
    assert run(device) == 0
    assert platform.days == ["2026-03-01", "2026-03-02"]
    assert platform.taken[0].body == interrupted


@pytest.mark.clause("6.2.5-7")
def test_killed_after_the_platform_took_it_the_same_batch_comes_again(
    platform: HttpsPlatform, device: DeviceHome
) -> None:
    kill_at(platform, device, DATA, taken=True)
    assert run(device) == 0
    assert platform.days == ["2026-03-01", "2026-03-01", "2026-03-02"]
    first, again, _ = platform.taken
    assert first.body == again.body


def test_what_was_accepted_before_the_kill_is_not_sent_again(
    platform: HttpsPlatform, device: DeviceHome
) -> None:
    seen: list[bytes] = []
    process: list[subprocess.Popen[bytes]] = []

    def trouble(asked: str, request: httpx.Request) -> Answer | None:
        if asked == DATA:
            seen.append(request.content)
        if len(seen) == 2:
            process[0].send_signal(signal.SIGKILL)
            process[0].wait(timeout=60)
            return 200, b""
        return None

    platform.trouble = trouble
    process.append(start(device))
    process[0].communicate(timeout=60)
    platform.trouble = lambda asked, request: None
    assert run(device) == 0
    assert platform.days == ["2026-03-01", "2026-03-02"]
    assert seen[1] == platform.taken[1].body


def test_a_served_device_ends_on_sigterm_with_0(
    platform: HttpsPlatform, device: DeviceHome
) -> None:
    process: list[subprocess.Popen[bytes]] = []
    asked: list[str] = []

    def trouble(path: str, request: httpx.Request) -> Answer | None:
        asked.append(path)
        if path == "/downloadBaseData":
            process[0].send_signal(signal.SIGTERM)
        return None

    platform.trouble = trouble
    process.append(
        subprocess.Popen(
            [sys.executable, "-m", "nenghao", "device", "run", "--home", str(device.root)],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    assert process[0].wait(timeout=60) == 0
    assert asked == ["/", "/versionCheck", "/downloadBaseData"]
