"""What an operator does about the uplink: compares, is told how far it is, takes base data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from nenghao.platform import audit, state
from nenghao.platform.audit import Filter
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.uplink_schema import uplink_mark
from nenghao.platform.uplink import marks, operation
from nenghao.platform.uplink.line import HttpsLine
from nenghao.platform.uplink.operation import UplinkError
from tests.platform.national.world import UNIT, Province, record
from tests.platform.world import Client, World

FIRST, LAST = date(2026, 11, 1), date(2026, 12, 5)


@pytest.fixture
def steel(below: World) -> Client:
    """A unit of the province with one value."""
    client = below.client(UNIT)
    client.register()
    body = {"deviceId": client.device_id, "enterpriseCode": UNIT, "data": [record()]}
    assert client.post("/uploadEnergyData", body).code == "0"
    return client


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: HttpsLine, liaoning: Province
) -> Home:
    """A folder whose line leads to the nation of the test."""

    @contextmanager
    def here(path: Path, settings: PlatformSettings) -> Iterator[tuple[str, HttpsLine]]:
        yield liaoning.device_id, line

    monkeypatch.setattr(operation, "to_nation", here)
    return Home(tmp_path, PlatformSettings())


def trail(below: World) -> list[Any]:
    with below.store.read() as conn:
        return list(audit.listing(conn, Filter(action="uplink."), 10))


def test_days_are_compared_told_and_recorded(below: World, steel: Client, home: Home) -> None:
    told: list[tuple[int, int]] = []
    with audit.acting("user:li", "10.0.0.2"):
        found = operation.compare(
            below.store, home, FIRST, LAST, below.now, lambda *at: told.append(at)
        )
    assert [(one.code, one.here, one.there) for one in found] == [(UNIT, 1, 0)]
    assert told == [(1, 2), (2, 2)], "one unit, two stretches of days"
    (row,) = trail(below)
    assert (row["actor"], row["action"], row["subject"], row["detail"]) == (
        "user:li",
        "uplink.verify",
        "2026-11-01 至 2026-12-05",
        "1 处不一致，已列入上送",
    )


def test_a_comparison_that_is_ended_keeps_what_it_has_marked(
    below: World, steel: Client, home: Home
) -> None:
    with below.store.write() as conn:
        conn.execute(delete(uplink_mark))

    def stop(done: int, total: int) -> None:
        raise StopIteration

    with pytest.raises(StopIteration):
        operation.compare(below.store, home, FIRST, LAST, below.now, stop)
    with below.store.read() as conn:
        assert marks.backlog(conn)[0] == 1
    assert trail(below) == []


def test_base_data_are_taken_once(below: World, home: Home) -> None:
    with audit.acting("user:system", "10.0.0.2"):
        assert operation.approve(below.store, home, below.now) == []
        assert operation.approve(below.store, home, below.now) is None
    (row,) = trail(below)
    assert (row["actor"], row["action"]) == ("user:system", "uplink.approve")
    with below.store.read() as conn:
        assert state.text(conn, state.NATIONAL_VERSION)


def test_what_the_line_says_becomes_one_error(tmp_path: Path) -> None:
    settings = PlatformSettings(uplink_to="https://127.0.0.1:1")
    with (
        pytest.raises(UplinkError, match=r"缺少 device\.pem"),
        operation.to_nation(tmp_path, settings),
    ):
        pass
