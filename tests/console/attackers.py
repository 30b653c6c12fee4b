"""What an attacker of the console sends (攻击者): forms and WebSockets no page of ours makes."""

from __future__ import annotations

import ssl
from urllib.parse import urlencode

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from nenghao.platform.permissions import Role
from tests.console.ground import COOKIE, Ground

SOCKET = "/_nicegui_ws/socket.io/"
FOREIGN = (
    "https://evil.example",
    "https://127.0.0.1",
    "http://{host}",
    "https://{host}.evil.example",
    "https://evil.example@{host}",
    "null",
    "",
)
"""Origins that are not the console's own; `{host}` is what is."""


def host(ground: Ground) -> str:
    return ground.url.removeprefix("https://")


def origins(ground: Ground) -> list[str]:
    return [one.format(host=host(ground)) for one in FOREIGN]


def form(ground: Ground, role: Role = Role.CLERK, **changes: str) -> dict[str, str]:
    """A right login, with changes."""
    name = ground.operators[role]
    return {"name": name, "password": ground.password, "totp": ground.totp(role)} | changes


def post(client: httpx.Client, path: str, data: dict[str, str], **headers: str) -> httpx.Response:
    """POST as a browser does from a page of the console, unless an origin is given."""
    given = {"origin": str(client.base_url).rstrip("/")} | headers
    if not given["origin"]:
        del given["origin"]
    return client.post(path, data=data, headers=given)


def context_of(ground: Ground) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ground.home / "ca" / "root.pem"))


def dial(
    ground: Ground, token: str, origin: str | None, path: str = SOCKET, **query: str
) -> ClientConnection:
    """A WebSocket as Socket.IO opens it."""
    asked = urlencode({"EIO": "4", "transport": "websocket"} | query)
    return connect(
        f"wss://{host(ground)}{path}?{asked}",
        ssl=context_of(ground),
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": f"{COOKIE}={token}"} if token else {},
        proxy=None,
        open_timeout=20,
    )


def refusal(
    ground: Ground, token: str, origin: str | None = "own", path: str = SOCKET, page: str = "none"
) -> int | None:
    """The status with which a WebSocket is refused; None: it is open."""
    try:
        with dial(ground, token, ground.url if origin == "own" else origin, path, client_id=page):
            return None
    except InvalidStatus as refused:
        return refused.response.status_code
