"""The guarded HTTP protocol over real TLS connections on the loopback interface."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from nenghao.platform.web.limits import Limits
from nenghao.platform.web.peer import PEER_CERTIFICATE, peer_identity
from nenghao.security.identity import IdentityError
from tests.platform.web.wire import PATIENCE, Station, Wire, chunk, head, station
from tests.security.pki import CODE, Pki

MB = 1_000_000


@pytest.fixture(scope="module")
def shared(pki: Pki) -> Iterator[Station]:
    """A listener with limits small enough to be reached and times that nobody reaches."""
    with station(pki, Limits(body_limit=100_000, drain_bytes=5 * MB)) as running:
        yield running


# --- identity ---------------------------------------------------------------------------


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("5.3-1")
@pytest.mark.clause("5.2-1")
def test_a_request_is_answered_and_carries_the_identity_of_its_certificate(
    shared: Station,
) -> None:
    with shared.connect() as wire:
        wire.post(b'{"deviceId": ""}', "/versionCheck")
        reply = wire.reply()
    assert reply["unit"] == CODE
    assert reply["device"] == 1
    assert reply["path"] == "/versionCheck"


def test_every_request_of_a_kept_alive_connection_carries_it(shared: Station) -> None:
    with shared.connect() as wire:
        for length in (0, 10, 99_999):
            wire.post(b"x" * length)
            reply = wire.reply()
            assert (reply["length"], reply["unit"]) == (length, CODE)


def test_two_devices_on_one_listener_are_told_apart(shared: Station, pki: Pki) -> None:
    pki.issue("second", device=2)
    with shared.connect() as first, shared.connect(pki.pair("second")) as second:
        first.post()
        second.post()
        assert (first.reply()["device"], second.reply()["device"]) == (1, 2)


def test_a_scope_without_certificate_has_no_identity() -> None:
    scopes: list[dict[str, Any]] = [{}, {"state": {}}, {"state": {PEER_CERTIFICATE: b""}}]
    for scope in scopes:
        with pytest.raises(IdentityError, match="没有客户端证书"):
            peer_identity(scope)


def test_the_application_is_called_once_with_the_whole_body(shared: Station) -> None:
    with shared.connect() as wire:
        wire.send(head("/echo", None, extra="Transfer-Encoding: chunked"))
        for _ in range(50):
            wire.send(chunk(b"x" * 1000))
        wire.send(b"0\r\n\r\n")
        reply = wire.reply()
    assert reply == reply | {"length": 50_000, "messages": 1, "more": False}


def test_pipelined_requests_are_answered_in_their_order(shared: Station) -> None:
    with shared.connect() as wire:
        wire.send(b"".join(head(f"/{n}", 3) + b"abc" for n in range(5)))
        replies = [wire.reply() for _ in range(5)]
    assert [reply["path"] for reply in replies] == ["/0", "/1", "/2", "/3", "/4"]
    assert {reply["length"] for reply in replies} == {3}


def test_a_pipelined_request_whose_body_comes_later_is_answered(shared: Station) -> None:
    with shared.connect() as wire:
        wire.send(head("/one", 3) + b"abc" + head("/two", 60_000) + b"y" * 10)
        assert wire.reply()["path"] == "/one"
        wire.send(b"y" * 59_990)
        reply = wire.reply()
        assert (reply["path"], reply["length"]) == ("/two", 60_000)


def test_who_expects_100_continue_is_told_to_go_on(shared: Station) -> None:
    with shared.connect() as wire:
        wire.send(head("/echo", 5, extra="Expect: 100-continue"))
        assert wire.answer()[0] == 100
        wire.send(b"hello")
        assert wire.reply()["length"] == 5


def test_connection_close_is_honoured(shared: Station) -> None:
    with shared.connect() as wire:
        wire.post(b"abc", extra="Connection: close")
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.ended()


def test_no_header_tells_the_servers_make(shared: Station) -> None:
    with shared.connect() as wire:
        wire.post()
        headers = wire.answer()[1]
    assert "server" not in headers
    assert headers["date"].endswith("gmt")


# --- sizes ------------------------------------------------------------------------------


def test_a_body_of_exactly_the_limit_is_taken(shared: Station) -> None:
    with shared.connect() as wire:
        wire.post(b"x" * 100_000)
        assert wire.reply()["length"] == 100_000


def test_a_body_over_the_limit_is_answered_413_before_it_is_sent(shared: Station) -> None:
    before = list(shared.app.calls)
    with shared.connect() as wire:
        wire.send(head(length=100_001, extra="Expect: 100-continue"))
        status, headers, body = wire.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert body.decode() == "请求体超过上限 0.1 MB"
    assert shared.app.calls == before


@pytest.mark.parametrize("chunked", [False, True], ids=["Content-Length", "chunked"])
def test_who_sends_everything_before_reading_still_gets_the_413(
    shared: Station, chunked: bool
) -> None:
    before = list(shared.app.calls)
    with shared.connect() as wire:
        if chunked:
            wire.send(head("/echo", None, extra="Transfer-Encoding: chunked"))
            for _ in range(30):
                wire.send(chunk(b"x" * 100_000))
            wire.send(b"0\r\n\r\n")
        else:
            wire.post(b"x" * 3 * MB)
        assert wire.answer()[0] == 413
        assert wire.ended()
    assert shared.app.calls == before


def test_a_pipelined_body_over_the_limit_is_refused_after_the_answer_before_it(
    shared: Station,
) -> None:
    with shared.connect() as wire:
        wire.send(head("/one", 3) + b"abc" + head("/two", 200_000) + b"y" * 200_000)
        assert wire.reply()["path"] == "/one"
        assert wire.answer()[0] == 413
        assert wire.ended()


def test_what_is_drained_after_a_413_is_bounded_in_size(pki: Pki) -> None:
    limits = Limits(body_limit=1000, drain_bytes=MB, close_seconds=0.2)
    with station(pki, limits) as running, running.connect() as wire:
        wire.send(head(length=10**12))
        with pytest.raises((ConnectionError, ssl.SSLError)):
            flood(wire, b"x" * MB)


def test_what_is_drained_after_a_413_is_bounded_in_time(pki: Pki) -> None:
    limits = Limits(body_limit=1000, drain_seconds=0.15, close_seconds=0.2)
    with station(pki, limits) as running, running.connect() as wire:
        wire.send(head(length=5000) + b"x" * 10)
        assert wire.answer()[0] == 413
        assert wire.ended()


@pytest.mark.parametrize("where", ["one header", "many headers", "trailers"])
def test_headers_without_end_are_refused(pki: Pki, where: str) -> None:
    beginning = {
        "one header": b"POST /echo HTTP/1.1\r\nX: ",
        "many headers": b"POST /echo HTTP/1.1\r\nX: ",
        "trailers": head("/echo", None, extra="Transfer-Encoding: chunked") + b"0\r\nX: ",
    }
    piece = b"x" * 10_000 + (b"\r\nX: " if where == "many headers" else b"")
    with station(pki, Limits(header_limit=50_000)) as running, running.connect() as wire:
        wire.send(beginning[where] + 3 * piece)
        with capture_logs() as logs, pytest.raises((ConnectionError, ssl.SSLError)):
            flood(wire, piece)
    assert [entry["reason"] for entry in logs] == ["请求头过大"]
    assert running.app.calls == []


# --- what is not HTTP -------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /\xe4\xb8\x8a\xe4\xbc\xa0 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"POST /\xff HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_ends_that_connection_and_nothing_else(
    shared: Station, sent: bytes
) -> None:
    before = len(shared.app.calls)
    with shared.connect() as other, shared.connect() as wire:
        with capture_logs() as logs:
            wire.send(sent)
            status, headers, _ = wire.answer()
            assert (status, headers["connection"]) == (400, "close")
            assert wire.ended()
        assert [entry["event"] for entry in logs] == ["请求被拒绝"]
        other.post(b"still here")
        assert other.reply()["length"] == 10
    assert len(shared.app.calls) == before + 1


def test_an_escaped_chinese_path_reaches_the_application(shared: Station) -> None:
    with shared.connect() as wire:
        wire.post(b"", "/%E4%B8%8A%E4%BC%A0")
        assert wire.reply()["path"] == "/上传"


def test_an_answer_under_way_is_not_lost_to_nonsense_that_follows(pki: Pki) -> None:
    with station(pki) as running, running.connect() as wire:
        wire.post(b"abc", "/hold")
        assert running.app.entered.wait(PATIENCE)
        wire.send(b"nonsense\r\n\r\n")
        running.app.release.set()
        assert wire.reply()["length"] == 3


def test_an_upgrade_is_answered_as_the_plain_request_that_it_is(shared: Station) -> None:
    with shared.connect() as wire:
        wire.send(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.ended()


def test_many_connections_at_once_are_all_answered(shared: Station) -> None:
    barrier = threading.Barrier(20)

    def talk(number: int) -> int:
        with shared.connect() as wire:
            barrier.wait(PATIENCE)
            wire.post(b"x" * number * 1000)
            return int(wire.reply()["length"])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(talk, range(20))) == [n * 1000 for n in range(20)]


def flood(wire: Wire, piece: bytes) -> None:
    """Send without end and without reading; raises when the platform ends the connection."""
    while True:
        wire.send(piece)
