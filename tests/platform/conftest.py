"""One certificate authority for all tests of the platform, a fresh province for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nenghao.clock import china_now
from nenghao.platform.store.engine import Store
from nenghao.security.authority import CertificateAuthority
from tests.platform.world import Client, World, new_database


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca") / "ca", china_now())


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_database(tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def world(tmp_path: Path, authority: CertificateAuthority, fresh_database: Path) -> Iterator[World]:
    path = tmp_path / "nenghao.db"
    shutil.copy(fresh_database, path)
    made = World(Store.open(f"sqlite:///{path}"), authority)
    yield made
    made.store.close()


@pytest.fixture
def steel(world: World) -> Client:
    """A registered device of the annex's sample unit."""
    client = world.client()
    client.register()
    return client
