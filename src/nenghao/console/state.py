"""The state of a page in its address (页面状态): what was searched can be sent as a link.

Reading is lenient: what a hand-made address gets wrong counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

from nicegui import ui

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_LONGEST = 200


class State:
    """The query string of one open page."""

    def __init__(self, path: str, query: Mapping[str, str]) -> None:
        self.path = path
        self._query = {key: value[:_LONGEST] for key, value in query.items() if value}

    def text(self, key: str, default: str = "") -> str:
        """Any text, without surrounding blanks."""
        return self._query.get(key, default).strip()

    def day(self, key: str, default: date) -> date:
        """A day, YYYY-MM-DD."""
        try:
            return date.fromisoformat(self._query[key])
        except (KeyError, ValueError):
            return default

    def month(self, key: str, default: str) -> str:
        """A month, YYYY-MM."""
        found = self._query.get(key, "")
        return found if _MONTH.fullmatch(found) else default

    def number(self, key: str, default: int, least: int = 0, most: int = 10**9) -> int:
        """A whole number within bounds."""
        found = self._query.get(key, "")
        if not re.fullmatch(r"[0-9]{1,9}", found):
            return default
        return min(max(int(found), least), most)

    def choice(self, key: str, options: tuple[str, ...], default: str) -> str:
        """One of `options`."""
        found = self._query.get(key, default)
        return found if found in options else default

    def flag(self, key: str) -> bool:
        """Whether it is set."""
        return self._query.get(key) == "1"

    def set(self, **changes: object) -> None:
        """Change the address without loading anew; None, "" and False take a key away."""
        for key, value in changes.items():
            if value is None or value == "" or value is False:
                self._query.pop(key, None)
            else:
                self._query[key] = "1" if value is True else str(value)
        ui.navigate.history.replace(self.here)

    @property
    def here(self) -> str:
        """The address as it is."""
        return self.link(self.path, **self._query)

    @staticmethod
    def link(path: str, **query: object) -> str:
        """An address of the console with a query."""
        given = {key: value for key, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path
