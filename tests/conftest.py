"""What tests of several rooms share: one PostgreSQL server for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import NoServer, Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server; where there is none, whoever asks for it is skipped."""
    running = server()
    try:
        made = running.__enter__()
    except NoServer as error:
        pytest.skip(f"没有可用的 PostgreSQL 服务器：{error}")
    try:
        yield made
    finally:
        running.__exit__(None, None, None)
