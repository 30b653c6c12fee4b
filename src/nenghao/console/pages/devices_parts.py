"""What pages of devices, certificates, upload times and partners share: filters, times, rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from nenghao.console.listing import Listing, Page
from nenghao.console.state import State
from nenghao.console.views.devices import Part

Refresh = Callable[[], Awaitable[None]]


def moment(at: datetime | None) -> str | None:
    """A time as it is shown."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M}"


def part_of(page: Page) -> Part:
    """The rows that a list asks for."""
    return Part(page.offset, page.size, page.sort, page.descending)


def search(state: State, refresh: Refresh, label: str, key: str = "q") -> ui.input:
    """A field that searches as one types; the text is kept in the address."""

    async def changed(event: ValueChangeEventArguments[Any]) -> None:
        state.set(**{key: str(event.value or "").strip()})
        await refresh()

    field = ui.input(label=label, value=state.text(key), on_change=changed)
    return field.props("outlined dense clearable debounce=400 type=search").classes("grow")


def choose(
    state: State, refresh: Refresh, label: str, key: str, options: Mapping[str, str]
) -> ui.select:
    """A filter whose choice is kept in the address; the first option is no filter."""
    names = tuple(options)

    async def changed(event: ValueChangeEventArguments[Any]) -> None:
        state.set(**{key: None if event.value == names[0] else event.value})
        await refresh()

    value = state.choice(key, names, names[0])
    field = ui.select(dict(options), label=label, value=value, on_change=changed)
    return field.props("outlined dense")


class Later:
    """The list that filters above it refresh, once it is there."""

    def __init__(self) -> None:
        self.list: Listing | None = None

    async def refresh(self) -> None:
        """From its first page."""
        if self.list is not None:
            await self.list.refresh(first=True)


def number(label: str, value: int, least: int, most: int) -> ui.number:
    """A field for a whole number."""
    field = ui.number(label=label, value=value, min=least, max=most, precision=0)
    return field.props("outlined dense")


def whole(field: ui.number) -> int:
    """What stands in it; 0, which every service refuses, where nothing does."""
    return int(field.value or 0)
