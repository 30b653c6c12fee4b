"""The listener of national cryptography on the wire: who is refused, limits, and what is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from OpenSSL import SSL
from structlog.testing import capture_logs

from nenghao.platform.web.binding import Listener
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.server import serving
from tests.platform.web.wire import PATIENCE, EchoApp, Wire, head, until
from tests.security.pki import CODE, Pair, Pki
from tests.security.sm_pki import HOST, SmPki, SmSocket, needs_openssl, sm_socket

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def sm(tmp_path_factory: pytest.TempPathFactory) -> SmPki:
    return SmPki(tmp_path_factory.mktemp("sm"))


@contextlib.contextmanager
def station(sm: SmPki, limits: Limits | None = None) -> Iterator[tuple[int, EchoApp]]:
    """An SM2 listener with the echo application: its port."""
    app = EchoApp()
    listener = Listener("device-sm", HOST, 0, app, sm.server_context, limits or Limits())
    try:
        with serving([listener]) as running:
            yield running["device-sm"].port, app
    finally:
        app.release.set()


@contextlib.contextmanager
def connect(sm: SmPki, port: int) -> Iterator[Wire]:
    with sm_socket(port, sm.shown()) as connection:
        yield Wire(connection)  # type: ignore[arg-type]
        connection.farewell()


@pytest.mark.clause("6.1-1")
def test_an_sm2_device_is_known_by_its_certificate_and_kept_alive(sm: SmPki) -> None:
    with capture_logs() as logs, station(sm) as (port, _), connect(sm, port) as wire:
        for number in range(3):
            wire.post(b"x" * number)
            answer = wire.reply()
            assert (answer["unit"], answer["device"]) == (CODE, 1)
            assert answer["length"] == number
    assert logs == []


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize(
    ("who", "reason", "alert"),
    [
        (SmPki.foreign, "对方证书的签发者不受信任", "unknown ca"),
        (SmPki.expired, "对方证书已过期", "certificate expired"),
        (lambda sm: sm.server, "对方证书的签发者不受信任", "unknown ca"),
        (None, "对方没有出示证书", "certificate required"),
    ],
    ids=["foreign CA", "expired", "a server's", "none"],
)
def test_who_is_refused_is_told_why_and_the_log_says_so(
    tmp_path: Path, who: Callable[[SmPki], Pair] | None, reason: str, alert: str
) -> None:
    sm = SmPki(tmp_path)
    context = sm.anonymous() if who is None else sm.shown(who(sm))
    with capture_logs() as logs, station(sm) as (port, app):
        with pytest.raises(SSL.Error) as told, sm_socket(port, context) as refused:
            refused.recv(1)
        with connect(sm, port) as wire:
            wire.post()
            wire.reply()
        until(lambda: bool(logs))
    assert alert in str(told.value)
    (entry,) = logs
    assert entry["event"] == "TLS 握手被拒绝"
    assert reason in entry["reason"]
    assert entry["peer"].startswith("127.0.0.1:")
    assert len(app.calls) == 1


def test_nothing_but_national_cryptography_is_spoken(sm: SmPki, tmp_path: Path) -> None:
    """Neither TLS 1.2 nor another suite, group or kind of certificate, whoever asks."""
    p256 = Pki(tmp_path)
    usual = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    usual.check_hostname = False
    usual.verify_mode = ssl.CERT_NONE
    usual.load_cert_chain(p256.device.chain, p256.device.key)
    with capture_logs() as logs, station(sm) as (port, app):
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            usual.maximum_version = newest
            with (
                socket.create_connection((HOST, port), timeout=PATIENCE) as raw,
                pytest.raises(ssl.SSLError),
            ):
                usual.wrap_socket(raw)
        mixed = sm.shown(p256.device)  # right suite, a P-256 certificate
        with pytest.raises(SSL.Error), sm_socket(port, mixed) as refused:
            refused.recv(1)
        for lists in ((b"X25519", b"sm2sig_sm3"), (b"curveSM2", b"ecdsa_secp256r1_sha256")):
            other = sm.shown()
            lib = SSL._lib  # type: ignore[attr-defined]
            assert lib.SSL_CTX_set1_curves_list(other._context, lists[0])
            assert lib.SSL_CTX_set1_sigalgs_list(other._context, lists[1])
            with pytest.raises(SSL.Error), sm_socket(port, other) as refused:
                refused.recv(1)
        until(lambda: len(logs) >= 5)
    assert len(logs) == 5
    assert app.calls == []


def test_who_begins_no_handshake_is_cut_off(sm: SmPki) -> None:
    with (
        capture_logs() as logs,
        station(sm, Limits(handshake_seconds=0.2)) as (port, _),
        socket.create_connection((HOST, port), timeout=PATIENCE) as raw,
    ):
        with contextlib.suppress(ConnectionError):
            assert raw.recv(1) == b""
        until(lambda: bool(logs))
    assert [entry["reason"] for entry in logs] == ["握手超时"]


def test_plain_http_is_named_as_such(sm: SmPki) -> None:
    with (
        capture_logs() as logs,
        station(sm) as (port, _),
        socket.create_connection((HOST, port), timeout=PATIENCE) as raw,
    ):
        raw.sendall(head())
        with contextlib.suppress(ConnectionError):
            while raw.recv(100):
                pass
        until(lambda: bool(logs))
    assert "明文 HTTP" in logs[0]["reason"]


def test_what_comes_in_one_piece_with_the_handshake_is_not_lost(sm: SmPki) -> None:
    with (
        station(sm) as (port, _),
        socket.create_connection((HOST, port), timeout=PATIENCE) as raw,
    ):
        client = SmSocket(raw, sm.shown())
        while True:
            try:
                client.tls.do_handshake()
                break
            except SSL.WantReadError:
                client._flush()
                client._fill()
        client.tls.send(head("/early", 3) + b"abc")
        client._flush()  # certificate, finished and request at once
        assert Wire(client).reply()["path"] == "/early"  # type: ignore[arg-type]


def test_a_body_larger_than_all_buffers_arrives_and_one_too_large_is_413(sm: SmPki) -> None:
    with station(sm, Limits(body_limit=4_000_000)) as (port, app):
        with connect(sm, port) as wire:
            wire.post(bytes(3_999_999))
            assert wire.reply()["length"] == 3_999_999
        with connect(sm, port) as wire:
            wire.post(bytes(4_000_001))
            assert wire.answer()[0] == 413
    assert len(app.calls) == 1


def test_a_client_that_does_not_read_is_cut_off(sm: SmPki) -> None:
    """Its connection's memory is bounded: a full send buffer pauses the application."""
    limits = Limits(write_seconds=0.3)
    with capture_logs() as logs, station(sm, limits) as (port, _), connect(sm, port) as wire:
        wire.post(path="/stream")
        connection: SmSocket = wire.connection  # type: ignore[assignment]
        with pytest.raises(ConnectionError):
            # it reads nothing until it was cut off, which shows when all that came is read
            _until_cut(connection, logs)
    assert "对方不接收应答" in [entry.get("reason") for entry in logs]


def _until_cut(connection: SmSocket, logs: Sequence[object]) -> None:
    until(lambda: bool(logs))
    while connection.recv(65536):
        pass


def test_slow_headers_and_slow_bodies_are_let_go(sm: SmPki) -> None:
    limits = Limits(header_seconds=0.2, body_seconds=0.2)
    with capture_logs() as logs, station(sm, limits) as (port, app):
        for first in (b"POST /slow HTTP/1.1\r\n", head("/slow", 100) + b"x"):
            with sm_socket(port, sm.shown()) as connection:
                connection.sendall(first)
                with contextlib.suppress(ConnectionError, SSL.Error):
                    assert connection.recv(1) == b""
    assert [entry["reason"] for entry in logs] == ["请求头超时", "请求体太慢"]
    assert app.calls == []
