"""A platform process is ready when its block begins and gone when it ends."""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime
from pathlib import Path

import pytest

from nenghao.conformance.platform_process import PlatformFailed, serving
from nenghao.platform import home as homes

NOW = datetime(2026, 11, 20, 1, 5)


def make(folder: Path) -> int:
    """A platform's folder; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    homes.init(folder, {"device_port": port, "exchange_port": 0, "console_port": 0}, NOW)
    return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_listens_inside_the_block_and_ends_with_0_after_it(tmp_path: Path) -> None:
    port = make(tmp_path / "platform")

    async def run() -> int | None:
        async with serving(tmp_path / "platform", tmp_path / "log") as process:
            assert listens(port)
        return process.returncode

    assert asyncio.run(run()) == 0
    assert not listens(port)


def test_one_that_was_killed_meanwhile_is_no_failure(tmp_path: Path) -> None:
    make(tmp_path / "platform")

    async def run() -> None:
        async with serving(tmp_path / "platform", tmp_path / "log") as process:
            process.kill()
            assert await process.wait() == -9

    asyncio.run(run())


def test_one_that_does_not_come_up_says_its_own_last_words(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path / "nowhere", tmp_path / "log"):
            raise AssertionError("nothing should be serving")

    with pytest.raises(PlatformFailed, match="不是平台目录"):
        asyncio.run(run())
