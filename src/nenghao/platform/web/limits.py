"""How long and how much a connection may take (连接限制): numbers, and the memory they share.

`web.protocol` enforces them, `platform.settings` lets the operator set them. All times are
seconds, all sizes bytes; MB is 10⁶.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener allows. The defaults are meant for plants on slow lines."""

    handshake_seconds: float = 10
    """From the TCP connection to the end of the TLS handshake."""
    header_seconds: float = 10
    """From the connection (kept alive: from a request's first byte) to the end of its headers."""
    header_limit: int = 64 * 1024
    """Most bytes that are no body: request line and headers, or a chunked body's trailers."""
    body_seconds: float = 60
    """Any body may take this long; see `body_min_rate` for longer ones."""
    body_min_rate: int = 32 * 1024
    """Bytes a second, on average over each `body_seconds`, that earn a body another
    `body_seconds`. A full batch of 16 MB takes 128 s on a line of 1 Mbit/s (122 KiB/s), so 60 s
    in all would shut such a plant out for ever; 32 KiB/s lets three devices share that line and
    leaves room for TLS, TCP and loss. Who sends a byte now and then is cut after 60 s."""
    body_limit: int = 64_000_000
    """Largest body; beyond it the answer is HTTP 413."""
    body_budget: int = 256_000_000
    """Bodies of all connections together, unpacked, from their first byte until the answer."""
    budget_seconds: float = 30
    """How long a request waits for room in the budget before it is answered E1001 稍后重试."""
    keep_alive_seconds: float = 75
    """How long an idle connection is kept."""
    drain_bytes: int = 128_000_000
    """After a refusal, how much more of the body is read and thrown away: most clients read
    the answer only when they have sent everything, and closing earlier would reset it away."""
    drain_seconds: float = 30
    write_seconds: float = 120
    """How long the client may leave a full send buffer untouched."""
    close_seconds: float = 30
    """How long closing TLS may take, what is still to be sent included."""
    connections: int = 2000
    """Open connections; further ones are closed at once. Each holds 256 KiB of TLS buffer."""
    connections_per_address: int = 256
    """Of these, of one address; 0: no limit. Plants behind one gateway share an address."""
    handshakes_per_minute: int = 1200
    """New connections of one address in a minute; 0: no limit. A handshake costs 2 ms of CPU."""
    grace_seconds: float = 5
    """When the platform stops: how long requests in flight may take to finish."""


LIMITS = (
    "handshake_seconds",
    "handshakes_per_minute",
    "connections",
    "connections_per_address",
    "header_seconds",
    "header_limit",
    "idle_seconds",
    "body_seconds",
    "body_limit_mb",
    "body_budget_mb",
    "write_seconds",
    "waiting_requests",
    "record_limit",
    "json_depth",
    "items_per_unit",
    "requests_per_minute",
    "account_requests_per_minute",
    "exchange_failure_limit",
)
"""The limits by the names that metrics and docs/limits.md give them."""


class Rates:
    """Requests of each unit in the present minute, in this process. May be asked by any thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: requests a minute; 0: as many as come."""
        self._limit = limit
        self._guard = threading.Lock()
        self._minute: datetime | None = None
        self._times: dict[str, int] = {}

    def is_over(self, subject: str, now: datetime) -> bool:
        """Count one request more; whether it is one too many."""
        if not self._limit:
            return False
        minute = now.replace(second=0, microsecond=0)
        with self._guard:
            if minute != self._minute:
                self._minute = minute
                self._times.clear()
            times = self._times.get(subject, 0) + 1
            self._times[subject] = times
        return times > self._limit


_Waiting = tuple[Callable[[], tuple[int, int]], Callable[[], None]]
"""What one who waits needs and holds already, and how it is told."""


class BodyBudget:
    """Bytes of request bodies in memory, over all connections of a listener.

    A body whose length is announced is counted whole before it is read, so that whoever has begun
    can also finish: were bodies counted as they come, forty of them could fill the budget half
    read and all wait for each other. What comes without a length is counted as it comes. Those
    who wait are told in the order of their asking, as soon as there is room for what they need;
    whoever holds all that is held, be it nothing, is let in whatever it needs.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: OrderedDict[object, _Waiting] = OrderedDict()

    @property
    def full(self) -> bool:
        """True when nothing more should be read."""
        return self.used >= self.limit

    def reserve(self, size: int, held: int = 0) -> bool:
        """Count `size` bytes if there is room for them and nobody waits; say whether.

        `held` bytes are counted for who asks already.
        """
        if size > 0 and (self._waiting or not self._fits(size, held)):
            return False
        self.used += size
        return True

    def take(self, size: int) -> None:
        """Count bytes that have arrived; always possible, since they are in memory already."""
        self.used += size

    def release(self, size: int) -> None:
        """Give bytes back and tell those who wait, as far as there is room."""
        self.used -= size
        self._admit()

    def wait(
        self, who: object, needs: Callable[[], tuple[int, int]], tell: Callable[[], None]
    ) -> None:
        """Have `tell` called once what `who` needs by then is counted, in the order of asking.

        `needs` says how many bytes more, and how many are held by who asks.
        """
        self._waiting[who] = (needs, tell)

    def leave(self, who: object) -> None:
        """Stop waiting; nothing happens to one who does not wait."""
        if self._waiting.pop(who, None) is not None:
            self._admit()  # whoever stood behind may need less

    def _fits(self, size: int, held: int) -> bool:
        return self.used <= held or self.used + size <= self.limit

    def _admit(self) -> None:
        while self._waiting:
            who, (needs, tell) = next(iter(self._waiting.items()))
            size, held = needs()
            if not self._fits(size, held):
                return
            del self._waiting[who]
            self.used += size
            tell()


class BodyRoom:
    """What one request holds of the budget, from its first byte until it is answered."""

    def __init__(self, budget: BodyBudget, seconds: float) -> None:
        """`seconds` is how long `grow` waits."""
        self.charge = 0
        """Bytes counted for it."""
        self._budget = budget
        self._seconds = seconds

    def cover(self, size: int) -> None:
        """Count what has arrived, as far as it is more than was counted before."""
        if size > self.charge:
            self._budget.take(size - self.charge)
            self.charge = size

    def reserve(self, size: int) -> bool:
        """Have at least `size` bytes counted, if there is room at once; say whether."""
        more = max(size - self.charge, 0)
        if not self._budget.reserve(more, self.charge):
            return False
        self.charge += more
        return True

    def wait(self, size: int, tell: Callable[[], None]) -> None:
        """Have `tell` called once at least `size` bytes are counted."""

        def needs() -> tuple[int, int]:
            return max(size - self.charge, 0), self.charge

        def granted() -> None:
            self.charge += needs()[0]
            tell()

        self._budget.wait(self, needs, granted)

    def leave(self) -> None:
        """Stop waiting."""
        self._budget.leave(self)

    async def grow(self, size: int) -> bool:
        """Wait for room for `size` bytes in all, as what is unpacked needs; False: there is none.

        Of the event loop that the listener runs in.
        """
        if self.reserve(size):
            return True
        room = asyncio.Event()
        self.wait(size, room.set)
        try:
            async with asyncio.timeout(self._seconds):
                await room.wait()
        except TimeoutError:
            return room.is_set()
        finally:
            self.leave()
        return True

    def release(self) -> None:
        """Give everything back; stops waiting."""
        self.leave()
        held, self.charge = self.charge, 0
        self._budget.release(held)
