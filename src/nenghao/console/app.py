"""Puts the console together and serves it (控制台的装配与运行): NiceGUI behind the gate, over TLS.

One process, one event loop. The server certificate is the platform's own and is followed when it
is renewed. SIGTERM ends it within seconds, whatever browsers do.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import nicegui
import nicegui.core
import structlog
import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from nenghao.console import entrance, pages
from nenghao.console.gate import Gate
from nenghao.console.visit import Office, Shown
from nenghao.security.contexts import renewing_exchange_context

STATIC: Final = Path(__file__).with_name("static")
GRACE_SECONDS: Final = 3
KEEP_ALIVE_SECONDS: Final = 30
HEADER_BYTES: Final = 32_768
CONNECTIONS: Final = 500

log = structlog.get_logger(__name__)


def console_app(office: Office) -> Gate:
    """The application; once in a process, since NiceGUI has one application for each."""
    for module in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"{pages.__name__}.{module.name}")
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC))
    nicegui.app.state.office = office
    nicegui.app.on_page_exception(_page_failed)
    nicegui.app.exception_handler(404)(_not_found)
    logging.getLogger("nicegui").addFilter(_is_news)
    ui.run_with(
        app,
        title="能耗在线监测",
        favicon=STATIC / "icon.svg",
        language="zh-CN",
        dark=None,
        tailwind=False,
        binding_refresh_interval=0.5,
        reconnect_timeout=10.0,
        message_history_length=100,
        show_welcome_message=False,
    )
    _keep_to_own_page()
    return Gate(app, office)


def _keep_to_own_page() -> None:
    """A message over a WebSocket counts for the page that was opened with it, for no other.

    NiceGUI by itself takes the page from the message.
    """
    sio = nicegui.core.sio
    for name in ("event", "javascript_response", "ack", "log"):
        inner = sio.handlers["/"][name]

        def guarded(sid: str, message: dict[str, Any], inner: Any = inner) -> None:
            if message.get("client_id") in sio.rooms(sid):
                inner(sid, message)

        sio.on(name, guarded)


async def _not_found(request: object, error: Exception) -> HTMLResponse:
    return entrance.trouble_page("没有这个页面", 404)


def _page_failed(error: Exception) -> None:
    ui.label("页面未能打开，请稍后重试；若仍如此，请把发生的时间告诉平台管理员。").classes(
        "notice bad"
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Whether the log should have it: not what was shown to an operator already."""
    raised = record.exc_info[1] if record.exc_info else None
    return not isinstance(raised, Shown) and not isinstance(record.msg, Shown)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            self._ready(sockets[0].getsockname()[1])


def serve(office: Office, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready(port)` when it listens. OSError: the port is taken."""
    settings = office.home.settings
    with bind(settings.listen_address, settings.console_port) as bound:
        config = uvicorn.Config(
            console_app(office),
            ssl_certfile=office.home.server_chain,
            ssl_keyfile=office.home.server_key,
            loop="asyncio",
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws_max_size=1_000_000,
        )
        config.load()
        config.ssl = renewing_exchange_context(
            office.home.server_chain, office.home.server_key, _not_taken_up
        )
        _Server(config, ready).run([bound])


def bind(host: str, port: int) -> socket.socket:
    """The console's socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named asyncio sends small answers at once; else each waits 40 ms (Nagle).
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _not_taken_up(error: Exception) -> None:
    log.error("新的服务器证书不可用，仍用原来的", reason=str(error))
