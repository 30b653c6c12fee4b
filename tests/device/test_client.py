from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import zstandard

from nenghao.device.client import PlatformClient, Reply
from nenghao.device.encoding import ContentEncoding
from nenghao.device.events import Done, Failure, FailureKind, Registered, Registration, VersionsRead
from nenghao.device.home import Unit
from nenghao.standard.messages.registration import RegistrationRequest
from tests.device.world import OK, UNIT_CODE, FakePlatform

T = TypeVar("T")
NOW = datetime(2026, 3, 1, 12, 0)
UNIT = Unit(UNIT_CODE, "示例钢铁有限责任公司", "210102", "和平区")


def talk(
    platform: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]],
    question: Callable[[PlatformClient], Awaitable[T]],
    timeout: float = 5,
) -> T:
    async def conversation() -> T:
        transport = httpx.MockTransport(platform)
        async with PlatformClient(timeout=timeout, transport=transport) as client:
            return await question(client)

    return asyncio.run(conversation())


def post(status: int, body: object) -> Reply | Failure:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content)

    return talk(answer, lambda client: client.post("https://p.test/x", b"{}"))


def registered(platform: FakePlatform) -> Registration:
    answer = talk(platform, lambda client: client.register("https://p.test", UNIT, NOW))
    assert isinstance(answer, Registered), answer
    return answer.registration


@pytest.mark.clause("6.2.1-1")
@pytest.mark.clause("6.3.1.1-a")
def test_registration_says_who_the_unit_is_and_reads_addresses_as_https() -> None:
    platform = FakePlatform()
    given = registered(platform)
    assert json.loads(platform.bodies["/"]) == {
        "enterpriseCode": UNIT_CODE,
        "enterpriseName": "示例钢铁有限责任公司",
        "region": "210102",
        "regionName": "和平区",
    }
    assert given.data_url == "https://platform.test:9443/uploadEnergyData"
    assert (given.device_id, given.upload_time) == ("a" * 32, "01:05:00")
    assert given.registered_at == NOW


@pytest.mark.parametrize(
    ("url", "time", "word"),
    [
        ("http://platform.test", "01:05:00", "不是 https"),
        ("platform.test:9443", "1:05", "uploadTime"),
    ],
)
def test_a_registration_that_cannot_be_used_is_a_fault(url: str, time: str, word: str) -> None:
    platform = FakePlatform(url=url, upload_time=time)
    answer = talk(platform, lambda client: client.register("https://p.test", UNIT, NOW))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.FAULT
    assert word in answer.reason


@pytest.mark.parametrize(
    "body",
    [
        {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"},
        {"responseCode": 0, "responseMessage": "RECEIVESUCCESS"},
        {"responseCode": " 0 ", "responseMessage": "请求参数异常"},
        {"responseCode": "0"},
    ],
)
def test_success_goes_by_the_code_alone(body: object) -> None:
    assert isinstance(post(200, body), Reply)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"responseCode": "E1001", "responseMessage": "RECEIVE SUCCESS"}, FailureKind.FAULT),
        (200, {"responseCode": "E1002"}, FailureKind.FAULT),
        (200, {"responseCode": "E2001"}, FailureKind.REFUSED),
        (200, {"responseCode": "E2002"}, FailureKind.REFUSED),
        (200, {"responseCode": "9"}, FailureKind.FAULT),
        (200, {"responseCode": True}, FailureKind.FAULT),
        (200, {"responseMessage": "RECEIVE SUCCESS"}, FailureKind.FAULT),
        (200, ["0"], FailureKind.FAULT),
        (200, b"<html>", FailureKind.FAULT),
        (200, b"\xff\xfe", FailureKind.FAULT),
        (200, b"", FailureKind.FAULT),
        (200, b'{"responseCode":' + b"[" * 100_000, FailureKind.FAULT),
        (404, {"responseCode": "0"}, FailureKind.FAULT),
        (404, {"responseCode": "E2002"}, FailureKind.FAULT),
        (400, {"responseCode": "E2002"}, FailureKind.REFUSED),
        (500, {"responseCode": "E1001"}, FailureKind.FAULT),
        (405, b"", FailureKind.FAULT),
        (500, {"responseCode": "0"}, FailureKind.FAULT),
        (302, b"", FailureKind.FAULT),
        (413, {"responseCode": "E2002"}, FailureKind.TOO_LARGE),
    ],
)
def test_everything_else_is_a_failure_of_its_kind(
    status: int, body: object, kind: FailureKind
) -> None:
    answer = post(status, body)
    assert isinstance(answer, Failure)
    assert answer.kind is kind
    assert answer.reason


@pytest.mark.parametrize(
    ("code", "text", "names"),
    [
        ("E2002", "参数格式不合法：deviceId 未注册", True),
        ("E2002", "设备序列号错误", True),
        ("E2002", "data[3].dataCode 应为", False),
        ("E2001", "deviceId 缺失", False),
    ],
)
def test_an_unknown_device_is_told_from_other_refusals(code: str, text: str, names: bool) -> None:
    answer = post(200, {"responseCode": code, "responseMessage": text})
    assert isinstance(answer, Failure)
    assert answer.names_device is names
    assert text in answer.reason


