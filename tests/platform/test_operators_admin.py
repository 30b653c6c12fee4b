"""Accounts: made, granted, reset, locked; and nobody grants himself more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from nenghao.platform import audit, operators, operators_admin, sessions
from nenghao.platform.operators import LoginRefused, OperatorError
from nenghao.platform.operators_admin import MACHINE, By
from nenghao.platform.permissions import Act, Role
from nenghao.platform.sessions import NotPermitted
from nenghao.platform.store.engine import Store
from tests.platform.staff import MASTER, Person, at_work, by, hire
from tests.platform.world import ADDRESS, NOW, STEEL

pytestmark = pytest.mark.usefixtures("quick_passwords")
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MINUTE = timedelta(minutes=1)

DEEDS: dict[Act, list[Callable[[Store, By, str], Any]]] = {
    Act.USERS_ADD: [lambda store, who, name: operators_admin.add(store, who, name, "某", NOW)],
    Act.USERS_PASSWORD: [
        lambda store, who, name: operators_admin.reset_password(store, who, name, NOW)
    ],
    Act.USERS_GRANT: [
        lambda store, who, name: operators_admin.grant(
            store, who, name, Role.SYSTEM, NOW, master=MASTER
        ),
        lambda store, who, name: operators_admin.grant(store, who, name, None, NOW, master=MASTER),
    ],
    Act.USERS_TOTP: [
        lambda store, who, name: operators_admin.reset_totp(store, who, name, NOW, master=MASTER)
    ],
    Act.USERS_LOCK: [
        lambda store, who, name: operators_admin.lock(store, who, name, NOW),
        lambda store, who, name: operators_admin.unlock(store, who, name, NOW),
        lambda store, who, name: operators_admin.end_sessions(store, who, name, NOW),
    ],
}


def latest(store: Store) -> tuple[str, str, str, str, str]:
    with store.read() as conn:
        row = audit.entries(conn, 1)[0]
    return row["actor"], row["action"], row["subject"], row["result"], row["detail"]


def role_of(store: Store, name: str) -> Role | None:
    with store.read() as conn:
        found = operators.named(conn, name)
    assert found is not None
    return found.role


@SQLITE
@pytest.mark.parametrize("role", Role)
def test_the_services_themselves_let_each_role_do_its_own_acts_and_no_other(
    store: Store, role: Role
) -> None:
    who = by(at_work(store, "who", role))
    hire(store, "other", Role.CLERK)
    permitted = {
        Role.SYSTEM: {Act.USERS_ADD, Act.USERS_PASSWORD},
        Role.SECURITY: {Act.USERS_GRANT, Act.USERS_TOTP, Act.USERS_LOCK},
    }.get(role, set())
    for act, deeds in DEEDS.items():
        for deed in deeds:
            name = "new" if act is Act.USERS_ADD else "other"
            if act in permitted:
                deed(store, who, name)
                assert latest(store)[:1] == ("user:who",)
                continue
            before = role_of(store, "other")
            with pytest.raises(NotPermitted, match=f"{role.label}不得：{act.label}"):
                deed(store, who, name)
            assert role_of(store, "other") == before
            actor, action, subject, result, _ = latest(store)
            assert (actor, subject, result) == ("user:who", name, "refused")
            assert action.startswith("user.")


@SQLITE
@pytest.mark.parametrize("role", [Role.SYSTEM, Role.SECURITY])
def test_nobody_changes_his_own_account(store: Store, role: Role) -> None:
    session = at_work(store, "who", role)
    for act, deeds in DEEDS.items():
        if not session.may(act):
            continue
        for deed in deeds:
            with pytest.raises(NotPermitted, match="不得改变自己的账户"):
                deed(store, by(session), "who")
    assert role_of(store, "who") is role
    assert sessions.of(store, session.token, NOW) is not None


def test_no_administrator_alone_becomes_somebody_else(store: Store) -> None:
    """The one has the password, the other the code: neither can log in as the new operator."""
    system = by(at_work(store, "sys", Role.SYSTEM))
    security = by(at_work(store, "sec", Role.SECURITY))
    password = operators_admin.add(store, system, "new", "新人", NOW)
    issued = operators_admin.grant(store, security, "new", Role.AUDITOR, NOW, master=MASTER)
    assert issued.secret
    with pytest.raises(LoginRefused):  # what the system administrator knows
        operators.login(store, "new", password, "", ADDRESS, NOW, master=MASTER)
    person = hire_again(store, "new", password, issued.secret)
    with pytest.raises(LoginRefused):  # what the security administrator knows
        person.login(password="")
    assert person.login().role is Role.AUDITOR


def hire_again(store: Store, name: str, password: str, secret: str) -> Person:
    import base64

    return Person(store, name, password, base64.b32decode(secret))


def test_a_reset_password_gives_its_resetter_no_account_without_an_authenticator(
    store: Store,
) -> None:
    system = by(at_work(store, "sys", Role.SYSTEM))
    security = by(at_work(store, "sec", Role.SECURITY))
    person = hire(store, "qiye", Role.UNIT, with_totp=False).settled(NOW - MINUTE)
    password = operators_admin.reset_password(store, system, "qiye", NOW)
    with pytest.raises(LoginRefused):
        person.login(password=password, code="")
    assert role_of(store, "qiye") is None
    issued = operators_admin.grant(
        store, security, "qiye", Role.UNIT, NOW, master=MASTER, unit=STEEL, with_totp=False
    )
    with pytest.raises(LoginRefused):
        person.login(password=password, code="")
    assert person.login(password=password, code=issued.activation).must_change


@SQLITE
def test_a_reset_password_leaves_the_authenticator_and_unlocks(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK).settled(NOW - 10 * MINUTE)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            person.login(password="wrong")
    password = operators_admin.reset_password(store, MACHINE, "lisi", NOW)
    with pytest.raises(LoginRefused):
        person.login(password=password, code="")
    assert person.login(password=password).must_change


@SQLITE
@pytest.mark.parametrize(
    "deed",
    [
        lambda store: operators_admin.grant(
            store, MACHINE, "lisi", Role.AUDITOR, NOW, master=MASTER
        ),
        lambda store: operators_admin.grant(store, MACHINE, "lisi", None, NOW, master=MASTER),
        lambda store: operators_admin.reset_password(store, MACHINE, "lisi", NOW),
        lambda store: operators_admin.reset_totp(store, MACHINE, "lisi", NOW, master=MASTER),
        lambda store: operators_admin.lock(store, MACHINE, "lisi", NOW),
        lambda store: operators_admin.end_sessions(store, MACHINE, "lisi", NOW),
    ],
    ids=["another role", "no role", "password", "authenticator", "lock", "end"],
)
def test_whatever_takes_something_away_ends_the_sessions(
    store: Store, deed: Callable[[Store], Any]
) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    assert sessions.of(store, session.token, NOW) is not None
    deed(store)
    assert sessions.of(store, session.token, NOW) is None


@SQLITE
def test_an_administrator_whose_session_is_over_does_nothing_any_more(store: Store) -> None:
    """What he may is asked in the transaction that does it, not when his page was opened."""
    who = by(at_work(store, "sec", Role.SECURITY))
    hire(store, "lisi", Role.CLERK)
    operators_admin.lock(store, MACHINE, "sec", NOW)
    with pytest.raises(NotPermitted):
        operators_admin.lock(store, who, "lisi", NOW)
    with store.read() as conn:
        found = operators.named(conn, "lisi")
    assert found is not None
    assert found.locked_at is None


@SQLITE
def test_a_locked_account_is_shut_until_it_is_unlocked(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    operators_admin.lock(store, MACHINE, "lisi", NOW)
    with pytest.raises(LoginRefused):
        person.login()
    operators_admin.unlock(store, MACHINE, "lisi", NOW)
    person.login(NOW + MINUTE)


@SQLITE
def test_a_new_authenticator_replaces_the_old_one(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    issued = operators_admin.reset_totp(store, MACHINE, "lisi", NOW, master=MASTER)
    with pytest.raises(LoginRefused):
        person.login()
    assert issued.secret in issued.uri
    hire_again(store, "lisi", person.password, issued.secret).login()


@SQLITE
@pytest.mark.parametrize(
    ("name", "full_name", "why"),
    [
        ("", "张三", "用户名"),
        (" x", "张三", "用户名"),
        ("x\n", "张三", "用户名"),
        ("x" * 41, "张三", "至多 40"),
        ("x", "", "姓名"),
        ("lisi", "张三", "已有账户"),
    ],
)
def test_what_is_no_name_makes_no_account(
    store: Store, name: str, full_name: str, why: str
) -> None:
    hire(store, "lisi", Role.CLERK)
    with pytest.raises(OperatorError, match=why):
        operators_admin.add(store, MACHINE, name, full_name, NOW)
    with store.read() as conn:
        assert [one.name for one in operators.listing(conn)] == ["lisi"]


@SQLITE
@pytest.mark.parametrize(
    ("role", "unit", "why"),
    [
        (Role.UNIT, "", "须属于一个用能单位"),
        (Role.UNIT, "123", "统一社会信用代码"),
        (Role.CLERK, STEEL, "只有企业用户"),
        (None, STEEL, "只有企业用户"),
    ],
)
def test_a_units_user_and_nobody_else_is_bound_to_one_unit(
    store: Store, role: Role | None, unit: str, why: str
) -> None:
    hire(store, "lisi", Role.AUDITOR)
    with pytest.raises(OperatorError, match=why):
        operators_admin.grant(store, MACHINE, "lisi", role, NOW, master=MASTER, unit=unit)
    assert role_of(store, "lisi") is Role.AUDITOR


@SQLITE
@pytest.mark.parametrize("act", [act for act in DEEDS if act is not Act.USERS_ADD])
def test_who_is_not_there_is_named(store: Store, act: Act) -> None:
    for deed in DEEDS[act]:
        with pytest.raises(OperatorError, match="没有用户名为 nobody 的操作员"):
            deed(store, MACHINE, "nobody")


@SQLITE
def test_changes_are_recorded_with_who_from_where_and_on_whom(store: Store) -> None:
    security = by(at_work(store, "sec", Role.SECURITY))
    hire(store, "lisi", Role.CLERK)
    operators_admin.grant(store, security, "lisi", Role.UNIT, NOW, master=MASTER, unit=STEEL)
    assert latest(store) == ("user:sec", "user.grant", "lisi", "ok", f"企业用户，{STEEL}")
    with store.read() as conn:
        assert audit.entries(conn, 1)[0]["address"] == ADDRESS
