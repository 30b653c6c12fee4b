"""Who may still come in (来访地址): open connections and handshakes of each address.

One worker's count of its own: what several workers allow together is so many times as much. Asked
once a connection, before any handshake; an address that has had its share costs an accept and a
close. Nothing is kept for addresses that are gone.
"""

from __future__ import annotations

import asyncio
import ipaddress

from nenghao.platform.web.limits import Limits


class Visitors:
    """The addresses that a listener has to do with at present."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, set[asyncio.Transport]] = {}
        self._minute = -1
        self._handshakes: dict[str, int] = {}
        """Of the present minute."""

    def refusal(self, transport: asyncio.Transport, now: float) -> str:
        """Enter a new connection; the name of the limit that speaks against it, or "".

        `now` is seconds of a clock that only goes forward.
        """
        address = address_of(transport)
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._handshakes.clear()
        held = self._open.get(address, set())
        held = {one for one in held if not one.is_closing()}
        if 0 < self._limits.connections_per_address <= len(held):
            self._open[address] = held
            return "connections_per_address"
        times = self._handshakes.get(address, 0)
        if 0 < self._limits.handshakes_per_minute <= times:
            return "handshakes_per_minute"
        self._handshakes[address] = times + 1
        held.add(transport)
        self._open[address] = held
        return ""

    def tidy(self) -> None:
        """Forget whose connections are all closed; from time to time."""
        for address in [
            address for address, held in self._open.items() if all(one.is_closing() for one in held)
        ]:
            del self._open[address]


def address_of(transport: asyncio.BaseTransport) -> str:
    """What one client is told from another by: its IPv4 address, of IPv6 the network of 64 bits.

    Whoever has one address of such a network has all 2**64 of them.
    """
    peer = transport.get_extra_info("peername")
    host = str(peer[0]).partition("%")[0] if peer else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return host
