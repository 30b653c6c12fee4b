"""Settings that hold secrets (含密设置): what they are is shown, the secrets in them are not.

Settings end up in logs, tracebacks and on the page by their `repr`; a class that names its secret
fields here shows them as `***`, and the password and the query of a URL likewise.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from msgspec import Struct

HIDDEN = "***"

_IN_URL = re.compile(r"(?<=://)([^/?#@]*):[^/?#]*@")

_QUERY = re.compile(r"^([a-z][a-z0-9+.-]*://[^?\s]*)\?\S+$", re.IGNORECASE)


class Discreet(Struct, frozen=True):
    """A Struct whose `secrets` are not shown."""

    secrets: ClassVar[frozenset[str]] = frozenset()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown: list[tuple[str, Any]] = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str):
                value = _shown(value)
            shown.append((name, HIDDEN if name in self.secrets and value else value))
        return shown

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


def _shown(text: str) -> str:
    """A URL without its password and what follows the question mark; other text as it is."""
    text = _IN_URL.sub(rf"\1:{HIDDEN}@", text)
    return _QUERY.sub(rf"\1?{HIDDEN}", text)


def without(text: str, *secrets: str) -> str:
    """A text, such as an error of a library, in which none of the secrets stands."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text


def short(error: BaseException | str, *secrets: str, most: int = 200) -> str:
    """The first line of an error without secrets, cut to a readable length."""
    lines = [line.strip() for line in without(str(error), *secrets).splitlines()]
    text = next((line for line in lines if line), "")
    if not text and isinstance(error, BaseException):
        text = type(error).__name__
    return text if len(text) <= most else f"{text[:most]}…"
