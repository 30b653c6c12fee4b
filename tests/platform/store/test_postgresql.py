"""A PostgreSQL database is reached, or refused in Chinese; no password is ever said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from nenghao.cli import main
from nenghao.platform import home as homes
from nenghao.platform.home import HomeError, init, open_home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import postgresql
from nenghao.platform.store.engine import Store
from nenghao.platform.store.postgresql import StoreError
from nenghao.platform.store.schema import unit
from tests.platform.energy import NOW
from tests.postgres import VARIABLE, NoServer, Server, server

PASSWORD = "geh@im:Wort"
NOBODY_THERE = "postgresql+psycopg://nenghao:geh%40im%3AWort@127.0.0.1:1/nenghao"
"""Nothing listens on port 1."""


def _upgrade(url: str) -> None:
    store = Store.open(url)
    try:
        store.upgrade()
    finally:
        store.close()


def refused(url: str) -> str:
    """How an address is refused: not as it was given."""
    with pytest.raises(StoreError) as refusal:
        _upgrade(url)
    text = str(refusal.value)
    assert PASSWORD not in text
    assert "geh%40im" not in text
    return text


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    text = refused(NOBODY_THERE)
    assert text.startswith(
        "无法连接数据库 postgresql+psycopg://nenghao@127.0.0.1:1/nenghao：连接被拒绝"
    )


def test_a_password_among_the_parameters_is_not_said_either() -> None:
    text = refused("postgresql://127.0.0.1:1/nenghao?user=nenghao&password=geh%40im%3AWort")
    assert text.startswith("无法连接数据库 postgresql+psycopg://127.0.0.1:1/nenghao：")


def test_a_database_that_does_not_exist_is_named(postgres: Server) -> None:
    text = refused(postgres.url("no_such_database"))
    assert "/no_such_database?" in text
    assert "没有这个数据库或用户" in text


def test_a_refused_login_is_told_without_the_password(postgres: Server) -> None:
    text = refused(postgres.url("postgres", username="no_such_role", password=PASSWORD))
    assert "no_such_role" in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://nenghao:geh%40im%3AWort@127.0.0.1/n", "psycopg2"),
        ("postgresql://nenghao:geh%40im%3AWort@127.0.0.1:port/n", "不是数据库地址"),
        ("nenghao:geh@im:Wort", "不是数据库地址"),
        ("oracle://nenghao:geh%40im%3AWort@127.0.0.1/n", "不支持的数据库：oracle"),
    ],
)
def test_another_driver_or_no_address_is_refused(url: str, said: str) -> None:
    assert said in refused(url)


def test_a_database_in_another_encoding_is_refused(postgres: Server) -> None:
    name = postgres.create(options="ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        assert "编码应为 UTF8，现为 SQL_ASCII" in refused(postgres.url(name))
    finally:
        postgres.drop(name)


def test_an_old_server_is_refused(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST_SERVER", 99)
    assert "版本应不低于 99" in refused(postgres.url("postgres"))


def test_a_database_of_a_newer_program_is_refused(postgres: Server) -> None:
    with postgres.database() as url:
        store = Store.open(url)
        store.upgrade()
        with store.write() as conn:
            conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        store.close()
        assert "数据库的结构不是本版本程序所能使用的" in refused(url)


def test_what_shows_a_store_or_its_settings_shows_no_password() -> None:
    store = Store.open(NOBODY_THERE + "?sslmode=disable&password=geh%40im%3AWort")
    settings = PlatformSettings(database=NOBODY_THERE)
    for text in (repr(store), str(store), repr(settings), str(settings)):
        assert "geh" not in text
    assert repr(store) == "Store(postgresql+psycopg://nenghao@127.0.0.1:1/nenghao)"
    assert "database='postgresql+psycopg:***'" in repr(settings)
    assert "device_port=9443" in repr(settings)
    store.close()


def test_an_error_of_the_driver_is_said_without_any_spelling_of_the_password() -> None:
    url = make_url(NOBODY_THERE)
    said = OperationalError("", {}, Exception(f"no {PASSWORD}\nnor geh%40im%3AWort"))
    assert postgresql.reason(said, url) == "no *** nor ***"


def test_init_refuses_an_unreachable_database_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "province"
    words = ["platform", "init", "--home", str(path), "--database", NOBODY_THERE]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "错误：无法连接数据库 postgresql+psycopg://nenghao@127.0.0.1:1/nenghao" in err
    assert "geh" not in out + err
    assert not path.exists()


def test_init_makes_a_province_in_a_server_database(
    tmp_path: Path, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "province"
    with postgres.database() as url:
        assert main(["platform", "init", "--home", str(path), "--database", url]) == 0
        home = open_home(path, {})
        assert home.database_url == url
        assert not (path / "nenghao.db").exists()
        with home.store() as store, store.read() as conn:
            assert conn.dialect.name == "postgresql"
            assert conn.execute(select(unit)).all() == []
        assert main(["platform", "unit", "list", "--home", str(path)]) == 0
    capsys.readouterr()
    assert main(["platform", "unit", "list", "--home", str(path)]) == 1
    assert "无法连接数据库" in capsys.readouterr().err


def test_an_unreachable_database_is_a_refusal_of_the_home_too(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="无法连接数据库"):
        init(tmp_path / "home", {"database": NOBODY_THERE}, NOW)
    made = homes.Home(tmp_path, PlatformSettings(database=NOBODY_THERE))
    assert "geh" not in repr(made)


def test_the_server_of_the_environment_comes_first(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, postgres.url("postgres"))
    with server() as given:
        name = given.create()
        given.drop(name)
    monkeypatch.setenv(VARIABLE, NOBODY_THERE)
    with pytest.raises(NoServer, match=VARIABLE), server():
        pytest.fail("a server answered on port 1")


def test_the_tests_own_server_listens_on_no_network_address(postgres: Server) -> None:
    if os.environ.get(VARIABLE):
        pytest.skip(f"the server of {VARIABLE} is somebody else's")
    assert make_url(postgres.url("postgres")).host is None
    with postgres.database() as url:
        store = Store.open(url)
        with store.read() as conn:
            assert conn.exec_driver_sql("SHOW listen_addresses").scalar() == ""
            assert conn.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
            assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
        store.close()


def test_names_of_databases_are_quoted(postgres: Server) -> None:
    with pytest.raises(Exception, match="does not exist"):
        postgres.run(sql.SQL("DROP DATABASE {}").format(sql.Identifier('a"; SELECT 1; --')))
