"""A platform as a process of its own: started, waited for, ended, whatever its user does meanwhile.

For the demo and for tests over the real wire. The folder must have been made
(`nenghao platform init`); what the platform does is `nenghao.platform`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

READY_SECONDS = 30.0
"""How long the platform may take until it listens."""
END_SECONDS = 10.0
"""How long it may take to end after SIGTERM."""


class PlatformFailed(Exception):
    """The platform did not come up; the text (Chinese) says where to look."""


@contextlib.asynccontextmanager
async def serving(home: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`nenghao platform serve` until the block ends; what it logs is appended to `log`.

    The process is ready when the block begins. A session of its own keeps the terminal's Ctrl-C
    from it, so that whoever started it ends it in order.
    """
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nenghao", "platform", "serve", "--home", str(home)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stream,
            start_new_session=True,
        )
    try:
        await _until_ready(process, log)
        yield process
    finally:
        await _end(process)


async def _until_ready(process: asyncio.subprocess.Process, log: Path) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        async with asyncio.timeout(READY_SECONDS):
            while line := await process.stdout.readline():
                if line.startswith(b"ready device "):
                    return
    except TimeoutError:
        raise PlatformFailed(f"平台 {READY_SECONDS:g} 秒内没有就绪，见 {log}") from None
    raise PlatformFailed(f"平台没有启动：{_last_line(log)}")


def _last_line(log: Path) -> str:
    return "".join(log.read_text("utf-8", errors="replace").strip().splitlines()[-1:])


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, some patience, SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
