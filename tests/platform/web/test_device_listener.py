"""The device listener as it is deployed: a platform's folder, mutual TLS, real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.home import Home, init
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import certificate
from nenghao.platform.web.device_api import listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security.contexts import client_context
from nenghao.security.credentials import write_credentials
from tests.platform.world import STEEL, sample


@dataclass(frozen=True)
class Running:
    """A served platform and where it listens."""

    home: Home
    store: Store
    url: str

    def device(self, folder: Path, *, registered: bool = True) -> httpx.Client:
        """A client with fresh credentials of this platform's CA."""
        issued = self.home.authority().issue_device(STEEL, "示例钢铁", "210102", 1, china_now())
        if registered:
            with self.store.write() as conn:
                certificates.register(conn, issued, china_now())
        write_credentials(folder, issued, {})
        context = client_context(folder / "ca.pem", folder / "device.pem", folder / "device.key")
        return httpx.Client(base_url=self.url, verify=context, timeout=20, trust_env=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = init(tmp_path_factory.mktemp("tls") / "home", {"body_limit_mb": 1}, china_now())
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        device = replace(listener(home, Platform(store, home.settings)), port=0)
        served = stack.enter_context(serving([device]))
        yield Running(home, store, served["device"].url)


@pytest.mark.clause("5.3-1")
@pytest.mark.clause("6.1-1")
@pytest.mark.clause("A.1-1")
def test_a_device_registers_and_asks_over_mutual_tls(running: Running, tmp_path: Path) -> None:
    with running.device(tmp_path) as device:
        told = device.post("/", json=sample("register.request", enterpriseCode=STEEL))
        assert told.headers["content-type"] == "application/json; charset=utf-8"
        device_id = told.json()["deviceId"]
        answer = device.post("/versionCheck", json={"deviceId": device_id}).json()
        assert (answer["responseCode"], answer["regVersion"]) == ("0", "1")


@pytest.mark.clause("6.1-1")
def test_a_certificate_of_our_ca_that_nobody_registered_is_refused(
    running: Running, tmp_path: Path
) -> None:
    with running.device(tmp_path, registered=False) as device:
        answer = device.post("/", json=sample("register.request", enterpriseCode=STEEL)).json()
    assert answer["responseCode"] == "E2002"
    assert "enterpriseCode" in answer["responseMessage"]


@pytest.mark.clause("6.1-1")
def test_a_revoked_certificate_is_refused_on_the_connection_it_opened_before(
    running: Running, tmp_path: Path
) -> None:
    with running.device(tmp_path) as device:
        device_id = device.post("/", json=sample("register.request", enterpriseCode=STEEL)).json()[
            "deviceId"
        ]
        assert device.post("/versionCheck", json={"deviceId": device_id}).json()["dicVersion"]
        with running.store.write() as conn:
            conn.execute(update(certificate).values(revoked_at=china_now()))
        answer = device.post("/versionCheck", json={"deviceId": device_id}).json()
    assert answer["responseCode"] == "E2002"
    assert "已吊销" in answer["responseMessage"]


def test_a_body_over_the_limit_of_the_settings_is_413(running: Running, tmp_path: Path) -> None:
    with running.device(tmp_path) as device:
        assert device.post("/uploadEnergyData", content=b" " * 1_000_001).status_code == 413
        fits = device.post("/uploadEnergyData", content=b" " * 1_000_000)
        assert (fits.status_code, fits.json()["responseCode"]) == (200, "E2002")
