"""The listener behind a gateway: whose headers count, and that nobody else's do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select, update
from structlog.testing import capture_logs

from nenghao.clock import china_now
from nenghao.platform import outside, trust_files
from nenghao.platform.home import init
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import audit, certificate
from nenghao.platform.web import gateway
from nenghao.platform.web.gateway import Gateway
from nenghao.platform.web.peer import PEER_CERTIFICATE
from nenghao.security.leaves import make_authority, pem, utc
from tests.platform.web.gateway_world import REGISTER, World, world
from tests.platform.world import sample as sample_of

OTHER = "91210102MA0000001X"
NO_CERTIFICATE = quote("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway"), sm=False, behind="energy.example:443") as made:
        yield made


@pytest.fixture(scope="module")
def device(served: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served.credentials(tmp_path_factory.mktemp("device"))


def told(served: World, folder: Path, **changed: str) -> dict[str, str]:
    """What the gateway says of a client, or something else."""
    leaf = (folder / "device.pem").read_text().split("-----END CERTIFICATE-----")[0]
    headers = {
        "X-Nenghao-Gateway": gateway.secret_of(served.home),
        "X-Nenghao-Client-Verify": "SUCCESS",
        "X-Nenghao-Client-Cert": quote(leaf + "-----END CERTIFICATE-----\n"),
        "X-Real-IP": "10.9.8.7",
    }
    return {**headers, **{f"X-{name.replace('_', '-')}": value for name, value in changed.items()}}


def asked(served: World, headers: Any, body: Any = REGISTER, path: str = "/") -> httpx.Response:
    url = f"http://127.0.0.1:{served.port('gateway')}"
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
        return client.post(path, json=body, headers=headers)


@pytest.mark.clause("6.1-1")
def test_the_gateways_word_for_a_certificate_counts_and_its_address_is_what_devices_are_told(
    served: World, device: Path
) -> None:
    answer = asked(served, told(served, device)).json()
    assert answer["responseCode"] == "0", answer
    assert answer["centerDataURL"] == "energy.example:443/uploadEnergyData"


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize(
    "changed",
    [{"Nenghao_Gateway": "guessed"}, {"Nenghao_Gateway": ""}],
    ids=["wrong", "empty"],
)
def test_who_does_not_know_the_secret_is_nobody(
    served: World, device: Path, changed: dict[str, str]
) -> None:
    answer = asked(served, told(served, device, **changed))
    assert answer.status_code == 403
    without = told(served, device)
    del without["X-Nenghao-Gateway"]
    assert asked(served, without).status_code == 403


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize("name", ["Gateway", "Client-Cert", "Client-Verify"])
def test_a_header_that_stands_twice_is_refused(served: World, device: Path, name: str) -> None:
    """A gateway that adds instead of replacing would pass a client's own along."""
    headers = list(told(served, device).items())
    value = dict(headers)[f"X-Nenghao-{name}"]
    for twice in ([*headers, (f"x-nenghao-{name.lower()}", value)],
                  [(f"x-nenghao-{name.lower()}", "spoofed"), *headers]):  # fmt: skip
        assert asked(served, twice).status_code == 403


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize(
    "changed",
    [
        {"Nenghao_Client_Verify": "NONE"},
        {"Nenghao_Client_Verify": "FAILED:certificate has expired"},
        {"Nenghao_Client_Verify": ""},
        {"Nenghao_Client_Cert": ""},
        {"Nenghao_Client_Cert": "%00%ff"},
        {"Nenghao_Client_Cert": NO_CERTIFICATE},
    ],
    ids=["none", "failed", "unsaid", "no certificate", "bytes", "no X.509"],
)  # fmt: skip
def test_without_a_verified_certificate_there_is_no_unit(
    served: World, device: Path, changed: dict[str, str]
) -> None:
    answer = asked(served, told(served, device, **changed)).json()
    assert answer["responseCode"] == "E2002"
    assert "enterpriseCode" in answer["responseMessage"]


@pytest.mark.clause("6.1-1")
def test_on_the_ordinary_port_the_headers_mean_nothing(
    served: World, device: Path, tmp_path: Path
) -> None:
    """With the secret and another unit's certificate in the headers, it stays who TLS says."""
    other = served.credentials(tmp_path, code=OTHER)
    url = f"https://127.0.0.1:{served.port('device')}"
    with served.client(url, other) as client:
        spoofed = told(served, device)
        refused = client.post("/", json=REGISTER, headers=spoofed).json()
        assert refused["responseCode"] == "E2002"
        own = sample_of("register.request", enterpriseCode=OTHER)
        assert client.post("/", json=own, headers=spoofed).json()["responseCode"] == "0"


