"""The platform of `world` behind a socket and real mutual TLS, for tests of whole processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from nenghao.clock import china_now
from nenghao.security.authority import CertificateAuthority
from nenghao.security.contexts import server_context
from nenghao.security.credentials import write_server
from tests.device.world import FakePlatform


class HttpsPlatform(FakePlatform):
    """As its parent, at `https://127.0.0.1:<port>`."""

    port: int = 0

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def https_platform(authority: CertificateAuthority, folder: Path) -> Iterator[HttpsPlatform]:
    """A platform on a free port of the loopback whose certificate `authority` issued."""
    platform = HttpsPlatform()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            request = httpx.Request("POST", f"{platform.address}{self.path}", content=content)
            answer = asyncio.run(platform(request))
            self.send_response(answer.status_code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A device that was killed leaves its connection behind: no news here."""

    issued = authority.issue_server(["127.0.0.1"], china_now())
    chain, key = write_server(folder, issued)
    server = Server(("127.0.0.1", 0), Handler)
    context = server_context(chain, key, authority.client_ca_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    platform.port = server.server_address[1]
    platform.url = f"127.0.0.1:{platform.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
