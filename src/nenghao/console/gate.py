"""The gate (入口): what every request and every WebSocket must pass before NiceGUI sees it.

- Without a session there are the login page, the console's own files and NiceGUI's library files,
  and nothing else: no page, no WebSocket, no upload.
- A WebSocket, and whatever changes something, must come from a page of this very host (Origin);
  NiceGUI by itself allows any.
- A session whose password was given by somebody else leads to the page that changes it.
- Every answer forbids framing, other sites' scripts and, but for files, caching.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import quote, urlsplit

import nicegui
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nenghao.console import entrance
from nenghao.console.entrance import COOKIE
from nenghao.console.visit import Office
from nenghao.platform import sessions
from nenghao.platform.sessions import Session

FORM_LIMIT: Final = 16_384
"""Bytes of a form of the entrance."""
UPLOAD_LIMIT: Final = 64_000_000
"""Bytes of any other request: a file handed in on a page, which has its own, smaller limit."""

_LIBRARY: Final = f"/_nicegui/{nicegui.__version__}/"
_FREE: Final = ("/static/", *(f"{_LIBRARY}{part}/" for part in (
    "static", "libraries", "components", "resources", "esm")), "/favicon.ico")  # fmt: skip
_SOCKETS: Final = "/_nicegui_ws/socket.io/"
_CLIENT: Final = re.compile(r"/_nicegui/client/([^/]*)/")

_STRICT: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_PAGE: Final = (
    # Vue compiles NiceGUI's templates in the browser: that is the unsafe-eval.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:;"
    " connect-src 'self'; object-src 'none'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "strict-transport-security": "max-age=31536000",
}


class Gate:
    """Wraps NiceGUI's application; an ASGI application."""

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self._app = app
        self._office = office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let NiceGUI do it."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # lifespan
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not is_own(headers) or scope["path"] != _SOCKETS:
            await _turn_away(receive, send)
            return
        session = await self._session(scope)
        client = Request({**scope, "type": "http"}).query_params.get("client_id", "")
        if session is None or session.must_change or not is_theirs(client, session):
            await _turn_away(receive, send)
            return
        await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        free = path.startswith(_FREE)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if "content-security-policy" not in headers:
                    headers["content-security-policy"] = _PAGE
                if not free:
                    headers["cache-control"] = "no-store"
            await send(message)

        # NiceGUI would believe who claims that it stands behind a prefix.
        scope["headers"] = [item for item in scope["headers"] if item[0] != b"x-forwarded-prefix"]
        if free and scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        answer = await self._answer(scope, receive)
        if answer is None:
            limited = _Limited(receive, UPLOAD_LIMIT)
            await self._app(scope, limited, guarded)
            return
        if answer.media_type == "text/html":
            answer.headers["content-security-policy"] = _STRICT
        await answer(scope, receive, guarded)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """What is answered here; None where a page is to do it."""
        request = Request(scope, receive=_Limited(receive, FORM_LIMIT))
        method, path = request.method, request.url.path
        if method not in ("GET", "HEAD", "POST"):
            return entrance.trouble_page("不支持的请求方法", 405)
        if method == "POST" and not is_own(request.headers):
            return entrance.trouble_page("请求来自其他网站，已拒绝", 403)
        address = _address(scope)
        try:
            if path == "/login" and method == "POST":
                return await entrance.login(request, self._office, address)
            session = await self._session(scope)
            if path == "/logout" and method == "POST":
                return await entrance.logout(self._office, session, address)
            if session is None:
                return _to_login(request)
            if path == "/password":
                if method == "POST":
                    return await entrance.change_password(request, self._office, session, address)
                return entrance.password_page(session)
        except TooLarge:
            return entrance.trouble_page("表单过大", 413)
        if session.must_change:
            return RedirectResponse("/password", 303)
        if path == "/login":
            return RedirectResponse("/", 303)
        if path.startswith(_SOCKETS):
            if not is_theirs(request.query_params.get("client_id", ""), session):
                return entrance.trouble_page("不是您打开的页面", 403)
        elif (of := _CLIENT.match(path)) and not is_theirs(of[1], session):
            return entrance.trouble_page("不是您打开的页面", 403)
        state = scope.setdefault("state", {})
        state["session"], state["address"] = session, address
        return None

    async def _session(self, scope: Scope) -> Session | None:
        token = Request({**scope, "type": "http"}).cookies.get(COOKIE, "")
        if not token:
            return None
        return await asyncio.to_thread(sessions.of, self._office.store, token, self._office.clock())


class TooLarge(Exception):
    """A body that is larger than what is taken."""


class _Limited:
    """`receive` that ends with `TooLarge` when more than so many bytes come."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLarge
        return message


def is_theirs(client_id: str, session: Session) -> bool:
    """Whether the page was opened in this session. One that is gone NiceGUI itself refuses."""
    client = nicegui.Client.instances.get(client_id)
    if client is None:
        return client_id != ""
    owner: Session | None = getattr(client.request.state, "session", None)
    return owner is not None and owner.token == session.token


def is_own(headers: Headers) -> bool:
    """Whether a page of this very host sent it: by its Origin, which every browser tells."""
    origin = headers.get("origin", "")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc != "" and parts.netloc == headers.get("host")


def _to_login(request: Request) -> Response:
    if request.method != "GET":
        return entrance.trouble_page("登录已失效，请重新登录", 401)
    path = request.url.path
    if path in ("/", "/login"):
        over = "登录已失效，请重新登录" if request.query_params.get("over") else ""
        return entrance.login_page(over, entrance.local(request.query_params.get("next", "")))
    if path.startswith("/_nicegui"):
        return entrance.trouble_page("请先登录", 401)
    here = path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='')}", 303)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _turn_away(receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it is one: the server answers HTTP 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": ""})
