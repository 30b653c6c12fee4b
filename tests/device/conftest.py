"""Fixtures of the device tests: one authority for all, a fresh device for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nenghao.clock import china_now
from nenghao.device.home import DeviceHome
from nenghao.device.store import DeviceStore
from nenghao.security.authority import CertificateAuthority
from tests.device.world import FakePlatform, World, make_credentials


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("authority") / "ca", china_now())


@pytest.fixture(scope="session")
def credentials(authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_credentials(tmp_path_factory.mktemp("credentials") / "out", authority)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeviceStore]:
    with DeviceStore.create(tmp_path / "device.db") as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, credentials: Path) -> Iterator[World]:
    home = DeviceHome.create(
        tmp_path / "device", platform="platform.test:9443", credentials=credentials
    )
    with home.store() as opened:
        yield World(home, opened, FakePlatform())
