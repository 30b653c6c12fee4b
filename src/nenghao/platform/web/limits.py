"""How long and how much a connection may take (连接限制): numbers, and the memory they share.

`web.protocol` enforces them, `platform.settings` lets the operator set them. All times are
seconds, all sizes bytes; MB is 10⁶.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


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
    body_budget: int = 512_000_000
    """Bodies of all connections together, from their first byte until they are answered."""
    budget_seconds: float = 10
    """How long a request waits for room in the budget before it is answered E1001 稍后重试."""
    keep_alive_seconds: float = 75
    """How long an idle connection is kept."""
    drain_bytes: int = 64_000_000
    """After a refusal, how much more of the body is read and thrown away: most clients read
    the answer only when they have sent everything, and closing earlier would reset it away."""
    drain_seconds: float = 30
    write_seconds: float = 120
    """How long the client may leave a full send buffer untouched."""
    close_seconds: float = 30
    """How long closing TLS may take, what is still to be sent included."""
    connections: int = 2000
    """Open connections; further ones are closed at once. Each holds 256 KiB of TLS buffer."""
    grace_seconds: float = 5
    """When the platform stops: how long requests in flight may take to finish."""


class BodyBudget:
    """Bytes of request bodies in memory, over all connections of a listener.

    Whoever finds it `full` stops reading and asks to be told by `wait`; those who wait are told
    in order of arrival, as many at a time as there is room for.
    """

    _SHARE = 256 * 1024
    """What one connection can bring at a time: its TLS buffer."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: OrderedDict[object, Callable[[], None]] = OrderedDict()

    @property
    def full(self) -> bool:
        """True when nothing more should be read."""
        return self.used >= self.limit

    def take(self, size: int) -> None:
        """Count bytes that have arrived; always possible, since they are in memory already."""
        self.used += size

    def release(self, size: int) -> None:
        """Give bytes back and tell those who wait, as far as there is room."""
        self.used -= size
        room = self.limit - self.used
        while self._waiting and room > 0:
            room -= self._SHARE
            _, tell = self._waiting.popitem(last=False)
            tell()

    def wait(self, who: object, tell: Callable[[], None]) -> None:
        """Have `tell` called once there is room; it stands for `who` in the queue."""
        self._waiting[who] = tell

    def leave(self, who: object) -> None:
        """Stop waiting; nothing happens to one who does not wait."""
        self._waiting.pop(who, None)
