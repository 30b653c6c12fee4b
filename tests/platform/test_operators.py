"""Logging in: what it takes, what it locks, what it tells, and changing one's own password."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from nenghao.platform import audit, operators, operators_admin, sessions
from nenghao.platform.operators import LoginRefused, OperatorError, Policy
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import Act, Role
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator, operator_session
from nenghao.security import passwords
from nenghao.security.sealing import MasterKey, SealingError
from tests.platform.staff import PASSWORD, Person, hire
from tests.platform.world import ADDRESS, NOW, STEEL, unit_code

pytestmark = pytest.mark.usefixtures("quick_passwords")
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MINUTE = timedelta(minutes=1)


def trail(store: Store) -> list[tuple[str, str, str, str]]:
    with store.read() as conn:
        rows = audit.entries(conn, 1000)[::-1]
    return [(row["actor"], row["action"], row["result"], row["detail"]) for row in rows]


def last_reason(store: Store) -> str:
    actor, action, result, detail = trail(store)[-1]
    assert (action, result) == ("user.login", "refused"), actor
    return detail


def refused(person: Person, now: Any = NOW, **given: Any) -> str:
    with pytest.raises(LoginRefused) as caught:
        person.login(now, **given)
    assert str(caught.value) == "登录失败：用户名、口令或动态口令不正确，或账户已锁定"
    return last_reason(person.store)


def test_name_password_and_code_begin_a_session_that_the_token_finds(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK).settled(NOW - MINUTE)
    session = person.login()
    found = sessions.of(store, session.token, NOW)
    assert found == session
    assert (found.name, found.role, found.unit, found.must_change) == (
        "lisi",
        Role.CLERK,
        "",
        False,
    )
    assert trail(store)[-1] == ("user:lisi", "user.login", "ok", "")


@SQLITE
def test_nothing_that_opens_a_door_is_kept_or_shown_in_the_clear(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    session = person.login()
    with store.read() as conn:
        (row,) = conn.execute(select(operator))
        kept = str(row) + str(conn.execute(select(operator_session)).all())
        stored_trail = str(conn.execute(text("SELECT * FROM audit")).all())
    assert row.password_hash.startswith("$argon2id$")
    assert passwords.is_right(row.password_hash, person.password)
    assert person.secret not in bytes(row.totp)
    for secret in (person.password, session.token, person.code()):
        assert secret not in kept + stored_trail + repr(session)


@SQLITE
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"password": "wrong"}, "口令不正确"),
        ({"password": ""}, "口令不正确"),
        ({"password": "x" * 100_000}, "口令不正确"),
        ({"code": "000000"}, "动态口令不正确或已用过"),
        ({"code": ""}, "动态口令不正确或已用过"),
    ],
)
def test_whatever_is_wrong_is_answered_alike_and_told_to_the_trail_alone(
    store: Store, given: dict[str, str], reason: str
) -> None:
    person = hire(store, "lisi", Role.AUDITOR)
    if given.get("code") == person.code():
        given = {"code": "000001"}
    assert refused(person, **given) == reason


@SQLITE
def test_an_unknown_name_takes_a_hash_as_well_and_is_not_written_down(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    def is_right(_stored: str, given: str) -> bool:
        verified.append(given)
        return False

    monkeypatch.setattr(operators, "is_right", is_right)
    nobody = Person(store, "my-password-by-mistake", "guess")
    assert refused(nobody, code="123456") == "没有这个操作员"
    assert verified == ["guess"]
    assert "my-password" not in str(trail(store))


@SQLITE
def test_a_code_is_good_for_one_login(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    code = person.code()
    person.login(code=code)
    assert refused(person, code=code) == "动态口令不正确或已用过"
    person.login(NOW + MINUTE)


@SQLITE
def test_a_secret_of_another_account_opens_nothing(store: Store) -> None:
    """A sealed secret that is moved to another row does not open there."""
    person, other = hire(store, "lisi", Role.CLERK), hire(store, "wangwu", Role.CLERK)
    with store.write() as conn:
        moved = operators.find_row(conn, "wangwu")
        row = operators.find_row(conn, "lisi")
        assert row is not None
        assert moved is not None
        operators.change(conn, row.id, totp=moved.totp)
    with pytest.raises(Exception, match="封存"):
        person.login(code=other.code())
    assert sessions_of(store) == 0


def sessions_of(store: Store) -> int:
    with store.read() as conn:
        return len(conn.execute(select(operator_session)).all())


def test_the_fifth_failure_locks_and_the_right_password_does_not_open_until_it_ends(
    store: Store,
) -> None:
    person = hire(store, "lisi", Role.CLERK)
    for number in range(1, 6):
        kind = {"password": "wrong"} if number % 2 else {"code": "no"}
        reason = refused(person, NOW + number * MINUTE, **kind)
        assert reason.endswith("，账户锁定 15 分钟") is (number == 5), number
    assert refused(person, NOW + 19 * MINUTE) == "账户因登录失败锁定至 2026-11-22 01:50:00"
    person.login(NOW + 20 * MINUTE)


@SQLITE
def test_failures_long_ago_and_before_a_login_do_not_count(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    for number in range(4):
        refused(person, NOW + number * MINUTE, password="wrong")
    person.login(NOW + 5 * MINUTE)
    for number in range(4):
        refused(person, NOW + (6 + number) * MINUTE, password="wrong")
    refused(person, NOW + 30 * MINUTE, password="wrong")
    person.login(NOW + 31 * MINUTE)


def test_guesses_at_the_same_moment_get_no_further_than_five(store: Store) -> None:
    """The right password is among the guesses that arrive together, behind five wrong ones."""
    person = hire(store, "lisi", Role.CLERK)
    for _ in range(4):
        refused(person, password="wrong")
    barrier = threading.Barrier(6)

    def guess() -> None:
        barrier.wait(20)
        with pytest.raises(LoginRefused):
            person.login(password="wrong")

    threads = [threading.Thread(target=guess) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [detail for *_, detail in trail(store)[-6:]]
    assert sum("口令不正确，账户锁定" in reason for reason in reasons) == 1
    assert sum(reason.startswith("账户因登录失败锁定") for reason in reasons) == 5
    refused(person)


@SQLITE
def test_an_address_with_too_many_failures_is_heard_no_more_and_others_are(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    policy = Policy(failures=100, address_failures=3)
    for _ in range(3):
        refused(person, password="wrong", policy=policy, address="10.9.9.9")
    assert "其余不再受理和记录" in last_reason(store)
    before = len(trail(store))
    with pytest.raises(LoginRefused):
        person.login(policy=policy, address="10.9.9.9")
    assert len(trail(store)) == before
    person.login(policy=policy, address="10.9.9.8")
    person.login(NOW + MINUTE, policy=policy, address="10.9.9.9")


@SQLITE
def test_without_a_role_nobody_logs_in(store: Store) -> None:
    password = operators_admin.add(store, MACHINE, "lisi", "李四", NOW)
    assert refused(Person(store, "lisi", password)) == "账户尚未授予角色"


@SQLITE
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.UNIT])
def test_a_role_that_needs_a_code_does_not_go_without(store: Store, role: Role) -> None:
    person = hire(store, "lisi", role, with_totp=False)
    assert person.secret, "an authenticator all the same"
    with store.write() as conn:
        row = operators.find_row(conn, "lisi")
        assert row is not None
        operators.change(conn, row.id, totp=None)
    assert refused(person) == "账户没有动态口令，而其角色须有"


@SQLITE
def test_a_first_password_opens_nothing_but_its_change(store: Store) -> None:
    session = hire(store, "lisi", Role.CLERK).login()
    assert session.must_change
    assert [act for act in Act if session.may(act)] == [Act.OWN_ACCOUNT]
    found = sessions.of(store, session.token, NOW)
    assert found is not None
    assert not found.may(Act.DATA_READ)


def test_a_new_password_ends_the_other_sessions_and_holds_at_once(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    elsewhere = person.login(NOW - 2 * MINUTE)
    here = person.login(NOW - MINUTE)
    operators.change_password(store, here, person.password, PASSWORD, ADDRESS, NOW)
    assert sessions.of(store, elsewhere.token, NOW) is None
    found = sessions.of(store, here.token, NOW)
    assert found is not None
    assert found.may(Act.DATA_READ)
    assert trail(store)[-1] == ("user:lisi", "user.password", "ok", "")
    assert refused(person) == "口令不正确"
    person.login(NOW + MINUTE, password=PASSWORD)


@SQLITE
@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("Short-1", "12 至 128"),
        ("Aa1-" * 33, "12 至 128"),
        ("alllowercase1", "至少三种"),
        ("123456789012345", "至少三种"),
        ("My-Lisi-2026-x", "用户名"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(store: Store, new: str, why: str) -> None:
    person = hire(store, "lisi", Role.CLERK)
    session = person.login()
    with pytest.raises(OperatorError, match=why):
        operators.change_password(store, session, person.password, new, ADDRESS, NOW)


@SQLITE
def test_the_old_password_is_no_new_one(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK).settled(NOW - MINUTE)
    session = person.login()
    with pytest.raises(OperatorError, match="不同"):
        operators.change_password(store, session, PASSWORD, PASSWORD, ADDRESS, NOW)


@SQLITE
def test_who_finds_an_open_page_cannot_try_passwords(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    session = person.login()
    for _ in range(5):
        with pytest.raises(LoginRefused):
            operators.change_password(store, session, "guess", PASSWORD, ADDRESS, NOW)
    assert "账户锁定" in last_reason(store)
    with pytest.raises(LoginRefused):
        operators.change_password(store, session, person.password, PASSWORD, ADDRESS, NOW)


@SQLITE
def test_a_unit_user_without_an_authenticator_needs_the_activation_code_at_first(
    store: Store,
) -> None:
    """Who made the password cannot be the first to use it, nor who gave the role."""
    person = hire(store, "qiye", Role.UNIT, with_totp=False)
    assert (person.secret, len(person.activation)) == (b"", 16)
    assert refused(person, code="") == "激活码不正确"
    session = person.login()
    assert refused(person, code="") == "激活码不正确"
    operators.change_password(store, session, person.password, PASSWORD, ADDRESS, NOW)
    again = person.login(NOW + MINUTE, password=PASSWORD, code="")
    assert (again.role, again.unit) == (Role.UNIT, STEEL)


@SQLITE
def test_a_unit_user_may_see_and_fill_in_his_own_unit_and_no_other(store: Store) -> None:
    session = hire(store, "qiye", Role.UNIT).settled(NOW - MINUTE).login()
    for act in (Act.UNITS_READ, Act.DATA_READ, Act.REPORTS_FILL, Act.TOTALS_READ):
        assert session.may(act, STEEL)
        assert not session.may(act, unit_code(1))
        assert not session.may(act)
    assert not session.may(Act.UNITS_EDIT, STEEL)


@SQLITE
def test_the_policy_is_what_the_settings_say(store: Store) -> None:
    settings = PlatformSettings(
        login_failures=2, login_lock_minutes=1440, session_idle_minutes=5, session_hours=1
    )
    policy = Policy.of(settings)
    person = hire(store, "lisi", Role.CLERK)
    session = person.login(policy=policy)
    assert session.expires_at == NOW + timedelta(hours=1)
    assert sessions.of(store, session.token, NOW + 5 * MINUTE) is None
    refused(person, password="wrong", policy=policy)
    assert refused(person, password="wrong", policy=policy) == "口令不正确，账户锁定 1440 分钟"


@SQLITE
def test_under_another_master_key_no_authenticator_opens(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    with pytest.raises(SealingError):
        replace(person, master=MasterKey(bytes(16))).login()
    assert sessions_of(store) == 0
