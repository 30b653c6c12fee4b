"""Renewal on the device: when it is due, and that no crash in the middle costs the certificate."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from nenghao.clock import china_now
from nenghao.device import renewal
from nenghao.device.client import PlatformClient
from nenghao.device.home import DeviceHome, HomeError, next_file
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.enrolment import RENEW_PATH
from nenghao.security.requests import key_of_request
from nenghao.security.sm2_authority import Sm2Authority
from tests.device.world import UNIT_CODE
from tests.security.sm_pki import needs_openssl


@pytest.fixture
def home(tmp_path: Path, credentials: Path) -> DeviceHome:
    return DeviceHome.create(
        tmp_path / "dev", platform="https://127.0.0.1:9443", credentials=credentials
    )


def chain_and_key(home: DeviceHome) -> tuple[Path, Path]:
    return home.credentials / "device.pem", home.credentials / "device.key"


def test_it_is_due_from_thirty_days_before_the_end_until_the_end(home: DeviceHome) -> None:
    settings = home.settings({})
    end = renewal.ends_at(home.credentials / "device.pem")
    assert end is not None
    assert not renewal.is_due(home, settings, end - timedelta(days=30, seconds=1))
    assert renewal.is_due(home, settings, end - timedelta(days=30))
    assert renewal.is_due(home, settings, end - timedelta(seconds=1))
    assert not renewal.is_due(home, settings, end)


@pytest.mark.parametrize("at", ["before", "key moved", "both moved"])
def test_a_crash_between_the_two_files_is_mended_when_the_device_starts(
    home: DeviceHome, authority: CertificateAuthority, at: str
) -> None:
    fresh = authority.issue_device(UNIT_CODE, "示例", "210102", 1, china_now())
    chain, key = chain_and_key(home)
    next_file(key).write_bytes(fresh.private_key)
    next_file(chain).write_bytes(fresh.chain)
    if at != "before":
        next_file(key).replace(key)
    if at == "both moved":
        next_file(chain).replace(chain)
    home.context(home.settings({}))  # raises when they do not belong together
    assert chain.read_bytes() == fresh.chain
    assert key.read_bytes() == fresh.private_key
    assert not next_file(chain).exists()
    assert not next_file(key).exists()


def test_a_key_that_still_waits_for_its_certificate_replaces_nothing(home: DeviceHome) -> None:
    _chain, key = chain_and_key(home)
    before = key.read_bytes()
    next_file(key).write_bytes(b"waiting")
    home.context(home.settings({}))
    assert key.read_bytes() == before
    assert next_file(key).exists()


class Renewer:
    """A platform that answers renewals by `answer`."""

    def __init__(self, authority: CertificateAuthority, code: str = UNIT_CODE, device: int = 1):
        self.authority = authority
        self.code = code
        self.device = device
        self.own_key = False
        self.issued: Issued | None = None
        self.requests: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == RENEW_PATH
        csr = json.loads(request.content)["csr"]
        self.requests.append(csr)
        key = None if self.own_key else key_of_request(csr.encode())
        self.issued = self.authority.issue_device(
            self.code, "示例", "210102", self.device, china_now(), 3000, key=key
        )
        body = {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"}
        chain = self.issued.chain.decode()
        return httpx.Response(200, json=body | {"certificate": chain, "root": ""})


def renewed(home: DeviceHome, handler: object, now: datetime) -> bool:
    async def work() -> bool:
        transport = httpx.MockTransport(handler)  # type: ignore[arg-type]
        async with PlatformClient(timeout=10, transport=transport) as client:
            return await renewal.renew_if_due(home, home.settings({}), client, now)

    return asyncio.run(work())


def soon(home: DeviceHome) -> datetime:
    end = renewal.ends_at(home.credentials / "device.pem")
    assert end is not None
    return end - timedelta(days=10)


def test_what_comes_back_replaces_both_files(
    home: DeviceHome, authority: CertificateAuthority
) -> None:
    platform = Renewer(authority)
    chain, key = chain_and_key(home)
    before = key.read_bytes()
    assert renewed(home, platform, soon(home))
    assert platform.issued is not None
    assert chain.read_bytes() == platform.issued.chain
    assert key.read_bytes() != before
    assert key.stat().st_mode & 0o777 == 0o600
    home.context(home.settings({}))


@pytest.mark.parametrize("wrong", ["other CA", "other unit", "other device", "other key"])
def test_a_certificate_that_is_not_what_was_asked_for_replaces_nothing(
    home: DeviceHome, authority: CertificateAuthority, tmp_path: Path, wrong: str
) -> None:
    platform = Renewer(authority)
    if wrong == "other CA":
        platform.authority = CertificateAuthority.create(tmp_path / "other", china_now())
    platform.code = "91210102MA0000001D" if wrong == "other unit" else UNIT_CODE
    platform.device = 2 if wrong == "other device" else 1
    platform.own_key = wrong == "other key"
    chain, key = chain_and_key(home)
    before = (chain.read_bytes(), key.read_bytes())
    assert not renewed(home, platform, soon(home))
    assert (chain.read_bytes(), key.read_bytes()) == before


def test_after_a_failure_the_same_key_asks_again(
    home: DeviceHome, authority: CertificateAuthority
) -> None:
    asked: list[str] = []

    async def broken(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["csr"])
        return httpx.Response(404)

    assert not renewed(home, broken, soon(home))
    platform = Renewer(authority)
    assert renewed(home, platform, soon(home))
    first, second = (key_of_request(one.encode()) for one in (asked[0], platform.requests[0]))
    assert first == second


def test_a_device_whose_certificate_is_gone_says_so(home: DeviceHome) -> None:
    (home.credentials / "device.pem").unlink()
    assert not renewal.is_due(home, home.settings({}), china_now())
    with pytest.raises(HomeError, match="找不到证书文件"):
        home.context(home.settings({}))


class Service:
    """As much of the running service as renewal sees."""

    def __init__(self, home: DeviceHome, stop: asyncio.Event, rounds: int) -> None:
        self.home = home
        self.settings = home.settings({})
        self.clock = self
        self.taken_up = 0
        self._stop = stop
        self._rounds = rounds

    def take_up_certificate(self) -> None:
        self.taken_up += 1

    async def sleep(self, seconds: float, stop: asyncio.Event) -> None:
        self._rounds -= 1
        if self._rounds == 0:
            stop.set()


def served(home: DeviceHome, handler: object, moments: list[datetime]) -> Service:
    """A service that looks at its certificate at these moments."""

    async def work() -> Service:
        stop = asyncio.Event()
        service = Service(home, stop, len(moments))
        times = iter(moments)

        def client(_: object) -> PlatformClient:
            transport = httpx.MockTransport(handler)  # type: ignore[arg-type]
            return PlatformClient(timeout=10, transport=transport)

        await renewal.companion(client, lambda: next(times))(service, stop)  # type: ignore[arg-type]
        return service

    return asyncio.run(work())


def test_a_running_device_renews_by_itself_once_and_connects_anew(
    home: DeviceHome, authority: CertificateAuthority
) -> None:
    platform, now = Renewer(authority), soon(home)
    early = now - timedelta(days=100)
    service = served(home, platform, [early, now, now + timedelta(hours=1)])
    assert (len(platform.requests), service.taken_up) == (1, 1)


def test_a_platform_that_knows_no_renewal_is_asked_once_a_day(home: DeviceHome) -> None:
    asked: list[str] = []

    async def unknown(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    now = soon(home)
    moments = [now + timedelta(hours=hours) for hours in (0, 1, 12, 23, 24, 25)]
    service = served(home, unknown, moments)
    assert (len(asked), service.taken_up) == (2, 0)


@needs_openssl
def test_an_sm2_certificate_is_left_to_the_operator_who_is_told_once(
    home: DeviceHome, authority: CertificateAuthority, tmp_path: Path
) -> None:
    issuer = Sm2Authority.create(tmp_path / "sm2", b"a secret of the tests", china_now())
    issued = issuer.issue_device(UNIT_CODE, "示例", "210102", 1, china_now())
    chain, key = chain_and_key(home)
    chain.write_bytes(issued.chain)
    key.write_bytes(issued.private_key)
    platform, now = Renewer(authority), soon(home)
    with capture_logs() as logs:
        service = served(home, platform, [now + timedelta(days=days) for days in range(4)])
        assert not renewed(home, platform, now)
    assert (platform.requests, service.taken_up) == ([], 0)
    told = [entry for entry in logs if "ca issue --algorithm sm2" in entry["event"]]
    assert len(told) == 2  # once by the service, once by the single run
    assert chain.read_bytes() == issued.chain
