"""Where a value stands in a JSON document (JSON 路径): a small language of its own, no library.

    data.meters[0].value        keys and positions; a position may count from the end: [-1]
    data.meters.0.value         the same
    $.data['a.b']["c d"]        a leading $ is allowed; keys with dots, spaces or brackets in quotes
    data.meters[id=M-01].value  the one element of a list whose `id` reads `M-01` (or in quotes)

The empty path, or `$`, is the document itself. Chinese keys need no quotes.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from msgspec import Struct

_STEP = re.compile(
    r"""
    \.?(?P<key>[^.\[\]'"]+)
    | \[\s*(?P<index>-?[0-9]{1,9})\s*\]
    | \[\s*(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\s*\]
    | \[\s*(?P<name>[^\]=\['"]+?)\s*=\s*(?P<mark>['"]?)(?P<wanted>[^'"\]]*?)(?P=mark)\s*\]
    """,
    re.VERBOSE | re.ASCII,
)
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class BadPath(ValueError):
    """Text that is no path; says why in Chinese."""


class NotThere(LookupError):
    """A document without what the path names; says how far the path goes, in Chinese."""


class _Key(Struct, frozen=True):
    key: str

    def take(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value[self.key]
        if isinstance(value, list) and _INTEGER.fullmatch(self.key):
            return value[int(self.key)]
        raise LookupError

    def __str__(self) -> str:
        return f".{self.key}"


class _Quoted(Struct, frozen=True):
    key: str

    def take(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value[self.key]
        raise LookupError

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class _Index(Struct, frozen=True):
    index: int

    def take(self, value: Any) -> Any:
        if isinstance(value, list):
            return value[self.index]
        raise LookupError

    def __str__(self) -> str:
        return f"[{self.index}]"


class _Where(Struct, frozen=True):
    name: str
    wanted: str

    def take(self, value: Any) -> Any:
        if isinstance(value, list):
            found = [
                one
                for one in value
                if isinstance(one, dict) and _text(one.get(self.name)) == self.wanted
            ]
            if len(found) == 1:
                return found[0]
        raise LookupError

    def __str__(self) -> str:
        return f"[{self.name}={self.wanted}]"


_Step = _Key | _Quoted | _Index | _Where


class JsonPath:
    """A path, ready for use; BadPath for text that is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _parse(text.strip())

    def find(self, document: Any) -> Any:
        """What stands there (null included); NotThere says which step found nothing."""
        value = document
        for position, step in enumerate(self._steps):
            try:
                value = step.take(value)
            except LookupError:
                trail = "".join(map(str, self._steps[: position + 1])).removeprefix(".")
                raise NotThere(f"没有 {trail}") from None
        return value

    def __repr__(self) -> str:
        return f"JsonPath({self.text!r})"


def _parse(text: str) -> tuple[_Step, ...]:
    if text == "$":
        return ()
    if text.startswith(("$.", "$[")):
        text = text[1:]
    elif text.startswith("."):
        raise BadPath(f"JSON 路径 {text!r} 不能以点开头")
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        follows_bare = bool(steps) and text[at] not in ".["
        if found is None or follows_bare:
            raise BadPath(f"JSON 路径 {text!r} 在第 {at + 1} 个字符处不合法")
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> _Step:
    if found["index"] is not None:
        return _Index(int(found["index"]))
    if found["quote"] is not None:
        return _Quoted(found["quoted"])
    if found["name"] is not None:
        return _Where(found["name"], found["wanted"])
    return _Key(found["key"].strip())


def _text(value: Any) -> str | None:
    """A scalar as it would be written in a path; None for what cannot be compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal):
        return str(value)
    return None
