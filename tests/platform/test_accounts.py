"""Accounts of other application platforms: made, shown once, given keys, limited, locked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from nenghao.platform import accounts, audit
from nenghao.platform.accounts import AccountError, Scope
from nenghao.platform.store.engine import Store
from nenghao.platform.store.exchange_schema import exchange_account, exchange_key
from nenghao.security.envelope import CBC, GCM
from nenghao.security.passwords import PBKDF2_SM3, is_right
from nenghao.security.sealing import MasterKey, SealingError
from tests.platform.partners import MASTER, add
from tests.platform.world import NOW, World

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def valid(store: Store, user_name: str = "lnxxzx") -> list[str]:
    with store.read() as conn:
        account = accounts.named(conn, user_name)
        assert account is not None
        return [key.kid for key in accounts.keys(conn, account) if key.retired_at is None]


@pytest.mark.clause("7.1-2")
@pytest.mark.clause("7.1-3")
@pytest.mark.clause("7.1-5")
def test_a_new_account_has_a_key_and_a_password_that_are_kept_in_no_readable_form(
    world: World,
) -> None:
    issued = add(world)
    assert (issued.app_id, issued.user_name, issued.kid) == ("lnxxzx", "lnxxzx", "k1")
    assert (len(issued.key), len(issued.password)) == (16, 24)
    (row,) = world.rows(select(exchange_account))
    (key,) = world.rows(select(exchange_key))
    assert is_right(row.password_hash, issued.password)
    for kept in (str(row), str(key)):
        assert issued.password not in kept
        assert issued.key.hex() not in kept
    assert issued.key not in bytes(key.sealed)


def test_the_key_is_found_by_app_id_and_key_id_and_opens_under_the_master_key(
    world: World,
) -> None:
    issued = add(world)
    with world.store.read() as conn:
        found = accounts.find(conn, "lnxxzx", "k1")
        assert found is not None
        account, sealed = found
        assert accounts.find(conn, "lnxxzx", "k2") is None
        assert accounts.find(conn, "nobody", "k1") is None
    assert accounts.unsealed(MASTER, account, "k1", sealed) == issued.key
    with pytest.raises(SealingError):
        accounts.unsealed(MasterKey(bytes(16)), account, "k1", sealed)
    with pytest.raises(SealingError):
        accounts.unsealed(MASTER, account._replace(app_id="other"), "k1", sealed)


def test_what_was_asked_for_is_what_the_account_is(world: World) -> None:
    scope = Scope(("getRegionData",), "210100", ("C25", "C251", "D"))
    add(world, scope=scope, plain=True, cipher=CBC, requests_per_minute=7, scheme=PBKDF2_SM3)
    with world.store.read() as conn:
        (account,) = accounts.listing(conn)
    assert account.scope == Scope(("getRegionData",), "210100", ("C25", "D"))
    assert (account.plain, account.cipher, account.requests_per_minute) == (True, CBC, 7)
    assert account.password_hash.startswith("$pbkdf2-hmac-sm3$")


def test_without_wishes_it_may_ask_everything_sealed(world: World) -> None:
    add(world)
    with world.store.read() as conn:
        account = accounts.named(conn, "lnxxzx")
    assert account is not None
    assert account.scope == Scope()
    assert (account.plain, account.cipher, account.requests_per_minute) == (False, GCM, 600)


@SQLITE
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"user_name": "lnxxzx", "app_id": "new"}, "用户名 lnxxzx 已有账户"),
        ({"app_id": "lnxxzx"}, "appId lnxxzx 已有账户"),
        ({"app_id": "a|b"}, "appId"),
        ({"app_id": ""}, "appId"),
        ({"user_name": ""}, "用户名"),
        ({"user_name": " x"}, "用户名"),
        ({"user_name": "x\n"}, "用户名"),
        ({"user_name": "x" * 41}, "用户名至多 40"),
        ({"scope": Scope(("getNothing",))}, "没有接口 getNothing"),
        ({"scope": Scope(region="219999")}, "没有行政区划 219999"),
        ({"scope": Scope(industries=("C25", "Z99"))}, "没有行业 Z99"),
        ({"cipher": "aes"}, "加密方式"),
        ({"requests_per_minute": 0}, "每分钟"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    world: World, options: dict[str, Any], why: str
) -> None:
    add(world)
    given = {"user_name": "new", "app_id": "new"} | options
    with pytest.raises(AccountError, match=why.replace("|", r"\|")):
        add(world, **given)
    assert len(world.rows(select(exchange_account))) == 1


def test_at_most_two_keys_are_valid_and_a_number_never_comes_twice(world: World) -> None:
    issued = add(world)
    kids = []
    for _ in range(3):
        with world.store.write() as conn:
            new = accounts.rotate(conn, MASTER, "lnxxzx", NOW)
        assert new.password == ""
        assert new.key != issued.key
        kids.append((new.kid, valid(world.store)))
    assert kids == [("k2", ["k1", "k2"]), ("k3", ["k2", "k3"]), ("k4", ["k3", "k4"])]
    with world.store.write() as conn:
        assert accounts.retire(conn, "lnxxzx", NOW) == ("k3",)
        assert accounts.retire(conn, "lnxxzx", NOW) == ()
    assert valid(world.store) == ["k4"]


def test_a_new_password_replaces_the_old_one(world: World) -> None:
    issued = add(world)
    with world.store.write() as conn:
        new = accounts.rotate(conn, MASTER, "lnxxzx", NOW, password=True)
    (row,) = world.rows(select(exchange_account))
    assert is_right(row.password_hash, new.password)
    assert not is_right(row.password_hash, issued.password)


def test_a_change_of_limits_leaves_the_rest_as_it_was(world: World) -> None:
    add(world, scope=Scope(region="210100"), plain=True)
    with world.store.write() as conn:
        changed = accounts.limit(conn, "lnxxzx", NOW, requests_per_minute=5)
        assert (changed.scope, changed.plain) == (Scope(region="210100"), True)
        changed = accounts.limit(conn, "lnxxzx", NOW, scope=Scope(), plain=False)
        assert (changed.scope, changed.plain, changed.requests_per_minute) == (Scope(), False, 5)
        with pytest.raises(AccountError, match="219999"):
            accounts.limit(conn, "lnxxzx", NOW, scope=Scope(region="219999"))


def test_every_change_is_audited_without_its_secrets(world: World) -> None:
    issued = add(world, scope=Scope(region="210100"))
    with world.store.write() as conn:
        accounts.rotate(conn, MASTER, "lnxxzx", NOW, password=True)
        accounts.retire(conn, "lnxxzx", NOW)
        accounts.lock(conn, "lnxxzx", NOW)
        accounts.unlock(conn, "lnxxzx", NOW)
        accounts.limit(conn, "lnxxzx", NOW, plain=True)
    with world.store.read() as conn:
        records = [dict(one) for one in audit.entries(conn)][::-1]
    actions = [(one["action"], one["subject"]) for one in records][-6:]
    words = ("add", "rotate", "retire", "lock", "unlock", "scope")
    assert actions == [(f"exchange.{word}", "lnxxzx") for word in words]
    assert "210100" in records[-6]["detail"]
    assert "允许明文" in records[-1]["detail"]
    told = str(records)
    assert issued.password not in told
    assert issued.key.hex() not in told


@SQLITE
@pytest.mark.parametrize(
    "change",
    [
        lambda conn: accounts.rotate(conn, MASTER, "nobody", NOW),
        lambda conn: accounts.retire(conn, "nobody", NOW),
        lambda conn: accounts.lock(conn, "nobody", NOW),
        lambda conn: accounts.unlock(conn, "nobody", NOW),
        lambda conn: accounts.limit(conn, "nobody", NOW),
    ],
)
def test_an_account_that_is_not_there_is_named(world: World, change: Any) -> None:
    with (
        pytest.raises(AccountError, match="没有用户名为 nobody 的账户"),
        world.store.write() as conn,
    ):
        change(conn)
