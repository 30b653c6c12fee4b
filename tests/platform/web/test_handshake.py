"""TLS handshakes on the wire: who is refused, what both sides learn of it, and what is not lost."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nenghao.platform.web.handshake import reason_of
from nenghao.platform.web.limits import Limits
from tests.platform.web.wire import HOST, Station, head, station, until
from tests.security.pki import Pair, Pki


def refusal(running: Station, context: ssl.SSLContext) -> str:
    """What the client learns when it is refused."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as caught, running.connect(
        context=context
    ) as wire:  # fmt: skip
        # In TLS 1.3 the client learns of it only when it reads.
        wire.connection.recv(1)
    return str(caught.value)


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize(
    ("who", "reason", "alert"),
    [
        (None, "对方没有出示证书", "CERTIFICATE_REQUIRED"),
        (Pki.foreign, "对方证书的签发者不受信任", "UNKNOWN_CA"),
        (Pki.self_signed, "对方证书是自签名的", "UNKNOWN_CA"),
        (Pki.expired, "对方证书已过期", "CERTIFICATE_EXPIRED"),
        (lambda pki: pki.server, "对方证书的签发者不受信任", "UNKNOWN_CA"),
    ],
    ids=["none", "foreign CA", "self-signed", "expired", "a server's"],
)
def test_who_is_refused_is_told_why_and_the_log_says_so_with_the_address(
    tmp_path: Path, who: Callable[[Pki], Pair] | None, reason: str, alert: str
) -> None:
    pki = Pki(tmp_path)
    context = pki.anonymous_context() if who is None else pki.client_context(who(pki))
    with capture_logs() as logs, station(pki) as running:
        told = refusal(running, context)
        with running.connect() as wire:  # and the right one is let in
            wire.post()
            wire.reply()
        until(lambda: bool(logs))
    assert alert in told
    (entry,) = logs
    assert entry["event"] == "TLS 握手被拒绝"
    assert reason in entry["reason"]
    assert entry["peer"].startswith("127.0.0.1:")
    assert len(running.app.calls) == 1


def test_a_client_that_does_not_trust_us_is_logged_too(pki: Pki, tmp_path: Path) -> None:
    stranger = Pki(tmp_path)
    with capture_logs() as logs, station(pki) as running:
        with pytest.raises(ssl.SSLCertVerificationError), running.connect(
            context=stranger.client_context()
        ):  # fmt: skip
            raise AssertionError("this is never reached")
        with running.connect() as wire:
            wire.post()
            wire.reply()
        until(lambda: bool(logs))
    assert ["对方不信任本平台证书的签发者" in entry["reason"] for entry in logs] == [True]


def test_who_begins_no_handshake_is_cut_off(pki: Pki) -> None:
    limits = Limits(handshake_seconds=0.2)
    with capture_logs() as logs, station(pki, limits) as running, running.plain() as raw:
        with contextlib.suppress(ConnectionError):
            assert raw.recv(1) == b""
        until(lambda: bool(logs))
    assert [entry["reason"] for entry in logs] == ["握手超时"]


def test_who_leaves_in_the_middle_of_a_handshake_is_logged(pki: Pki) -> None:
    with capture_logs() as logs, station(pki) as running:
        with running.plain():
            pass
        with running.connect() as wire:
            wire.post()
            wire.reply()
        until(lambda: bool(logs))
    assert [entry["reason"] for entry in logs] == ["对方在握手完成前断开"]


def test_plain_http_is_named_as_such(pki: Pki) -> None:
    with capture_logs() as logs, station(pki) as running, running.plain() as raw:
        raw.sendall(head())
        with contextlib.suppress(ConnectionError):
            while raw.recv(100):
                pass
        until(lambda: bool(logs))
    assert "明文 HTTP" in logs[0]["reason"]


def test_the_reason_of_anything_unforeseen_is_its_name() -> None:
    assert reason_of(RuntimeError("x")) == "意外错误（RuntimeError）"


def test_what_comes_in_one_piece_with_the_handshake_is_not_lost(pki: Pki) -> None:
    """A client may send its request together with the last message of the handshake."""
    context = pki.client_context()
    with station(pki) as running, running.plain() as raw:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
        client.write(head("/early", 3) + b"abc")
        raw.sendall(outgoing.read())  # certificate, finished and request at once
        answer = b""
        while b"/early" not in answer:
            incoming.write(raw.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                while True:
                    answer += client.read()
    assert b"200 OK" in answer
    assert running.app.calls == ["/early"]


def test_connections_beyond_the_limit_are_closed_at_once(pki: Pki) -> None:
    with station(pki, Limits(connections=2)) as running:
        with running.connect() as one, running.connect() as two:
            for wire in (one, two):
                wire.post()
                wire.reply()
            with running.plain() as raw, contextlib.suppress(ConnectionError):
                assert raw.recv(1) == b""
        with running.connect() as wire:  # there is room again
            wire.post()
            assert wire.reply()["device"] == 1
