"""A seeded platform with a running console for each test file, and a Chromium to look at it.

Browser and console live as long as one file's tests: while Playwright's synchronous interface is
open its thread can run no other event loop, and other tests of the same process need one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.platform.permissions import Role
from tests.console.ground import DESKTOP, FLAGS, Ground, Seat, chromium, ground_on, seat_at
from tests.console.seeding import Seeded, seed

AsRole = Callable[..., Seat]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """The folder that every file's ground is a copy of."""
    folder = tmp_path_factory.mktemp("console") / "seeded"
    with ThreadPoolExecutor(1) as thread:  # it runs event loops of its own
        return thread.submit(seed, folder, china_now()).result()


@pytest.fixture(scope="module")
def ground(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The platform of one test file, its console running."""
    with ground_on(seeded, tmp_path_factory.mktemp("ground")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    path = chromium()
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(path), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def as_role(ground: Ground, browser: Any) -> Iterator[AsRole]:
    """`as_role(Role.CLERK)`: a tab of its own, logged in; `None` for somebody who is not.

    At the end of the test every seat must be clean (`Seat.is_clean`). Options: `size`, `dark`.
    """
    with ExitStack() as stack:
        seats: list[Seat] = []

        def sit(role: Role | None, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Seat:
            seats.append(stack.enter_context(seat_at(browser, ground, role, size, dark=dark)))
            return seats[-1]

        yield sit
        for seat in seats:
            seat.is_clean()
