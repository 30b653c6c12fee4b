"""Calls that block (阻塞调用), off the event loop: database drivers, slow disks, network shares.

Not `asyncio.to_thread`: its threads are waited for when the program ends, so a driver that hangs
on a dead server would hold the whole device. These threads are daemons; whoever has waited long
enough goes on, and what a forgotten call returns is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_background(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises, called in a thread of its own."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def succeed(value: T) -> None:
        if not outcome.done():
            outcome.set_result(value)

    def fail(error: BaseException) -> None:
        if not outcome.done():
            outcome.set_exception(error)

    def run() -> None:
        # RuntimeError: the loop has ended meanwhile, and nobody wants the outcome
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(fail, error)
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(succeed, value)

    name = getattr(function, "__name__", "call")
    threading.Thread(target=run, name=f"nenghao-{name}", daemon=True).start()
    return await outcome
