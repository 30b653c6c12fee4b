"""Which command is running, for whoever must know its name (`acts`), and what ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Running:
    """One command of the command line at work."""

    path: str
    """Its words without `nenghao`: `platform user add`."""
    stack: ExitStack = field(default_factory=ExitStack)
    """Closed when the command is done."""
    admitted: bool = False
    """Whether it was found to be permitted already."""


_running: ContextVar[Running | None] = ContextVar("running", default=None)


@contextmanager
def command(path: str) -> Iterator[Running]:
    """Within the block this command runs."""
    one = Running(path)
    before = _running.set(one)
    try:
        with one.stack:
            yield one
    finally:
        _running.reset(before)


def current() -> Running | None:
    """The command that runs; None outside of the command line."""
    return _running.get()
