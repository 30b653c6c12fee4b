"""The certificate matrix: exactly the rows that should pass do, whichever way they come."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from nenghao.clock import china_now
from nenghao.platform import certificates, outside, sm2_home, trust_files
from nenghao.platform.home import init
from nenghao.platform.web import gateway, sm_listener
from nenghao.platform.web.device_api import listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security import revocations
from nenghao.security.authority import CertificateAuthority
from nenghao.security.contexts import client_context
from nenghao.security.leaves import make_authority, utc
from tests.platform.web.matrix_ground import (
    AT_NGINX,
    HANDSHAKE,
    Ground,
    add_national,
    is_resumed,
    session_of,
)
from tests.platform.web.nginx_front import (
    NGINX,
    WITHOUT_NGINX,
    free_port,
    nginx,
)
from tests.platform.web.wire import HOST, PATIENCE, Wire
from tests.platform.world import sample
from tests.security.certificate_matrix import (
    ALGORITHMS,
    CODE,
    COLUMNS,
    FRESH,
    KEPT,
    NEW,
    RESUMED_12,
    RESUMED_13,
    ROWS,
    SM2,
    SPOOFED,
    Credentials,
    Row,
    leaf,
)
from tests.security.certificate_matrix import NGINX as BEHIND_NGINX


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("matrix")
    now = china_now()
    port = free_port()
    home = init(folder / "home", {"gateway_address": f"{HOST}:{port}"}, now)
    has_openssl = shutil.which("openssl") is not None
    settings = msgspec.structs.replace(home.settings, gateway_port=1, sm_port=int(has_openssl))
    home = replace(home, settings=settings)
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    top = make_authority("外部根 CA", None, None, utc(now), 1000)
    signer = make_authority("外部 CA", None, purpose, utc(now), 1000)
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        ground = Ground(
            home, store, home.authority(),
            CertificateAuthority.create(folder / "foreign", now), signer, folder, now,
        )  # fmt: skip
        if has_openssl:
            sm2_home.renew_server_certificate(home, now)
            add_national(ground)
        with store.write() as conn:
            for one in (top, signer):
                name = outside.add(conn, one.certificate, "subject:serialNumber", "", now)
                crl = revocations.build(one, (), now, 30, 0)
                outside.take_list(conn, name, revocations.parse(crl, one.certificate))
            trust_files.publish(conn, ground.authority, now)
        assert home.client_lists.read_bytes().count(b"BEGIN X509 CRL") == 3
        gateway.prepare(home)
        platform = Platform(store, home.settings, ground.clock, home.authority)
        served = [
            listener(home, platform),
            *sm_listener.listeners(home, platform),
            *gateway.listeners(home, platform),
        ]
        running = stack.enter_context(serving([replace(each, port=0) for each in served]))
        ground.ports = {name: each.port for name, each in running.items()}
        if NGINX is not None:
            (folder / "nginx").mkdir()
            stack.enter_context(nginx(folder / "nginx", home, ground.ports[gateway.NAME], port))
            ground.ports[BEHIND_NGINX] = port
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
    context = ground.context(case.shown, way, national=algorithm == SM2)
    victim = ground.headers_of(leaf(ground, ALGORITHMS["p256"]())[0]) if way == SPOOFED else ""
    try:
        if way in FRESH:
            case.turn()
            with ground.connect(context, way=way) as wire:
                return ground.ask(wire, victim)
        with ground.connect(context) as wire:
            first = ground.ask(wire)
            if way != KEPT and first != "0":
                return first
            case.turn()
            if way == KEPT:
                return ground.ask(wire)
            # while the first is open: the end of a connection may take its session along
            with ground.connect(context, session_of(wire)) as again:
                # 1.2 caches sessions by their id; 1.3 has no tickets to resume by
                assert is_resumed(again) is (way == RESUMED_12)
                return ground.ask(again)
    except (ssl.SSLError, SSL.Error, ConnectionError, EOFError):
        return HANDSHAKE


def needed(ground: Ground, way: str, algorithm: str) -> None:
    """Skip what this machine has no program for."""
    if way in (BEHIND_NGINX, SPOOFED) and BEHIND_NGINX not in ground.ports:
        pytest.skip(WITHOUT_NGINX)
    if algorithm == SM2 and not ground.national:
        pytest.skip("SM2 certificates need the openssl command: apt-get install openssl")


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
@pytest.mark.parametrize(("way", "algorithm"), COLUMNS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_exactly_who_should_pass_does(ground: Ground, row: Row, way: str, algorithm: str) -> None:
    needed(ground, way, algorithm)
    found = outcome(ground, row, way, algorithm)
    if row.passes_with(algorithm):
        assert found == "0"
    else:
        assert found in ("E2002", HANDSHAKE, AT_NGINX)


@pytest.mark.parametrize(
    ("name", "way", "algorithm", "expected"),
    [
        ("expired", NEW, "p256", HANDSHAKE),
        ("expired", KEPT, "p256", "E2002"),
        ("expired", RESUMED_12, "p256", "E2002"),
        ("revoked", NEW, "p256", HANDSHAKE),
        ("revoked", KEPT, "p256", "E2002"),
        ("revoked", RESUMED_12, "p256", "E2002"),
        ("revoked", RESUMED_13, "p256", HANDSHAKE),
        ("other unit's", NEW, "p256", "E2002"),
        ("unregistered", NEW, "p256", "E2002"),
        ("our names from a CA taken in from outside", NEW, "p256", "E2002"),
        ("RSA-1024", NEW, "p256", HANDSHAKE),
        ("missing intermediate", NEW, "p256", HANDSHAKE),
        ("expired", BEHIND_NGINX, "p256", AT_NGINX),
        ("revoked", BEHIND_NGINX, "p256", "E2002"),
        ("self-signed", SPOOFED, "p256", AT_NGINX),
        ("revoked", SPOOFED, "p256", "E2002"),
        ("other unit's", SPOOFED, "p256", "E2002"),
        ("unregistered", SPOOFED, "p256", "E2002"),
        ("expired", NEW, SM2, HANDSHAKE),
        ("expired", KEPT, SM2, "E2002"),
        ("revoked", NEW, SM2, HANDSHAKE),
        ("revoked", KEPT, SM2, "E2002"),
        ("revoked", RESUMED_13, SM2, HANDSHAKE),
        ("other unit's", NEW, SM2, "E2002"),
        ("unregistered", NEW, SM2, "E2002"),
        ("server's as client", NEW, SM2, HANDSHAKE),
        ("wrong key usage", NEW, SM2, HANDSHAKE),
    ],
)
def test_each_is_stopped_where_it_should_be(
    ground: Ground, name: str, way: str, algorithm: str, expected: str
) -> None:
    """A revoked one by the list in the handshake, by the register where there is none."""
    needed(ground, way, algorithm)
    (row,) = [row for row in ROWS if row.name == name]
    assert outcome(ground, row, way, algorithm) == expected


def test_the_spoofed_headers_are_worth_something_where_no_nginx_replaces_them(
    ground: Ground,
) -> None:
    """Those rows are refused for what nginx does: the same headers pass at the platform itself."""
    headers = ground.headers_of(leaf(ground, ALGORITHMS["p256"]())[0])
    address = (HOST, ground.ports[gateway.NAME])
    with socket.create_connection(address, timeout=PATIENCE) as raw:
        assert ground.ask(Wire(raw), headers) == "0"


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
