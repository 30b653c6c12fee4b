"""What the console's tests stand on: a seeded platform, its console as a process, seats before it.

`seeding` fills the folder once for all; every test file works on a copy of its own, so that what
one changes no other sees. A `Seat` is a tab of a real Chromium that is logged in and remembers
what went wrong in it, whom it asked, and what the console complained of meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select, update

import nenghao
from nenghao.clock import china_now
from nenghao.platform import sessions
from nenghao.platform.permissions import Role
from nenghao.platform.sessions import Lasting
from nenghao.platform.store.engine import Store
from nenghao.platform.store.operators_schema import operator
from nenghao.platform.store.schema import audit
from nenghao.security import totp
from tests.console.seeding import UNITS, Seeded, SeededUnit
from tests.platform.staff import PASSWORD

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
COOKIE: Final = "__Host-nenghao"
READY: Final = "ready console "
READY_SECONDS: Final = 60.0
END_SECONDS: Final = 20.0
CHROMIUM_VARIABLE: Final = "NENGHAO_TEST_CHROMIUM"
"""`required`: a missing Chromium fails the tests; a path: this one; else it is looked for."""
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP: Final = (1280, 800)
PHONE: Final = (390, 844)


@dataclass
class Ground:
    """A seeded platform with its console running."""

    home: Path
    store: Store
    """Its own connections to the console's database, for asserting and for preparing."""
    seeded: Seeded
    url: str
    """`https://127.0.0.1:PORT`, without a slash at its end."""
    log: Path
    """What the console writes, but for that it is ready."""
    password: str = PASSWORD
    """Of every operator."""
    units: tuple[SeededUnit, ...] = UNITS
    contexts: dict[Role | None, list[Any]] = field(default_factory=dict, repr=False)
    """Browser contexts that nobody uses at present: they have the scripts compiled already."""

    @property
    def now(self) -> datetime:
        """When it was seeded, China Standard Time."""
        return self.seeded.now

    @property
    def operators(self) -> dict[Role, str]:
        """The login name of each role's operator."""
        return {role: person.name for role, person in self.seeded.people.items()}

    def totp(self, role: Role) -> str:
        """A one-time code that will be taken now, even if this half minute's was used already.

        "" for whoever has no authenticator.
        """
        secret = self.seeded.people[role].secret
        if not secret:
            return ""
        with self.store.write() as conn:
            mine = operator.c.name == self.operators[role]
            conn.execute(update(operator).where(mine).values(totp_step=0))
        return totp.code_of(secret, totp.step_of(china_now()))

    def token(self, role: Role) -> str:
        """A new session of that role's operator, begun without the login form; its token."""
        with self.store.write() as conn:
            query = select(operator.c.id).where(operator.c.name == self.operators[role])
            operator_id = int(conn.execute(query).scalar_one())
            return sessions.begin(conn, operator_id, HOST, china_now(), Lasting(most=20))

    def client(self, role: Role | None = None) -> httpx.Client:
        """A client that follows no redirects, logged in where a role is given. Close it."""
        context = ssl.create_default_context(cafile=str(self.home / "ca" / "root.pem"))
        cookies = {} if role is None else {COOKIE: self.token(role)}
        return httpx.Client(
            base_url=self.url, verify=context, cookies=cookies, timeout=30, trust_env=False
        )

    def audited(self, action: str = "", result: str = "") -> list[dict[str, Any]]:
        """The audit records of an action, oldest first."""
        query = select(audit).order_by(audit.c.id)
        if action:
            query = query.where(audit.c.action == action)
        if result:
            query = query.where(audit.c.result == result)
        with self.store.read() as conn:
            return [dict(row) for row in conn.execute(query).mappings()]

    def audit_count(self) -> int:
        """How many audit records there are."""
        with self.store.read() as conn:
            return int(conn.execute(select(func.count()).select_from(audit)).scalar_one())

    def complaints(self, since: int = 0) -> str:
        """What the console complained of after so many bytes of its log: exceptions."""
        text = self.log.read_bytes()[since:].decode("utf-8", "replace")
        return text if "Traceback" in text else ""

    def log_size(self) -> int:
        """How much the console has written to its log."""
        return self.log.stat().st_size


# --- the process ----------------------------------------------------------------------------


@contextmanager
def ground_on(seeded: Seeded, folder: Path) -> Iterator[Ground]:
    """A copy of the seeded folder with its console running, until the block is left."""
    home, log = folder / "home", folder / "console.log"
    shutil.copytree(seeded.path, home)
    with console(home, log) as running:
        store = Store.open(f"sqlite:///{home / 'nenghao.db'}")
        try:
            yield Ground(home, store, seeded, running.url, log)
        finally:
            store.close()


class Running(NamedTuple):
    """A console that is ready."""

    url: str
    """Without a slash at its end."""
    process: subprocess.Popen[str]


@contextmanager
def console(home: Path, log: Path, environ: dict[str, str] | None = None) -> Iterator[Running]:
    """The console's process on a free port; what it complains of goes to `log`. Ended in order."""
    running = _started(home, log, environ or {})
    process = running.process
    try:
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the console did not end:\n{_tail(log)}") from None
        finally:
            if process.stdout is not None:
                process.stdout.close()


