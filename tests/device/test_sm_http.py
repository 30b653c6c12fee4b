"""The device's client over national cryptography: asked, uploaded, and every way of failing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from nenghao.device.client import PlatformClient, Reply
from nenghao.device.events import Failure, FailureKind
from nenghao.device.home import HomeError, _context
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.server import serving
from nenghao.security.sm_tls import SmContext
from tests.security.pki import Pair, Pki
from tests.security.sm_pki import HOST, PATIENCE, SmPki, needs_openssl

pytestmark = needs_openssl

T = TypeVar("T")


@pytest.fixture(scope="module")
def sm(tmp_path_factory: pytest.TempPathFactory) -> SmPki:
    return SmPki(tmp_path_factory.mktemp("sm"))


class Counting:
    """Answers with success, the length of what came, and on which connection it came."""

    def __init__(self) -> None:
        self.peers: list[int] = []
        self.lengths: list[int] = []

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        assert isinstance(scope, dict)
        assert callable(receive)
        assert callable(send)
        self.peers.append(scope["client"][1])
        message = await receive()
        self.lengths.append(len(message["body"]))
        text = "x" * 2_000_000 if scope["path"] == "/long" else ""
        body = json.dumps({"responseCode": "0", "responseMessage": text}).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def platform(
    context: Callable[[], object], limits: Limits | None = None
) -> Iterator[tuple[str, Counting]]:
    app = Counting()
    listener = Listener("device-sm", HOST, 0, app, context, limits or Limits())  # type: ignore[arg-type]
    with serving([listener]) as running:
        yield f"https://{HOST}:{running['device-sm'].port}", app


def talk(
    context: SmContext, ask: Callable[[PlatformClient], Awaitable[T]], timeout: float = PATIENCE
) -> T:
    async def run() -> T:
        async with PlatformClient(context=context, timeout=timeout) as client:
            return await ask(client)

    return asyncio.run(run())


@pytest.mark.clause("6.1-2")
def test_requests_go_over_one_connection_that_is_kept(sm: SmPki) -> None:
    with platform(sm.server_context) as (url, app):

        async def ask(client: PlatformClient) -> list[Reply | Failure]:
            return [await client.post(f"{url}/a", b"x" * n) for n in (0, 1, 3_000_000)]

        answers = talk(sm.client_context(), ask)
    assert all(isinstance(answer, Reply) for answer in answers), answers
    assert app.lengths == [0, 1, 3_000_000]
    assert len(set(app.peers)) == 1


def test_a_long_answer_arrives_whole(sm: SmPki) -> None:
    with platform(sm.server_context) as (url, _):
        answer = talk(sm.client_context(), lambda client: client.post(f"{url}/long", b""))
    assert isinstance(answer, Reply)
    assert len(answer.body) > 2_000_000


def test_a_connection_that_the_platform_has_ended_is_not_used_again(sm: SmPki) -> None:
    with platform(sm.server_context, Limits(keep_alive_seconds=0.05)) as (url, app):

        async def ask(client: PlatformClient) -> list[Reply | Failure]:
            first = await client.post(url, b"")
            await asyncio.sleep(0.4)
            return [first, await client.post(url, b"")]

        answers = talk(sm.client_context(), ask)
    assert all(isinstance(answer, Reply) for answer in answers), answers
    assert len(set(app.peers)) == 2


@pytest.mark.clause("6.1-2")
def test_a_platform_of_another_root_is_not_believed(sm: SmPki, tmp_path: Path) -> None:
    stranger = SmPki(tmp_path)
    with platform(stranger.server_context) as (url, app):
        answer = talk(sm.client_context(), lambda client: client.post(url, b""))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "的证书未通过验证" in answer.reason
    assert app.lengths == []


@pytest.mark.clause("6.1-2")
def test_a_platform_of_another_name_is_not_believed(sm: SmPki) -> None:
    with platform(sm.server_context) as (url, app):
        other = url.replace(HOST, "127.0.0.2")
        with serving_elsewhere(sm, app) as port:
            other = f"https://127.0.0.2:{port}"
            answer = talk(sm.client_context(), lambda client: client.post(other, b""))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "hostname mismatch" in answer.reason
    assert app.lengths == []


@contextlib.contextmanager
def serving_elsewhere(sm: SmPki, app: Counting) -> Iterator[int]:
    listener = Listener("other", "127.0.0.2", 0, app, sm.server_context, Limits())
    with serving([listener]) as running:
        yield running["other"].port


def test_a_platform_that_refuses_our_certificate_is_unreachable_with_the_reason(
    sm: SmPki,
) -> None:
    with platform(sm.server_context) as (url, app):
        for _ in range(10):  # TCP may lose the alert: a write on a closed line ends its reading
            context = sm.client_context(sm.expired())
            answer = talk(context, lambda client: client.post(url, b"x"))
            assert isinstance(answer, Failure)
            if answer.kind is FailureKind.UNREACHABLE:
                break
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "证书已过期" in answer.reason
    assert app.lengths == []


def test_the_ordinary_port_is_unreachable_for_it(sm: SmPki, tmp_path: Path) -> None:
    usual = Pki(tmp_path)
    with platform(usual.server_context) as (url, _):
        answer = talk(sm.client_context(), lambda client: client.post(url, b""))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "加密连接失败" in answer.reason


def test_nobody_listening_is_told_by_the_systems_error(sm: SmPki) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    answer = talk(sm.client_context(), lambda client: client.post(f"https://{HOST}:{port}", b""))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "对方拒绝连接" in answer.reason


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_one_that_speaks_no_tls_is_given_up(sm: SmPki, greeting: bytes) -> None:
    """A silent one within the time to connect, one that talks nonsense at once."""
    with socket.create_server((HOST, 0)) as listening:
        release = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(greeting)
                release.wait(PATIENCE)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://{HOST}:{listening.getsockname()[1]}"
        try:
            answer = talk(sm.client_context(), lambda client: client.post(url, b""), timeout=0.6)
        finally:
            release.set()
            thread.join()
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE


def test_a_platform_that_leaves_before_it_answers_breaks_the_request(sm: SmPki) -> None:
    gone = threading.Event()

    class Leaving(Counting):
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            gone.set()
            raise RuntimeError("it falls over")

    app = Leaving()
    listener = Listener("device-sm", HOST, 0, app, sm.server_context, Limits())
    with serving([listener]) as running:
        url = f"https://{HOST}:{running['device-sm'].port}"
        answer = talk(sm.client_context(), lambda client: client.post(url, b""))
    assert gone.is_set()
    assert isinstance(answer, Failure)


def test_the_whole_request_has_one_deadline(sm: SmPki) -> None:
    hold = threading.Event()

    class Slow(Counting):
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            await asyncio.to_thread(hold.wait, PATIENCE)
            await super().__call__(scope, receive, send)

    listener = Listener("device-sm", HOST, 0, Slow(), sm.server_context, Limits())
    with serving([listener]) as running:
        url = f"https://{HOST}:{running['device-sm'].port}"
        try:
            answer = talk(sm.client_context(), lambda client: client.post(url, b""), timeout=1.0)
        finally:
            hold.set()
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.BROKEN


def test_credentials_decide_which_cryptography_a_device_speaks(sm: SmPki, tmp_path: Path) -> None:
    usual = Pki(tmp_path)
    ours = _context(sm.authority.root_file, sm.device.chain, sm.device.key)
    assert isinstance(ours, SmContext)
    assert not isinstance(_context(usual.ca_pem, usual.device.chain, usual.device.key), SmContext)
    mixed = Pair(sm.device.chain, usual.device.key)
    with pytest.raises(HomeError, match="不可用"):
        _context(sm.authority.root_file, mixed.chain, mixed.key)
