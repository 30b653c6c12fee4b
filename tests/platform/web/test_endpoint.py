"""The endpoint answers once for all interfaces: table 1 on HTTP 200, nothing else leaks out."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
import zstandard
from sqlalchemy import Connection, select, text
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from nenghao.platform import audit
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import refused_upload
from nenghao.platform.web.bodies import BodyBudgetExceeded
from nenghao.platform.web.endpoint import Call, Interface, Platform, endpoint
from nenghao.standard.findings import Finding, missing
from nenghao.standard.messages import Acknowledgement, write
from nenghao.standard.replies import DatabaseFault, IllegalFormat, MissingItem
from tests.platform.world import ADDRESS, STEEL, Client, World, unit_code


def serve(world: World, service: Callable[[Platform, Call], bytes], **options: Any) -> Client:
    """A device in front of an application with this one service."""
    client = world.client()
    answer = endpoint(client.platform, Interface(service, **options))
    app = Starlette(routes=[Route("/it", answer, methods=["POST"])])
    return Client(world, client.issued, app)


def failing(error: BaseException) -> Callable[[Platform, Call], bytes]:
    def service(platform: Platform, call: Call) -> bytes:
        raise error

    return service


def acknowledge(platform: Platform, call: Call) -> bytes:
    return write(Acknowledgement())


def streamed(body: bytes) -> bytes:
    """zstd without the content's size in its header, as a stream is written."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(body)


COMPRESSIONS = [("gzip", gzip.compress), ("zstd", zstandard.compress), ("zstd", streamed)]


def test_a_service_sees_who_calls_with_what_when_and_from_where(world: World) -> None:
    seen: list[Call] = []

    def service(platform: Platform, call: Call) -> bytes:
        seen.append(call)
        return acknowledge(platform, call)

    reply = serve(world, service).post("/it", b'{"a": 1}')
    assert (reply.status, reply.code, reply.text) == (200, "0", "RECEIVE SUCCESS")
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    (call,) = seen
    assert (call.path, call.body, call.now, call.address) == (
        "/it",
        b'{"a": 1}',
        world.now,
        ADDRESS,
    )
    assert (call.identity.credit_code, call.identity.device, call.actor) == (STEEL, 1, f"{STEEL}#1")


@pytest.mark.clause("T1-E2001")
@pytest.mark.clause("T1-E2002")
@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (MissingItem([missing("deviceId")]), "E2001", "请求参数异常，缺少必填项：deviceId 缺失"),
        (
            IllegalFormat([Finding("type", "应为 x", '"y"')]),
            "E2002",
            '请求参数异常，参数格式不合法：type 应为 x，收到 "y"',
        ),
    ],
)
def test_refusals_are_answered_with_their_code_and_text(
    world: World, error: Exception, code: str, expected: str
) -> None:
    reply = serve(world, failing(error)).post("/it", {})
    assert (reply.status, reply.code, reply.text) == (200, code, expected)
    assert list(reply.json) == ["responseCode", "responseMessage"]
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.clause("T1-E1001")
@pytest.mark.parametrize("error", [RuntimeError("secret detail"), KeyError("x"), OSError(28, "x")])
def test_the_unforeseen_is_e1001_with_a_number_that_the_log_carries_too(
    world: World, error: Exception
) -> None:
    client = serve(world, failing(error))
    with capture_logs() as logs:
        reply = client.post("/it", {})
    (entry,) = [one for one in logs if one["log_level"] == "error"]
    assert reply.status == 200
    assert reply.json == {
        "responseCode": "E1001",
        "responseMessage": f"平台服务异常：参考号 {entry['reference']}",
    }
    assert entry["exc_info"]
    assert len(entry["reference"]) == 8


@pytest.mark.clause("T1-E1002")
def test_database_trouble_is_e1002_and_tells_to_contact_the_administrator(world: World) -> None:
    def service(platform: Platform, call: Call) -> bytes:
        with platform.store.read() as conn:
            conn.execute(text("SELECT nothing FROM nowhere"))
        return b""

    client = serve(world, service)
    with capture_logs() as logs:
        reply = client.post("/it", {})
    (entry,) = [one for one in logs if one["log_level"] == "error"]
    assert reply.code == "E1002"
    assert reply.text == (f"服务器数据库异常，联系省级平台管理员：参考号 {entry['reference']}")


@pytest.mark.clause("T1-E1002")
def test_a_fault_that_a_service_raises_itself_is_logged_with_its_cause(world: World) -> None:
    client = serve(world, failing(DatabaseFault("数据损坏")))
    with capture_logs() as logs:
        reply = client.post("/it", {})
    assert reply.text == "服务器数据库异常，联系省级平台管理员：数据损坏"
    assert any(one["log_level"] == "error" and one["exc_info"] for one in logs)


