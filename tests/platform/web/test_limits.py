"""Deadlines and memory: what slow clients and many clients at once may cost, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from structlog.testing import capture_logs

from nenghao.platform.web.limits import BodyBudget, BodyRoom, Limits
from tests.platform.web.wire import PATIENCE, chunk, head, station
from tests.security.pki import CODE, Pki

MB = 1_000_000

# --- deadlines --------------------------------------------------------------------------

QUICK = Limits(header_seconds=0.3, body_seconds=0.3, keep_alive_seconds=0.3)


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"POST /echo HT", b"POST /echo HTTP/1.1\r\nHost: a\r\n"]
)
def test_headers_that_do_not_come_end_the_connection(pki: Pki, sent: bytes) -> None:
    with station(pki, QUICK) as running, capture_logs() as logs, running.connect() as wire:
        wire.send(sent) if sent else None
        assert wire.ended()
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("连接已切断", "请求头超时")]
    assert logs[0]["peer"].startswith("127.0.0.1:")
    assert running.app.calls == []


def test_headers_that_drip_end_the_connection_all_the_same(pki: Pki) -> None:
    with station(pki, QUICK) as running, running.connect() as wire:
        began = time.monotonic()
        with pytest.raises((OSError, EOFError)):
            drip(wire.connection, b"POST /echo HTTP/1.1\r\n" + b"X: y\r\n" * 1000)
        assert time.monotonic() - began < 5
    assert running.app.calls == []


def test_the_next_request_of_a_kept_alive_connection_has_its_own_deadline(pki: Pki) -> None:
    limits = Limits(header_seconds=0.3, keep_alive_seconds=60)
    with station(pki, limits) as running, running.connect() as wire:
        wire.post(b"abc")
        assert wire.reply()["length"] == 3
        wire.send(b"POST /echo HTTP/1.1\r\n")
        assert wire.ended()
    assert running.app.calls == ["/echo"]


def test_an_empty_line_does_not_keep_an_idle_connection(pki: Pki) -> None:
    limits = Limits(header_seconds=0.3, keep_alive_seconds=60)
    with station(pki, limits) as running, running.connect() as wire:
        wire.post()
        wire.reply()
        wire.send(b"\r\n")
        assert wire.ended()


def test_an_idle_kept_alive_connection_is_closed(pki: Pki) -> None:
    limits = Limits(keep_alive_seconds=0.3)
    with station(pki, limits) as running, running.connect() as wire:
        wire.post()
        wire.reply()
        assert wire.ended()


def test_a_request_at_work_has_no_deadline_of_the_connection(pki: Pki) -> None:
    """Only clients are hurried: a service may take longer than headers, body or idleness."""
    with station(pki, QUICK) as running, running.connect() as wire:
        wire.post(b"abc", "/hold")
        assert running.app.entered.wait(PATIENCE)
        wire.connection.settimeout(0.7)
        with pytest.raises(TimeoutError):
            wire.connection.recv(1)
        wire.connection.settimeout(PATIENCE)
        running.app.release.set()
        assert wire.reply()["length"] == 3


@pytest.mark.parametrize("sent", [0, 10])
def test_a_body_that_stalls_ends_the_connection_and_reaches_no_application(
    pki: Pki, sent: int
) -> None:
    with station(pki, QUICK) as running, capture_logs() as logs, running.connect() as wire:
        wire.send(head(length=1000) + b"x" * sent)
        assert wire.ended()
    assert [entry["reason"] for entry in logs] == ["请求体太慢"]
    assert running.app.calls == []


def test_a_body_that_drips_is_cut_off(pki: Pki) -> None:
    limits = Limits(body_seconds=0.3, body_min_rate=100_000)
    with station(pki, limits) as running, running.connect() as wire:
        wire.send(head(length=100_000))
        with pytest.raises((OSError, EOFError)):
            drip(wire.connection, b"x" * 100_000)
    assert running.app.calls == []


def test_a_slow_line_above_the_floor_gets_through_however_long_it_takes(pki: Pki) -> None:
    """What a plant on 1 Mbit/s with a batch of 16 MB lives on: several windows, each earned."""
    limits = Limits(body_seconds=0.3, body_min_rate=1000)
    with station(pki, limits) as running, running.connect() as wire:
        wire.send(head(length=8000))
        began = time.monotonic()
        sent = 0
        while sent < 8000:
            if time.monotonic() - began > sent / 10_000:  # ten times the floor: 0.8 s in all
                wire.send(b"x" * 100)
                sent += 100
        assert wire.reply()["length"] == 8000
        assert time.monotonic() - began > 2 * limits.body_seconds


def test_the_default_floor_lets_16_mb_through_on_a_line_of_one_megabit() -> None:
    limits = Limits()
    line = 1_000_000 / 8  # bytes a second
    assert 16 * MB / line > limits.body_seconds  # so the window alone would not do
    assert line >= 3 * limits.body_min_rate  # three devices share the line


def test_a_client_that_does_not_read_its_answer_is_cut_off(pki: Pki) -> None:
    limits = Limits(write_seconds=0.15)
    with station(pki, limits) as running, capture_logs() as logs, running.connect() as wire:
        wire.post(b"", "/stream")
        deadline = time.monotonic() + PATIENCE
        while not logs and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [entry["reason"] for entry in logs] == ["对方不接收应答"]


# --- memory -----------------------------------------------------------------------------


def test_a_body_waits_for_room_and_goes_on_when_another_is_answered(pki: Pki) -> None:
    limits = Limits(body_budget=50_000)
    with station(pki, limits) as running, running.connect() as one, running.connect() as two:
        one.post(b"x" * 60_000, "/hold")
        assert running.app.entered.wait(PATIENCE)
        two.send(head("/second", 40_000) + b"y" * 20_000)
        two.connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            two.connection.recv(1)
        assert running.app.calls == ["/hold"]
        two.connection.settimeout(PATIENCE)
        running.app.release.set()
        assert one.reply()["length"] == 60_000
        two.send(b"y" * 20_000)
        assert two.reply()["length"] == 40_000


def test_a_body_that_finds_no_room_is_answered_by_the_application_as_busy(pki: Pki) -> None:
    limits = Limits(body_budget=50_000, budget_seconds=0.15)
    with station(pki, limits) as running, running.connect() as one, running.connect() as two:
        one.post(b"x" * 60_000, "/hold")
        assert running.app.entered.wait(PATIENCE)
        two.post(b"y" * 3 * MB, "/second")  # sends everything before it reads
        reply = two.reply()
        assert reply["busy"]
        assert reply["unit"] == CODE
        assert two.ended()
        running.app.release.set()
        assert one.reply()["length"] == 60_000


def test_a_request_without_body_needs_no_room(pki: Pki) -> None:
    with (
        station(pki, Limits(body_budget=50_000)) as running,
        running.connect() as one,
        running.connect() as two,
    ):
        one.post(b"x" * 60_000, "/hold")
        assert running.app.entered.wait(PATIENCE)
        two.send(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        assert two.reply()["length"] == 0
        running.app.release.set()
        assert one.reply()["length"] == 60_000


def test_bodies_that_never_came_to_their_end_give_their_room_back(pki: Pki) -> None:
    limits = Limits(body_budget=100_000, body_limit=200_000, budget_seconds=60)
    with station(pki, limits) as running:
        for _ in range(3):
            with running.connect() as wire:  # goes away in the middle of its body
                wire.send(head(length=90_000) + b"x" * 80_000)
        for _ in range(3):
            with running.connect() as wire:  # is refused
                wire.post(b"x" * 250_000)
                assert wire.answer()[0] == 413
        with running.connect() as wire:
            wire.send(head("/echo", 95_000) + b"x" * 95_000)
            assert wire.reply()["length"] == 95_000


def test_waiting_for_room_does_not_count_against_the_client(pki: Pki) -> None:
    limits = Limits(body_budget=50_000, body_seconds=0.4, budget_seconds=60)
    with station(pki, limits) as running, running.connect() as one, running.connect() as two:
        one.post(b"x" * 60_000, "/hold")
        assert running.app.entered.wait(PATIENCE)
        two.send(head("/second", 1000) + b"y" * 500)
        two.connection.settimeout(0.7)
        with pytest.raises(TimeoutError):
            two.connection.recv(1)
        two.connection.settimeout(PATIENCE)
        running.app.release.set()
        two.send(b"y" * 500)
        assert two.reply()["length"] == 1000


def test_the_budget_tells_those_who_wait_in_their_order() -> None:
    budget, told = BodyBudget(10), list[str]()
    budget.take(30)
    for name, size in (("first", 4), ("gone", 1), ("second", 4), ("third", 3)):
        budget.wait(name, partial(tuple[int, int], (size, 0)), partial(told.append, name))
    budget.leave("gone")
    budget.leave("nobody")
    budget.release(15)
    assert (budget.full, told) == (True, [])
    budget.release(9)
    assert (budget.used, told) == (10, ["first"])
    assert not budget.reserve(1)  # nobody overtakes
    budget.release(3)
    assert (budget.used, told) == (7, ["first"])
    budget.release(1)
    assert (budget.used, told) == (10, ["first", "second"])
    budget.leave("third")
    budget.release(10)
    assert (budget.used, told) == (0, ["first", "second"])


def test_what_exceeds_the_whole_budget_is_let_in_alone() -> None:
    budget = BodyBudget(10)
    assert budget.reserve(30)
    assert not budget.reserve(1)
    budget.release(30)
    assert budget.reserve(1)


def test_whoever_stood_behind_one_who_gave_up_is_told() -> None:
    budget, told = BodyBudget(10), list[str]()
    budget.take(5)
    budget.wait("large", lambda: (10, 0), lambda: told.append("large"))
    budget.wait("small", lambda: (5, 0), lambda: told.append("small"))
    budget.leave("large")
    assert (budget.used, told) == (10, ["small"])


def test_bodies_that_come_at_the_same_time_do_not_fill_the_budget_half_read(pki: Pki) -> None:
    """Forty at once and room for two: all are answered, none waits for another's second half."""
    limits = Limits(body_budget=1_000_000, budget_seconds=PATIENCE)
    with station(pki, limits) as running, contextlib.ExitStack() as clients:
        wires = [clients.enter_context(running.connect()) for _ in range(40)]
        with ThreadPoolExecutor(len(wires)) as threads:
            for sent in [threads.submit(wire.post, b"x" * 500_000) for wire in wires]:
                sent.result(PATIENCE)
        assert [wire.reply()["length"] for wire in wires] == [500_000] * 40