@pytest.mark.clause("6.1-1")
def test_a_revoked_certificate_is_refused_on_the_next_request(
    served: World, tmp_path: Path
) -> None:
    folder = served.credentials(tmp_path, device=5)
    headers = told(served, folder)
    assert asked(served, headers).json()["responseCode"] == "0"
    with served.store.write() as conn:
        conn.execute(
            update(certificate)
            .where(certificate.c.device_number == 5)
            .values(revoked_at=china_now())
        )
    assert asked(served, headers).json()["responseCode"] == "E2002"


def test_log_and_audit_have_the_devices_address_and_not_the_gateways(
    served: World, device: Path
) -> None:
    wrong = sample_of("register.request", enterpriseCode=OTHER)
    with capture_logs() as logs:
        asked(served, told(served, device), wrong)
    assert [entry["address"] for entry in logs if entry["event"] == "请求"] == ["10.9.8.7"]
    with served.store.read() as conn:
        rows = conn.execute(select(audit.c.address)).scalars().all()
    assert rows[-1] == "10.9.8.7"
    with capture_logs() as logs:  # one that is none is not believed
        asked(served, told(served, device, Real_IP="nobody"))
    assert [entry["address"] for entry in logs if entry["event"] == "请求"] == ["127.0.0.1"]


def test_the_application_sees_none_of_the_headers_and_no_certificate_left_over() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {
        "headers": [(b"x-nenghao-gateway", b"s"), (b"x-nenghao-more", b"1"), (b"accept", b"*")],
        "state": {PEER_CERTIFICATE: b"of the request before", "kept": 1},
        "client": ("127.0.0.1", 5),
    }
    asyncio.run(Gateway(app, "s")(scope, None, None))
    assert seen[0]["headers"] == [(b"accept", b"*")]
    assert seen[0]["state"] == {"kept": 1}
    assert scope["state"][PEER_CERTIFICATE] == b"of the request before"  # type: ignore[index]


def test_the_secret_is_made_once_and_for_the_owner_alone(served: World) -> None:
    before = gateway.secret_of(served.home)
    folder = gateway.prepare(served.home)
    assert gateway.secret_of(served.home) == before
    assert len(before) >= 43
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("secret", "secret.conf"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert before in (folder / "secret.conf").read_text()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", ("127.0.0.1", 9443)),
        ("energy.example:443", ("energy.example", 443)),
        ("[::1]:9443", ("::1", 9443)),
    ],
)
def test_the_address_behind_a_gateway(address: str, expected: tuple[str, int]) -> None:
    assert PlatformSettings(gateway_address=address).gateway_reached_at == expected


@pytest.mark.parametrize("address", ["energy.example", "energy.example:x", ":1", "a b:1"])
def test_an_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match="gateway_address"):
        PlatformSettings(gateway_address=address)


def test_the_limits_of_one_address_are_not_the_gateways(served: World) -> None:
    limits = served.running["gateway"].limits
    assert (limits.connections_per_address, limits.handshakes_per_minute) == (0, 0)
    assert served.running["device"].limits.connections_per_address > 0


def test_no_port_no_listener() -> None:
    assert gateway.places(PlatformSettings()) == []


def test_the_gateway_lets_outside_issuers_in_as_the_device_listener_does(tmp_path: Path) -> None:
    now = china_now()
    home = init(tmp_path / "home", {}, now)
    issuer = make_authority("外部 CA", None, ExtendedKeyUsageOID.CLIENT_AUTH, utc(now), 1000)
    with home.store() as store, store.write() as conn:
        outside.add(conn, issuer.certificate, "subject:CN", "", now)
        trust_files.write_trust(conn, home.ca, now)
    trusted = (gateway.prepare(home) / "clients.pem").read_bytes()
    assert pem(issuer.certificate) in trusted
    assert home.authority().client_ca_file.read_bytes() in trusted
    assert home.authority().root_file.read_bytes() in trusted
    home.client_cas.unlink()
    alone = (gateway.prepare(home) / "clients.pem").read_bytes()
    assert alone.count(b"BEGIN CERTIFICATE") == 2
