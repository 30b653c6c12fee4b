"""Handshakes and bulk data of the device listener: P-256 and SM2, each on one core.

    python -m benchmarks.handshakes [--seconds 3] [--megabytes 8] [--rounds 3]

The listener is the platform's own, with an application that answers "ok", in a process of its own;
clients are processes that connect anew for each request (handshakes), or send bodies one after the
other on a connection that they keep (MB/s). What clients spend is not the server's: its CPU time
is told beside the rate, and `per core` is what one core would do if it did nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.report import Row, machine, show
from nenghao.clock import china_now
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.server import serving
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.contexts import client_context, renewing_server_context
from nenghao.security.credentials import write_credentials, write_server
from nenghao.security.sm2_authority import Sm2Authority

HOST = "127.0.0.1"
CLIENTS = 2
HEADINGS = ("listener", "handshakes/s", "per core", "MB/s", "per core", "TLS")
P256, SM2 = "P-256 (ssl)", "SM2 (RFC 8998)"


@dataclass(frozen=True)
class Files:
    """Where one kind's certificates lie."""

    folder: Path
    sm2: bool

    def server(self) -> Any:
        """The listener's context, as deployed."""
        chain, key = self.folder / "server.pem", self.folder / "server.key"
        clients = self.folder / "ca" / "device-ca.pem"
        if self.sm2:
            from nenghao.security.sm_tls import sm_server_context

            crl = self.folder / "ca" / "device-ca.crl"
            return sm_server_context(chain, key, clients, _raise, crl, china_now)
        return renewing_server_context(chain, key, clients, _raise)

    def client(self) -> Callable[[], Any]:
        """Makes connections whose handshake is done."""
        if self.sm2:
            return partial(_sm_connection, self._sm_context())
        context = client_context(
            self.folder / "ca.pem", self.folder / "device.pem", self.folder / "device.key"
        )
        return partial(_connection, context)

    def _sm_context(self) -> Any:
        from OpenSSL import SSL

        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_tls13_ciphersuites(b"TLS_SM4_GCM_SM3")
        context.use_certificate_chain_file(str(self.folder / "device.pem"))
        context.use_privatekey_file(str(self.folder / "device.key"))
        context.load_verify_locations(str(self.folder / "ca.pem"))
        context.set_verify(SSL.VERIFY_PEER, lambda *told: bool(told[4]))
        lib = SSL._lib  # type: ignore[attr-defined]
        assert lib.SSL_CTX_set1_curves_list(context._context, b"curveSM2")
        assert lib.SSL_CTX_set1_sigalgs_list(context._context, b"sm2sig_sm3")
        return context


def make(folder: Path, sm2: bool) -> Files:
    """Certificates for a server on loopback and one device."""
    now = china_now()
    folder.mkdir()
    authority: CertificateAuthority | Sm2Authority
    if sm2:
        authority = Sm2Authority.create(folder / "ca", b"benchmark", now)
    else:
        authority = CertificateAuthority.create(folder / "ca", now)
    write_server(folder, authority.issue_server([HOST], now))
    device: Issued = authority.issue_device("91210000573973053F", "测", "210102", 1, now)
    write_credentials(folder, device, {})
    return Files(folder, sm2)


async def _ok(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def _raise(error: Exception) -> None:
    raise error


def _serve(files: Files, pipe: Connection) -> None:
    """Serve until the pipe says so; answers any other word with the CPU seconds so far."""
    listener = Listener("device", HOST, 0, _ok, files.server, Limits())
    with serving([listener]) as running:
        pipe.send(running["device"].port)
        while pipe.recv():
            used = os.times()
            pipe.send(used.user + used.system)


def _connection(context: ssl.SSLContext, port: int) -> Any:
    raw = socket.create_connection((HOST, port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname=HOST)


def _sm_connection(context: Any, port: int) -> Any:
    from OpenSSL import SSL

    raw = socket.create_connection((HOST, port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = SSL.Connection(context, raw)
    made.set_connect_state()
    made.do_handshake()
    return made


def _ask(connection: Any, body: bytes) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
    if body:
        connection.sendall(body)
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        piece = connection.recv(4096)
        if not piece:
            raise EOFError("the platform ended the connection")
        answer += piece


def _shake(files: Files, port: int, seconds: float, told: Any) -> None:
    """A request on a new connection, again and again."""
    connect = files.client()
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        connection = connect(port)  # type: ignore[call-arg]
        _ask(connection, b"")
        connection.close()
        count += 1
    told.put(count)


def _pour(files: Files, port: int, seconds: float, size: int, told: Any) -> None:
    """Bodies of `size` bytes on one connection."""
    connection = files.client()(port)  # type: ignore[call-arg]
    body = os.urandom(size)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        _ask(connection, body)
        count += 1
    told.put(count * size / 1e6)
    with contextlib.suppress(OSError):
        connection.close()


def _measured(files: Files, work: Callable[..., None], number: int) -> tuple[float, float]:
    """(what all clients did a second, what one core of the server would do)."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(files, theirs))
    server.start()
    port = ours.recv()
    told = context.Queue()
    ours.send(True)
    used = ours.recv()
    clients = [
        context.Process(target=work, args=(files, port), kwargs={"told": told})
        for _ in range(number)
    ]
    seconds = float(work.keywords["seconds"])  # type: ignore[attr-defined]
    for client in clients:
        client.start()
    done = sum(told.get() for _ in clients)
    ours.send(True)
    used = ours.recv() - used
    ours.send(False)
    for process in (*clients, server):
        process.join()
    return done / seconds, done / used


def rows(folder: Path, rounds: int, seconds: float, megabytes: int) -> list[Row]:
    """A line for each kind: the median of the rounds."""
    table: list[Row] = []
    size = megabytes * 1_000_000
    kinds = ((P256, False, "TLS 1.3, AES-256-GCM"), (SM2, True, "TLS 1.3, SM4-GCM, curveSM2"))
    made = {name: make(folder / str(sm2), sm2) for name, sm2, _ in kinds}
    results: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in made}
    for number in range(rounds):  # in turns, so that both see the same machine
        for name, files in made.items():
            print(f"… {name}, round {number + 1}", file=sys.stderr, flush=True)
            shaken = _measured(files, partial(_shake, seconds=seconds), CLIENTS)
            poured = _measured(files, partial(_pour, seconds=seconds, size=size), 1)
            results[name].append((*shaken, *poured))
    for name, _, what in kinds:
        middle = [statistics.median(one) for one in zip(*results[name], strict=True)]
        table.append((name, *(f"{value:.0f}" for value in middle), what))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--megabytes", type=int, default=8)
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        show(HEADINGS, rows(Path(folder), asked.rounds, asked.seconds, asked.megabytes))


if __name__ == "__main__":
    main()
