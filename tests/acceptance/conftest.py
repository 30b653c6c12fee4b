"""One running province for the tests that only ask it questions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.world import Credentials, Province, province


@pytest.fixture(scope="session")
def liaoning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with province(tmp_path_factory.mktemp("province") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def steel(liaoning: Province, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """The unit of the annex's samples, with a certificate of the province."""
    return liaoning.issue(tmp_path_factory.mktemp("steel") / "out", "91330000573973053F")


@pytest.fixture(scope="session")
def steel_id(liaoning: Province, steel: Credentials) -> str:
    device_id: str = liaoning.register(steel)["deviceId"]
    return device_id
