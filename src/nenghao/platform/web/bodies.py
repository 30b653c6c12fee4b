"""Request bodies on their way in: how fast they must come, and what answers without them.

Parts of `web.protocol`, which decides when each applies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nenghao.platform.web.limits import BodyRoom, Limits

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        Scope,
    )


class BodyBudgetExceeded(Exception):
    """The body could not be held in memory with all the others: to be sent again later."""


class Incoming:
    """A request that the application has not been called for yet."""

    __slots__ = ("app", "length", "oversize", "room", "size")

    def __init__(self, length: int, oversize: bool, room: BodyRoom) -> None:
        self.length = length
        """Bytes of its body as announced; 0 when nothing was said."""
        self.oversize = oversize
        self.app: ASGI3Application | None = None
        """Set once it is this request's turn on the connection."""
        self.room = room
        self.size = 0
        """Bytes of its body that have come."""


class RateFloor:
    """Each window of `body_seconds` must bring enough of a body, else `too_slow` is called."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: Limits, too_slow: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._too_slow = too_slow
        self._seconds = limits.body_seconds
        self._enough = limits.body_seconds * limits.body_min_rate
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._left: float | None = None
        """Seconds left of a paused window."""

    def start(self) -> None:
        """A body, or its next window, begins."""
        self._bytes = 0
        self._arm(self._seconds)

    def count(self, size: int) -> None:
        """`size` bytes of the body have arrived."""
        self._bytes += size

    def pause(self) -> None:
        """The client is not to blame for the time that it waits for us."""
        if self._timer is not None:
            self._left = max(self._timer.when() - self._loop.time(), 0)
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Go on with what was left of a paused window."""
        if self._left is not None:
            self._arm(self._left)

    def stop(self) -> None:
        """The body is complete, or given up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._left = None

    def _arm(self, seconds: float) -> None:
        self.stop()
        self._timer = self._loop.call_later(seconds, self._end)

    def _end(self) -> None:
        if self._bytes >= self._enough:
            self.start()
        else:
            self._too_slow()


BODY_ROOM = "body_room"
"""Key of `scope["state"]` under which a request's `BodyRoom` stands, for what it unpacks to."""


def metered(app: ASGI3Application, room: BodyRoom) -> ASGI3Application:
    """`app`, which gives its room back to the budget when it has answered."""

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        scope.setdefault("state", {})[BODY_ROOM] = room
        try:
            await app(scope, receive, send)
        finally:
            room.release()

    return run


def without_body(app: ASGI3Application) -> ASGI3Application:
    """`app` for a request whose body found no room: it meets `BodyBudgetExceeded` and answers."""

    async def no_room() -> ASGIReceiveEvent:
        raise BodyBudgetExceeded

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await app(scope, no_room, send)

    return run


def too_large_text(limit: int) -> str:
    """What HTTP 413 says; `limit` in bytes is named in MB of 10⁶."""
    return f"请求体超过上限 {limit / 1_000_000:g} MB"


def too_large(limit: int) -> ASGI3Application:
    """Answers HTTP 413 and closes; `limit` in bytes."""
    body = too_large_text(limit).encode()

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 413,
                "headers": [
                    (b"content-type", b"text/plain; charset=utf-8"),
                    (b"content-length", str(len(body)).encode()),
                    (b"connection", b"close"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return run


class LingeringTransport(asyncio.Transport):
    """What a refusal is written to: closing it waits for the client to finish sending."""

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._linger = linger

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._linger()
