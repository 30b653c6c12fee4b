"""What a source left out of what it read (采集提示), for the page and the log.

A fault stops a source. One cell that is no number, one meter of twelve that is silent, one file
that was refused does not: the rest is delivered, and the remarks of the last read say what is
missing. The page and `device status` show them as long as they stand; each is logged once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

MOST = 20
"""Remarks that are kept of one read; the rest are counted."""

MOST_TOLD = 500
"""Remarks of a source that are remembered as logged."""

_MORE = re.compile(r"另有 \d+ 处")


@runtime_checkable
class Remarking(Protocol):
    """A source that delivers what it can and says what it could not."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the last `read` left out, in Chinese; empty when nothing."""


class Remarks:
    """The remarks of one source."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()

    def tell(self, lines: Sequence[str]) -> None:
        """These are the remarks now."""
        told = tuple(lines[:MOST])
        if len(lines) > MOST:
            told += (f"另有 {len(lines) - MOST} 处",)
        self.lines = told


class Told:
    """Which remarks of a source were logged already, over its reconnections too."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def fresh(self, lines: Sequence[str]) -> list[str]:
        """The remarks that were not there before: those are for the log, now."""
        new = [line for line in lines if line not in self._known and not _MORE.fullmatch(line)]
        self._known.update(dict.fromkeys(new))
        while len(self._known) > MOST_TOLD:
            del self._known[next(iter(self._known))]
        return new