def test_versions_written_as_numbers_are_read_as_text() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        body = OK[1] | {"responseCode": 0, "regVersion": 125, "dicVersion": "126"}
        return httpx.Response(200, json=body)

    given = registered(FakePlatform())
    assert talk(answer, lambda client: client.versions(given)) == VersionsRead("125", "126")


def test_base_data_without_tables_is_a_fault_and_not_kept() -> None:
    given = registered(FakePlatform())
    for body, word in ((OK[1], "没有 data"), (OK[1] | {"responseCode": "E1002"}, "E1002")):

        async def answer(request: httpx.Request, body: object = body) -> httpx.Response:
            return httpx.Response(200, json=body)

        reply = talk(answer, lambda client: client.base_data(given))
        assert isinstance(reply, Failure)
        assert (reply.kind, word in reply.reason) == (FailureKind.FAULT, True)


def fails(error: Exception) -> Failure:
    async def answer(request: httpx.Request) -> httpx.Response:
        raise error

    failure = talk(answer, lambda client: client.post("https://p.test:9443/x", b"{}"))
    assert isinstance(failure, Failure)
    return failure


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_no_connection_and_tls_trouble_mean_unreachable() -> None:
    expired = ssl.SSLCertVerificationError("expired")
    expired.verify_message = "certificate has expired"
    for error, word in (
        (httpx.ConnectError("refused"), "无法连接平台 p.test:9443"),
        (httpx.ConnectTimeout(""), "超时"),
        (with_cause(httpx.ConnectError(""), expired), "certificate has expired"),
        (with_cause(httpx.ReadError(""), ssl.SSLError(1, "alert unknown ca")), "加密连接失败"),
    ):
        failure = fails(error)
        assert failure.kind is FailureKind.UNREACHABLE
        assert word in failure.reason


def test_a_certificate_that_the_platform_refuses_is_told_in_chinese() -> None:
    alert = ssl.SSLError(1, "[SSL: SSLV3_ALERT_CERTIFICATE_REVOKED] alert (_ssl.c:1)")
    alert.reason = "SSLV3_ALERT_CERTIFICATE_REVOKED"
    failure = fails(with_cause(httpx.ReadError(""), alert))
    assert failure.kind is FailureKind.UNREACHABLE
    assert "证书已被吊销（SSLV3_ALERT_CERTIFICATE_REVOKED）" in failure.reason


def test_nobody_listening_is_told_in_chinese_by_the_systems_error() -> None:
    async def ask(url: str) -> Reply | Failure:
        context = ssl.create_default_context()
        async with PlatformClient(timeout=5, context=context) as client:
            return await client.post(url, b"{}")

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused for sure
        failure = asyncio.run(ask(f"https://127.0.0.1:{nobody.getsockname()[1]}/x"))
    assert isinstance(failure, Failure)
    assert failure.reason.endswith("：对方拒绝连接（端口没有监听）")


def test_a_connection_that_breaks_leaves_it_open_what_arrived() -> None:
    for error in (httpx.ReadError("reset"), httpx.RemoteProtocolError("closed")):
        assert fails(error).kind is FailureKind.BROKEN


def test_one_deadline_counts_from_connecting_to_the_last_byte() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    failure = talk(answer, lambda client: client.post("https://p.test", b"{}"), timeout=0.02)
    assert failure == Failure(FailureKind.BROKEN, "0.02 秒内没有收到应答")


@pytest.mark.clause("6.1-2")
def test_a_context_that_does_not_verify_the_platform_is_not_taken(credentials: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for unfit in (context, None):
        with pytest.raises(ValueError, match="verifies the platform"):
            PlatformClient(context=unfit, timeout=1)


def test_the_request_type_is_the_standards_json() -> None:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=OK[1])

    talk(answer, lambda client: client.post("https://p.test/x", b'{"a":1}'))
    assert seen[0].method == "POST"
    assert seen[0].headers["content-type"] == "application/json; charset=utf-8"
    assert RegistrationRequest.__struct_fields__[0] == "enterprise_code"


@pytest.mark.parametrize(
    ("encoding", "unpacked"),
    [("identity", bytes), ("gzip", gzip.decompress), ("zstd", zstandard.decompress)],
)
def test_uploads_go_compressed_as_the_settings_say_and_nothing_else_does(
    encoding: ContentEncoding, unpacked: Callable[[bytes], bytes]
) -> None:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=OK[1])

    async def conversation() -> None:
        transport = httpx.MockTransport(answer)
        async with PlatformClient(
            timeout=5, transport=transport, content_encoding=encoding
        ) as client:
            assert await client.upload(given, b'{"data": []}') == Done()
            assert await client.configuration(given, b'{"group": []}') == Done()
            await client.versions(given)

    given = registered(FakePlatform())
    asyncio.run(conversation())
    upload, configuration, versions = seen
    sent = None if encoding == "identity" else encoding
    for request, body in ((upload, b'{"data": []}'), (configuration, b'{"group": []}')):
        assert request.headers.get("content-encoding") == sent
        assert request.headers["content-type"] == "application/json; charset=utf-8"
        assert unpacked(request.content) == body
    assert "content-encoding" not in versions.headers
    assert json.loads(versions.content) == {"deviceId": given.device_id}
