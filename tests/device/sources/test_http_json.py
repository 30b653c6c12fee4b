from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme

from nenghao.device.sources import http_json
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from tests.device.sources.broken_peers import answers, peer
from tests.device.sources.http_world import NOW, POINTS, Service, ask, fault, read, served, settings

# --- what is read --------------------------------------------------------------------------------


@pytest.mark.clause("3.7-1")
def test_every_point_is_found_by_its_path_and_kept_exactly() -> None:
    points = [
        *POINTS,
        {"name": "第二", "path": "data.meters[1].value", "scale": "0.0001", "offset": "1"},
    ]
    assert read(Service(), points=points) == [
        Sample("总进线", NOW, Decimal("12.50")),
        Sample("第二", NOW, Decimal("1.0007")),
    ]


def test_values_carry_the_time_that_stands_beside_them() -> None:
    document = '{"t": 1772415900000, "a": {"v": "3", "t": "2026-03-02T09:30:00+08:00"}, "b": 4}'
    points = [{"name": "a", "path": "a.v", "time_path": "a.t"}, {"name": "b", "path": "b"}]
    with pytest.raises(SourceFault) as caught:
        read(Service(document), points=points[1:], time_path="t")
    assert "epoch_ms" in caught.value.text
    assert read(Service(document), points=points[:1]) == [
        Sample("a", datetime(2026, 3, 2, 9, 30), Decimal(3))
    ]
    assert read(Service(document), points=points[1:], time_path="t", time_format="epoch_ms") == [
        Sample("b", datetime(2026, 3, 2, 9, 45), Decimal(4))
    ]


def test_a_list_of_moments_gives_a_sample_for_each() -> None:
    document = (
        '{"rows": [{"time": "2026-03-02 09:30:00", "kWh": 1.5},'
        ' {"time": "2026-03-02 09:45:00", "kWh": null},'
        ' {"time": "2026-03-02 10:00:00", "kWh": 2}]}'
    )
    points = [{"name": "E", "path": "kWh"}]
    assert read(Service(document), records="rows", time_path="time", points=points) == [
        Sample("E", datetime(2026, 3, 2, 9, 30), Decimal("1.5")),
        Sample("E", datetime(2026, 3, 2, 10, 0), Decimal(2)),
    ]


def test_a_point_that_is_missing_costs_itself_and_is_told() -> None:
    async def run() -> None:
        service = Service('{"a": 1, "b": "x", "d": [1]}')
        points = [{"name": name, "path": name} for name in "abcd"]
        async with served(service) as url:
            source = http_json.make(settings(url=url, points=points), Path())
            assert [one.point for one in await ask(source)] == ["a"]
            assert source.remarks == (
                "采集点 b：'x' 不是数值",
                "采集点 c：没有 c",
                "采集点 d：d 不是数值",
            )

    asyncio.run(run())


def test_a_post_sends_its_body_and_headers() -> None:
    service = Service()
    body = '{"表": ["M-01"]}'
    assert read(service, method="POST", body=body, headers={"X-Api-Key": "k"})
    head, sent = service.requests[0]
    assert head.startswith("POST /api HTTP/1.1")
    assert "x-api-key: k" in head.lower()
    assert "content-type: application/json" in head.lower()
    assert sent.decode() == body


def test_the_connection_serves_several_polls() -> None:
    async def run() -> None:
        service = Service()
        async with served(service) as url:
            source = http_json.make(settings(url=url), Path())
            await source.open()
            assert await source.read(NOW) == await source.read(NOW)
            await source.close()
            assert len(service.requests) == 2

    asyncio.run(run())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_keys_are_read_in_the_encodings_of_services(encoding: str) -> None:
    service = Service('{"电量": {"有功": 3}}'.encode(encoding))
    points = [{"name": "E", "path": "电量.有功"}]
    assert read(service, points=points) == [Sample("E", NOW, Decimal(3))]


# --- credentials ---------------------------------------------------------------------------------


def test_user_and_password_are_sent_as_basic_authentication(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("口令s3cret\n")
    wanted = base64.b64encode("读者:口令s3cret".encode()).decode()
    service = Service()
    service.wanted = lambda head: f"Basic {wanted}" in head
    assert read(service, tmp_path, user="读者", password_file="pw")
    found = fault(service, tmp_path, user="读者", password="wr0ng")
    assert (found.kind, "401" in found.text) == (FaultKind.CREDENTIALS, True)
    assert "wr0ng" not in found.text


def test_a_token_is_sent_as_bearer_authentication(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    service = Service()
    service.wanted = lambda head: "authorization: bearer s3cret" in head.lower()
    assert read(service, tmp_path, token_file="token")
    assert fault(service, token="wr0ng").kind is FaultKind.CREDENTIALS


@pytest.mark.parametrize("text", ["令牌", "a\nb"])
def test_a_token_that_cannot_be_sent_is_a_fault_of_the_configuration(text: str) -> None:
    found = fault(Service(), token=text)
    assert (found.kind, text in found.text) == (FaultKind.CONFIGURATION, False)


def test_secrets_are_not_shown() -> None:
    block = settings(
        url="http://127.0.0.1/x?key=s3cret",
        user="u",
        password="s3cret",
        headers={"X-Key": "s3cret"},
        method="POST",
        body="s3cret",
    )
    assert "s3cret" not in repr(block)
    assert "user='u'" in repr(block)


def test_no_secret_stands_in_a_fault() -> None:
    service = Service()
    service.status = "500 Internal Server Error"

    async def run() -> SourceFault:
        async with served(service) as url:
            source = http_json.make(settings(url=f"{url}?key=s3cret"), Path())
            with pytest.raises(SourceFault) as caught:
                await ask(source)
            return caught.value

    found = asyncio.run(run())
    assert "s3cret" in service.requests[0][0]
    assert "s3cret" not in found.text


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def over_tls(authority: trustme.CA, home: Path, host: str, **changes: Any) -> list[Sample]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)

    async def run() -> list[Sample]:
        async with served(Service(), context) as url:
            return await ask(http_json.make(settings(url=url, **changes), home))

    return asyncio.run(run())


def test_the_authority_of_the_site_is_trusted_when_named(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert over_tls(authority, tmp_path, "127.0.0.1", ca_file="ca.pem")


@pytest.mark.parametrize("host", ["127.0.0.1", "gateway.test"])
def test_a_certificate_that_does_not_verify_is_refused(
    authority: trustme.CA, tmp_path: Path, host: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    changes = {} if host == "127.0.0.1" else {"ca_file": "ca.pem"}
    with pytest.raises(SourceFault, match="证书未通过验证") as caught:
        over_tls(authority, tmp_path, host, **changes)
    assert caught.value.kind is FaultKind.CREDENTIALS


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_of_no_use_is_a_fault_of_the_configuration(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    found = fault(Service(), tmp_path, ca_file="ca.pem")
    assert (found.kind, "ca.pem" in found.text) == (FaultKind.CONFIGURATION, True)


def test_a_service_without_tls_where_tls_was_expected_is_garbage() -> None:
    async def run() -> SourceFault:
        async with peer(answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            source = http_json.make(settings(url=f"https://127.0.0.1:{port}/"), Path())
            with pytest.raises(SourceFault) as caught:
                await ask(source)
            return caught.value

    assert asyncio.run(run()).kind is FaultKind.GARBAGE
