"""The life of the process that serves listeners: accept, finish, end.

The process serves several listeners in one event loop. Everything is bound before anything accepts
(`binding`), and the serving itself (`Server`) takes bound sockets, so that several processes can
share them (`workers`): the parent binds, each worker adopts and serves.

The end: on SIGTERM or SIGINT accepting stops, idle connections are closed, requests in flight
are finished, and after `Limits.grace_seconds` whoever is left is cut off, so that the process
ends within 8 s whatever clients do. It prints nothing; `on_ready` is called per listener.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from nenghao.platform.web import metrics
from nenghao.platform.web.binding import Bound, Listener, bind
from nenghao.platform.web.ending import SIGNALS, Ending, obey_signals
from nenghao.platform.web.handshake import Handshake
from nenghao.platform.web.limits import BodyBudget
from nenghao.platform.web.protocol import GuardedProtocol
from nenghao.platform.web.visitors import Visitors, address_of

log = structlog.get_logger(__name__)

_SETTLE_SECONDS = 0.5
_BACKLOG = 2048
_TICK = 0.02
_TELL_EVERY = 60.0
"""Seconds between two log lines about connections of one address that were turned away."""


class _Station:
    """One listener at work in the current event loop."""

    def __init__(self, bound: Bound) -> None:
        listener = bound.listener
        self.bound = bound
        self.limits = listener.limits
        self.state = ServerState()
        self._config = Config(
            listener.app,
            interface="asgi3",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who a client is comes from TLS, never from a header
        )
        self._config.load()
        self._budget = BodyBudget(self.limits.body_budget)
        self._context = listener.ssl_factory() if listener.ssl_factory is not None else None
        self._handshakes: set[Handshake] = set()
        self._visitors = Visitors(self.limits)
        self._told: dict[str, float] = {}
        """When it was last logged that an address was turned away."""
        metrics.prepare(listener.name)
        self._servers: list[asyncio.Server] = []

    async def accept(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        for each in self.bound.sockets:
            # asyncio accepts as many at a time as the backlog: a worker would take a whole burst
            # while the one beside it idles. So one at a time, and the kernel keeps the queue.
            server = await loop.create_server(self._protocol, sock=each, backlog=1)
            each.listen(_BACKLOG)
            self._servers.append(server)

    def _protocol(self) -> asyncio.Protocol:
        if self._context is None:
            return self._http(None)
        return Handshake(
            self._context,
            self.limits,
            self._http,
            self._handshakes,
            self._admit,
            self.bound.listener.on_refused,
            self._failed,
        )

    def _http(self, raw: asyncio.Transport | None) -> GuardedProtocol:
        name = self.bound.listener.name
        return GuardedProtocol(self._config, self.state, self.limits, self._budget, raw, name)

    def _admit(self, raw: asyncio.Transport) -> bool:
        now = asyncio.get_running_loop().time()
        if len(self.state.connections) + len(self._handshakes) >= self.limits.connections:
            limit = "connections"
        else:
            limit = self._visitors.refusal(raw, now)
        if not limit:
            return True
        metrics.reached(self.bound.listener.name, limit)
        address = address_of(raw)
        if now - self._told.get(address, -_TELL_EVERY) >= _TELL_EVERY:
            self._told[address] = now
            log.warning("连接未接受：达到限制", address=address, limit=limit)
        return False

    def _failed(self, error: Exception) -> None:
        name = self.bound.listener.name
        metrics.handshake_refused(name)
        if isinstance(error, ConnectionAbortedError):
            metrics.reached(name, "handshake_seconds")

    def take_stock(self) -> None:
        """Tell how things stand, and forget who is gone; once a second."""
        metrics.present(
            self.bound.listener.name,
            connections=len(self.state.connections),
            handshakes_under_way=len(self._handshakes),
            body_bytes=self._budget.used,
        )
        self._visitors.tidy()
        now = asyncio.get_running_loop().time()
        self._told = {who: at for who, at in self._told.items() if now - at < _TELL_EVERY}

    @property
    def connections(self) -> list[GuardedProtocol]:
        return [each for each in self.state.connections if isinstance(each, GuardedProtocol)]

    @property
    def busy(self) -> bool:
        return bool(self.state.tasks) or any(each.busy for each in self.connections)

    def close(self) -> None:
        """Stop accepting; idle connections and handshakes end, the rest after its request."""
        for server in self._servers:
            server.close()
        self.bound.close()
        for handshake in list(self._handshakes):
            handshake.abort()
        for connection in self.connections:
            connection.shutdown()

    def kill(self) -> None:
        """Cut off every connection and cancel every request."""
        for connection in self.connections:
            connection.kill()
        for task in list(self.state.tasks):
            task.cancel()


class Server:
    """Serves bound listeners in the running event loop, until `stop`."""

    def __init__(self, bound: Sequence[Bound]) -> None:
        self._bound = tuple(bound)
        self._stations: list[_Station] = []
        self._dates: asyncio.Task[None] | None = None
        self._hurried = False

    async def start(self) -> tuple[Listener, ...]:
        """Accept on all listeners; returns them with their real ports."""
        self._stations = [_Station(bound) for bound in self._bound]
        self._dates = asyncio.create_task(self._keep_date())
        for station in self._stations:
            await station.accept()
        return tuple(bound.listener for bound in self._bound)

    def hurry(self) -> None:
        """While stopping: wait for nobody any longer."""
        self._hurried = True

    async def stop(self) -> None:
        """Finish what is in flight, as far as the grace reaches, then end every connection."""
        for station in self._stations:
            station.close()
        grace = max((station.limits.grace_seconds for station in self._stations), default=0.0)
        await self._wait(lambda: any(station.busy for station in self._stations), grace)
        # Answers are out; a moment for the farewells of TLS, which idle clients do not return.
        await self._wait(
            lambda: any(station.connections for station in self._stations), _SETTLE_SECONDS
        )
        for station in self._stations:
            station.kill()
        await self._wait(lambda: any(station.busy for station in self._stations), _SETTLE_SECONDS)
        if self._dates is not None:
            self._dates.cancel()

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        # Looked at again and again: what ends it is spread over transports' buffers and tasks.
        for _ in range(round(seconds / _TICK)):
            if self._hurried or not condition():
                return
            await asyncio.sleep(_TICK)

    async def _keep_date(self) -> None:
        while True:
            date = formatdate(usegmt=True).encode()
            for station in self._stations:
                station.state.default_headers = [(b"date", date)]
                station.take_stock()
            await asyncio.sleep(1)


def run(listeners: Sequence[Listener], on_ready: Callable[[Listener], None]) -> None:
    """Serve until SIGTERM or SIGINT, then end in order; returns normally. Main thread only.

    `on_ready` is called for each listener, with its real port, when all of them accept. Raises
    `BindError` before anything accepts. A second signal cuts the grace short. Should a service
    still be at work 7.5 s after the signal, the process ends there and then, with exit code 0:
    nothing of it was acknowledged, and the store undoes what was not committed.
    """
    run_bound(bind(listeners), on_ready, obey_signals)


def run_bound(
    bound: Sequence[Bound],
    on_ready: Callable[[Listener], None],
    obey: Callable[[Ending], None],
) -> None:
    """`run` on sockets that are bound already, and closed at the end.

    `obey` sets the signal handlers that call the `Ending`; what was set before is put back.
    """
    server = Server(bound)
    ending = Ending(server.hurry)
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    obey(ending)
    try:
        asyncio.run(_serve(server, on_ready, ending.wait))
    finally:
        ending.done()
        for number, handler in previous.items():
            signal.signal(number, handler)
        for each in bound:
            each.close()


async def _serve(
    server: Server,
    on_ready: Callable[[Listener], None],
    wait_for_end: Callable[[], Any],
) -> None:
    waiting = asyncio.ensure_future(wait_for_end())
    try:
        for listener in await server.start():
            on_ready(listener)
        await waiting
    finally:
        waiting.cancel()
        await server.stop()


@contextlib.contextmanager
def serving(listeners: Sequence[Listener]) -> Iterator[dict[str, Listener]]:
    """Serve in a background thread with its own loop: for tests and programs that do more.

    Gives the listeners by name, with their real ports; leaving the block stops them in order.

    ```python
    with serving([Listener("device", "127.0.0.1", 0, app, context)]) as running:
        httpx.get(running["device"].url)
    ```
    """
    bound = bind(listeners)
    ready: dict[str, Listener] = {}
    started = threading.Event()
    ended: list[BaseException] = []
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    def on_ready(listener: Listener) -> None:
        ready[listener.name] = listener
        if len(ready) == len(bound):
            started.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(_serve(Server(bound), on_ready, end.wait))
        except BaseException as error:
            ended.append(error)
        finally:
            for each in bound:
                each.close()
            started.set()

    thread = threading.Thread(target=work, name="nenghao-serving", daemon=True)
    thread.start()
    started.wait()
    try:
        if not ended:
            yield ready
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it ended by itself
            loop.call_soon_threadsafe(end.set)
        thread.join()
    if ended:
        raise ended[0]
