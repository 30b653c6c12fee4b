"""What tests of several rooms share: one PostgreSQL server for each process of the run.

And the seeds of tests that draw fresh ones (`record_property("seeds", …)`) are shown at the end,
whatever became of them and whichever process they ran in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [
        one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome)
    ]
    lines = [
        f"{report.nodeid}: {value}"
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "seeds" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("seeds")
        for line in lines:
            terminalreporter.write_line(line)