@pytest.mark.clause("T1-E1001")
def test_no_memory_is_e1001_try_again_later(world: World) -> None:
    reply = serve(world, failing(MemoryError())).post("/it", {})
    assert (reply.code, reply.text) == ("E1001", "平台服务异常：稍后重试")


@pytest.mark.clause("T1-E1001")
def test_a_body_that_found_no_room_is_e1001_try_again_later(world: World) -> None:
    inner = serve(world, acknowledge)

    async def no_room() -> Any:
        raise BodyBudgetExceeded

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await inner._app(scope, no_room, send)

    reply = Client(world, inner.issued, app).post("/it", {})
    assert (reply.status, reply.code, reply.text) == (200, "E1001", "平台服务异常：稍后重试")


@pytest.mark.clause("T1-E1001")
def test_too_many_waiting_requests_are_e1001_try_again_later(world: World) -> None:
    world.settings = PlatformSettings(worker_threads=1, waiting_requests=1)
    client = world.client()
    answer = endpoint(client.platform, Interface(acknowledge))
    app = Starlette(routes=[Route("/it", answer, methods=["POST"])])
    replies: list[str] = []

    async def post() -> None:
        import httpx

        one = Client(world, client.issued, app)
        transport = httpx.ASGITransport(one._with_certificate)
        async with httpx.AsyncClient(transport=transport) as http:
            answer = await http.post("https://platform/it", content=b"{}")
            replies.append(answer.json()["responseMessage"])

    async def crowd() -> None:
        await client.platform.limiter.acquire_on_behalf_of("somebody's long work")
        async with anyio.create_task_group() as group:
            group.start_soon(post)
            while not client.platform.limiter.statistics().tasks_waiting:
                await anyio.lowlevel.checkpoint()
            await post()
            assert replies == ["平台服务异常：稍后重试"]
            client.platform.limiter.release_on_behalf_of("somebody's long work")

    anyio.run(crowd)
    assert replies == ["平台服务异常：稍后重试", "RECEIVE SUCCESS"]


@pytest.mark.parametrize("coding", ["deflate", "br", "identity, gzip", "gzip, zstd", "*"])
def test_an_encoding_that_is_not_offered_is_e2002(world: World, coding: str) -> None:
    reply = serve(world, acknowledge).post("/it", b"{}", {"content-encoding": coding})
    assert (reply.status, reply.code) == (200, "E2002")
    assert reply.text.endswith(f'Content-Encoding 应为 gzip 或 zstd，或不压缩，收到 "{coding}"')


@pytest.mark.parametrize(
    ("header", "encoding", "compress"),
    [
        ("gzip", "gzip", gzip.compress),
        ("X-GZIP", "gzip", gzip.compress),
        ("zstd", "zstd", zstandard.compress),
        (" ZSTD ", "zstd", zstandard.compress),
        ("identity", "identity", bytes),
    ],
)
def test_a_service_gets_a_compressed_body_unpacked_and_as_it_came(
    world: World, header: str, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    seen: list[Call] = []

    def service(platform: Platform, call: Call) -> bytes:
        seen.append(call)
        return acknowledge(platform, call)

    body = b'{"a": "' + bytes(range(32, 127)) * 1000 + b'"}'
    sent = compress(body)
    assert serve(world, service).post("/it", sent, {"content-encoding": header}).code == "0"
    (call,) = seen
    assert (call.body, call.encoding, call.raw) == (body, encoding, sent)


@pytest.mark.parametrize(("coding", "compress"), COMPRESSIONS)
def test_a_broken_stream_is_e2002_and_kept_as_it_came(
    world: World, steel: Client, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    whole = compress(b'{"deviceId": ""}')
    broken = {"content-encoding": coding}
    for sent in (b"", b"{}", whole[:-1], whole[:9], whole + b"x", b"x" + whole):
        reply = steel.post("/uploadEnergyData", sent, broken)
        assert (reply.status, reply.code) == (200, "E2002"), sent
        assert reply.text.endswith(f"Content-Encoding 请求体不是完整的 {coding} 数据")
    sizes = [size for _, _, size in kept(world)]
    assert sizes == [0, 2, len(whole) - 1, 9, len(whole) + 1, len(whole) + 1]


@pytest.mark.parametrize(("coding", "compress"), COMPRESSIONS)
def test_a_bomb_is_413_and_reaches_no_service(
    world: World, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    world.settings = PlatformSettings(body_limit_mb=1)
    served: list[int] = []

    def service(platform: Platform, call: Call) -> bytes:
        served.append(len(call.body))
        return acknowledge(platform, call)

    client = serve(world, service)
    coded = {"content-encoding": coding}
    assert client.post("/it", compress(b" " * 1_000_000), coded).code == "0"
    reply = client.post("/it", compress(b" " * 1_000_001), coded)
    assert (reply.status, reply.content.decode()) == (413, "请求体超过上限 1 MB")
    assert served == [1_000_000]


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "identity"}, {"content-type": "x/y"}])
def test_an_uncompressed_body_is_read_whatever_its_type_says(
    world: World, headers: dict[str, str]
) -> None:
    assert serve(world, acknowledge).post("/it", b"{}", headers).code == "0"


