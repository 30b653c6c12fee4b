"""One request as a page sees it, and the two ways in which it answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from msgspec import Struct, field

from nenghao.device.web.html import Markup

MOST_FIELDS = 100


class Form(Struct, frozen=True):
    """The fields of a form or of a query; of a name that stands twice the last counts."""

    fields: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A field without blanks around it."""
        return self.fields.get(name, default).strip()

    def number(self, name: str, default: int, least: int = 0, most: int = 10**9) -> int:
        """A whole number of ASCII digits within limits, else the default."""
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            return default
        return min(max(int(text), least), most)


def read_form(body: bytes) -> Form:
    """The fields of a urlencoded body or query; ValueError when it is none."""
    pairs = parse_qsl(
        body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
    )
    return Form(dict(pairs))


class Visit(Struct, frozen=True):
    """What a logged-in visitor asks for."""

    now: datetime
    path: Mapping[str, str]
    """The variable parts of the path."""
    query: Form
    form: Form
    """Empty but for POST; its token has been checked."""
    token: str
    """What forms on the page have to carry."""


class Page(Struct, frozen=True):
    """A page to show."""

    title: str
    body: Markup
    status: int = 200
    refresh: bool = False
    """Whether it is worth loading again every few seconds."""


class Moved(Struct, frozen=True):
    """Something was done: go and look there; the notice is told once."""

    to: str
    notice: str = ""


Answer = Page | Moved
