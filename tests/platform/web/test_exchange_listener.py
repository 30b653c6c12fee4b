"""The exchange listener as it is deployed: a platform's folder, TLS without client certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from nenghao.clock import china_now
from nenghao.platform import accounts
from nenghao.platform.accounts import Issued
from nenghao.platform.home import Home, init
from nenghao.platform.web import exchange_api
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.exchange_api import BODY_LIMIT, DENIED
from nenghao.platform.web.server import serving
from tests.platform.partners import PATH, REGION_DATA, Gate, Partner
from tests.platform.world import Reply, World


@dataclass(frozen=True)
class Running:
    """A served platform, and one account."""

    home: Home
    url: str
    partner: Partner

    def client(self) -> httpx.Client:
        """A client that trusts the platform's root and has no certificate."""
        context = ssl.create_default_context(cafile=str(self.home.authority().root_file))
        return httpx.Client(base_url=self.url, verify=context, timeout=20, trust_env=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = init(tmp_path_factory.mktemp("tls") / "home", {}, china_now())
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        platform = Platform(store, home.settings)
        (listener,) = exchange_api.listeners(home, platform)
        assert (listener.name, listener.port) == ("exchange", 9001)
        with store.write() as conn:
            issued: Issued = accounts.add(
                conn, home.master_key(), user_name="lnxxzx", app_id="lnxxzx", now=china_now()
            )
        served = stack.enter_context(serving([replace(listener, port=0)]))
        gate = Gate(World(store, home.authority(), home.settings, china_now()))
        yield Running(home, served["exchange"].url, Partner(gate, issued))


@pytest.mark.clause("7.1-1")
@pytest.mark.clause("5.3-1")
@pytest.mark.clause("C-1")
def test_a_partner_without_a_certificate_asks_over_tls(running: Running) -> None:
    body, nonce = running.partner.sealed(REGION_DATA, at=china_now())
    with running.client() as client:
        response = client.post(PATH, content=body)
        reply = Reply(response.status_code, response.headers, response.content)
        assert running.partner.opened(REGION_DATA, reply, nonce)["responseCode"] == "0"
        assert client.post(PATH, content=body).content == DENIED


@pytest.mark.clause("7.1-1")
def test_whoever_does_not_speak_tls_gets_no_answer(running: Running) -> None:
    with (
        httpx.Client(trust_env=False, timeout=20) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.post(running.url.replace("https", "http") + PATH, content=b"{}")


@pytest.mark.clause("7.1-1")
def test_an_old_tls_is_not_spoken(running: Running) -> None:
    context = ssl.create_default_context(cafile=str(running.home.authority().root_file))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256:@SECLEVEL=0")  # neither AEAD nor forward secrecy
    with (
        httpx.Client(base_url=running.url, verify=context, trust_env=False) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.post(PATH, content=b"{}")


def test_a_body_over_the_limit_is_413(running: Running) -> None:
    with running.client() as client:
        assert client.post(PATH, content=bytes(BODY_LIMIT + 1)).status_code == 413


def test_port_0_is_no_listener(tmp_path: Path) -> None:
    home = init(tmp_path / "home", {"exchange_port": 0}, china_now())
    assert exchange_api.place(home.settings) == []
    with home.store() as store:
        assert exchange_api.listeners(home, Platform(store, home.settings)) == []


def test_a_master_key_that_others_may_read_opens_no_exchange(tmp_path: Path) -> None:
    home = init(tmp_path / "home", {}, china_now())
    home.master_key()
    home.master_key_file.chmod(0o644)
    with home.store() as store, pytest.raises(Exception, match="0600"):
        exchange_api.listeners(home, Platform(store, home.settings))
