"""Small parts of pages (页面组件): facts, notices, badges, figures, sections, empty states.

All texts go through elements that escape them; nothing here takes markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from nicegui import ui
from nicegui.element import Element

from nenghao.console.state import State

Kind = Literal["info", "good", "warn", "bad", "dull"]


def text(content: str, tag: str = "span", classes: str = "") -> ui.label:
    """A text in an element of its own."""
    label = ui.label(content)
    label.tag = tag
    return label.classes(classes)


def facts(values: Mapping[str, str | int | float | None]) -> None:
    """A list of names and values; what is empty shows a dash."""
    with ui.element("dl").classes("facts"):
        for name, value in values.items():
            with ui.element("div"):
                text(name, "dt")
                text("—" if value in (None, "") else str(value), "dd")


def notice(content: str, kind: Kind = "info") -> ui.label:
    """A remark over the whole width."""
    role = "alert" if kind == "bad" else "note"
    return text(content, "p", f"notice {kind}").props(f"role={role}")


def badge(content: str, kind: Kind = "dull") -> ui.label:
    """A word in a colour; never a colour alone."""
    return text(content, "span", f"badge {kind}")


@contextmanager
def section(title: str) -> Iterator[Element]:
    """A part of the page under a heading."""
    with ui.element("section") as made:
        text(title, "h2")
        yield made


@contextmanager
def card(title: str = "") -> Iterator[Element]:
    """A framed part, with a small heading."""
    with ui.element("section").classes("card") as made:
        if title:
            text(title, "h3")
        yield made


def figure(label: str, value: str, unit: str = "", note: str = "", kind: Kind = "dull") -> None:
    """A big number with what it is, its unit, and a remark below."""
    with ui.element("div").classes(f"card figure {kind}"):
        text(label, "div", "label")
        with ui.element("div").classes("value"):
            text(value, "strong")
            if unit:
                text(unit, "span", "unit")
        if note:
            text(note, "div", "dull")


def empty(content: str, link: str | None = None, label: str = "去办理") -> None:
    """What a page says where there is nothing yet, and what to do next."""
    with ui.element("div").classes("empty"):
        text(content, "p")
        if link is not None:
            ui.link(label, link)


def tabs(state: State, names: Mapping[str, str], current: str) -> None:
    """Links to the parts of one page; `?tab=` in the address says which is open."""
    with ui.element("nav").classes("tabs").props('aria-label="本页各部分"'):
        for key, name in names.items():
            link = ui.link(name, State.link(state.path, tab=key))
            if key == current:
                link.props("aria-current=page")


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """A short table of texts (at most some dozens of rows; longer ones are a `listing`)."""
    with ui.element("div").classes("wide"), ui.element("table").classes("plain"):
        if caption:
            text(caption, "caption")
        with ui.element("thead"), ui.element("tr"):
            for name in head:
                text(name, "th").props("scope=col")
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for cell in row:
                        text(cell, "td")
