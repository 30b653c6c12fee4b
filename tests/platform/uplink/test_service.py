"""One process sends for all units, never gives up, and waits ten seconds at the most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import lease, marks, status
from nenghao.platform.uplink.lease import Orders
from nenghao.platform.uplink.line import NotSent
from nenghao.platform.uplink.service import LONGEST_PAUSE, Service
from nenghao.platform.uplink.window import Window
from tests.platform.energy import NOW, record, send
from tests.platform.uplink.nation import Province, cut

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CODES = ["91330000573973053F", "911101010000000002", "911101010000000003"]
PATIENCE = 20.0


class Ticks:
    """Time that passes only while the service waits for it: an `Event` that does not sleep."""

    def __init__(self, until: Callable[[], bool]) -> None:
        self.now = 0.0
        self.waits = 0
        self._until = until
        self._set = False

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        self.waits += 1
        self._set = self._set or self._until() or self.waits > 300
        return self._set


def service(
    province: Province, ticks: Ticks, *, window: str = "always", holder: str = "a", **more: object
) -> Service:
    return Service(
        province.store,
        province.sender,
        Window.parse(window),
        lambda: province.now + timedelta(seconds=int(ticks.now)),
        ticks,  # type: ignore[arg-type]
        holder=holder,
        ticks=ticks,
        **more,  # type: ignore[arg-type]
    )


def look(province: Province, now: datetime = NOW) -> status.Status:
    with province.store.read() as conn:
        return status.of(conn, now)


@pytest.mark.clause("5.1-2")
def test_all_units_go_up_on_several_connections(province: Province) -> None:
    peers = [province.unit(code) for code in CODES]
    for peer in peers:
        send(province.store, peer, [record(1)])
    met = threading.Barrier(2, timeout=PATIENCE)
    first: list[str] = []

    def two_at_once(path: str, body: bytes) -> None:
        if len(first) < 2:
            first.append(path)
            met.wait()

    province.nation.weather = two_at_once
    ticks = Ticks(lambda: not province.backlog())
    assert service(province, ticks, connections=2).run()
    for peer in peers:
        assert province.upstairs(peer) == province.values(peer)
    assert not look(province).running


@SQLITE
def test_it_never_gives_up_and_never_waits_longer_than_ten_seconds(province: Province) -> None:
    send(province.store, province.unit(), [record(1)])
    ticks = Ticks(lambda: not province.backlog())
    tried: list[float] = []

    def weather(path: str, body: bytes) -> None:
        tried.append(ticks.now)
        if ticks.now < 100:
            cut()

    province.nation.weather = weather
    service(province, ticks).run()
    pauses = [after - before for before, after in pairwise(tried)]
    assert max(pauses) <= LONGEST_PAUSE == 10
    assert pauses[:4] == [1, 2, 4, 8]
    assert province.backlog() == 0


@SQLITE
def test_a_unit_that_fails_holds_up_no_other(province: Province) -> None:
    sick, *others = [province.unit(code) for code in CODES]

    def weather(path: str, body: bytes) -> None:
        if sick.credit_code.encode() in body:
            raise NotSent("E1002 数据库错误", reached=True)

    province.nation.weather = weather
    ticks = Ticks(lambda: province.backlog() == 1 and ticks.now > 30)
    service(province, ticks).run()
    assert set(province.nation.units) == {peer.credit_code for peer in others}
    found = look(province)
    assert found.standing.failure == "E1002 数据库错误"
    assert found.standing.sent_at is not None
    assert found.oldest == NOW
    assert found.age_seconds(NOW + timedelta(minutes=1)) == 60


@SQLITE
def test_when_nobody_is_there_one_unit_tries_for_all(province: Province) -> None:
    for code in CODES:
        province.unit(code)
    tried = []

    def weather(path: str, body: bytes) -> None:
        tried.append(ticks.now)
        cut()

    province.nation.weather = weather
    ticks = Ticks(lambda: ticks.now > 60)
    service(province, ticks, connections=1).run()
    assert len(tried) < 15


@SQLITE
def test_outside_its_window_nothing_is_sent(province: Province) -> None:
    send(province.store, province.unit(), [record(1)])
    province.now = datetime(2026, 11, 22, 1, 59, 30)
    asked_at: list[float] = []
    ticks = Ticks(lambda: not province.backlog())
    province.nation.weather = lambda path, body: asked_at.append(ticks.now)
    service(province, ticks, window="02:00-06:00").run()
    assert asked_at[0] >= 30
    assert province.backlog() == 0


@SQLITE
def test_what_was_refused_is_tried_again_every_day(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])
    province.nation.refuse_values = lambda one: True
    province.sender.turn()
    province.nation.refuse_values = lambda one: False
    ticks = Ticks(lambda: not province.backlog() and not province.refused())
    service(province, ticks).run()
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_the_daily_work_is_done_at_the_start_and_its_failure_ends_nothing(
    province: Province,
) -> None:
    asked: list[datetime] = []

    def daily(now: datetime) -> None:
        asked.append(now)
        raise RuntimeError("nobody there")

    ticks = Ticks(lambda: ticks.waits > 3)
    assert service(province, ticks, daily=daily).run()
    deadline = time.monotonic() + PATIENCE
    while not asked and time.monotonic() < deadline:
        pass
    assert asked == [NOW]


def test_only_one_process_sends(store: Store) -> None:
    assert lease.take(store, "a", NOW)
    assert lease.take(store, "a", NOW + timedelta(seconds=3))
    assert not lease.take(store, "b", NOW + timedelta(seconds=9))
    assert lease.take(store, "b", NOW + timedelta(seconds=13)), "a is dead"
    assert not lease.take(store, "a", NOW + timedelta(seconds=14))
    lease.release(store, "a")
    assert not lease.take(store, "a", NOW + timedelta(seconds=14)), "it was not a's to release"
    lease.release(store, "b")
    assert lease.take(store, "a", NOW + timedelta(seconds=14))


@SQLITE
def test_a_clock_that_was_set_back_does_not_hold_the_lease_for_ever(store: Store) -> None:
    assert lease.take(store, "a", NOW + timedelta(days=1))
    assert lease.take(store, "b", NOW)


@SQLITE
def test_a_second_service_leaves_the_work_to_the_first(province: Province) -> None:
    province.unit()
    assert lease.take(province.store, "other", NOW)
    ticks = Ticks(lambda: True)
    assert not service(province, ticks, holder="me").run()
    assert province.nation.paths == []


@SQLITE
def test_numbers_of_attempts_grow_over_restarts_and_clocks_set_back(store: Store) -> None:
    first = Orders(store)
    numbers = [first.next(NOW), first.next(NOW), first.next(NOW - timedelta(days=9))]
    second = Orders(store)
    numbers += [second.next(NOW - timedelta(days=1)), second.next(NOW)]
    numbers.append(second.next(NOW, beyond=10**14))
    numbers.append(second.next(NOW))
    assert numbers == sorted(set(numbers))
    assert numbers[-2] > 10**14
    assert Orders(store).next(NOW) > numbers[-1]


@SQLITE
def test_the_status_names_what_was_refused(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1), record(1, "2026-11-21 12:00:00", stat_type=0)])
    province.nation.refuse_values = lambda one: True
    province.sender.turn()
    plain = look(province).plain()
    assert (plain["backlog"], plain["oldest"]) == (0, None)
    assert {(one["code"], one["item"]) for one in plain["refused"]} == {
        (peer.credit_code, "实时数据 2026-11-21"),
        (peer.credit_code, "日数据 2026-11"),
    }
    assert all("不合适" in one["responseMessage"] for one in plain["refused"])
    assert status.item(marks.UNIT, 0) == "用能单位登记"
    assert status.item(marks.CONFIGURATION, 2) == "端设备 2 的基础信息"
    assert [status.item(2, 26), status.item(3, 0)] == ["月数据 2026", "年数据"]
