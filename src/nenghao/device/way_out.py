"""The way out (出口): the one network interface or address by which a device speaks.

A route can change under a device: when the tunnel falls, the system sends the same packets over the
open line. Told to leave by one interface, the device's sockets are tied to it before they connect,
and without it there is no connection (clause 6.1-3). An address stands for the interface that has
it. Linux only. Names are still resolved as the system does: give the platform's address as a number
where that must not leave either.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpcore
import httpx

_SIOCGIFADDR = 0x8915
"""Linux: the IPv4 address of an interface."""
_IF_INET6 = Path("/proc/net/if_inet6")


class NoWayOut(OSError):
    """The interface or address is not there; the text says which, in Chinese."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ENODEV, text)


def addresses() -> dict[str, list[str]]:
    """The addresses of each network interface of this machine."""
    found: dict[str, list[str]] = {name: [] for _, name in socket.if_nameindex()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for name in found:
            with contextlib.suppress(OSError):
                found[name].append(_ipv4(asker, name))
    with contextlib.suppress(OSError):
        for line in _IF_INET6.read_text("ascii").splitlines():
            digits, *_, name = line.split()
            address = ipaddress.IPv6Address(int(digits, 16))
            found.setdefault(name, []).append(str(address))
    return found


def interface_of(leave_by: str) -> str:
    """The interface that an interface's name or an own address stands for; NoWayOut for neither."""
    known = addresses()
    if leave_by in known:
        return leave_by
    try:
        wanted = str(ipaddress.ip_address(leave_by))
    except ValueError:
        raise NoWayOut(f"本机没有网卡 {leave_by}（设置项 leave_by）") from None
    for name, own in known.items():
        if wanted in own:
            return name
    raise NoWayOut(f"本机没有地址 {leave_by}（设置项 leave_by）")


async def connected(host: str, port: int, leave_by: str) -> socket.socket:
    """A TCP connection that leaves by there and by nowhere else; OSError when there is none."""
    option = getattr(socket, "SO_BINDTODEVICE", None)
    if option is None:
        raise NoWayOut("本系统不支持限定出口（设置项 leave_by）")
    interface = interface_of(leave_by).encode()
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(errno.EHOSTUNREACH, "")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, option, interface)
            _take_source(made, family, leave_by)
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


class BoundTransport(httpx.AsyncHTTPTransport):
    """httpx' own transport whose connections leave by one interface alone."""

    def __init__(self, verify: Any, limits: httpx.Limits, leave_by: str) -> None:
        super().__init__(verify=verify, trust_env=False, limits=limits)
        # httpx sets socket options once connected: too late to choose the way.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=limits.max_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(leave_by),
        )


class _Backend(httpcore.AnyIOBackend):
    def __init__(self, leave_by: str) -> None:
        self._leave_by = leave_by

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the pool's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        from anyio.abc import SocketStream
        from httpcore._backends.anyio import AnyIOStream

        async with _told(timeout):
            made = await connected(host, port, self._leave_by)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return AnyIOStream(await SocketStream.from_socket(made))


@contextlib.asynccontextmanager
async def _told(timeout: float | None) -> AsyncIterator[None]:  # noqa: ASYNC109 - the pool's own
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


def _take_source(made: socket.socket, family: int, leave_by: str) -> None:
    """Where an address was given, it is also where packets come from."""
    with contextlib.suppress(ValueError):
        source = ipaddress.ip_address(leave_by)
        if (source.version == 4) == (family == socket.AF_INET):
            made.bind((leave_by, 0))
        else:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _ipv4(asker: socket.socket, name: str) -> str:
    import fcntl

    request = struct.pack("256s", name.encode()[:15])
    answer = fcntl.ioctl(asker.fileno(), _SIOCGIFADDR, request)
    return socket.inet_ntoa(answer[20:24])
