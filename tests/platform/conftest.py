"""One certificate authority for all tests of the platform, a fresh province for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nenghao.clock import china_now
from nenghao.security.authority import CertificateAuthority
from tests.platform.world import Client, World, open_world


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca") / "ca", china_now())


@pytest.fixture
def world(tmp_path: Path, authority: CertificateAuthority) -> Iterator[World]:
    made = open_world(tmp_path, authority)
    yield made
    made.store.close()


@pytest.fixture
def steel(world: World) -> Client:
    """A registered device of the annex's sample unit."""
    client = world.client()
    client.register()
    return client
