"""Runs the page of the site engineer (现场页面) beside the service, and never in its way.

A companion of `service`: serves at `page_port` while it is not 0, moves when the setting changes,
and imports the page, and with it starlette and uvicorn, only then. A port that is taken or a
missing package is a line in the log; collecting and uploading go on.
"""

from __future__ import annotations

import asyncio

import structlog

from nenghao.device.service import Service

LOOK_EVERY = 2.0
"""Seconds between two looks at the setting."""
TRY_EVERY = 60.0
"""Seconds before a taken port is tried again."""

log = structlog.get_logger()


async def page(service: Service, stop: asyncio.Event) -> None:
    """Serve the page until `stop`, at whichever port device.toml names."""
    said = ""
    while not stop.is_set():
        port = service.settings.page_port
        trouble = await _served(service, port, stop) if port else ""
        if trouble and trouble != said:
            log.warning(trouble)
        said = trouble
        await _moved(service, port, stop, TRY_EVERY if trouble else None)


async def _served(service: Service, port: int, stop: asyncio.Event) -> str:
    """Serve at one port until it is another or `stop`; why it could not be done, "" if it was."""
    try:
        from nenghao.device.web import server
        from nenghao.device.web.desk import Desk
        from nenghao.device.web.log_tail import LogTail
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("nenghao"):
            raise
        return (
            f"缺少 Python 包 {error.name}，现场页面未启动；请安装 nenghao[page]，或设 page_port = 0"
        )
    try:
        bound = server.bind(port)
    except OSError as error:
        return f"现场页面无法监听 127.0.0.1:{port}：{error.strerror or error}"
    tail = LogTail(service.clock.now)
    tail.install()
    try:
        async with server.serving(Desk(service, service.clock.now, tail), bound) as address:
            log.info("现场页面已启动", address=address)
            await _moved(service, port, stop, None)
    finally:
        tail.remove()
    return ""


async def _moved(service: Service, port: int, stop: asyncio.Event, longest: float | None) -> None:
    """Wait until the setting names another port, until `stop`, or so many seconds."""
    waited = 0.0
    while not stop.is_set() and service.settings.page_port == port:
        if longest is not None and waited >= longest:
            return
        try:
            async with asyncio.timeout(LOOK_EVERY):
                await stop.wait()
        except TimeoutError:
            waited += LOOK_EVERY
