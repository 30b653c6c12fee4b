from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources import sql
from nenghao.device.sources.base import FaultKind
from tests.device.sources.sql_world import Meters, fault, poll, settings


@pytest.fixture
def meters(tmp_path: Path) -> Meters:
    return Meters(tmp_path / "计量.db")


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT time, gate FROM nowhere", "nowhere"),
        ("SELECT time, gate FROM meter", "'export'"),
        ("SELEKT 1", "SELEKT"),
        ("DELETE FROM meter", ""),
    ],
)
def test_a_query_that_is_no_use_is_a_fault_of_the_configuration(
    meters: Meters, tmp_path: Path, query: str, word: str
) -> None:
    meters.wide("02 09:45", 1, 1)
    found = fault(sql.make(settings(meters.url, query), tmp_path))
    assert found.kind is FaultKind.CONFIGURATION
    assert word in found.text
    assert len(poll(sql.make(settings(meters.url, name="anew"), tmp_path))) == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"url": "nonsense"}, "url"),
        ({"url": "oracle+unknown://x/y"}, "oracle"),
        ({"url": "postgresql://reader:s3cret@127.0.0.1/mes"}, "password_file"),
        ({"password": "a", "password_file": "b"}, "password"),
    ],
)
def test_settings_that_are_no_use_are_faults_of_the_configuration(
    meters: Meters, tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    block: dict[str, Any] = {"url": meters.url} | changes
    found = fault(sql.make(settings(**block), tmp_path))
    assert found.kind is FaultKind.CONFIGURATION
    assert word in found.text
    assert "s3cret" not in found.text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name_column": "tag"}, "value_column"),
        ({"time_column": ""}, "time_column"),
        ({"time_format": "%H:%M"}, "time_format"),
        ({"query": "SELECT :until"}, ":until"),
        ({"points": [{"name": "gate", "scale": "x"}]}, "gate"),
        ({"points": [{"name": "gate"}, {"name": "gate"}]}, "gate"),
        ({"points": []}, "points"),
        ({"pasword": "x"}, "pasword"),
    ],
)
def test_settings_that_contradict_themselves_are_refused_by_name(
    changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        settings(**({"url": "sqlite:///x.db"} | changes))


def test_a_database_file_that_comes_and_goes(tmp_path: Path) -> None:
    source = sql.make(settings("sqlite:///later.db"), tmp_path)
    assert fault(source).kind is FaultKind.UNREACHABLE
    assert not (tmp_path / "later.db").exists()
    meters = Meters(tmp_path / "later.db")
    meters.wide("02 09:45", 1, 1)
    assert len(poll(source)) == 2


def test_a_file_that_is_no_database_is_garbage(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    assert fault(sql.make(settings("sqlite:///x.db"), tmp_path)).kind is FaultKind.GARBAGE


def test_a_query_that_never_ends_is_given_up_and_the_next_one_works(
    meters: Meters, tmp_path: Path
) -> None:
    meters.wide("02 09:45", 1, 1)
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT '2026-03-02' AS time, max(i) AS gate, 0 AS export FROM n"
    )
    found = fault(sql.make(settings(meters.url, endless, timeout_seconds=0.05), tmp_path))
    assert found.kind is FaultKind.TIMEOUT
    assert len(poll(sql.make(settings(meters.url), tmp_path))) == 2


def test_a_locked_database_is_slow_not_gone(meters: Meters, tmp_path: Path) -> None:
    with closing(sqlite3.connect(meters.file)) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        source = sql.make(settings(meters.url, timeout_seconds=0.1), tmp_path)
        assert fault(source).kind is FaultKind.TIMEOUT


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    block = settings("postgresql://a:s3cret@127.0.0.1/x", password="s3cret")
    assert "s3cret" not in repr(block)
    assert "s3cret" not in str(block.__rich_repr__())


def test_the_state_file_of_something_else_is_named(meters: Meters, tmp_path: Path) -> None:
    file = tmp_path / "sources" / "sql-MES.json"
    file.parent.mkdir()
    file.write_text("{}")
    found = fault(sql.make(settings(meters.url), tmp_path))
    assert found.kind is FaultKind.CONFIGURATION
    assert str(file) in found.text


def test_sqlalchemy_is_imported_only_with_this_source() -> None:
    code = (
        "import sys; import nenghao.device.agent, nenghao.device.sources.registry as r;"
        "assert 'sqlalchemy' not in sys.modules; r.module_of('sql');"
        "assert 'sqlalchemy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
