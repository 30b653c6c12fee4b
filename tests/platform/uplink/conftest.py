"""A province with a nation in memory above it."""

from __future__ import annotations

import pytest

from nenghao.platform.store.engine import Store
from tests.platform.uplink.nation import Province


@pytest.fixture
def province(store: Store) -> Province:
    return Province(store)
