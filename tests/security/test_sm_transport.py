"""TLS with national cryptography over asyncio: back-pressure, and every way to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Any

import pytest
from OpenSSL import SSL

from tests.security.sm_pki import SmPki, SmSocket, needs_openssl
from tests.security.sm_wire import PATIENCE, pair, sockets, upgraded

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmPki:
    return SmPki(tmp_path_factory.mktemp("sm"))


# --- back-pressure --------------------------------------------------------------------------------


def test_who_writes_to_one_that_does_not_read_is_told_to_pause_and_then_to_go_on(
    pki: SmPki,
) -> None:
    sent = os.urandom(64 * 1024)

    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, told),
            (theirs, heard),
        ):
            theirs.pause_reading()
            assert not theirs.is_reading()
            ours.set_write_buffer_limits(high=256 * 1024)
            assert ours.get_write_buffer_limits()[1] == 256 * 1024
            count = 0
            while "pause" not in told.told:
                assert count < 2000, "nobody said stop"
                ours.write(sent)
                count += 1
                await asyncio.sleep(0)
            assert ours.get_write_buffer_size() > 0
            assert len(heard.data) == 0
            theirs.resume_reading()
            await told.until(lambda: told.told == ["pause", "resume"])
            await heard.until(lambda: len(heard.data) == count * len(sent))
            assert bytes(heard.data) == sent * count

    asyncio.run(run())


def test_who_pauses_reading_gets_nothing_until_it_resumes_and_then_all(pki: SmPki) -> None:
    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, told),
            (theirs, _),
        ):
            theirs.write(b"a" * 100)
            await told.until(lambda: len(told.data) == 100)
            ours.pause_reading()
            theirs.write(b"b" * 200_000)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(told.data) == 100
            ours.resume_reading()
            ours.resume_reading()
            await told.until(lambda: len(told.data) == 200_100)

    asyncio.run(run())


def test_a_protocol_may_pause_in_the_middle_of_what_came_together(pki: SmPki) -> None:
    """Records that are here already wait inside TLS, and no event of TCP will bring them."""

    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, _),
            (theirs, _),
        ):
            loop = asyncio.get_running_loop()
            pieces: list[int] = []
            done = asyncio.Event()

            class Careful(asyncio.Protocol):
                def data_received(self, data: bytes) -> None:
                    pieces.append(len(data))
                    if sum(pieces) == 10 * 16_384:
                        done.set()
                        return
                    ours.pause_reading()
                    loop.call_soon(ours.resume_reading)

            ours.set_protocol(Careful())
            assert isinstance(ours.get_protocol(), Careful)
            theirs.write(bytes(10 * 16_384))
            async with asyncio.timeout(PATIENCE):
                await done.wait()
            assert len(pieces) == 10

    asyncio.run(run())


def test_a_large_body_goes_through_whole_in_both_directions(pki: SmPki) -> None:
    body = os.urandom(3_000_000)

    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, told),
            (theirs, heard),
        ):
            ours.write(body)
            theirs.write(body[::-1])
            await told.until(lambda: len(told.data) == len(body))
            await heard.until(lambda: len(heard.data) == len(body))
            assert (bytes(told.data), bytes(heard.data)) == (body[::-1], body)

    asyncio.run(run())


# --- the end --------------------------------------------------------------------------------------


def test_what_was_written_before_closing_arrives_and_both_end_without_an_error(
    pki: SmPki,
) -> None:
    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, told),
            (_, heard),
        ):
            ours.write(b"x" * 500_000)
            ours.close()
            ours.close()
            ours.write(b"too late")
            assert ours.is_closing()
            async with asyncio.timeout(PATIENCE):
                assert await heard.lost is None
                assert await told.lost is None
            assert len(heard.data) == 500_000
            assert heard.told == ["eof"]

    asyncio.run(run())


def test_who_never_says_farewell_is_not_waited_for_for_ever(pki: SmPki) -> None:
    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context(), close=0.1) as (
            (ours, told),
            (theirs, _),
        ):
            theirs.pause_reading()  # it sees no farewell, and says none
            ours.close()
            async with asyncio.timeout(PATIENCE):
                await told.lost

    asyncio.run(run())


def test_tcp_that_ends_without_a_farewell_is_an_error(pki: SmPki) -> None:
    """Else whoever can cut a line could shorten a message unnoticed."""
    ours, theirs = sockets()

    async def run() -> None:
        task = asyncio.create_task(upgraded(pki.server_context(), ours, None, PATIENCE, 1))
        client = await asyncio.to_thread(_shaken, pki, theirs)
        _, told = await task
        client.sendall(b"half a mess")
        await told.until(lambda: len(told.data) == 11)
        theirs.close()
        async with asyncio.timeout(PATIENCE):
            assert isinstance(await told.lost, ConnectionResetError)
        assert told.told == []

    asyncio.run(run())


def test_a_changed_record_ends_the_connection_and_the_other_is_told(pki: SmPki) -> None:
    ours, theirs = sockets()

    async def run() -> None:
        task = asyncio.create_task(upgraded(pki.server_context(), ours, None, PATIENCE, 1))
        client = await asyncio.to_thread(_shaken, pki, theirs)
        transport, told = await task
        client.tls.send(b"the truth")
        record = bytearray(client.tls.bio_read(65536))
        record[-1] ^= 1
        theirs.sendall(record)
        async with asyncio.timeout(PATIENCE):
            error = await told.lost
        assert isinstance(error, ssl.SSLError)
        assert "BAD_RECORD_MAC" in str(error.reason)
        assert told.data == b""
        assert transport.is_closing()
        assert theirs.recv(100)[:1] == b"\x17"  # the alert, encrypted

    asyncio.run(run())
    theirs.close()


def _shaken(pki: SmPki, sock: socket.socket) -> SmSocket:
    sock.settimeout(PATIENCE)
    client = SmSocket(sock, pki.shown())
    client.shake()
    return client


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"", ConnectionAbortedError),
        (b"\x16\x03\x01", ConnectionAbortedError),
        (b"GET / HTTP/1.1\r\n\r\n", ssl.SSLError),
        (os.urandom(4096), ssl.SSLError),
    ],
    ids=["silence", "half a record", "HTTP", "noise"],
)
def test_what_is_no_handshake_ends_with_a_reason(
    pki: SmPki, first: bytes, expected: type[Exception]
) -> None:
    ours, theirs = sockets()

    async def run() -> None:
        theirs.sendall(first)
        with pytest.raises(expected):
            await upgraded(pki.server_context(), ours, None, 0.2, 1)

    asyncio.run(run())
    theirs.close()


def test_who_leaves_in_the_handshake_is_an_error_of_the_connection(pki: SmPki) -> None:
    ours, theirs = sockets()

    async def run() -> None:
        theirs.close()
        with pytest.raises(ConnectionResetError):
            await upgraded(pki.server_context(), ours, None, PATIENCE, 1)

    asyncio.run(run())


def test_a_cancelled_handshake_leaves_nothing_behind(pki: SmPki) -> None:
    ours, theirs = sockets()

    async def run() -> None:
        task = asyncio.create_task(upgraded(pki.server_context(), ours, None, PATIENCE, 1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        theirs.setblocking(False)
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""

    asyncio.run(run())
    theirs.close()


def test_abort_ends_at_once_and_tells_both(pki: SmPki) -> None:
    async def run() -> None:
        async with pair(pki.server_context(), pki.client_context()) as (
            (ours, told),
            (_, heard),
        ):
            ours.abort()
            async with asyncio.timeout(PATIENCE):
                assert await told.lost is None
                assert isinstance(await heard.lost, ConnectionError)

    asyncio.run(run())


def test_a_session_is_not_resumed(pki: SmPki) -> None:
    """A resumed session would not be verified again."""
    verified: list[int] = []
    client_context = pki.shown()

    def count(*told: Any) -> bool:
        verified.append(told[3])
        return True

    client_context.set_verify(SSL.VERIFY_PEER, count)
    sessions: list[Any] = [None]

    def client(sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        connection = SmSocket(sock, client_context)
        if sessions[-1] is not None:
            connection.tls.set_session(sessions[-1])
        connection.shake()
        connection.sendall(b"x")
        assert connection.recv(1) == b"y"  # what the server had to say of sessions came before
        sessions.append(connection.tls.get_session())

    async def once() -> None:
        ours, theirs = sockets()
        thread = asyncio.create_task(asyncio.to_thread(client, theirs))
        transport, told = await upgraded(pki.server_context(), ours, None, PATIENCE, 1)
        await told.until(lambda: told.data == b"x")
        transport.write(b"y")
        await thread
        transport.abort()
        theirs.close()

    asyncio.run(once())
    times = len(verified)
    assert times >= 3  # leaf, issuing CA, root
    assert sessions[-1] is not None
    asyncio.run(once())
    assert len(verified) == 2 * times
