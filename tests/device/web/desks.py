"""A device for the tests of its page: a desk over a `World`, and a browser without a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import httpx

from nenghao.device.collection.health import ClockOffset, LiveValue, SourceHealth
from nenghao.device.collection.maker import ItemEvent
from nenghao.device.collection.plan import Plan
from nenghao.device.home import DeviceHome
from nenghao.device.settings import DeviceSettings
from nenghao.device.store import DeviceStore
from nenghao.device.web import access
from nenghao.device.web.desk import Desk
from nenghao.device.web.log_tail import LogTail
from nenghao.device.web.site import site
from tests.device.world import World, settings

T = TypeVar("T")

PASSWORD = "steel-plant-42"
NOW = datetime(2026, 3, 10, 14, 7, 30)
PORT = 8080
URL = f"http://127.0.0.1:{PORT}"


@dataclass
class FakeCollector:
    """A collector that shows what it is given."""

    faults: tuple[str, ...] = ()
    plan: Plan = field(default_factory=Plan)
    sources: list[SourceHealth] = field(default_factory=list)
    values: list[LiveValue] = field(default_factory=list)
    happened: list[ItemEvent] = field(default_factory=list)

    def health(self) -> list[SourceHealth]:
        return self.sources

    def live(self) -> list[LiveValue]:
        return self.values

    def events(self) -> list[ItemEvent]:
        return self.happened


@dataclass
class FakeDevice:
    """A device at work that only remembers what it was told."""

    home: DeviceHome
    store: DeviceStore
    collector: FakeCollector = field(default_factory=FakeCollector)
    settings: DeviceSettings = field(default_factory=settings)
    settings_fault: str = ""
    clock_offset: ClockOffset | None = None
    paused: bool = False
    sent: int = 0

    def is_paused(self) -> bool:
        return self.paused

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def send_now(self) -> None:
        self.sent += 1


@dataclass
class Seconds:
    """The clock of sessions."""

    value: float = 0.0

    def __call__(self) -> float:
        return self.value


@dataclass
class Browser:
    """Keeps cookies, follows redirects on demand, fills in forms."""

    client: httpx.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def token(self, path: str) -> str:
        """The token of the forms on a page."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', (await self.get(path)).text)
        assert found is not None, path
        return found[1]

    async def post(
        self, path: str, fields: dict[str, str] | None = None, *, page: str = "/"
    ) -> httpx.Response:
        """Send a form with the token of a page."""
        return await self.client.post(
            path, data={"token": await self.token(page), **(fields or {})}
        )

    async def done(self, path: str, fields: dict[str, str] | None = None) -> str:
        """Send a form that leads somewhere; the text of that page."""
        answer = await self.post(path, fields)
        assert answer.status_code == 303, answer.text
        return (await self.get(answer.headers["location"])).text

    async def log_in(self) -> None:
        answer = await self.post("/login", {"password": PASSWORD}, page="/login")
        assert answer.status_code == 303, answer.text


class Visitors:
    """The page of a device, to be visited."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.device = FakeDevice(world.home, world.store)
        self.seconds = Seconds()
        self.tail = LogTail(lambda: NOW)

    def desk(self) -> Desk:
        return Desk(self.device, lambda: NOW, self.tail)

    def visit(self, work: Callable[[Browser], Awaitable[T]], *, login: bool = True) -> T:
        """Let a browser do something, logged in or not."""

        async def run() -> T:
            transport = httpx.ASGITransport(site(self.desk(), PORT, self.seconds))
            async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
                browser = Browser(client)
                if login:
                    await browser.log_in()
                return await work(browser)

        access.set_password(self.world.home.root, PASSWORD)
        return asyncio.run(run())

    def page(self, path: str) -> str:
        """A page's text."""

        async def work(browser: Browser) -> str:
            answer = await browser.get(path)
            assert answer.status_code == 200, answer.text
            return answer.text

        return self.visit(work)
