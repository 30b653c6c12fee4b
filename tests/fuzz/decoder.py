"""What a decoder is to the fuzz tests: how it is run, and which exceptions are its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Decoder:
    """One of them: what it is given, what it may raise, and what good input looks like."""

    run: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...] = ()

    def __call__(self, data: bytes) -> None:
        """Take `data` apart; an exception that is not its own comes out."""
        with contextlib.suppress(*self.raises), warnings.catch_warnings():
            # cryptography warns of odd names and serials; where it runs, that stops nothing
            warnings.simplefilter("ignore", UserWarning)
            self.run(data)


def text(run: Callable[[str], object]) -> Callable[[bytes], object]:
    """For a decoder of text."""
    return lambda data: run(data.decode("utf-8", "replace"))
