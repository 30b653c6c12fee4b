"""Listeners: bound together, refusing with a reason, and ending whatever clients do."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from nenghao.platform.web.binding import BindError, Listener, bind
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.server import serving
from tests.platform.web.processes import process
from tests.platform.web.wire import HOST, PATIENCE, EchoApp, Station, Wire, head
from tests.security.pki import Pki

# --- binding ----------------------------------------------------------------------------


def test_all_listeners_are_bound_or_none(pki: Pki) -> None:
    with socket.create_server((HOST, 0)) as occupied:
        taken = occupied.getsockname()[1]
        with socket.create_server((HOST, 0)) as probe:
            free = probe.getsockname()[1]
        listeners = [
            Listener("device", HOST, free, EchoApp()),
            Listener("console", HOST, taken, EchoApp()),
        ]
        with pytest.raises(BindError, match=f"无法监听 console 127.0.0.1:{taken}"):
            bind(listeners)
        socket.create_server((HOST, free)).close()  # given back


def test_nothing_accepts_while_only_bound() -> None:
    (bound,) = bind([Listener("device", HOST, 0, EchoApp())])
    try:
        assert bound.listener.port > 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, bound.listener.port), timeout=PATIENCE)
    finally:
        bound.close()


def test_a_name_is_bound_on_all_its_addresses_with_one_port() -> None:
    (bound,) = bind([Listener("device", "localhost", 0, EchoApp())])
    try:
        assert {each.getsockname()[1] for each in bound.sockets} == {bound.listener.port}
        assert {each.getsockname()[0] for each in bound.sockets} <= {"127.0.0.1", "::1"}
    finally:
        bound.close()


def test_urls_say_scheme_host_and_port(pki: Pki) -> None:
    assert Listener("device", "::1", 9443, None, pki.server_context).url == "https://[::1]:9443"
    assert Listener("health", HOST, 9100, None).url == "http://127.0.0.1:9100"


def test_several_listeners_each_with_its_own_application_and_trust(pki: Pki) -> None:
    device, health = EchoApp(), EchoApp()
    listeners = [
        Listener("device", HOST, 0, device, pki.server_context),
        Listener("health", HOST, 0, health),
    ]
    with serving(listeners) as running:
        with Station(pki, running["device"], device).connect() as wire:
            wire.post(b"", "/of-the-device")
            assert "unit" in wire.reply()
        with socket.create_connection((HOST, running["health"].port), timeout=PATIENCE) as raw:
            plain = Wire(raw)
            plain.post(b"", "/of-the-health")
            assert plain.reply()["refused"] == "请求没有客户端证书"
    assert (device.calls, health.calls) == (["/of-the-device"], ["/of-the-health"])


def test_what_prevents_serving_is_raised_where_it_was_asked_for() -> None:
    def broken() -> ssl.SSLContext:
        raise FileNotFoundError(errno.ENOENT, "no such file", "server.pem")

    with (
        pytest.raises(FileNotFoundError, match=r"server\.pem"),
        serving([Listener("device", HOST, 0, EchoApp(), broken)]),
    ):
        raise AssertionError("this is never reached")


# --- renewal ----------------------------------------------------------------------------


@pytest.mark.clause("6.1-1")
def test_a_renewed_certificate_needs_no_restart(tmp_path: Path) -> None:
    from nenghao.security.credentials import write_server

    pki = Pki(tmp_path)
    app = EchoApp()
    failures: list[Exception] = []
    listener = Listener("device", HOST, 0, app, lambda: pki.renewing_context(failures))
    with serving([listener]) as running:
        place = Station(pki, running["device"], app)
        shown = []
        for _ in range(2):
            with place.connect() as wire:
                shown.append(wire.certificate())
                wire.post()
                assert wire.reply()["device"] == 1
            write_server(pki.root / "server", pki.authority.issue_server([HOST], pki.now))
    assert shown[0] != shown[1]
    assert failures == []


# --- the end ----------------------------------------------------------------------------


def test_leaving_the_block_finishes_the_request_in_flight(pki: Pki) -> None:
    app = EchoApp()
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(
            serving([Listener("device", HOST, 0, app, pki.server_context)])
        )
        with Station(pki, running["device"], app).connect() as wire:
            wire.post(b"abc", "/hold")
            assert app.entered.wait(PATIENCE)
            threading.Timer(0.2, app.release.set).start()
            stack.close()
            status, headers, _ = wire.answer()
            assert (status, headers["connection"]) == (200, "close")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, running["device"].port), timeout=PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_process_with_exit_code_0(pki: Pki, number: int) -> None:
    with process(pki) as running:
        running.signal(number)
        assert running.line() == "ended"
        code, seconds, errors = running.end()
    assert (code, errors) == (0, "")
    assert seconds < 8


def test_with_the_default_grace_the_process_ends_within_8_seconds_of_stalled_clients(
    pki: Pki,
) -> None:
    """A stalled body, stalled headers, a stalled handshake and an idle connection at once."""
    with process(pki, grace=Limits().grace_seconds) as running, contextlib.ExitStack() as clients:
        idle, body, headers = (clients.enter_context(running.station.connect()) for _ in range(3))
        clients.enter_context(running.station.plain())
        idle.post(b"", "/idle")
        idle.reply()
        assert running.line() == "/idle"
        body.send(head("/never", 1000) + b"x")
        headers.send(b"POST /never HT")
        idle.post(b"", "/again")  # by now the others' bytes have arrived
        idle.reply()
        assert running.line() == "/again"
        began = time.monotonic()
        running.signal()
        assert running.line() == "ended"
        code, _, errors = running.end()
        seconds = time.monotonic() - began
    assert (code, errors) == (0, "")
    assert Limits().grace_seconds < seconds < 8


def test_an_idle_kept_alive_connection_does_not_hold_up_the_end(pki: Pki) -> None:
    with process(pki, grace=5) as running, running.station.connect() as wire:
        wire.post(b"", "/idle")
        wire.reply()
        began = time.monotonic()
        running.signal()
        code, _, _ = running.end()
        assert code == 0
        assert time.monotonic() - began < 4  # the grace is not used up
        assert wire.ended()


def test_a_request_in_flight_is_answered_before_the_end(pki: Pki) -> None:
    with process(pki, grace=5) as running, running.station.connect() as wire:
        wire.post(b"abc", "/slow")
        assert running.line() == "/slow"
        running.signal()
        status, headers, body = wire.answer()
        assert (status, headers["connection"], body) == (200, "close", b'{"length": 3}')
        assert running.line() == "ended"
        assert running.end()[0] == 0


def test_a_body_under_way_at_the_signal_is_still_taken_and_answered(pki: Pki) -> None:
    with process(pki, grace=5) as running, running.station.connect() as wire:
        wire.send(head("/late", 100) + b"x" * 50)
        with running.station.connect() as other:
            other.post(b"", "/other")
            other.reply()
            assert running.line() == "/other"
            running.signal()
            assert other.ended()  # the end has begun
        wire.send(b"x" * 50)
        assert wire.answer()[2] == b'{"length": 100}'
        assert running.line() == "/late"
        assert running.end()[0] == 0


def test_a_second_signal_cuts_the_grace_short(pki: Pki) -> None:
    with process(pki, grace=60, end=60) as running, running.station.connect() as wire:
        wire.send(head("/never", 1000) + b"x")
        with running.station.connect() as other:
            other.post(b"", "/other")
            other.reply()
            assert running.line() == "/other"
            running.signal()
            assert other.ended()
        running.signal(signal.SIGINT)
        assert running.line() == "ended"
        code, seconds, _ = running.end()
    assert code == 0
    assert seconds < 8


def test_a_service_that_does_not_come_back_does_not_hold_up_the_end(pki: Pki) -> None:
    with process(pki, grace=0.1, end=1.5) as running, running.station.connect() as wire:
        wire.post(b"", "/stuck")
        assert running.line() == "/stuck"
        running.signal()
        code, seconds, _ = running.end()
    assert code == 0
    assert seconds < 8
