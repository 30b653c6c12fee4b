"""The certificate matrix: exactly the rows that should pass do, whichever way they come."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from nenghao.clock import china_now
from nenghao.platform import certificates, outside, trust_files
from nenghao.platform.home import Home, init
from nenghao.platform.store.engine import Store
from nenghao.platform.web.device_api import listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import Listener, serving
from nenghao.security import revocations
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.contexts import client_context
from nenghao.security.enrolment import RENEW_PATH
from nenghao.security.leaves import Signer, key_pem, make_authority, new_key, utc
from nenghao.security.requests import make_request
from tests.platform.web.wire import HOST, PATIENCE, Wire
from tests.platform.world import sample
from tests.security.certificate_matrix import (
    ALGORITHMS,
    CODE,
    KEPT,
    NEW,
    RESUMED_12,
    ROWS,
    WAYS,
    Credentials,
    Row,
    leaf,
)

HANDSHAKE = "handshake"
"""Refused before anything was asked."""


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
    listener: Listener | None = None
    offset: timedelta = timedelta(0)
    device_id: str = ""
    _numbers: Iterator[int] = field(default_factory=count)

    def clock(self) -> datetime:
        return china_now() + self.offset

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
        key = new_key()
        body = json.dumps({"csr": make_request(key, CODE).decode()}).encode()
        with self.connect(self.context(shown)) as wire:
            wire.post(body, RENEW_PATH)
            answer = wire.reply()
        assert answer["responseCode"] == "0", answer
        return Credentials(answer["certificate"].encode(), key_pem(key))

    def context(self, shown: Credentials, version: str = "") -> ssl.SSLContext:
        """A client's context; `cryptography` and our own rules have no say in it."""
        number = next(self._numbers)
        chain, key = self.folder / f"{number}.pem", self.folder / f"{number}.key"
        chain.write_bytes(shown.chain)
        key.write_bytes(shown.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(self.authority.root_file))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # who would cheat sets no level
        context.load_cert_chain(chain, key)
        if version == RESUMED_12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    @contextlib.contextmanager
    def connect(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> Iterator[Wire]:
        assert self.listener is not None
        with (
            socket.create_connection((HOST, self.listener.port), timeout=PATIENCE) as raw,
            context.wrap_socket(raw, server_hostname=HOST, session=session) as connection,
        ):
            yield Wire(connection)

    def ask(self, wire: Wire) -> str:
        """The responseCode of one request as the unit's device."""
        wire.post(json.dumps({"deviceId": self.device_id}).encode(), "/versionCheck")
        return str(wire.reply()["responseCode"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("matrix")
    now = china_now()
    home = init(folder / "home", {}, now)
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    top = make_authority("外部根 CA", None, None, utc(now), 1000)
    signer = make_authority("外部 CA", None, purpose, utc(now), 1000)
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        ground = Ground(
            home, store, home.authority(),
            CertificateAuthority.create(folder / "foreign", now), signer, folder, now,
        )  # fmt: skip
        with store.write() as conn:
            for one in (top, signer):
                name = outside.add(conn, one.certificate, "subject:serialNumber", "", now)
                crl = revocations.build(one, (), now, 30, 0)
                outside.take_list(conn, name, revocations.parse(crl, one.certificate))
            trust_files.publish(conn, ground.authority, now)
        assert home.client_lists.read_bytes().count(b"BEGIN X509 CRL") == 3
        platform = Platform(store, home.settings, ground.clock, home.authority)
        running = stack.enter_context(serving([replace(listener(home, platform), port=0)]))
        ground.listener = running["device"]
        with ground.connect(ground.context(leaf(ground, ALGORITHMS["p256"]())[0])) as wire:
            body = sample("register.request", enterpriseCode=CODE)
            wire.post(json.dumps(body).encode(), "/")
            ground.device_id = wire.reply()["deviceId"]
        yield ground


@pytest.fixture
def ground(served: Ground) -> Iterator[Ground]:
    yield served
    served.offset = timedelta(0)
    # what one test renewed or registered is not the next one's
    with served.store.write() as conn:
        certificates.revoke(conn, served.now, credit_code=CODE)


def outcome(ground: Ground, row: Row, way: str, algorithm: str) -> str:
    """What becomes of the second contact (the only one, where that is the way): a responseCode."""
    case = row.make(ground, ALGORITHMS[algorithm](), way)
    context = ground.context(case.shown, way)
    try:
        if way == NEW:
            case.turn()
            with ground.connect(context) as wire:
                return ground.ask(wire)
        with ground.connect(context) as wire:
            first = ground.ask(wire)
            if way != KEPT and first != "0":
                return first
            case.turn()
            if way == KEPT:
                return ground.ask(wire)
            # while the first is open: the end of a connection may take its session along
            assert isinstance(wire.connection, ssl.SSLSocket)
            with ground.connect(context, wire.connection.session) as again:
                assert isinstance(again.connection, ssl.SSLSocket)
                # 1.2 caches sessions by their id; 1.3 has no tickets to resume by
                assert again.connection.session_reused is (way == RESUMED_12)
                return ground.ask(again)
    except (ssl.SSLError, ConnectionError, EOFError):
        return HANDSHAKE


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_exactly_who_should_pass_does(ground: Ground, row: Row, way: str, algorithm: str) -> None:
    found = outcome(ground, row, way, algorithm)
    assert found == "0" if row.passes else found in ("E2002", HANDSHAKE), found


@pytest.mark.parametrize(
    ("name", "way", "expected"),
    [
        ("expired", NEW, HANDSHAKE),
        ("expired", KEPT, "E2002"),
        ("expired", RESUMED_12, "E2002"),
        ("revoked", NEW, HANDSHAKE),
        ("revoked", KEPT, "E2002"),
        ("revoked", RESUMED_12, "E2002"),
        ("revoked", "resumed-1.3", HANDSHAKE),
        ("other unit's", NEW, "E2002"),
        ("unregistered", NEW, "E2002"),
        ("our names from a CA taken in from outside", NEW, "E2002"),
        ("RSA-1024", NEW, HANDSHAKE),
        ("missing intermediate", NEW, HANDSHAKE),
    ],
)
def test_each_is_stopped_where_it_should_be(
    ground: Ground, name: str, way: str, expected: str
) -> None:
    """A revoked one by the list in the handshake, by the register where there is none."""
    (row,) = [row for row in ROWS if row.name == name]
    assert outcome(ground, row, way, "p256") == expected


def test_the_certificates_themselves_are_right_where_only_their_chain_is_wrong(
    ground: Ground,
) -> None:
    """The rows fail for the reason in their name: a leaf made the same way passes."""
    shown, issued = leaf(ground, ALGORITHMS["p256"]())
    assert x509.load_pem_x509_certificate(issued.certificate).serial_number == int(
        issued.serial, 16
    )
    assert load_pem_private_key(shown.key, None) is not None
    context = client_context(
        ground.authority.root_file,
        *(ground.folder / f"own.{kind}" for kind in _written(ground, shown)),
    )
    with ground.connect(context) as wire:
        assert ground.ask(wire) == "0"


def _written(ground: Ground, shown: Credentials) -> list[str]:
    (ground.folder / "own.pem").write_bytes(shown.chain)
    (ground.folder / "own.key").write_bytes(shown.key)
    return ["pem", "key"]
