"""The console in a real Chromium: how soon a page shows its first figures, memory of open tabs.

    python -m benchmarks.console [--units 3000] [--runs 9] [--home DIR]

A folder with so many units and a year of data is filled; with `--home` it is kept and used again.
Then the console's own process is asked, over TLS, as a clerk (业务员). A page is useful when its
first figures are in the document and painted; the time counts from the beginning of the navigation.
`fresh` is a browser that has never been here, `again` one that has the console's files and opens
the page in a new tab, as it is every day. The first of all pays for what is read once. Tabs stay
open and connected while the memory of the process is read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.console_province import make
from benchmarks.exchange_province import units_of
from benchmarks.report import Row, machine, milliseconds, show
from nenghao.cli.output import configure_logging
from nenghao.clock import china_now
from nenghao.platform import operators, operators_admin, sessions
from nenghao.platform.home import Home, open_home
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import Role
from nenghao.platform.sessions import Lasting
from nenghao.platform.store.engine import Store
from tests.console.ground import CONNECTED, COOKIE, DESKTOP, FLAGS, chromium, console

HEADINGS = ("page", "first of all", "fresh", "worst", "again", "worst", "server", "limit", "")
TABS: Final = 10
MEMORY_HEADINGS = (
    "memory of the console", "nobody", f"{TABS} tabs", f"{TABS} more", f"{TABS} more", "limit", "",
)  # fmt: skip
MOST_PER_TABS: Final = 40.0
"""MB that ten open tabs may take."""
OPERATOR: Final = "bench"
MEGABYTE: Final = 1e6

USEFUL: Final = """
new MutationObserver((_, watch) => {
  const found = document.querySelector(SELECTOR);
  if (!found || !found.textContent.trim()) return;
  watch.disconnect();
  const painted = () => { window.__useful = performance.now(); };
  requestAnimationFrame(() => requestAnimationFrame(painted));
}).observe(document, {childList: true, subtree: true, characterData: true});
"""
SERVER: Final = """() => {
  const one = performance.getEntriesByType('navigation')[0];
  return one.responseEnd - one.requestStart;
}"""


@dataclass(frozen=True)
class Asked:
    """A page, what makes it useful, and how soon that must be there."""

    name: str
    path: str
    selector: str
    limit: float
    """Seconds."""


@dataclass(frozen=True)
class Took:
    """Seconds of one opening."""

    useful: float
    server: float


def pages_of(code: str) -> list[Asked]:
    """What is measured."""
    return [
        Asked("/", "/", "main .figure strong", 1.5),
        Asked("/units/{code}", f"/units/{code}", "main dl.facts dd, main .figure strong", 1.0),
    ]


@contextmanager
def visitor(browser: Any, home: Home, url: str) -> Iterator[Any]:
    """A browser context of its own, logged in."""
    context = browser.new_context(
        ignore_https_errors=True, viewport=dict(zip(("width", "height"), DESKTOP, strict=True))
    )
    try:
        cookie = {"name": COOKIE, "value": session_of(home), "url": url}
        flags = {"httpOnly": True, "secure": True, "sameSite": "Strict"}
        context.add_cookies([cookie | flags])
        yield context
    finally:
        context.close()


def session_of(home: Home) -> str:
    """A token of a 业务员 who is made where he is not there."""
    now = china_now()
    with home.store() as store:
        with store.read() as conn:
            known = operators.named(conn, OPERATOR)
        if known is None:
            known = _hired(store, home)
        with store.write() as conn:
            return sessions.begin(conn, known.id, "127.0.0.1", now, Lasting(most=1000))


def _hired(store: Store, home: Home) -> operators.Operator:
    now = china_now() - timedelta(hours=1)
    operators_admin.add(store, MACHINE, OPERATOR, "测量", now)
    operators_admin.grant(store, MACHINE, OPERATOR, Role.CLERK, now, master=home.master_key())
    with store.write() as conn:
        found = operators.named(conn, OPERATOR)
        if found is None:
            raise AssertionError("the operator just made is not there")
        operators.change(conn, found.id, must_change=False)
    return found


def opened(context: Any, url: str, asked: Asked) -> tuple[Any, Took]:
    """The tab, and how long it took."""
    tab = context.new_page()
    tab.add_init_script(USEFUL.replace("SELECTOR", repr(asked.selector)))
    answer = tab.goto(url + asked.path, wait_until="commit")
    if answer.status != 200:
        raise SystemExit(f"{asked.path}: {answer.status}")
    useful = tab.wait_for_function("window.__useful", timeout=60_000).json_value()
    tab.wait_for_function(CONNECTED)
    return tab, Took(useful / 1000, tab.evaluate(SERVER) / 1000)


def measured(browser: Any, home: Home, url: str, asked: Asked, runs: int) -> Row:
    """The table's row of a page."""
    fresh: list[Took] = []
    for _ in range(runs + 1):
        with visitor(browser, home, url) as context:
            fresh.append(opened(context, url, asked)[1])
    again: list[Took] = []
    with visitor(browser, home, url) as context:
        opened(context, url, asked)[0].close()
        for _ in range(runs):
            tab, took = opened(context, url, asked)
            again.append(took)
            tab.close()
    first, *others = fresh
    times = [one.useful for one in others]
    late = [one.useful for one in again]
    kept = median(times) <= asked.limit
    return (
        asked.name,
        milliseconds(first.useful),
        milliseconds(median(times)),
        milliseconds(max(times)),
        milliseconds(median(late)),
        milliseconds(max(late)),
        milliseconds(median(one.server for one in again)),
        f"≤ {milliseconds(asked.limit)}",
        "" if kept else "MISSED",
    )


