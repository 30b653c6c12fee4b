"""Sessions end: unused, too long, too many, logged out; and what they refuse leaves a record."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from nenghao.platform import audit, operators_admin, sessions
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import Act, Role
from nenghao.platform.sessions import NotPermitted
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator_session
from tests.platform.staff import at_work, hire
from tests.platform.world import ADDRESS, NOW, STEEL, unit_code

pytestmark = pytest.mark.usefixtures("quick_passwords")
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MINUTE = timedelta(minutes=1)


def is_open(store: Store, token: str, now: datetime) -> bool:
    return sessions.of(store, token, now) is not None


def test_a_session_that_nobody_uses_ends(store: Store) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    assert is_open(store, session.token, NOW + timedelta(minutes=29, seconds=59))
    assert is_open(store, session.token, NOW + timedelta(minutes=59))
    assert not is_open(store, session.token, NOW + timedelta(minutes=89))
    assert not is_open(store, session.token, NOW + timedelta(minutes=90))


@SQLITE
def test_a_session_in_use_ends_all_the_same(store: Store) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    for minutes in range(20, 12 * 60, 20):
        assert is_open(store, session.token, NOW + minutes * MINUTE)
    assert not is_open(store, session.token, NOW + timedelta(hours=12))


@SQLITE
def test_asking_again_within_half_a_minute_writes_nothing(store: Store) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    seen = select(operator_session.c.seen_at)
    for seconds, expected in ((29, NOW), (31, NOW + timedelta(seconds=31))):
        assert is_open(store, session.token, NOW + timedelta(seconds=seconds))
        with store.read() as conn:
            assert expected in conn.execute(seen).scalars().all()


def test_the_fourth_session_of_an_operator_ends_his_oldest_and_no_one_elses(
    store: Store,
) -> None:
    other = at_work(store, "wangwu", Role.CLERK)
    person = hire(store, "lisi", Role.CLERK, now=NOW)
    begun = [person.login(NOW + number * MINUTE) for number in range(4)]
    now = NOW + 4 * MINUTE
    assert [is_open(store, one.token, now) for one in begun] == [False, True, True, True]
    assert is_open(store, other.token, now)


def test_logging_out_ends_this_session_alone(store: Store) -> None:
    person = hire(store, "lisi", Role.CLERK)
    one, two = person.login(NOW), person.login(NOW + MINUTE)
    sessions.end(store, one, NOW + MINUTE, ADDRESS)
    sessions.end(store, one, NOW + MINUTE, ADDRESS)
    assert [is_open(store, each.token, NOW + MINUTE) for each in (one, two)] == [False, True]
    with store.read() as conn:
        actions = [row["action"] for row in audit.entries(conn)]
    assert actions.count("user.logout") == 1


@SQLITE
@pytest.mark.parametrize("token", ["", "x", "é" * 40, "\ud800", "a" * 10_000])
def test_what_is_no_token_finds_nobody(store: Store, token: str) -> None:
    at_work(store, "lisi", Role.CLERK)
    assert sessions.of(store, token, NOW) is None


@SQLITE
def test_the_digest_in_the_database_is_no_token(store: Store) -> None:
    at_work(store, "lisi", Role.CLERK)
    with store.read() as conn:
        digests = conn.execute(select(operator_session.c.digest)).scalars().all()
    assert digests
    assert not any(is_open(store, digest, NOW) for digest in digests)


@SQLITE
def test_a_session_shows_the_role_as_it_is_now(store: Store) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    operators_admin.lock(store, MACHINE, "lisi", NOW)
    operators_admin.unlock(store, MACHINE, "lisi", NOW)
    assert not is_open(store, session.token, NOW)


@SQLITE
def test_an_administrator_sees_who_is_logged_in_without_the_tokens(store: Store) -> None:
    session = at_work(store, "lisi", Role.CLERK)
    with store.read() as conn:
        listed = sessions.listing(conn, NOW)
        assert sessions.listing(conn, NOW, "nobody") == []
        assert sessions.listing(conn, NOW + timedelta(hours=13)) == []
    assert listed[-1].name == "lisi"
    assert (listed[-1].address, listed[-1].created_at) == (ADDRESS, NOW)
    assert session.token not in str(listed)


@SQLITE
@pytest.mark.parametrize(
    ("role", "act", "unit", "why"),
    [
        (Role.CLERK, Act.AUDIT_READ, None, "业务员不得：查看审计记录"),
        (Role.UNIT, Act.DATA_READ, unit_code(1), "企业用户只能对自己的用能单位"),
        (Role.UNIT, Act.DATA_READ, None, "企业用户只能对自己的用能单位"),
        (Role.UNIT, Act.UNITS_EDIT, STEEL, "企业用户不得"),
    ],
)
def test_what_is_not_permitted_is_refused_and_recorded(
    store: Store, role: Role, act: Act, unit: str | None, why: str
) -> None:
    session = at_work(store, "lisi", role)
    with pytest.raises(NotPermitted, match=why):
        sessions.require(store, session, act, NOW, ADDRESS, unit)
    with store.read() as conn:
        row = audit.entries(conn, 1)[0]
    assert (row["actor"], row["address"], row["action"], row["subject"], row["result"]) == (
        "user:lisi",
        ADDRESS,
        "permission",
        act.value,
        "refused",
    )


@SQLITE
def test_what_is_permitted_passes_without_a_record(store: Store) -> None:
    session = at_work(store, "lisi", Role.UNIT)
    with store.read() as conn:
        before = len(audit.entries(conn, 1000))
    sessions.require(store, session, Act.DATA_READ, NOW, ADDRESS, STEEL)
    with store.read() as conn:
        assert len(audit.entries(conn, 1000)) == before
