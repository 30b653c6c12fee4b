"""One open page and its operator (一次访问): who asks, and how pages reach the platform's services.

Every read and every change goes through `ask` and `do`: the session is looked up anew each time
(a tab may stay open longer than the session, or than the role), the act is checked by the
permission table, the work runs in a thread, and what is changed is recorded under the operator's
name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import structlog
from nicegui import Client, ui
from sqlalchemy import Connection

from nenghao.clock import china_now
from nenghao.platform import audit, sessions
from nenghao.platform.home import Home, HomeError
from nenghao.platform.permissions import Act
from nenghao.platform.sessions import NotPermitted, Session
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.settings import SettingsError

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOGIN = "/login?over=1"


class Shown(Exception):
    """What went wrong has been shown to the operator; the handler ends here, quietly."""


class Office:
    """What all visits share (本平台)."""

    def __init__(
        self,
        home: Home,
        store: Store,
        clock: Callable[[], datetime] = china_now,
        reopen: Callable[[], Home] | None = None,
    ) -> None:
        """`reopen` reads the folder's settings again, when its file has changed."""
        self.store = store
        self.clock = clock
        self.told: dict[str, str] = {}
        """What a session's next page is to tell, by token."""
        self._home = home
        self._reopen = reopen
        self._seen = home.settings_file.stat().st_mtime_ns

    @property
    def home(self) -> Home:
        """The platform's folder, with its settings as they are now."""
        if self._reopen is not None:
            try:
                seen = self._home.settings_file.stat().st_mtime_ns
                if seen != self._seen:
                    self._seen = seen  # one that cannot be read is told of once
                    self._home = self._reopen()
            except (OSError, SettingsError, HomeError) as error:
                log.warning("平台设置无法读取，仍用原来的", reason=str(error))
        return self._home


class Visit:
    """An operator at one open page."""

    def __init__(self, office: Office, session: Session, address: str, client: Client) -> None:
        self.office = office
        self.session = session
        self.address = address
        """From where the page was asked for."""
        self._client = client
        self._by_itself = False
        self._said = ""

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """For what a page does without its operator: it does not keep the session alive."""
        self._by_itself = True
        try:
            yield
        finally:
            self._by_itself = False

    @property
    def home(self) -> Home:
        """The platform's folder."""
        return self.office.home

    @property
    def settings(self) -> PlatformSettings:
        """The platform's settings as they are now."""
        return self.office.home.settings

    def now(self) -> datetime:
        """China Standard Time, naive."""
        return self.office.clock()

    def may(self, act: Act, unit: str | None = None) -> bool:
        """Whether the operator may do it: for menus and buttons. `ask` and `do` look again."""
        return self.session.may(act, unit)

    async def ask(self, act: Act, read: Callable[[Connection], T], unit: str | None = None) -> T:
        """What `read(conn)` finds, in one snapshot, in a thread.

        Raises `Shown` after the operator was told, when the session is over or may not.
        """

        def work() -> T:
            self._admit(act, unit)
            with self.office.store.read() as conn:
                return read(conn)

        return await self._shown(work, ())

    async def do(
        self,
        act: Act,
        change: Callable[[Store, datetime], T],
        unit: str | None = None,
        refusals: tuple[type[Exception], ...] = (),
    ) -> T:
        """What `change(store, now)` returns, done under the operator's name, in a thread.

        An exception of `refusals` is shown with its text, and `Shown` raised in its place.
        """
        return await self._shown(lambda: self.act(act, change, unit), refusals)

    def act(self, act: Act, change: Callable[[Store, datetime], T], unit: str | None = None) -> T:
        """`do` without thread and notification; for work that has a thread already."""
        self._admit(act, unit)
        with audit.acting(self.session.actor, self.address):
            return change(self.office.store, self.now())

    def _admit(self, act: Act, unit: str | None) -> None:
        now = self.now()
        if self._by_itself:
            with self.office.store.read() as conn:
                session = sessions.still(conn, self.session, now)
        else:
            session = sessions.of(self.office.store, self.session.token, now)
        if session is None:
            raise SessionOver
        self.session = session
        sessions.require(self.office.store, session, act, now, self.address, unit)

    async def _shown(self, work: Callable[[], T], refusals: tuple[type[Exception], ...]) -> T:
        try:
            return await asyncio.to_thread(work)
        except SessionOver:
            self.go(LOGIN)
            raise Shown from None
        except Exception as error:
            if not isinstance(error, (NotPermitted, *refusals)):
                raise
            self.refuse(str(error))
            raise Shown from error

    def is_over(self) -> bool:
        """Whether the session has ended; asking does not keep it alive."""
        with self.office.store.read() as conn:
            return sessions.still(conn, self.session, self.now()) is None

    # --- what the operator sees -------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell that something was done; also on the next page, where `go` leads there at once."""
        self._said = text
        self._notify(text, "positive")

    def repeat(self) -> None:
        """Tell what the page before had no time to tell."""
        if text := self.office.told.pop(self.session.token, ""):
            self._notify(text, "positive")

    def warn(self, text: str) -> None:
        """Tell of something to heed."""
        self._notify(text, "warning")

    def refuse(self, text: str) -> None:
        """Tell why something was not done; stays until it is closed."""
        self._notify(text, "negative")

    def _notify(self, text: str, kind: str) -> None:
        if self._client.is_deleted:
            return
        with self._client:
            ui.notify(
                text,
                type=kind,  # type: ignore[arg-type]
                position="top",
                multi_line=True,
                close_button="关闭" if kind != "positive" else False,
                timeout=0 if kind == "negative" else 5000,
            )

    def go(self, path: str) -> None:
        """Open another page of the console."""
        if self._client.is_deleted:
            return
        if self._said:
            self.office.told[self.session.token] = self._said
        with self._client:
            ui.navigate.to(path)

    def download(self, name: str, content: bytes) -> None:
        """Offer a file; what was handed out is recorded by the caller's `do` where it matters."""
        with self._client:
            ui.download.content(content, name)


class SessionOver(Exception):
    """The session has ended: back to the login page."""
