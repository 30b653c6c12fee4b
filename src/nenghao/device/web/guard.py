"""What every request must pass before the site sees it, and what every answer carries.

The name in Host must be one of the loopback (DNS rebinding would bring another), requests that a
browser says come from another site are refused, bodies are small, and only GET, HEAD and POST
exist. Answers forbid scripts and styles from elsewhere, framing, and caching.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names under which the page answers; any port, since a tunnel may have another one."""

BODY_LIMIT: Final = 64 * 1024

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # no-referrer would make a form's Origin null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Wraps the site; an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the site do it."""
        if scope["type"] != "http":
            return
        refusal = refused(scope["method"], Headers(scope=scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refusal is not None:
            status, text = refusal
            await PlainTextResponse(text, status)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def refused(method: str, headers: Headers) -> tuple[int, str] | None:
    """Why a request goes no further: status and text; None when it may."""
    host = host_of(headers.get("host", ""))
    if host not in HOSTS or len(headers.getlist("host")) != 1:
        return 421, "请用 http://127.0.0.1:端口 打开本页面"
    if method not in ("GET", "HEAD", "POST"):
        return 405, "不支持的请求方法"
    if method != "POST":
        return None
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return 403, "请求来自其他网站，已拒绝"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers["host"]:
        return 403, "请求来自其他网站，已拒绝"
    if headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        return 415, "只接受表单"
    return None


def host_of(header: str) -> str:
    """The name in a Host header, without port and brackets; "" for what is none.

    >>> host_of("[::1]:8080"), host_of("localhost"), host_of("evil@127.0.0.1")
    ('::1', 'localhost', '')
    """
    if any(character in header for character in "/@?# \\,"):
        return ""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
