"""HTML that cannot be broken by what stands in it: every text is escaped unless it is `Markup`.

>>> tag("td", "a < b", class_="wide")
'<td class="wide">a &lt; b</td>'
>>> tag("input", name="value", required=True, value='"')
'<input name="value" required value="&quot;">'

Attributes are keywords: an underscore at the end is dropped, others become hyphens; True writes
the bare name, None and False write nothing. Children may be nested in lists; None is nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final

_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_ADDRESSES: Final = frozenset({"href", "src", "action", "formaction"})

Child = object
"""`Markup`, a text or a number, None, or an iterable of these."""


class Markup(str):
    """A text that is HTML already; only this module makes one of anything but constants."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """A text as HTML, fit for content and for attributes in quotes."""
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. ValueError for an address that is not one of this site."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"no element: {name!r}")
    opening = f"<{name}{''.join(_attributes(attributes))}>"
    if name in _VOID:
        if children:
            raise ValueError(f"{name} has no content")
        return Markup(opening)
    return Markup(f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Child], between: Child = "") -> Markup:
    """The children one after the other."""
    return Markup(escape(between).join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterator[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str) or not isinstance(child, Iterable):
            yield escape(child)
        else:
            yield from _flat(child)


def _attributes(attributes: dict[str, object]) -> Iterator[str]:
    for keyword, value in attributes.items():
        name = keyword.rstrip("_").replace("_", "-")
        if _NAME.fullmatch(name) is None or name.startswith("on") or name == "style":
            raise ValueError(f"no attribute: {keyword!r}")
        if value is None or value is False:
            continue
        if value is True:
            yield f" {name}"
            continue
        if name in _ADDRESSES and not _is_here(str(value)):
            raise ValueError(f"{name} leads elsewhere: {value!r}")
        yield f' {name}="{escape(value)}"'


def _is_here(address: str) -> bool:
    """Whether an address is a path of this site: no scheme, no other host."""
    return address.startswith("/") and not address.startswith(("//", "/\\"))