def resident(pid: int) -> float:
    """A process's resident memory, MB of 10⁶."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise RuntimeError("this system does not tell a process's memory")


def memory(browser: Any, home: Home, log: Path, asked: Asked) -> Row:
    """What a fresh process takes, and how much ten tabs, then ten more, take beyond the first."""
    with console(home.path, log) as running, visitor(browser, home, running.url) as context:
        pid = running.process.pid
        sizes = [resident(pid)]
        for _ in range(3):
            for _ in range(TABS):
                opened(context, running.url, asked)
            sizes.append(resident(pid))
    begun, first, *_ = sizes
    grown = [later - before for before, later in pairwise(sizes[1:])]
    return (
        asked.name,
        f"{begun:.0f} MB",
        f"{first:.0f} MB",
        *(f"{one:.1f} MB" for one in grown),
        f"≤ {MOST_PER_TABS:.0f} MB",
        "" if max(grown) <= MOST_PER_TABS else "MISSED",
    )


def measure(home: Home, code: str, runs: int, log: Path) -> None:
    """Start the console on the folder and print the tables."""
    from playwright.sync_api import sync_playwright

    asked = pages_of(code)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium()), args=list(FLAGS))
        with console(home.path, log) as running:
            rows = [measured(browser, home, running.url, one, runs) for one in asked]
        load = os.getloadavg()[0]
        print(f"first useful paint, {runs} runs each: median and worst; load {load:.1f}")
        show(HEADINGS, rows)
        show(MEMORY_HEADINGS, [memory(browser, home, log, one) for one in asked])
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--units", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--home", type=Path, help="fill this folder and keep it, or use it again")
    asked = parser.parse_args()
    configure_logging("error")
    print(machine(), end="\n\n")
    folder = Path(tempfile.mkdtemp(prefix="nenghao-bench-"))
    try:
        path = asked.home or folder / "home"
        if (path / "platform.toml").exists():
            home, code = open_home(path, {}), units_of(1)[0].code
        else:
            begun = china_now()
            made = make(path, asked.units, begun)
            home, code = made.home, made.unit.code
            seconds = (china_now() - begun).total_seconds()
            print(
                f"{asked.units} units filled in {seconds:.0f} s:"
                f" {made.receipts:,} receipts, {made.frames:,} frames"
            )
        measure(home, code, max(asked.runs, 7), folder / "console.log")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
