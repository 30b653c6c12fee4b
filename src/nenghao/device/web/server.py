"""Listens for the page on the loopback, inside the agent's event loop (uvicorn).

A page that cannot be served never stops the device: a port in use or a missing package is said in
the log, and collecting and uploading go on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn

from nenghao.device.web.desk import Desk
from nenghao.device.web.site import site

HOST = "127.0.0.1"
CONNECTIONS = 64
"""At the same time at most; a browser takes six."""
GRACE_SECONDS = 1
KEEP_ALIVE_SECONDS = 15

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the agent has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(port: int) -> socket.socket:
    """The page's socket; OSError when the port is taken. 0 takes any free one."""
    # With its protocol named asyncio sends small answers at once; else each waits 40 ms (Nagle).
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


@asynccontextmanager
async def serving(desk: Desk, bound: socket.socket) -> AsyncIterator[str]:
    """Serve the page within the block; its address. Closes the socket."""
    port = bound.getsockname()[1]
    config = uvicorn.Config(
        site(desk, port),
        interface="asgi3",
        http="h11",
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    work = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await work
        bound.close()
