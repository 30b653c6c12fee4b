"""The page in a real Chromium: every page without an error and without a word to another host."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nenghao.device import batches, outbox
from nenghao.device.collection.health import LiveValue, SourceHealth
from nenghao.device.home import DeviceHome
from nenghao.device.sources.base import FaultKind
from nenghao.device.web import access, server
from nenghao.device.web.desk import Desk
from nenghao.device.web.layout import NAVIGATION
from nenghao.device.web.log_tail import LogTail
from tests.device.web.desks import NOW, PASSWORD, FakeDevice
from tests.device.web.test_pages_entry import FILE, configured
from tests.device.world import ELECTRICITY, UNIT_CODE, World, put_days

api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
EVIL = '<img src="http://evil.example/x.png" onerror="document.title=1">'


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("没有 Chromium：apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def served(home: DeviceHome) -> Iterator[tuple[str, FakeDevice]]:
    """The page on a free port, in a thread of its own with its own connection."""
    ready = threading.Event()
    known: list[Any] = []

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        with home.store() as store:
            device = FakeDevice(home, store)
            tail = LogTail(lambda: NOW)
            desk = Desk(device, lambda: NOW, tail)
            async with server.serving(desk, server.bind(0)) as address:
                known.extend((address, device, lambda: loop.call_soon_threadsafe(stop.set)))
                ready.set()
                await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    address, device, stop = known
    try:
        yield address, device
    finally:
        stop()
        thread.join(10)


@dataclass
class Tab:
    """A tab that remembers what went wrong in it and whom it asked."""

    page: Any
    url: str
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.url + path)
        assert answer.status == 200, path

    def log_in(self) -> None:
        self.open("/")
        self.page.get_by_label("密码").fill(PASSWORD)
        self.page.get_by_role("button", name="登录").click()
        self.page.wait_for_url(f"{self.url}/")

    def is_clean(self) -> None:
        """Nothing went wrong, nobody else was asked."""
        assert self.errors == []
        assert [one for one in self.asked if not one.startswith(self.url + "/")] == []


@pytest.fixture
def filled(world: World) -> World:
    """A device with history, a refused batch, a configuration and an evil name in it."""
    content = configured()
    content["collectItemConfig"][0]["name"] = EVIL
    world.configure(content)
    world.home.collection_file.write_text(FILE, "utf-8")
    put_days(world.store, date(2026, 3, 1), 3, NOW, name=EVIL)
    with world.store.write() as connection:
        batches.build(
            connection, enterprise_code=UNIT_CODE, before=date(2026, 3, 3), now=NOW,
            limits=batches.Limits(),
        )  # fmt: skip
        outbox.attempt(connection, 1, NOW)
        outbox.refuse(connection, 1, f"data[0].dataCode {EVIL}", NOW)
    access.set_password(world.home.root, PASSWORD)
    return world


@pytest.fixture
def site(filled: World) -> Iterator[tuple[str, FakeDevice]]:
    with served(filled.home) as (url, device):
        device.collector.sources = [
            SourceHealth(
                name="gate", type="modbus_tcp", state="fault", last_good=NOW, age=3.0,
                fault_kind=FaultKind.TIMEOUT, fault_text=EVIL, since=NOW, next_try=NOW, samples=7,
            )
        ]  # fmt: skip
        device.collector.values = [value("1.5")]
        yield url, device


def value(number: str) -> LiveValue:
    return LiveValue(
        kind="point", name=f"gate.{EVIL}", code="", value=Decimal(number), unit="kWh",
        time=NOW - timedelta(seconds=3), age=3.0, good=True,
    )  # fmt: skip


@contextmanager
def tab(chromium: Any, url: str, **options: Any) -> Iterator[Tab]:
    context = chromium.new_context(**options)
    try:
        yield Tab(context.new_page(), url)
    finally:
        context.close()


PAGES = [
    *NAVIGATION, "/queue/1", "/calendar?month=2026-02", f"/calendar/{ELECTRICITY}/2026-03-02",
    "/mapping/edit", f"/mapping/edit?code={ELECTRICITY}", "/log?level=error", "/?find=gate",
]  # fmt: skip


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_every_page_shows_without_an_error_and_asks_nobody_else(
    chromium: Any, site: tuple[str, FakeDevice], scripts: bool
) -> None:
    url, _ = site
    with tab(chromium, url, java_script_enabled=scripts) as one:
        one.log_in()
        for path in PAGES:
            one.open(path)
            assert one.page.locator("h1").inner_text()
            assert one.page.locator("img").count() == 0
            assert "端设备" in one.page.title()
        one.is_clean()
        assert any(EVIL in row for row in one.page.locator("td").all_inner_texts()), "as text"


def test_the_bar_leads_to_every_page_and_out(chromium: Any, site: tuple[str, FakeDevice]) -> None:
    url, _ = site
    with tab(chromium, url) as one:
        one.log_in()
        for path, name in NAVIGATION.items():
            one.page.get_by_role("navigation").get_by_role("link", name=name).click()
            one.page.wait_for_url(url + path)
            assert one.page.locator("[aria-current=page]").inner_text() == name
        one.page.get_by_role("button", name="退出").click()
        one.page.wait_for_url(f"{url}/login")
        one.open("/queue")
        assert "/login" in one.page.url
        one.is_clean()


def test_a_live_page_renews_itself_and_says_when_it_cannot(
    chromium: Any, site: tuple[str, FakeDevice]
) -> None:
    url, device = site
    with tab(chromium, url) as one:
        one.page.clock.install()
        one.log_in()
        cell = one.page.locator("td.number")
        assert cell.inner_text() == "1.5"
        device.collector.values = [value("2.5")]
        with one.page.expect_response(lambda answer: answer.status == 200):
            one.page.clock.fast_forward(5000)
        api.expect(cell).to_have_text("2.5")
        one.is_clean()
        one.page.route("**/*", lambda route: route.abort())
        one.page.clock.fast_forward(5000)
        api.expect(one.page.locator("body")).to_have_class("stale")


def test_the_data_code_follows_what_is_chosen(chromium: Any, site: tuple[str, FakeDevice]) -> None:
    url, _ = site
    with tab(chromium, url) as one:
        one.log_in()
        one.open("/mapping/edit")
        code = one.page.locator("#data-code")
        assert code.inner_text() == ELECTRICITY
        one.page.get_by_label("能源品种或指标").select_option("011500")
        one.page.get_by_label("工序单元").fill("07")
        assert code.inner_text() == "00-07-0000-011500-11"
        one.is_clean()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_point_is_mapped_in_the_browser(
    chromium: Any, site: tuple[str, FakeDevice], filled: World, scripts: bool
) -> None:
    url, _ = site
    with tab(chromium, url, java_script_enabled=scripts) as one:
        one.log_in()
        one.open("/mapping/edit")
        one.page.get_by_label("计算式", exact=True).fill("gate.total")
        one.page.get_by_role("button", name="预览").click()
        one.page.get_by_role("button", name="写入 collection.toml").click()
        one.page.wait_for_url(f"{url}/mapping")
        assert "已写入" in one.page.get_by_role("status").inner_text()
        one.is_clean()
    assert f'data_code = "{ELECTRICITY}"' in filled.home.collection_file.read_text("utf-8")


def test_discarding_a_batch_asks_first(chromium: Any, site: tuple[str, FakeDevice]) -> None:
    url, _ = site
    with tab(chromium, url) as one:
        one.log_in()
        one.open("/queue/1")
        answers = iter(("dismiss", "accept"))
        one.page.on("dialog", lambda dialog: getattr(dialog, next(answers))())
        leave = one.page.get_by_role("button", name="不再上传")
        leave.click()
        assert one.page.url == f"{url}/queue/1"
        leave.click()
        one.page.wait_for_url(f"{url}/queue")
        assert "批次 1 不再上传" in one.page.get_by_role("status").inner_text()
        one.is_clean()


def test_a_narrow_screen_shows_everything_without_scrolling_sideways(
    chromium: Any, site: tuple[str, FakeDevice]
) -> None:
    url, _ = site
    with tab(chromium, url, viewport={"width": 390, "height": 800}) as one:
        one.log_in()
        for path in PAGES:
            one.open(path)
            width = one.page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, path