def audited(world: World) -> list[tuple[str, str, str, str]]:
    with world.store.read() as conn:
        return [
            (row["actor"], row["address"], row["subject"], row["result"])
            for row in audit.entries(conn)
            if row["action"] == "identity"
        ]


@pytest.mark.clause("6.1-1")
def test_a_request_without_identity_is_refused_and_audited(world: World) -> None:
    served: list[Call] = []

    def service(platform: Platform, call: Call) -> bytes:
        served.append(call)
        return b""

    client = serve(world, service, identity_field="enterpriseCode")
    reply = Client(world, None, client._app).post("/it", {})
    assert reply.code == "E2002"
    assert "enterpriseCode 与客户端数字证书不符（请求没有客户端证书）" in reply.text
    assert served == []
    assert audited(world) == [("（证书无身份）", ADDRESS, "/it", "refused")]


@pytest.mark.clause("6.1-1")
def test_every_refusal_of_identity_is_audited_and_no_other(world: World, steel: Client) -> None:
    assert steel.post("/versionCheck", {"deviceId": "f" * 32}).code == "E2002"
    assert steel.post("/versionCheck", {"deviceId": "short"}).code == "E2002"
    other = world.client(unit_code(1))
    assert other.post("/versionCheck", {"deviceId": steel.device_id}).code == "E2002"
    assert audited(world) == [
        (f"{unit_code(1)}#1", ADDRESS, "/versionCheck", "refused"),
        (f"{STEEL}#1", ADDRESS, "/versionCheck", "refused"),
    ]


def kept(world: World) -> list[tuple[str, str, int]]:
    rows = world.rows(select(refused_upload).order_by(refused_upload.c.number))
    return [(row.path, row.code, row.size) for row in rows]


def test_refused_uploads_are_kept_with_their_body_and_reason(world: World, steel: Client) -> None:
    body = b'{"deviceId": 1}'
    reply = steel.post("/uploadEnergyData", body)
    steel.post("/uploadConfigData", b"no json")
    steel.post("/versionCheck", body)
    assert kept(world) == [
        ("/uploadEnergyData", "E2001", len(body)),
        ("/uploadConfigData", "E2002", 7),
    ]
    (row, _) = world.rows(select(refused_upload).order_by(refused_upload.c.number))
    assert (row.text, row.received_at, row.address) == (reply.text, world.now, ADDRESS)


def test_nothing_is_kept_for_who_is_not_known(world: World) -> None:
    for client in (world.client(), world.client(registered=False)):
        assert client.post("/uploadEnergyData", b"{}").code == "E2001"
    assert kept(world) == []
    unregistered = world.client()
    unregistered.register()
    stranger = world.client(registered=False)
    assert stranger.post("/uploadEnergyData", b"{}").code == "E2001"
    assert kept(world) == []


def test_the_refusal_is_answered_even_if_its_traces_cannot_be_written(
    world: World, steel: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full_disk() -> Iterator[Connection]:
        with world.store.read() as conn:  # refuses to be written to
            yield conn

    def broken() -> Connection:
        raise RuntimeError

    for write_fails in (full_disk, broken):
        monkeypatch.setattr(world.store, "write", write_fails)
        with capture_logs() as logs:
            reply = steel.post("/uploadEnergyData", b"{}")
        assert reply.code == "E2001"
        assert any(one["event"] == "拒绝记录未能保存" for one in logs)


@pytest.mark.clause("T1-E1001")
def test_what_fails_before_the_service_is_e1001_too(world: World) -> None:
    client = world.client()

    def no_clock() -> Any:
        raise RuntimeError("no clock")

    client.platform.clock = no_clock
    with capture_logs() as logs:
        reply = client.post("/versionCheck", {})
    (entry,) = [one for one in logs if one["log_level"] == "error"]
    assert (reply.status, reply.code) == (200, "E1001")
    assert entry["reference"] in reply.text


def test_every_request_leaves_one_line_in_the_log(steel: Client) -> None:
    with capture_logs() as logs:
        steel.post("/versionCheck", {"deviceId": steel.device_id})
        steel.post("/versionCheck", {})
    first, second = [one for one in logs if one["event"] == "请求"]
    assert (first["path"], first["code"], first["unit"]) == ("/versionCheck", "0", f"{STEEL}#1")
    assert (second["code"], second["text"]) == ("E2001", "请求参数异常，缺少必填项：deviceId 缺失")
