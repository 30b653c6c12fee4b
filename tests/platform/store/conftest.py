"""Fixtures of the store's tests: a store whose tables are there and empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nenghao.platform.store.engine import Store


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    opened.upgrade()
    yield opened
    opened.close()
