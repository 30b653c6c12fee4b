"""What the exchange remembers for minutes, on every store, with others at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from nenghao.platform import exchange_memory as memory
from nenghao.platform.web.exchange_api import DENIED
from tests.platform.partners import PATH, REGION_DATA, Gate, add, denied, partner
from tests.platform.world import NOW, World

NONCE = "0123456789abcdef" * 2


def test_of_all_who_take_a_nonce_at_once_one_gets_it(world: World) -> None:
    def take(_: int) -> bool:
        with world.store.write() as conn:
            return memory.take_nonce(conn, 1, NONCE, NOW)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(take, range(12))) == [False] * 11 + [True]


def test_a_nonce_is_the_accounts_own_whatever_its_letters(world: World) -> None:
    with world.store.write() as conn:
        assert memory.take_nonce(conn, 1, NONCE, NOW)
        assert memory.take_nonce(conn, 2, NONCE, NOW)
        assert not memory.take_nonce(conn, 1, NONCE.upper(), NOW)
        assert memory.was_seen(conn, 1, NONCE.upper())
        assert not memory.was_seen(conn, 3, NONCE)


def test_a_nonce_is_kept_longer_than_its_request_can_be_fresh(world: World) -> None:
    with world.store.write() as conn:
        memory.take_nonce(conn, 1, NONCE, NOW)
        memory.tidy(conn, NOW + timedelta(minutes=10))
        assert memory.was_seen(conn, 1, NONCE)
        memory.tidy(conn, NOW + timedelta(minutes=12))
        assert not memory.was_seen(conn, 1, NONCE)


def test_none_is_lost_of_what_is_counted_at_once(world: World) -> None:
    def count(_: int) -> None:
        with world.store.write() as conn:
            memory.count(conn, "account", "1", NOW)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(count, range(24)))
    with world.store.read() as conn:
        assert memory.times(conn, "account", "1", NOW) == 24
        assert memory.times(conn, "account", "2", NOW) == 0
        assert memory.times(conn, "address", "1", NOW) == 0
        assert memory.times(conn, "account", "1", NOW + timedelta(seconds=29)) == 24
        assert memory.times(conn, "account", "1", NOW + timedelta(seconds=60)) == 0


def test_a_long_address_is_counted_by_what_fits(world: World) -> None:
    with world.store.write() as conn:
        memory.count(conn, "address", "f" * 100, NOW)
        assert memory.times(conn, "address", "f" * 100, NOW) == 1


def test_wrong_passwords_at_once_are_all_counted_and_the_fifth_locks(world: World) -> None:
    add(world)

    def wrong(_: int) -> bool:
        with world.store.write() as conn:
            return memory.wrong_password(conn, 1, NOW)

    with ThreadPoolExecutor(5) as threads:
        assert sorted(threads.map(wrong, range(5))) == [False] * 4 + [True]
    with world.store.read() as conn:
        assert memory.is_locked(conn, 1, NOW + timedelta(minutes=14, seconds=59))
        assert not memory.is_locked(conn, 1, NOW + timedelta(minutes=15))


def test_what_lies_more_than_15_minutes_back_is_forgotten(world: World) -> None:
    add(world)
    with world.store.write() as conn:
        for _ in range(4):
            assert not memory.wrong_password(conn, 1, NOW)
        later = NOW + timedelta(minutes=15, seconds=1)
        assert not memory.wrong_password(conn, 1, later)
        assert not memory.is_locked(conn, 1, later)


def test_a_call_is_answered_once_and_wrong_passwords_lock_on_every_store(world: World) -> None:
    gate = Gate(world)
    asker = partner(gate)
    body, nonce = asker.sealed(REGION_DATA)
    assert asker.opened(REGION_DATA, gate.post(PATH, body), nonce)["responseCode"] == "0"
    denied(gate, body, "重放")
    fresh = [asker.sealed(REGION_DATA)[0]] * 6
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda one: gate.post(PATH, one).content, fresh))
    assert answers.count(DENIED) == 5
    for _ in range(5):
        wrong = asker.plain(REGION_DATA, password="wrong")
        denied(gate, asker.sealed(REGION_DATA, wrong)[0], "口令错误")
    denied(gate, asker.sealed(REGION_DATA)[0], "账户因口令错误锁定至")
