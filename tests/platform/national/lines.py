"""A line from a province in memory to a nation in memory, and what can go wrong on it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Receive, Scope, Send

from nenghao.platform.uplink.line import HttpsLine
from nenghao.platform.web.device_api import device_app
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.peer import PEER_CERTIFICATE
from nenghao.security.authority import Issued
from tests.platform.world import ADDRESS, World, der_of

URL = "https://nation"


class Direct(httpx.BaseTransport):
    """Brings every request to a platform's application, with the caller's certificate."""

    def __init__(self, world: World, issued: Issued, portal: BlockingPortal) -> None:
        self._world = world
        self._der = der_of(issued)
        self._portal = portal
        self.requests: list[httpx.Request] = []
        self.restart()

    def restart(self) -> None:
        """The platform's process as it is after its start: it knows what its database knows."""
        world = self._world
        app = device_app(Platform(world.store, world.settings, lambda: world.now))
        self._transport = httpx.ASGITransport(self._certified(app), client=(ADDRESS, 4711))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.arrive(request)

    def arrive(self, request: httpx.Request) -> httpx.Response:
        """The request is served, now."""
        url, headers, content = request.url, request.headers, request.read()

        async def ask() -> httpx.Response:
            again = httpx.Request(request.method, url, headers=headers, content=content)
            response = await self._transport.handle_async_request(again)
            await response.aread()
            return response

        answer = self._portal.call(ask)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def _certified(self, app: ASGIApp) -> ASGIApp:
        async def certified(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = {PEER_CERTIFICATE: self._der}
            await app(scope, receive, send)

        return certified


class Troubled(Direct):
    """A line on which, of `odds`, a request meets some trouble. `calm` ends all of it."""

    def __init__(
        self, world: World, issued: Issued, portal: BlockingPortal, random: Random, odds: float
    ) -> None:
        super().__init__(world, issued, portal)
        self._random = random
        self._odds = odds
        self._down = 0
        self._adrift: list[httpx.Request] = []
        self.troubles: dict[str, int] = {}
        self._kinds: tuple[Callable[[httpx.Request], httpx.Response], ...] = (
            self._restarting,
            self._cut_before,
            self._answer_lost,
            self._arriving_later,
            self._in_between,
        )

    def calm(self) -> None:
        """From now on everything goes well; what is still on its way arrives."""
        self._odds, self._down = 0, 0
        self._deliver(len(self._adrift))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self._deliver(self._random.randrange(2))
        if self._down:
            self._down -= 1
            raise httpx.ConnectError("connection refused", request=request)
        if self._random.random() >= self._odds:
            return self.arrive(request)
        kind = self._random.choice(self._kinds)
        name = kind.__name__.strip("_")
        self.troubles[name] = self.troubles.get(name, 0) + 1
        return kind(request)

    def _deliver(self, many: int) -> None:
        for _ in range(min(many, len(self._adrift))):
            self.arrive(self._adrift.pop(self._random.randrange(len(self._adrift))))

    def _restarting(self, request: httpx.Request) -> httpx.Response:
        """The nation restarts: before it took the request, or between its commit and answer."""
        if self._random.random() < 0.5:
            self.arrive(request)
        self.restart()
        self._down = self._random.randrange(3)
        raise httpx.RemoteProtocolError("server disconnected", request=request)

    def _cut_before(self, request: httpx.Request) -> httpx.Response:
        raise httpx.WriteError("connection reset", request=request)

    def _answer_lost(self, request: httpx.Request) -> httpx.Response:
        self.arrive(request)
        raise httpx.ReadTimeout("timed out", request=request)

    def _arriving_later(self, request: httpx.Request) -> httpx.Response:
        """Given up by the province, and yet taken by the nation after its repetition."""
        self._adrift.append(request)
        raise httpx.ReadTimeout("timed out", request=request)

    def _in_between(self, request: httpx.Request) -> httpx.Response:
        """What a proxy says while the nation is away."""
        return httpx.Response(502, text="<html>Bad Gateway</html>")


def line_of(transport: httpx.BaseTransport) -> HttpsLine:
    """The province's line over a transport."""
    return HttpsLine(URL, None, transport=transport)
