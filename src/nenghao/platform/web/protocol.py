"""HTTP with deadlines, size limits and the client's certificate: uvicorn's protocol, guarded.

uvicorn has no deadline for headers or bodies, no limit on a body, and does not hand on the
client certificate. This subclass adds these, and one change of order: **the application is
called when the whole body is there**, so that a slow or stalled client costs a connection and
nothing else, and an answer never crosses a body that is still being sent.

What the application sees:

- the client certificate, by `peer.peer_certificate(scope)`;
- `receive()`: the whole body, or `BodyBudgetExceeded` where it found no room (E1001 稍后重试).

What it never sees: bodies over the limit (HTTP 413), ill-formed HTTP (400), headers without end
(431), and clients that are cut off for being slow. Numbers are in `web.limits`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from nenghao.platform.web import metrics
from nenghao.platform.web.bodies import (
    Incoming,
    LingeringTransport,
    RateFloor,
    metered,
    too_large,
    without_body,
)
from nenghao.platform.web.limits import BodyBudget, BodyRoom, Limits
from nenghao.platform.web.peer import PEER_CERTIFICATE

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_STEP = 256 * 1024
"""What a connection can bring at a time: its TLS buffer."""

log = structlog.get_logger(__name__)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `server` makes it when the handshake is done and keeps it in its state."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        limits: Limits,
        budget: BodyBudget,
        raw: asyncio.Transport | None = None,
        listener: str = "",
    ) -> None:
        """`raw` is the TCP transport beneath TLS: aborting that one works in every state.

        `listener` is under which name limits that are reached are counted.
        """
        super().__init__(config, server_state, {}, asyncio.get_running_loop())
        self.timeout_keep_alive = limits.keep_alive_seconds  # type: ignore[assignment]
        self._limits = limits
        self._budget = budget
        self._raw = raw
        self._listener = listener
        self._incoming: dict[RequestResponseCycle, Incoming] = {}
        self._announced = 0
        """Length of the present request's body, as its headers say."""
        self._overhead = 0
        self._body_came = False
        self._broken = False
        self._lingering = False
        self._drained = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._window = RateFloor(self.loop, limits, self._too_slow)
        self._budget_timer: asyncio.TimerHandle | None = None
        self._waiting: BodyRoom | None = None
        """Whose body waits for room in the budget."""
        self._linger_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # --- the connection -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._raw is None:
            self._raw = transport
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(True) if tls is not None else None
        if certificate:
            self.app_state = {PEER_CERTIFICATE: certificate}
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._header_timer, self._linger_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        self._window.stop()
        self._stop_waiting()
        held = list(self._incoming.values())
        self._incoming.clear()
        self.pipeline.clear()
        super().connection_lost(exc)
        for request in held:
            request.room.release()

    def shutdown(self) -> None:
        """The server stops: close when idle, else after the request under way."""
        if not self.transport.is_closing():
            super().shutdown()

    def kill(self) -> None:
        """End the connection now, without closing TLS and whatever is still to be sent."""
        if self._raw is not None:
            self._raw.abort()

    @property
    def busy(self) -> bool:
        """True while a request is under way or its answer has not left this process."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        return under_way or (self._raw is not None and self._raw.get_write_buffer_size() > 0)

    def _cut_off(self, reason: str, limit: str) -> None:
        metrics.reached(self._listener, limit)
        log.warning("连接已切断", peer=_address(self.client), reason=reason)
        self.kill()

    # --- headers ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._broken:
            return
        self._unset_keepalive_if_required()
        if self.cycle is None or (self.cycle.response_complete and not self._lingering):
            self._await_headers()  # also for empty lines, which begin no request yet
        self._body_came = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Not offered: answered as the plain request it also is, then the connection ends,
            # because what follows on it is not HTTP.
            self._broken = True
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except (httptools.HttpParserError, UnicodeDecodeError):
            self._ill_formed()
        else:
            self._overhead = 0 if self._body_came else self._overhead + len(data)
            if self._overhead > self._limits.header_limit and not self._lingering:
                metrics.reached(self._listener, "header_limit")
                self._answer_and_close(b"431 Request Header Fields Too Large", "请求头过大")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._announced = 0
        self._await_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._header_timer is not None:  # trailers are not headers, and nobody reads them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_header_timer()
        self._overhead = 0
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        self._announced = int(length)
        waiting = len(self.pipeline)
        super().on_headers_complete()
        if len(self.pipeline) > waiting:
            self._request(self.cycle)

    def _await_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(
                self._limits.header_seconds, self._cut_off, "请求头超时", "header_seconds"
            )

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _ill_formed(self) -> None:
        """Not HTTP, or a path that is not ASCII: this connection ends, nothing else does."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle not in self._incoming:
            # The request before is still being answered, and that answer goes first.
            self._broken = True
            cycle.keep_alive = False
            return
        self._answer_and_close(b"400 Bad Request", "不是合法的 HTTP 请求")

    def _answer_and_close(self, status: bytes, reason: str) -> None:
        log.warning("请求被拒绝", peer=_address(self.client), reason=reason)
        self._broken = True
        body = reason.encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self._stop_header_timer()
        self._window.stop()
        self._stop_waiting()
        self._close()

    def _too_slow(self) -> None:
        self._cut_off("请求体太慢", "body_seconds")

    # --- the body -----------------------------------------------------------------------

    def _request(self, cycle: RequestResponseCycle) -> Incoming:
        request = self._incoming.get(cycle)
        if request is None:
            oversize = self._announced > self._limits.body_limit
            room = BodyRoom(self._budget, self._limits.budget_seconds)
            request = self._incoming[cycle] = Incoming(self._announced, oversize, room)
        return request

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """uvicorn: it is this request's turn. The application waits until the body is there."""
        request = self._request(cycle)
        request.app = app
        if request.oversize:
            self._refuse(cycle, request, self._too_large())
        elif not cycle.more_body:
            self._call(cycle, app, request)
        else:
            if cycle.waiting_for_100_continue:
                cycle.waiting_for_100_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._window.start()
            self._find_room(request, request.length)

    def on_body(self, body: bytes) -> None:
        self._body_came = True
        self._window.count(len(body))
        request = self._incoming.get(self.cycle)
        if request is None:
            self._discard(len(body))
        elif request.oversize:
            return  # its turn has not come yet
        elif request.size + len(body) > self._limits.body_limit:
            request.oversize = True
            if request.app is not None:
                self._refuse(self.cycle, request, self._too_large())
        else:
            self.cycle.body += body
            request.size += len(body)
            if self._waiting is None:
                # What comes while it waits is the connection's own buffer: were it counted, those
                # who wait would take the room that they wait for.
                request.room.cover(request.size)
            if request.size > request.length and self._budget.full:
                self._find_room(request, request.size + _STEP)

    def on_message_complete(self) -> None:
        self._window.stop()
        self._stop_waiting()
        self.cycle.more_body = False
        self.cycle.message_event.set()
        request = self._incoming.get(self.cycle)
        if request is not None and request.app is not None:
            self._call(self.cycle, request.app, request)
        elif self._lingering:
            self._close()

    def on_response_complete(self) -> None:
        if not self._lingering:
            super().on_response_complete()

    def _call(self, cycle: RequestResponseCycle, app: ASGI3Application, request: Incoming) -> None:
        """Call the application; its body counts in the budget until it has answered."""
        del self._incoming[cycle]
        super()._start_asgi_task(cycle, metered(app, request.room))

    def _refuse(
        self, cycle: RequestResponseCycle, request: Incoming, app: ASGI3Application
    ) -> None:
        """Let `app` answer before the body is complete; what still comes of it is discarded."""
        self._window.stop()
        self._stop_waiting()
        del self._incoming[cycle]
        cycle.body = bytearray()
        cycle.keep_alive = False
        cycle.transport = LingeringTransport(self.transport, self.linger)
        request.room.release()
        super()._start_asgi_task(cycle, app)

    def _too_large(self) -> ASGI3Application:
        metrics.reached(self._listener, "body_limit_mb")
        return too_large(self._limits.body_limit)

    # --- waiting for room in the budget -------------------------------------------------

    def _find_room(self, request: Incoming, size: int) -> None:
        """Go on reading once `size` bytes of the body are counted; not for ever."""
        app = request.app
        if app is None or self._waiting is not None or request.room.reserve(size):
            return
        self.flow.pause_reading()
        self._window.pause()
        self._waiting = request.room
        request.room.wait(size, self._has_room)
        self._budget_timer = self.loop.call_later(self._limits.budget_seconds, self._no_room, app)

    def _has_room(self) -> None:
        self._stop_waiting()
        self._window.resume()
        self.flow.resume_reading()

    def _no_room(self, app: ASGI3Application) -> None:
        metrics.reached(self._listener, "body_budget_mb")
        log.warning("请求体内存不足，请求稍后重试", peer=_address(self.client))
        self._refuse(self.cycle, self._incoming[self.cycle], without_body(app))

    def _stop_waiting(self) -> None:
        if self._budget_timer is not None:
            self._budget_timer.cancel()
            self._budget_timer = None
        if self._waiting is not None:
            self._waiting.leave()
            self._waiting = None

    # --- after a refusal: keep reading for a while --------------------------------------

    def linger(self) -> None:
        """The refusal is written: close once the client has sent its body, or enough of it."""
        if self._lingering:
            return
        self._lingering = True
        if self.cycle.more_body and self._drained <= self._limits.drain_bytes:
            self._linger_timer = self.loop.call_later(self._limits.drain_seconds, self._close)
            self.flow.resume_reading()
        else:
            self._close()

    def _discard(self, size: int) -> None:
        self._drained += size
        if self._lingering and self._drained > self._limits.drain_bytes:
            self._close()

    def _close(self) -> None:
        # Closing a TLS transport twice leaves it unusable in Python 3.11.
        if not self.transport.is_closing():
            self.transport.close()

    # --- a client that does not read ----------------------------------------------------

    def timeout_keep_alive_handler(self) -> None:
        metrics.reached(self._listener, "idle_seconds")
        super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(
            self._limits.write_seconds, self._cut_off, "对方不接收应答", "write_seconds"
        )

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _address(client: tuple[str, int] | None) -> str:
    return f"{client[0]}:{client[1]}" if client else ""
