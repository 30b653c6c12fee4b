"""The platform that the certificate matrix is run against, and clients for each way to it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from nenghao.clock import china_now
from nenghao.platform import certificates, sm2_home, trust_files
from nenghao.platform.home import Home
from nenghao.platform.store.engine import Store
from nenghao.platform.web import sm_listener
from nenghao.security.authority import DEVICE_CA, SERVER_CA, CertificateAuthority, Issued
from nenghao.security.enrolment import RENEW_PATH
from nenghao.security.leaves import Signer, key_pem, make_authority, new_key, utc
from nenghao.security.requests import make_request
from nenghao.security.sm2_authority import Sm2Authority
from nenghao.security.sm2_certificates import is_sm2
from tests.platform.web.nginx_front import (
    spoofed_headers,
)
from tests.platform.web.wire import HOST, PATIENCE, Wire
from tests.security.certificate_matrix import (
    ALGORITHMS,
    BETWEEN,
    CLIENT,
    CODE,
    FOREIGN,
    NEW,
    OUTSIDE,
    OWN,
    RESUMED_12,
    SM2,
    SPOOFED,
    Credentials,
    leaf,
)
from tests.security.certificate_matrix import NGINX as BEHIND_NGINX
from tests.security.sm2_leaves import Sm2Key, Sm2Signer
from tests.security.sm_pki import SmSocket

HANDSHAKE = "handshake"
"""Refused before anything was asked."""
AT_NGINX = "nginx"
"""Refused by nginx, which answers before the platform hears of it."""


@dataclass
class Ground:
    """A served platform, and the hands of its operator."""

    home: Home
    store: Store
    authority: CertificateAuthority
    foreign: CertificateAuthority
    outside: Signer
    folder: Path
    now: datetime
    ports: dict[str, int] = field(default_factory=dict)
    """Of each listener; under `BEHIND_NGINX` that of nginx."""
    national: dict[str, Sm2Signer] = field(default_factory=dict)
    offset: timedelta = timedelta(0)
    device_id: str = ""
    _numbers: Iterator[int] = field(default_factory=count)

    def clock(self) -> datetime:
        return china_now() + self.offset

    def signer(self, whose: str, key: Any) -> Signer | Sm2Signer:
        if isinstance(key, Sm2Key):
            return self.national[whose]
        if whose == BETWEEN:
            return make_authority("中间 CA", self.outside, CLIENT, utc(self.now), 100)
        authority = self.foreign if whose == FOREIGN else self.authority
        return self.outside if whose == OUTSIDE else authority._signer(DEVICE_CA)

    def issue_server(self, key: Any) -> Issued:
        authority: Sm2Authority | CertificateAuthority = self.authority
        if isinstance(key, Sm2Key):
            authority = sm2_home.authority(self.home, self.now)
        return authority.issue_server([HOST], self.now)

    def register(self, issued: Issued) -> None:
        with self.store.write() as conn:
            certificates.register(conn, issued, self.now)

    def revoke(self, serial: str) -> None:
        with self.store.write() as conn:
            assert len(certificates.revoke(conn, self.now, serial=serial)) == 1
            trust_files.publish(conn, self.authority, self.now)

    def advance(self, time: timedelta) -> None:
        self.offset += time

    def renew(self, shown: Credentials) -> Credentials:
        if is_sm2(shown.chain):
            return leaf(self, ALGORITHMS[SM2]())[0]
        key = new_key()
        body = json.dumps({"csr": make_request(key, CODE).decode()}).encode()
        with self.connect(self.context(shown)) as wire:
            wire.post(body, RENEW_PATH)
            answer = wire.reply()
        assert answer["responseCode"] == "0", answer
        return Credentials(answer["certificate"].encode(), key_pem(key))

    def context(
        self, shown: Credentials, version: str = "", *, national: bool = False
    ) -> ssl.SSLContext | SSL.Context:
        """A client's context; `cryptography` and our own rules have no say in it."""
        number = next(self._numbers)
        chain, key = self.folder / f"{number}.pem", self.folder / f"{number}.key"
        chain.write_bytes(shown.chain)
        key.write_bytes(shown.key)
        if national:
            made = SSL.Context(SSL.TLS_CLIENT_METHOD)
            made.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
            made.set_tls13_ciphersuites(b"TLS_SM4_GCM_SM3")
            made.load_verify_locations(str(sm2_home.folder(self.home) / "root.pem"))
            made.set_verify(SSL.VERIFY_PEER, lambda *told: bool(told[-1]))
            made.use_certificate_chain_file(str(chain))
            made.use_privatekey_file(str(key))
            return made
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(self.authority.root_file))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # who would cheat sets no level
        context.load_cert_chain(chain, key)
        if version == RESUMED_12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    @contextlib.contextmanager
    def connect(
        self, context: ssl.SSLContext | SSL.Context, session: Any = None, way: str = NEW
    ) -> Iterator[Wire]:
        national = isinstance(context, SSL.Context)
        behind = BEHIND_NGINX if way in (BEHIND_NGINX, SPOOFED) else "device"
        port = self.ports[sm_listener.NAME if national else behind]
        with socket.create_connection((HOST, port), timeout=PATIENCE) as raw:
            if isinstance(context, SSL.Context):
                tls = SmSocket(raw, context)
                if session is not None:
                    tls.tls.set_session(session)
                tls.shake()
                yield Wire(tls)  # type: ignore[arg-type]
                return
            with context.wrap_socket(raw, server_hostname=HOST, session=session) as connection:
                yield Wire(connection)

    def ask(self, wire: Wire, headers: str = "") -> str:
        """The responseCode of one request as the unit's device."""
        body = json.dumps({"deviceId": self.device_id}).encode()
        wire.post(body, "/versionCheck", extra=headers)
        status, _, answer = wire.answer()
        if status == 400 and b"SSL certificate error" in answer:
            return AT_NGINX
        assert status == 200, answer
        return str(json.loads(answer)["responseCode"])

    def headers_of(self, shown: Credentials) -> str:
        """What nginx would say of the holder of these, as a client may say it too."""
        told = spoofed_headers(self.home, shown.chain)
        return "\r\n".join(f"{name}: {value}" for name, value in told.items())


def add_national(ground: Ground) -> None:
    """Who signs with SM2. A CA from outside is a stranger there: none can be taken in."""
    own = sm2_home.authority(ground.home, ground.now)
    between = f"能耗在线监测 {BETWEEN}"
    own._make(BETWEEN, between, ExtendedKeyUsageOID.CLIENT_AUTH, ground.now, 100)
    foreign = Sm2Authority.create(ground.folder / "foreign-sm2", b"another secret", ground.now)
    ground.national = {
        OWN: Sm2Signer.of(own, DEVICE_CA),
        BETWEEN: Sm2Signer.of(own, BETWEEN),
        FOREIGN: Sm2Signer.of(foreign, DEVICE_CA),
        OUTSIDE: Sm2Signer.of(foreign, SERVER_CA),
    }


def session_of(wire: Wire) -> Any:
    """What a client keeps of a connection, to resume it."""
    connection: Any = wire.connection
    return connection.tls.get_session() if is_national(wire) else connection.session


def is_resumed(wire: Wire) -> bool:
    connection: Any = wire.connection
    if is_national(wire):
        return bool(SSL._lib.SSL_session_reused(connection.tls._ssl))  # type: ignore[attr-defined]
    return bool(connection.session_reused)


def is_national(wire: Wire) -> bool:
    return isinstance(wire.connection, SmSocket)
