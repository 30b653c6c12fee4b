"""The listener behind a gateway (网关之后的监听): TLS ends at nginx, or at a TLCP gateway.

The gateway verifies the client's certificate and hands it on in a header, over loopback or a
network of its own; `peer_identity` then finds it where TLS would have put it, and the register is
asked as ever. Believed is only who knows the secret of `gateway/`: the headers of anybody else are
worth nothing, on this listener or any other. What makes a spoofed header harmless:

- each of the headers may stand once, so that one of a client beside the gateway's own is refused;
- they are taken away before the application sees the request;
- on the ordinary listeners nobody reads them.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.device_api import device_app, limits_of
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.peer import PEER_CERTIFICATE
from nenghao.platform.web.sm_listener import reached_at
from nenghao.security.files import write_public, write_secret

NAME = "gateway"
SECRET = b"x-nenghao-gateway"
CERTIFICATE = b"x-nenghao-client-cert"
VERIFIED = b"x-nenghao-client-verify"
ADDRESS = b"x-real-ip"
OUR_PREFIX = b"x-nenghao-"
SUCCESS = b"SUCCESS"

log = structlog.get_logger(__name__)


class Gateway:
    """ASGI: takes the client's certificate and address from the gateway's headers."""

    def __init__(self, app: Callable[..., Any], secret: str) -> None:
        self._app = app
        self._secret = secret.encode("ascii")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        told = _single(headers)
        if told is None or not hmac.compare_digest(told.get(SECRET, b""), self._secret):
            log.warning("不是来自网关的请求", peer=str(scope.get("client")))
            await _refuse(send)
            return
        state = dict(scope.get("state") or {})
        state.pop(PEER_CERTIFICATE, None)
        certificate = _certificate(told)
        if certificate is not None:
            state[PEER_CERTIFICATE] = certificate
        passed = [one for one in headers if not one[0].startswith(OUR_PREFIX)]
        inner = {**scope, "headers": passed, "state": state, "client": _client(told, scope)}
        await self._app(inner, receive, send)


def _single(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """The gateway's headers by name; None when one of them stands twice."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(OUR_PREFIX) or name == ADDRESS:
            if name in found:
                return None
            found[name] = value
    return found


def _certificate(told: Mapping[bytes, bytes]) -> bytes | None:
    """The verified client certificate, DER; None when there is none that can be read."""
    if told.get(VERIFIED) != SUCCESS:
        return None
    try:
        pem = unquote_to_bytes(told.get(CERTIFICATE, b""))
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError:
        return None


def _client(told: Mapping[bytes, bytes], scope: Any) -> Any:
    """The device's own address, for log and audit; the gateway's where it is not told."""
    try:
        address = ipaddress.ip_address(told.get(ADDRESS, b"").decode("ascii"))
    except ValueError:
        return scope.get("client")
    return str(address), 0


async def _refuse(send: Any) -> None:
    body = "只接受网关转来的请求".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- what is shared with the gateway --------------------------------------------------------------


def prepare(home: Home) -> Path:
    """Write what the gateway's configuration includes into `gateway/`; returns that folder.

    | file | content | mode |
    |---|---|---|
    | secret | what proves the gateway; kept once it is there | 0600 |
    | secret.conf | the same as a line for nginx | 0600 |
    | clients.pem | device CA, outside issuers, root: whose certificates are let in | 0644 |
    """
    folder = home.path / "gateway"
    folder.mkdir(mode=0o700, exist_ok=True)
    authority = home.authority()
    if not (folder / "secret").exists():
        write_secret(folder / "secret", secrets.token_urlsafe(32).encode("ascii"))
    line = f'proxy_set_header X-Nenghao-Gateway "{secret_of(home)}";\n'
    write_secret(folder / "secret.conf", line.encode("ascii"))
    # What the device listener trusts; without that file (written from the register), ours alone.
    issuers = home.client_cas if home.client_cas.exists() else authority.client_ca_file
    trusted = issuers.read_bytes() + authority.root_file.read_bytes()
    write_public(folder / "clients.pem", trusted)
    return folder


def secret_of(home: Home) -> str:
    """What proves the gateway."""
    return (home.path / "gateway" / "secret").read_text("ascii").strip()


def places(settings: PlatformSettings) -> list[Listener]:
    """Where it is to be bound; empty when the settings ask for none."""
    if not settings.gateway_port:
        return []
    return [Listener(NAME, settings.gateway_bind, settings.gateway_port, None)]


def listeners(home: Home, platform: Platform) -> list[Listener]:
    """The listener of `places`, with its application."""
    made = []
    for place in places(platform.settings):
        host, port = platform.settings.gateway_reached_at
        app = device_app(reached_at(platform, host=host, port=port))
        # All clients come from the gateway's address: what each may have is for it to say.
        limits = replace(
            limits_of(platform.settings), connections_per_address=0, handshakes_per_minute=0
        )
        made.append(replace(place, app=Gateway(app, secret_of(home)), limits=limits))
    return made
