"""Long work with its progress (进度): in a thread, with a bar, and a button that calls it off.

Work tells where it is with `progress.at`; when the operator has pressed 取消, or has closed the
page, that raises `Cancelled`. What was done in a transaction is then undone by it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from nicegui import ui

from nenghao.console.dialogs import gone
from nenghao.console.parts import text
from nenghao.console.visit import Shown, Visit
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store

T = TypeVar("T")
LOOK_SECONDS = 0.2


class Cancelled(Exception):
    """The operator has called the work off."""


class Progress:
    """How far the work is; written by its thread, read by the page."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.text = ""
        self.cancelled = False

    def at(self, done: int, total: int, text: str = "") -> None:
        """So much is done. Raises `Cancelled` when it is to end."""
        self.done, self.total, self.text = done, total, text
        if self.cancelled:
            raise Cancelled


async def with_progress(
    visit: Visit,
    title: str,
    act: Act,
    change: Callable[[Store, datetime, Progress], T],
    unit: str | None = None,
    refusals: tuple[type[Exception], ...] = (),
) -> T:
    """What `change(store, now, progress)` returns; `Shown` when it was refused or called off."""
    progress = Progress()
    with ui.dialog(value=True).props("persistent") as dialog, ui.card().classes("dialog"):
        text(title, "h2")
        bar = ui.linear_progress(value=0, show_value=False).props("instant-feedback")
        bar.props(f'aria-label="{title}"')
        words = ui.label("").props("aria-live=polite")

        def cancel() -> None:
            progress.cancelled = True
            words.text = "正在取消……"

        ui.button("取消", on_click=cancel).props("flat")

    def look() -> None:
        if progress.cancelled:
            return
        bar.value = progress.done / progress.total if progress.total else 0
        share = f"{progress.done:,} / {progress.total:,}" if progress.total else ""
        words.text = f"{progress.text} {share}".strip()

    timer = ui.timer(LOOK_SECONDS, look)
    ui.context.client.on_delete(cancel)
    try:
        return await visit.do(
            act, lambda store, now: change(store, now, progress), unit, (*refusals, Cancelled)
        )
    except Shown as shown:
        if isinstance(shown.__cause__, Cancelled):
            visit.warn(f"{title}：已取消")
        raise
    finally:
        timer.cancel()
        gone(dialog)
