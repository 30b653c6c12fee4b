"""A national platform for each test, and the provinces that speak to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from nenghao.platform.store.engine import Store
from nenghao.platform.uplink.line import HttpsLine
from nenghao.security.authority import CertificateAuthority
from tests.platform.conftest import SQLITE
from tests.platform.national.lines import Direct, line_of
from tests.platform.national.world import Nation, Province
from tests.platform.world import World


@pytest.fixture
def backend() -> str:
    """The nation is on SQLite where one thing is looked at, and on PostgreSQL in `test_month`."""
    return SQLITE


@pytest.fixture
def nation(fresh_database: str, authority: CertificateAuthority) -> Iterator[Nation]:
    made = Nation(Store.open(fresh_database), authority)
    yield made
    made.store.close()


@pytest.fixture
def liaoning(nation: Nation) -> Province:
    return nation.province("210000", "辽宁省")


@pytest.fixture
def jilin(nation: Nation) -> Province:
    return nation.province("220000", "吉林省")


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """The event loop that the applications run in."""
    with start_blocking_portal() as made:
        yield made


@pytest.fixture
def line(nation: Nation, liaoning: Province, portal: BlockingPortal) -> Iterator[HttpsLine]:
    """Liaoning's line to the nation, on which nothing goes wrong."""
    assert liaoning.issued is not None
    with line_of(Direct(nation, liaoning.issued, portal)) as made:
        yield made


@pytest.fixture
def below(tmp_path: Path, fresh_file: Path, authority: CertificateAuthority) -> Iterator[World]:
    """Liaoning's own platform, on SQLite, to which devices upload."""
    shutil.copy(fresh_file, tmp_path / "below.db")
    made = World(Store.open(f"sqlite:///{tmp_path / 'below.db'}"), authority)
    yield made
    made.store.close()
