"""`nenghao exchange account`: made, shown once, listed, given new keys, limited, locked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import accounts
from nenghao.platform.accounts import Account
from nenghao.platform.home import Home, init
from nenghao.security.passwords import is_right


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("exchange") / "home", {}, china_now())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    import shutil

    shutil.copytree(template.path, tmp_path / "home")
    return Home(tmp_path / "home", template.settings)


class Commands:
    """`nenghao exchange account …` on one home."""

    def __init__(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.capsys = capsys

    def __call__(self, command: str, *options: str, code: int = 0) -> tuple[str, str]:
        words = ["exchange", "account", command, "--home", str(self.home.path), *options]
        assert main(words) == code
        out, err = self.capsys.readouterr()
        return out, err

    def json(self, command: str, *options: str) -> Any:
        out, _ = self(command, *options, "--json")
        return json.loads(out)

    def account(self, user: str = "lnxxzx") -> Account:
        with self.home.store() as store, store.read() as conn:
            found = accounts.named(conn, user)
        assert found is not None
        return found


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(home, capsys)


NEW = ("--user", "lnxxzx", "--app-id", "app-1")


@pytest.mark.clause("7.1-5")
def test_add_prints_what_the_partner_is_given_and_it_holds(run: Commands) -> None:
    told = run.json("add", *NEW)
    assert list(told) == ["appId", "kid", "key", "userName", "password"]
    assert (told["appId"], told["kid"], told["userName"]) == ("app-1", "k1", "lnxxzx")
    assert is_right(run.account().password_hash, told["password"])
    with run.home.store() as store, store.read() as conn:
        found = accounts.find(conn, "app-1", "k1")
    assert found is not None
    key = accounts.unsealed(run.home.master_key(), found[0], "k1", found[1])
    assert told["key"] == key.hex()
    assert run.home.master_key_file.stat().st_mode & 0o777 == 0o600


def test_add_takes_every_limit(run: Commands) -> None:
    limits = ("--region", "210000", "--industry", "C", "--industry", "D44", "--rate", "60")
    names = ("--interfaces", "getRegionData, getIndustryData", "--plain", "--cbc")
    out, err = run("add", *NEW, *limits, *names, "--json")
    assert json.loads(out)["cipher"] == "sm4-cbc-hmac-sm3"
    assert "allow_nonconforming_plain_exchange" in err
    account = run.account()
    assert account.scope == (("getRegionData", "getIndustryData"), "210000", ("C", "D44"))
    assert (account.plain, account.requests_per_minute) == (True, 60)


def test_add_says_in_words_that_it_shows_them_once(run: Commands) -> None:
    out, _ = run("add", *NEW)
    assert "只显示这一次" in out
    assert len(out.splitlines()) == 6


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--user", "x", "--app-id", "a b"), "appId"),
        (("--user", "x", "--app-id", "x", "--region", "999999"), "没有行政区划 999999"),
        (("--user", "x", "--app-id", "x", "--industry", "Z"), "没有行业 Z"),
        (("--user", "x", "--app-id", "x", "--interfaces", "get"), "没有接口 get"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(
    run: Commands, options: tuple[str, ...], why: str
) -> None:
    _, err = run("add", *options, code=1)
    assert why in err
    assert run.json("list") == []


def test_list_shows_everything_but_the_secrets(run: Commands) -> None:
    told = run.json("add", *NEW, "--region", "210100")
    (listed,) = run.json("list")
    assert (listed["userName"], listed["appId"], listed["kids"]) == ("lnxxzx", "app-1", ["k1"])
    assert (listed["region"], listed["interfaces"], listed["industries"]) == ("210100", [], [])
    assert (listed["lockedAt"], listed["lockedUntil"]) == (None, None)
    for shown in (str(listed), run("list")[0]):
        assert told["key"] not in shown
        assert told["password"] not in shown
        assert "lnxxzx" in shown


def test_rotate_gives_a_second_key_and_finish_takes_the_first(run: Commands) -> None:
    first = run.json("add", *NEW)
    second = run.json("rotate", "--user", "lnxxzx")
    assert list(second) == ["appId", "kid", "key", "userName"]
    assert second["key"] != first["key"]
    assert run.json("list")[0]["kids"] == ["k1", "k2"]
    finished = run.json("rotate", "--user", "lnxxzx", "--finish")
    assert finished == {"userName": "lnxxzx", "retired": ["k1"]}
    assert run.json("list")[0]["kids"] == ["k2"]
    assert "（无）" in run("rotate", "--user", "lnxxzx", "--finish")[0]


def test_rotate_with_password_gives_a_new_one(run: Commands) -> None:
    first = run.json("add", *NEW)
    second = run.json("rotate", "--user", "lnxxzx", "--password")
    assert is_right(run.account().password_hash, second["password"])
    assert not is_right(run.account().password_hash, first["password"])
    _, err = run("rotate", "--user", "lnxxzx", "--password", "--finish", code=2)
    assert "--finish" in err


def test_lock_and_its_end(run: Commands) -> None:
    run.json("add", *NEW)
    assert "已停用" in run("lock", "--user", "lnxxzx")[0]
    assert run.json("list")[0]["lockedAt"] is not None
    assert "已启用" in run("lock", "--user", "lnxxzx", "--off")[0]
    assert run.json("list")[0]["lockedAt"] is None


def test_scope_changes_what_is_named_and_nothing_else(run: Commands) -> None:
    run.json("add", *NEW, "--region", "210100", "--industry", "C25")
    told = run.json("scope", "--user", "lnxxzx", "--region", "", "--rate", "9", "--plain")
    assert (told["region"], told["industries"], told["rate"]) == ("", ["C25"], 9)
    assert told["plain"] is True
    told = run.json("scope", "--user", "lnxxzx", "--industry", "", "--no-plain")
    assert (told["industries"], told["plain"]) == ([], False)
    told = run.json("scope", "--user", "lnxxzx", "--interfaces", "getRegionData")
    assert told["interfaces"] == ["getRegionData"]
    assert "getRegionData" in run("scope", "--user", "lnxxzx")[0]


@pytest.mark.parametrize("command", ["rotate", "lock", "scope"])
def test_an_account_that_is_not_there_is_named(run: Commands, command: str) -> None:
    _, err = run(command, "--user", "nobody", code=1)
    assert "没有用户名为 nobody 的账户" in err


def test_a_master_key_file_that_others_may_read_is_refused(run: Commands) -> None:
    run.json("add", *NEW)
    run.home.master_key_file.chmod(0o640)
    _, err = run("rotate", "--user", "lnxxzx", code=1)
    assert "0600" in err
