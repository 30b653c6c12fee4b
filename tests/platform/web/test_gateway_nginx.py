"""`deploy/nginx` with Debian's nginx in front of a platform: spoofed headers never win."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.store.schema import certificate
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.credentials import write_credentials
from tests.platform.web.gateway_world import REGISTER, World, world
from tests.platform.web.nginx_front import (
    free_port,
    needs_nginx,
    nginx,
    spoofed_headers,
    with_underscores,
)
from tests.platform.web.wire import HOST, PATIENCE, Wire
from tests.platform.world import STEEL, sample

OTHER = "91210102MA0000001X"

pytestmark = needs_nginx


@dataclass
class Front:
    """A platform with nginx before it."""

    world: World
    port: int
    folder: Path
    numbers: Iterator[int]

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def unit(self, code: str = STEEL, device: int = 1) -> Path:
        """Credentials of a registered device."""
        return self.world.credentials(
            self.folder / f"d{next(self.numbers)}", code=code, device=device
        )

    def client(self, folder: Path | None) -> httpx.Client:
        return self.world.client(self.url, folder)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    port = free_port()
    with (
        world(folder, sm=False, behind=f"{HOST}:{port}") as made,
        nginx(folder, made.home, made.port("gateway"), port),
    ):
        yield Front(made, port, folder, iter(range(1000)))


def spoofed(front: Front, folder: Path) -> dict[str, str]:
    """Everything a client could know, the secret too."""
    chain = (folder / "device.pem").read_bytes()
    return with_underscores(spoofed_headers(front.world.home, chain))


def code_of(client: httpx.Client, unit: str = STEEL, headers: dict[str, str] | None = None) -> str:
    body = sample("register.request", enterpriseCode=unit)
    answer = client.post("/", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["responseCode"])


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("A.1-1")
def test_a_device_registers_and_uploads_through_nginx(front: Front) -> None:
    with front.client(front.unit()) as client:
        told = client.post("/", json=REGISTER).json()
        assert told["responseCode"] == "0"
        assert told["centerDataURL"] == f"{HOST}:{front.port}/uploadEnergyData"
        body = sample("uploadEnergyData.request", deviceId=told["deviceId"], enterpriseCode=STEEL)
        assert client.post("/uploadEnergyData", json=body).json()["responseCode"] == "0"
        assert client.get("/").status_code == 405
        assert client.post("/nothing").status_code == 404


@pytest.mark.clause("6.1-1")
def test_a_spoofed_header_never_wins_over_the_certificate(front: Front) -> None:
    """Even with the secret: nginx replaces what a client sends, the platform sees nothing of it."""
    victim, attacker = front.unit(), front.unit(OTHER)
    with front.client(attacker) as client:
        assert code_of(client, STEEL, spoofed(front, victim)) == "E2002"
        assert code_of(client, OTHER, spoofed(front, victim)) == "0"
        assert code_of(client, STEEL) == "E2002"


@pytest.mark.clause("6.1-1")
def test_a_spoofed_header_is_no_certificate(front: Front) -> None:
    victim = front.unit()
    with front.client(None) as client:
        answer = client.post("/", json=REGISTER, headers=spoofed(front, victim))
        assert answer.status_code == 400
        assert "SSL certificate" in answer.text


def _expired(front: Front) -> Path:
    now = china_now() - timedelta(days=3)
    issued = front.world.home.authority().issue_device(STEEL, "示例", "210102", 1, now, days=1)
    return _written(front, issued)


def _foreign(front: Front) -> Path:
    folder = front.folder / f"ca{next(front.numbers)}"
    authority = CertificateAuthority.create(folder, china_now())
    issued = authority.issue_device(STEEL, "示例", "210102", 1, china_now())
    return _written(front, issued)


def _servers(front: Front) -> Path:
    """A server's certificate: below the same root, for another purpose."""
    issued = front.world.home.authority().issue_server([HOST], china_now())
    return _written(front, issued)


def _written(front: Front, issued: Issued) -> Path:
    with front.world.store.write() as conn:  # registered: nothing but nginx stands in the way
        certificates.register(conn, issued, china_now())
    folder = front.folder / f"d{next(front.numbers)}"
    write_credentials(folder, issued, {})
    (folder / "ca.pem").write_bytes(front.world.home.authority().root_file.read_bytes())
    return folder


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize("make", [_expired, _foreign, _servers])
@pytest.mark.parametrize("with_header", [False, True], ids=["plain", "spoofed"])
def test_certificates_that_do_not_hold_stop_at_nginx(
    front: Front, make: object, with_header: bool
) -> None:
    assert callable(make)
    folder, victim = make(front), front.unit()
    with front.client(folder) as client:
        headers = spoofed(front, victim) if with_header else None
        answer = client.post("/", json=REGISTER, headers=headers)
    assert answer.status_code == 400
    assert re.search("SSL certificate error", answer.text)


@pytest.mark.clause("6.1-1")
def test_a_revoked_certificate_is_refused_on_the_connection_it_opened_before(
    front: Front,
) -> None:
    with front.client(front.unit(device=9)) as client:
        assert code_of(client) == "0"
        with front.world.store.write() as conn:
            mine = certificate.c.device_number == 9
            conn.execute(update(certificate).where(mine).values(revoked_at=china_now()))
        assert code_of(client) == "E2002"
        assert code_of(client, headers=spoofed(front, front.unit())) == "E2002"


@pytest.mark.clause("6.1-1")
def test_two_units_on_nginxs_kept_connections_are_never_taken_for_each_other(
    front: Front,
) -> None:
    """nginx sends requests of many clients through the same connection to the platform."""
    with front.client(front.unit()) as one, front.client(front.unit(OTHER)) as two:
        for _ in range(10):
            assert code_of(one, STEEL) == "0"
            assert code_of(two, OTHER) == "0"
            assert code_of(two, STEEL) == "E2002"


def test_tls_at_nginx_is_no_weaker_and_resumes_nothing(front: Front) -> None:
    folder = front.unit()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "device.pem", folder / "device.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:AES256-SHA:AES128-GCM-SHA256")
    sessions: list[ssl.SSLSession | None] = [None]
    for _ in range(2):
        with (
            socket.create_connection((HOST, front.port), timeout=PATIENCE) as raw,
            context.wrap_socket(raw, server_hostname=HOST, session=sessions[-1]) as tls,
        ):
            Wire(tls).post()
            assert tls.recv(1)
            cipher = tls.cipher()
            assert cipher is not None
            assert cipher[0].startswith("ECDHE-")
            assert not tls.session_reused
            sessions.append(tls.session)
    context.set_ciphers("AES256-SHA:AES128-GCM-SHA256")
    with (
        socket.create_connection((HOST, front.port), timeout=PATIENCE) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw, server_hostname=HOST)
