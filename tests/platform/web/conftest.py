from __future__ import annotations

import pytest

from tests.security.pki import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """One CA for all tests of a module: none of them changes it."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def backend() -> str:
    """How requests are read and answered has nothing to do with the database."""
    return "sqlite"
