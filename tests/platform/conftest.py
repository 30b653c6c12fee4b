"""One certificate authority for all tests of the platform, a fresh province for each.

What asks for a `database`, a `store` or a `world` runs once on SQLite and once on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from nenghao.clock import china_now
from nenghao.platform.store.engine import Store
from nenghao.security import passwords
from nenghao.security.authority import CertificateAuthority
from tests.platform.world import Client, World, fill
from tests.postgres import Server

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca") / "ca", china_now())


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def backend(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    name: str = request.param
    return name


@pytest.fixture
def database(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database."""
    if backend == SQLITE:
        yield f"sqlite:///{tmp_path / 'nenghao.db'}"
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture(scope="session")
def fresh_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a fresh province's database, to be copied."""
    path = tmp_path_factory.mktemp("fresh") / "nenghao.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def fresh_template(postgres: Server) -> Iterator[str]:
    """The name of a fresh province's database, to be copied."""
    name = postgres.create()
    fill(postgres.url(name))
    yield name
    postgres.drop(name)


@pytest.fixture
def fresh_database(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh province's database, with its base data."""
    if backend == SQLITE:
        path = tmp_path / "nenghao.db"
        shutil.copy(request.getfixturevalue("fresh_file"), path)
        yield f"sqlite:///{path}"
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database(request.getfixturevalue("fresh_template")) as url:
        yield url


@pytest.fixture
def store(fresh_database: str) -> Iterator[Store]:
    """The open store of a fresh province."""
    opened = Store.open(fresh_database)
    yield opened
    opened.close()


@pytest.fixture
def world(fresh_database: str, authority: CertificateAuthority) -> Iterator[World]:
    made = World(Store.open(fresh_database), authority)
    yield made
    made.store.close()


@pytest.fixture
def steel(world: World) -> Client:
    """A registered device of the annex's sample unit."""
    client = world.client()
    client.register()
    return client


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, where a test is about something else."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
    monkeypatch.setattr(passwords, "_ARGON2", cheap)
