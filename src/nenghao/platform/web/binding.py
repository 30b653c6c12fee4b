"""Listeners and their sockets (监听): what is served where, bound before anything accepts.

A `Listener` is one application on one address with its own TLS context and limits. The sockets can
be shared by several processes: the parent binds (`bind`), each worker takes them over (`adopt`).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nenghao.platform.web.handshake import TlsContext
from nenghao.platform.web.limits import Limits


class BindError(OSError):
    """A listener's address cannot be bound; the text says which and why, in Chinese."""


@dataclass(frozen=True)
class Listener:
    """One application on one address (监听)."""

    name: str
    """What it is for: `device`, later `exchange`, `console`, `health`."""
    host: str
    """Name or address to bind; a name is bound on every address that it resolves to."""
    port: int
    """0: any free one; `on_ready` and `serving` tell which."""
    app: Any
    """An ASGI 3 application; called once the whole body is there."""
    ssl_factory: Callable[[], ssl.SSLContext | TlsContext] | None = None
    """Makes the TLS context, in each worker; None: plain HTTP, for loopback only."""
    limits: Limits = field(default_factory=Limits)
    on_refused: Callable[[str, str], None] | None = None
    """Told, in the event loop, of clients refused for their certificate: address and reason."""

    interface: str = ""
    """The network interface (网卡) alone through which clients may come; "": any. Linux only."""

    @property
    def url(self) -> str:
        """`https://HOST:PORT`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.ssl_factory is None else 'https'}://{host}:{self.port}"


@dataclass(frozen=True)
class Bound:
    """A listener with its sockets; `listener.port` is the real one."""

    listener: Listener
    sockets: tuple[socket.socket, ...]

    def close(self) -> None:
        """Give the address back."""
        for each in self.sockets:
            each.close()


def bind(listeners: Sequence[Listener]) -> tuple[Bound, ...]:
    """Bind every listener, or none: raises `BindError`. Nothing accepts yet."""
    bound: list[Bound] = []
    try:
        for listener in listeners:
            bound.append(_bind(listener))
    except BaseException:
        for each in bound:
            each.close()
        raise
    return tuple(bound)


def adopt(bound: Sequence[Bound], listeners: Sequence[Listener]) -> tuple[Bound, ...]:
    """The sockets that were bound for listeners of the same names, to serve these."""
    named = {listener.name: listener for listener in listeners}
    return tuple(
        Bound(replace(named[each.listener.name], port=each.listener.port), each.sockets)
        for each in bound
    )


def _bind(listener: Listener) -> Bound:
    port = listener.port
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            listener.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            each = socket.socket(family, kind, protocol)
            sockets.append(each)
            if os.name == "posix":  # elsewhere it would let two programs share the port
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if listener.interface:
                _tie(each, listener.interface)
            each.bind((address[0], port, *address[2:]))
            port = each.getsockname()[1]
            each.setblocking(False)
    except OSError as error:
        for each in sockets:
            each.close()
        raise BindError(
            f"无法监听 {listener.name} {listener.host}:{listener.port}：{error.strerror or error}"
        ) from error
    return Bound(replace(listener, port=port), tuple(sockets))


def _tie(each: socket.socket, interface: str) -> None:
    """Have the kernel drop what comes to the socket through other interfaces."""
    option = getattr(socket, "SO_BINDTODEVICE", None)
    if option is None:
        raise OSError(0, "本系统不支持限定网卡（设置项 bind_interface）")
    try:
        each.setsockopt(socket.SOL_SOCKET, option, interface.encode())
    except OSError as error:
        raise OSError(error.errno, f"网卡 {interface}：{error.strerror}") from error