def _started(home: Path, log: Path, environ: dict[str, str]) -> Running:
    paths = [str(ROOT), str(Path(nenghao.__file__).parents[1])]
    given = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "NENGHAO_CONSOLE_PORT": str(free_port()),
        **environ,
    }
    command = [sys.executable, "-m", "nenghao", "platform", "console", "--home", str(home)]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=given
        )
    lines: Queue[str] = Queue()
    threading.Thread(target=_read, args=(process, lines, log), daemon=True).start()
    try:
        line = lines.get(timeout=READY_SECONDS)
    except Empty:
        line = ""
    if not line.startswith(READY):
        process.kill()
        process.wait()
        raise AssertionError(f"the console did not come up: {line!r}\n{_tail(log)}")
    return Running(line.removeprefix(READY).strip().rstrip("/"), process)


def _read(process: subprocess.Popen[str], lines: Queue[str], log: Path) -> None:
    """Pass on that it is ready, and whatever else it prints to the log; "" at its end."""
    assert process.stdout is not None
    with log.open("a", encoding="utf-8") as others, contextlib.suppress(ValueError):  # closed
        for line in process.stdout:
            if line.startswith(READY):
                lines.put(line)
            else:
                others.write(line)
                others.flush()
    lines.put("")


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-4000:]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


# --- the browser ----------------------------------------------------------------------------


def chromium() -> Path:
    """Where Chromium is; skips the test where it is not, or fails where it must be."""
    asked = os.environ.get(CHROMIUM_VARIABLE, "")
    names = [asked] if "/" in asked else ["chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        word = f"没有 Chromium：apt-get install chromium，或以 {CHROMIUM_VARIABLE} 给出其路径"
        if asked:
            pytest.fail(word)
        pytest.skip(word)
    return Path(found)


CONNECTED: Final = """() => document.readyState === 'complete'
    && (!document.getElementById('app') || window.did_handshake === true)"""
"""A page of NiceGUI is usable once its WebSocket has shaken hands; other pages once loaded."""
PAINTED: Final = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"""


@dataclass
class Seat:
    """One tab before the console. Its `page` is Playwright's."""

    ground: Ground
    page: Any
    context: Any
    role: Role | None
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    _log_from: int = 0
    _refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._log_from = self.ground.log_size()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(f"pageerror: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            if where not in self._refused:
                self.errors.append(f"{message.text} ({where})")

    def _dialog(self, dialog: Any) -> None:
        self.alerts.append(dialog.message)
        dialog.dismiss()

    def open(self, path: str, status: int = 200) -> None:
        """Open a page of the console and wait until it is connected and painted.

        `status` is what must be answered; that the browser says so of 4xx is no error then.
        """
        url = self.ground.url + path
        if status >= 400:
            self._refused.add(url)
        answer = self.page.goto(url)
        assert answer.status == status, f"{path}: {answer.status}"
        self.settled()

    def settled(self) -> None:
        """Wait until the present page is connected and painted."""
        self.page.wait_for_function(CONNECTED)
        self.page.evaluate(PAINTED)

    def picture(self, name: str, *, whole: bool = True) -> Path:
        """Keep a screenshot as `build/screenshots/NAME.png`."""
        folder = ROOT / "build" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=str(path), full_page=whole)
        return path

    def is_clean(self) -> None:
        """Nothing went wrong here or in the console, no dialog came up, nobody else was asked."""
        here = urlsplit(self.ground.url).netloc
        own = {("https", here), ("wss", here)}
        strangers = [
            url
            for url in self.asked
            if not url.startswith(("data:", "blob:")) and urlsplit(url)[:2] not in own
        ]
        troubles = [
            *(f"error: {one}" for one in self.errors),
            *(f"dialog: {one}" for one in self.alerts),
            *(f"asked: {one}" for one in strangers),
            self.ground.complaints(self._log_from),
        ]
        assert not any(troubles), "\n".join(troubles)


@contextmanager
def seat_at(
    browser: Any,
    ground: Ground,
    role: Role | None,
    size: tuple[int, int] = DESKTOP,
    *,
    dark: bool = False,
) -> Iterator[Seat]:
    """A fresh tab, logged in as that role's operator unless it is None; closed at the end."""
    idle = ground.contexts.setdefault(role, [])
    context = idle.pop() if idle else new_context(browser)
    try:
        if role is not None:
            log_in(context, ground, role)
        page = context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme="dark" if dark else "light")
        yield Seat(ground, page, context, role)
    finally:
        for page in context.pages:
            page.close()
        context.clear_cookies()
        idle.append(context)


def new_context(browser: Any) -> Any:
    """A browser's profile with nothing in it; it ends with the browser."""
    context = browser.new_context(
        ignore_https_errors=True,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        accept_downloads=True,
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    return context


def log_in(context: Any, ground: Ground, role: Role) -> None:
    """Give the browser a session of that role's operator."""
    cookie = {"name": COOKIE, "value": ground.token(role), "url": ground.url}
    flags = {"httpOnly": True, "secure": True, "sameSite": "Strict"}
    context.add_cookies([cookie | flags])
