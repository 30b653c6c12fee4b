"""The health listener (运行状况): `/metrics` for Prometheus, `/health` for whoever watches.

Plain HTTP on the loopback and nowhere else; another machine asks through an agent or a tunnel. It
tells counts, never a name of a unit, an account or an address. Asked by a page in a browser of the
same machine (DNS rebinding) it does not answer: the Host header must be the loopback's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from anyio import to_thread
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import status
from nenghao.platform.web import metrics
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.limits import Limits

NAME = "health"
HOST = "127.0.0.1"
BODY_LIMIT = 1000
"""Bytes of a request's body; nobody needs to send one."""

log = structlog.get_logger(__name__)


def health_app(store: Store, clock: Callable[[], datetime] | None = None) -> Starlette:
    """The application of the health listener; with `clock`, of a platform that sends upwards."""

    async def health(request: Request) -> Response:
        """200 while requests can be served, 503 while the database cannot be asked."""
        try:
            await to_thread.run_sync(_ask, store)
        except Exception as error:
            log.warning("数据库不可用", reason=str(error))
            return JSONResponse({"status": "fault", "database": "fault"}, 503)
        return JSONResponse({"status": "ok", "database": "ok"})

    async def counted(request: Request) -> Response:
        """All metrics."""
        content = await to_thread.run_sync(metrics.exposition)
        if clock is not None:
            content += await to_thread.run_sync(_uplink, store, clock())
        return Response(content, headers={"content-type": metrics.CONTENT_TYPE})

    return Starlette(
        routes=[Route("/health", health), Route("/metrics", counted)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def _ask(store: Store) -> None:
    with store.read() as conn:
        conn.execute(select(1))


def _uplink(store: Store, now: datetime) -> bytes:
    with store.read() as conn:
        found = status.of(conn, now)
    failing = found.standing.failing_since
    return metrics.told(
        {
            "uplink_backlog": ("What is still to be sent upwards (未上送的条目)", found.backlog),
            "uplink_oldest_seconds": (
                "How long the oldest of it waits (最早一条已等待, 秒)",
                found.age_seconds(now),
            ),
            "uplink_refused": ("What was refused upstairs (被国家平台拒绝)", len(found.refused)),
            "uplink_failing_seconds": (
                "For how long sending has failed (上送连续失败, 秒)",
                0 if failing is None else max(0.0, (now - failing).total_seconds()),
            ),
        }
    )


def places(settings: PlatformSettings) -> list[Listener]:
    """Where it is to be bound; empty when the settings ask for none."""
    if not settings.health_port:
        return []
    limits = Limits(body_limit=BODY_LIMIT, body_budget=100 * BODY_LIMIT, connections=100)
    return [Listener(NAME, HOST, settings.health_port, None, limits=limits)]


def listeners(
    settings: PlatformSettings, store: Store, clock: Callable[[], datetime]
) -> list[Listener]:
    """The listener of `places`, with its application."""
    app = health_app(store, clock if settings.uplink_to else None)
    return [
        Listener(NAME, each.host, each.port, app, limits=each.limits) for each in places(settings)
    ]
