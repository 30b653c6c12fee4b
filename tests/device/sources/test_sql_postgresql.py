from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from psycopg.sql import SQL

from nenghao.device.sources import sql
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.sql import SqlSettings
from tests.device.sources.broken_peers import answers, free_port, peer, silent
from tests.device.sources.sql_world import NOW, WIDE, fault, poll, settings, shown
from tests.postgres import Server

READER = f"nenghao_reader_{os.getpid()}"


class Cluster:
    """A database of the test run's server, which `READER` enters with the password `s3cret`."""

    def __init__(self, server: Server, database: str) -> None:
        self._server = server
        self._database = database
        self.run("CREATE TABLE meter (time timestamptz, gate numeric(20,6), export float8)")
        self.run("CREATE TABLE private (time timestamptz, gate int, export int)")
        self.run(f"GRANT SELECT, INSERT ON meter TO {READER}")

    def run(self, statement: str) -> Any:
        """The first value of what an administrator's statement gives."""
        url = self._server.url(self._database)
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.exec_driver_sql(statement)
                return result.scalar() if result.returns_rows else None
        finally:
            engine.dispose()

    def settings(self, query: str = WIDE, user: str = READER, **changes: Any) -> SqlSettings:
        url = self._server.url(self._database, username=user)
        return settings(url, query, **({"password": "s3cret"} | changes))


@pytest.fixture(scope="module")
def cluster(postgres: Server) -> Iterator[Cluster]:
    postgres.run(SQL(f"CREATE ROLE {READER} LOGIN PASSWORD 's3cret'"))
    try:
        with postgres.database() as url:
            name = sqlalchemy.make_url(url).database
            assert name is not None
            made = Cluster(postgres, name)
            with _password_asked_for(made):
                yield made
    finally:
        postgres.run(SQL(f"DROP ROLE {READER}"))


@contextmanager
def _password_asked_for(cluster: Cluster) -> Iterator[None]:
    """While the server, which trusts everybody on its socket, asks `READER` for the password."""
    rules = Path(cluster.run("SHOW hba_file"))
    try:
        before = rules.read_text()
        rules.write_text(f"local all {READER} scram-sha-256\n{before}")
    except OSError:
        pytest.skip(f"不能修改 PostgreSQL 服务器的 {rules}，无法测试口令")
    try:
        cluster.run("SELECT pg_reload_conf()")
        yield
    finally:
        rules.write_text(before)
        cluster.run("SELECT pg_reload_conf()")


@pytest.fixture
def province(cluster: Cluster) -> Cluster:
    """The cluster with an empty `meter`."""
    cluster.run("TRUNCATE meter")
    return cluster


@pytest.mark.clause("3.7-1")
def test_postgresql_gives_exact_decimals_and_times_with_zone(
    province: Cluster, tmp_path: Path
) -> None:
    province.run("INSERT INTO meter VALUES ('2026-03-02 09:45:00.25+08', 12345678.123456, 0.1)")
    source = sql.make(province.settings(), tmp_path)
    moment = datetime(2026, 3, 2, 9, 45, 0, 250_000)
    assert poll(source) == [
        Sample("gate", moment, Decimal("12345678.123456")),
        Sample("export", moment, Decimal("0.1")),
    ]
    province.run("INSERT INTO meter VALUES ('2026-03-02 02:00:00+00', 2, NULL)")
    again = sql.make(province.settings(overlap_seconds=0), tmp_path)
    assert shown(poll(again)) == [("gate", "02 10:00", "2.000000")]


def test_postgresql_is_only_read(province: Cluster, tmp_path: Path) -> None:
    query = "INSERT INTO meter VALUES (now(), 1, 1) RETURNING time, gate, export"
    found = fault(sql.make(province.settings(query), tmp_path))
    assert found.kind is FaultKind.CONFIGURATION
    sneaking = f"WITH x AS ({query}) SELECT * FROM x"
    assert fault(sql.make(province.settings(sneaking), tmp_path)).kind is FaultKind.CONFIGURATION


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"password": "wr0ng"}, FaultKind.CREDENTIALS),
        ({"password": ""}, FaultKind.CREDENTIALS),
        ({"user": "nobody"}, FaultKind.CREDENTIALS),
        ({"query": "SELECT * FROM private"}, FaultKind.CREDENTIALS),
        ({"query": "SELECT * FROM nowhere"}, FaultKind.CONFIGURATION),
        (
            {"query": "SELECT now() AS time, 1 / (gate - 1), 1 AS export FROM meter"},
            FaultKind.GARBAGE,
        ),
        ({"query": "SELECT pg_sleep(60)", "timeout_seconds": 0.1}, FaultKind.TIMEOUT),
    ],
)
def test_what_postgresql_refuses_is_named_and_the_next_one_works(
    province: Cluster, tmp_path: Path, changes: dict[str, Any], kind: FaultKind
) -> None:
    province.run("INSERT INTO meter VALUES ('2026-03-02 09:45:00+08', 1, 1)")
    found = fault(sql.make(province.settings(**changes), tmp_path))
    assert found.kind is kind
    assert "s3cret" not in found.text
    assert "wr0ng" not in found.text
    (tmp_path / "pw").write_text("s3cret\n")
    good = province.settings(password="", password_file="pw")
    assert len(poll(sql.make(good, tmp_path))) == 2


def test_a_server_that_ends_the_connection_is_a_fault_and_a_new_one_works(
    province: Cluster, tmp_path: Path
) -> None:
    province.run("INSERT INTO meter VALUES ('2026-03-02 09:45:00+08', 1, 1)")

    async def run() -> None:
        source = sql.make(province.settings(), tmp_path)
        await source.open()
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{READER}'"
        assert province.run(ended) is True
        with pytest.raises(SourceFault) as caught:
            await source.read(NOW)
        assert caught.value.kind is FaultKind.UNREACHABLE
        await source.close()
        await source.open()
        assert len(await source.read(NOW)) == 2
        await source.close()

    asyncio.run(run())


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://reader@127.0.0.1:{free_port()}/mes"
    assert fault(sql.make(settings(url), tmp_path)).kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize(
    ("talk", "kind"),
    [(silent, FaultKind.TIMEOUT), (answers(b"HTTP/1.1 200 OK\r\n\r\n"), FaultKind.GARBAGE)],
)
def test_a_peer_that_is_no_database(tmp_path: Path, talk: Any, kind: FaultKind) -> None:
    async def run() -> SourceFault:
        async with peer(talk) as port:
            url = f"postgresql+psycopg://reader@127.0.0.1:{port}/mes"
            source = sql.make(settings(url, timeout_seconds=0.3), tmp_path)
            with pytest.raises(SourceFault) as caught:
                await source.open()
            await source.close()
            return caught.value

    assert asyncio.run(run()).kind is kind
