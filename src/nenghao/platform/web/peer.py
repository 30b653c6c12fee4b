"""Whose connection a request came by (对方证书): the client's certificate in an ASGI scope.

Put there by the protocol, from TLS, or by the `gateway`; never by a header that is not its.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nenghao.security.identity import IdentityError, PeerIdentity, identity_of

PEER_CERTIFICATE = "peer_certificate"
"""Key of `scope["state"]` under which the client certificate stands, DER; absent without one."""


def peer_identity(scope: Mapping[str, Any]) -> PeerIdentity:
    """Whom the client's certificate names, were it our CA's. Raises `IdentityError`."""
    return identity_of(peer_certificate(scope))


def peer_certificate(scope: Mapping[str, Any]) -> bytes:
    """The client's certificate in an ASGI scope, DER. Raises `IdentityError` without one."""
    if der := scope.get("state", {}).get(PEER_CERTIFICATE):
        return bytes(der)
    raise IdentityError("请求没有客户端证书")