def test_bodies_without_a_length_share_the_budget_too(pki: Pki) -> None:
    limits = Limits(body_budget=50_000, budget_seconds=0.15)
    with station(pki, limits) as running, running.connect() as one, running.connect() as two:
        one.post(b"x" * 60_000, "/hold")
        assert running.app.entered.wait(PATIENCE)
        two.send(head("/second", None, extra="Transfer-Encoding: chunked"))
        two.send(chunk(b"y" * 20_000))
        assert two.reply()["busy"]
        running.app.release.set()
        assert one.reply()["length"] == 60_000
        with running.connect() as three:
            three.send(head("/third", None, extra="Transfer-Encoding: chunked"))
            three.send(chunk(b"y" * 20_000) * 2 + b"0\r\n\r\n")
            assert three.reply()["length"] == 40_000


def test_room_for_what_is_unpacked() -> None:
    asyncio.run(_room_for_what_is_unpacked())


async def _room_for_what_is_unpacked() -> None:
    budget = BodyBudget(100)
    one, two = BodyRoom(budget, PATIENCE), BodyRoom(budget, 0.01)
    assert one.reserve(60)
    assert two.reserve(10)
    assert not await two.grow(50)
    assert (two.charge, budget.used) == (10, 70)
    growing = asyncio.create_task(one.grow(95))
    await asyncio.sleep(0)
    two.release()
    assert await growing
    assert (one.charge, budget.used) == (95, 95)
    assert await one.grow(300)  # nobody else holds anything: whom should it wait for
    one.release()
    assert budget.used == 0


def drip(connection: socket.socket, data: bytes) -> None:
    """Send a few bytes at a time until the platform ends the connection; raises when it does."""
    connection.settimeout(0.02)
    for begin in range(0, len(data), 6):
        connection.sendall(data[begin : begin + 6])
        try:
            if connection.recv(1) == b"":
                raise EOFError
        except TimeoutError:
            continue
        except ssl.SSLWantReadError:
            continue
    raise AssertionError("the platform took it all")
