"""Short tables with badges (短表), whose columns keep a least width: a phone scrolls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nicegui import ui

from nenghao.console.listing import Listing
from nenghao.console.parts import Kind, badge, text

Cell = str | tuple[str, str]
"""A text, or a text with the kind of its badge: good, warn, bad; anything else is dull."""

_KINDS: Final[Mapping[str, Kind]] = {"good": "good", "warn": "warn", "bad": "bad"}


def marked_table(head: Mapping[str, int], rows: Sequence[Sequence[Cell]], caption: str) -> None:
    """A table of at most some dozens of rows; `head` has each column's least width in rem."""
    with ui.element("div").classes("wide"), ui.element("table").classes("plain"):
        text(caption, "caption")
        with ui.element("thead"), ui.element("tr"):
            for name, width in head.items():
                text(name, "th").props("scope=col").style(f"min-width:{width}rem")
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for cell in row:
                        _cell(cell)


def keep_widths(made: Listing, styles: Mapping[str, str]) -> None:
    """Give columns of a list a CSS style, such as `white-space:nowrap`."""
    for column in made.element.columns:
        column["headerStyle"] = "white-space:nowrap"
        if column["name"] in styles:
            column["style"] = styles[column["name"]]
    made.element.update()


def discard(dialog: ui.dialog) -> None:
    """Take an answered dialog away; it went by itself where the page was left meanwhile."""
    if not dialog.is_deleted:
        dialog.clear()
        dialog.delete()


def _cell(cell: Cell) -> None:
    if isinstance(cell, str):
        text(cell, "td").style("overflow-wrap:anywhere")
        return
    content, kind = cell
    with ui.element("td"):
        badge(content, _KINDS.get(kind, "dull"))
