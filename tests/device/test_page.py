"""The page runs beside the device, where the settings say, and never in its way."""

from __future__ import annotations

import asyncio
import builtins
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from nenghao.device.page import page
from nenghao.device.service import Service
from nenghao.device.web import server
from tests.device.collection.virtual import VirtualClock
from tests.device.web.desks import NOW
from tests.device.world import World, settings


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nenghao.device.page.LOOK_EVERY", 0.01)
    monkeypatch.setattr("nenghao.device.page.TRY_EVERY", 0.05)


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What is logged."""
    before = structlog.get_config()
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
def service(world: World) -> Service:
    return Service(
        world.home,
        world.store,
        VirtualClock(NOW),
        load=lambda: settings(page_port=0),
        client_of=lambda known, on_date: world.platform.client(),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def beside(service: Service, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run the page while something else is done."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(page(service, stop))
        try:
            async with asyncio.timeout(20):
                await work(stop)
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)

    asyncio.run(run())


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so; the caller has a deadline."""
    while not await true():  # noqa: ASYNC110 - what is waited for is another's socket or log
        await asyncio.sleep(0.01)


async def answers(port: int) -> bool:
    """Whether the page is at a port."""
    async with httpx.AsyncClient() as client:
        try:
            return "登录" in (await client.get(f"http://127.0.0.1:{port}/login")).text
        except httpx.ConnectError:
            return False


def test_the_page_follows_the_setting_from_port_to_port_and_off(service: Service) -> None:
    first, second = free_port(), free_port()

    async def work(stop: asyncio.Event) -> None:
        service.settings = settings(page_port=first)
        await until(lambda: answers(first))
        service.settings = settings(page_port=second)
        await until(lambda: answers(second))
        assert not await answers(first)
        service.settings = settings(page_port=0)

        async def gone() -> bool:
            return not await answers(second)

        await until(gone)

    beside(service, work)


def test_a_taken_port_is_said_once_and_taken_when_it_becomes_free(
    service: Service, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    tries: list[int] = []

    def bind(number: int) -> socket.socket:
        tries.append(number)
        return real(number)

    real = server.bind
    monkeypatch.setattr(server, "bind", bind)

    async def work(stop: asyncio.Event) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            service.settings = settings(page_port=port)

            async def tried() -> bool:
                return len(tries) >= 3

            await until(tried)
        await until(lambda: answers(port))

    beside(service, work)
    warnings = [one for one in said if one["log_level"] == "warning" and "监听" in one["event"]]
    assert len(warnings) == 1


def test_a_missing_package_is_named_with_its_extra(
    service: Service, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **extra: Any) -> Any:
        if name.startswith("nenghao.device.web"):
            raise ModuleNotFoundError("No module named 'starlette'", name="starlette")
        return real(name, *rest, **extra)

    async def work(stop: asyncio.Event) -> None:
        monkeypatch.setattr(builtins, "__import__", without)
        service.settings = settings(page_port=1234)

        async def told() -> bool:
            return bool(said)

        await until(told)

    beside(service, work)
    assert "starlette" in said[0]["event"]
    assert "nenghao[page]" in said[0]["event"]


def test_a_device_without_its_page_imports_no_web_server() -> None:
    program = (
        "import sys\n"
        "import nenghao.cli.device, nenghao.device.page\n"
        "print(sorted({'starlette', 'uvicorn', 'h11', 'pymodbus', 'asyncua'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


UNIT = Path(__file__).parents[2] / "deploy" / "nenghao-device@.service"


def test_the_service_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """Everything but the program's path, which is where `deploy/README.md` installs it."""
    text = UNIT.read_text("utf-8")
    command = "/usr/local/lib/nenghao/bin/nenghao device run --home /var/lib/nenghao/%i"
    assert f"ExecStart={command}\n" in text
    copy = tmp_path / "nenghao-device@plant.service"
    copy.write_text(text.replace(f"ExecStart={command}", "ExecStart=/bin/true"), "utf-8")
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("没有 systemd-analyze：apt-get install systemd")
    assert "nenghao" not in done.stderr, done.stderr


def test_the_service_never_gives_up_and_may_do_little() -> None:
    lines = set(UNIT.read_text("utf-8").splitlines())
    assert {
        "Restart=always", "StartLimitIntervalSec=0", "User=nenghao", "ProtectSystem=strict",
        "NoNewPrivileges=yes", "CapabilityBoundingSet=", "StateDirectory=nenghao/%i",
        "SystemCallFilter=@system-service",
    } <= lines  # fmt: skip
