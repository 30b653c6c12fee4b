"""What a source left out of what it read (采集提示), for the page and the log.

A fault stops a source. One cell that is no number, one meter of twelve that is silent, one file
that was refused does not: the rest is delivered, and the remarks of the last read say what is
missing. They are logged when they change, not on every poll.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import structlog

MOST = 20
"""Remarks that are kept of one read; the rest are counted."""

log = structlog.get_logger()


@runtime_checkable
class Remarking(Protocol):
    """A source that delivers what it can and says what it could not."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the last `read` left out, in Chinese; empty when nothing."""


class Remarks:
    """The remarks of one source."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.lines: tuple[str, ...] = ()

    def tell(self, lines: Sequence[str]) -> None:
        """These are the remarks now; new ones go to the log."""
        told = tuple(lines[:MOST])
        if len(lines) > MOST:
            told += (f"另有 {len(lines) - MOST} 处",)
        if told != self.lines and told:
            log.warning("采集来源有未能读取的内容", source=self._source, remarks=told)
        self.lines = told
