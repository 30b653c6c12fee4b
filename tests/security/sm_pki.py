"""A small PKI of national cryptography, and a blocking client that speaks it, for tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from OpenSSL import SSL

from nenghao.clock import china_now
from nenghao.security.authority import Issued
from nenghao.security.credentials import write_credentials, write_server
from nenghao.security.sm2_authority import Sm2Authority
from nenghao.security.sm_tls import SmContext, sm_client_context, sm_server_context
from tests.security.pki import CODE, NAME, REGION, Pair

HOST = "127.0.0.1"
PATIENCE = 20.0

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None,
    reason="SM2 certificates need the openssl command: apt-get install openssl",
)


class SmPki:
    """A province's SM2 authority in `root`, with a server for 127.0.0.1 and localhost."""

    def __init__(self, root: Path, now: datetime | None = None) -> None:
        self.root = root
        self.now = now or china_now()
        self.authority = Sm2Authority.create(root / "sm2", b"a secret of the tests", self.now)
        issued = self.authority.issue_server([HOST, "localhost"], self.now)
        self.server = Pair(*write_server(root / "server", issued))
        self.device_issued = self.issue("device")
        self.device = self.pair("device")

    def issue(
        self, folder: str, *, device: int = 1, now: datetime | None = None, days: int = 1095
    ) -> Issued:
        """Issue to a device of the unit and write its credentials into `folder`."""
        issued = self.authority.issue_device(CODE, NAME, REGION, device, now or self.now, days)
        write_credentials(self.root / folder, issued, {})
        return issued

    def pair(self, folder: str) -> Pair:
        """The files that `issue` wrote into `folder`."""
        return Pair(self.root / folder / "device.pem", self.root / folder / "device.key")

    def expired(self) -> Pair:
        """A device's certificate of ours that ended yesterday."""
        self.issue("expired", now=self.now - timedelta(days=2), days=1)
        return self.pair("expired")

    def foreign(self) -> Pair:
        """The same names from somebody else's CA."""
        authority = Sm2Authority.create(self.root / "foreign-ca", b"another", self.now)
        issued = authority.issue_device(CODE, NAME, REGION, 1, self.now)
        write_credentials(self.root / "foreign", issued, {})
        return self.pair("foreign")

    def server_context(
        self,
        failures: list[Exception] | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> SmContext:
        """A listener's context; with a `clock` it goes by the revocation list."""
        told = [] if failures is None else failures
        return sm_server_context(
            self.server.chain,
            self.server.key,
            self.authority.client_ca_file,
            told.append,
            self.authority.list_file,
            clock,
        )

    def client_context(self, pair: Pair | None = None) -> SmContext:
        """A device's context, with `pair` instead of the right certificate if given."""
        pair = pair or self.device
        return sm_client_context(self.authority.root_file, pair.chain, pair.key)

    def anonymous(self) -> SSL.Context:
        """A client that shows no certificate."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_tls13_ciphersuites(b"TLS_SM4_GCM_SM3")
        context.load_verify_locations(str(self.authority.root_file))
        return context

    def shown(self, pair: Pair | None = None) -> SSL.Context:
        """A client that shows `pair`, whatever it is, and is not confined to anything."""
        pair = pair or self.device
        context = self.anonymous()
        context.use_certificate_chain_file(str(pair.chain))
        context.use_privatekey_file(str(pair.key))
        return context


class SmSocket:
    """TLS over a blocking socket, as `ssl.SSLSocket` would be; independent of our transport."""

    def __init__(self, raw: socket.socket, context: SSL.Context) -> None:
        self.raw = raw
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()

    def shake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.tls.send(view[:65536]) :]
            self._flush()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self.tls.recv(size)
            except SSL.WantReadError:
                self._fill()
            except SSL.ZeroReturnError:
                return b""

    def farewell(self) -> None:
        with contextlib.suppress(SSL.Error):
            self.tls.shutdown()
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self.raw.sendall(self.tls.bio_read(65536))

    def _fill(self) -> None:
        data = self.raw.recv(65536)
        if not data:
            raise ConnectionResetError("TCP ended")
        self.tls.bio_write(data)


@contextlib.contextmanager
def sm_socket(port: int, context: SSL.Context) -> Iterator[SmSocket]:
    """A connection whose handshake is done."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = SmSocket(raw, context)
        connection.shake()
        yield connection
