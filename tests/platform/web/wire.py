"""Raw clients over TLS, and a small application, for tests of the listener."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from nenghao.platform.web.binding import Listener
from nenghao.platform.web.bodies import BodyBudgetExceeded
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.peer import peer_identity
from nenghao.platform.web.server import serving
from nenghao.security.identity import IdentityError
from tests.security.pki import Pair, Pki

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which a test fails instead of hanging; none waits that long."""


def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so; fails when it does not become so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class EchoApp:
    """Answers with what it got: path, length of the body, identity. Counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.entered = threading.Event()
        """Set when `/hold` has been reached."""
        self.release = threading.Event()
        """`/hold` answers when this is set."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append(scope["path"])
        answer: dict[str, Any] = {"path": scope["path"]}
        try:
            message = await receive()
            body = message["body"]
            answer |= {"length": len(body), "messages": 1, "more": message["more_body"]}
        except BodyBudgetExceeded:
            answer["busy"] = True
        if scope["path"] == "/hold":
            self.entered.set()
            await asyncio.to_thread(self.release.wait, PATIENCE)
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1000):
                piece = {"type": "http.response.body", "body": bytes(1_000_000)}
                await send(piece | {"more_body": True})
        try:
            identity = peer_identity(scope)
            answer["unit"], answer["device"] = identity.credit_code, identity.device
        except IdentityError as error:
            answer["refused"] = str(error)
        body = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Wire:
    """One connection, as a rule TLS, spoken by hand."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def post(self, body: bytes = b"", path: str = "/echo", *, extra: str = "") -> None:
        """A complete request."""
        self.send(head(path, len(body), extra=extra) + body)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of the next answer; raises EOFError when there is none."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        top, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = top.decode("ascii").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(lines[0].split()[1]), headers, body

    def reply(self) -> dict[str, Any]:
        """The application's own answer."""
        status, _, body = self.answer()
        assert status == 200, (status, body)
        value: dict[str, Any] = json.loads(body)
        return value

    def ended(self) -> bool:
        """Wait for the platform to end the connection, in whatever way."""
        try:
            return self.connection.recv(65536) == b""
        except ConnectionError:
            return True
        except ssl.SSLError:
            return True  # ended without the farewell of TLS

    def certificate(self) -> bytes | None:
        """The platform's certificate, DER."""
        assert isinstance(self.connection, ssl.SSLSocket)
        return self.connection.getpeercert(True)

    def _more(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


def head(path: str = "/echo", length: int | None = 0, *, extra: str = "") -> bytes:
    """Request line and headers."""
    lines = [f"POST {path} HTTP/1.1", "Host: platform"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, *filter(None, [extra]), "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Station:
    """A listener under test, and connections to it."""

    def __init__(self, pki: Pki, listener: Listener, app: EchoApp) -> None:
        self.pki = pki
        self.listener = listener
        self.app = app

    @contextlib.contextmanager
    def plain(self) -> Iterator[socket.socket]:
        """A TCP connection that has not spoken TLS."""
        with socket.create_connection((HOST, self.listener.port), timeout=PATIENCE) as raw:
            # What was sent first also arrives first, over all connections of a test.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield raw

    @contextlib.contextmanager
    def connect(
        self, pair: Pair | None = None, context: ssl.SSLContext | None = None
    ) -> Iterator[Wire]:
        """A TLS connection with the device's certificate, or another."""
        context = context or self.pki.client_context(pair)
        with (
            self.plain() as raw,
            context.wrap_socket(raw, server_hostname=HOST) as connection,
        ):
            yield Wire(connection)


@contextlib.contextmanager
def station(pki: Pki, limits: Limits | None = None) -> Iterator[Station]:
    """A device listener with the echo application on a free port."""
    app = EchoApp()
    listener = Listener("device", HOST, 0, app, pki.server_context, limits or Limits())
    try:
        with serving([listener]) as running:
            yield Station(pki, running["device"], app)
    finally:
        app.release.set()
