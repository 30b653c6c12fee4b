"""What a running platform does for its certificates by itself (证书维护).

In each serving process a thread looks every ten minutes: lists are published daily, what listeners
trust is written from the register, the server's certificate is renewed in time, and what an
operator must do is told in the log, once an hour. Nothing here can end the platform: whatever goes
wrong is told and tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from nenghao.platform import sm2_home, trust_files
from nenghao.platform.home import Home
from nenghao.platform.store.engine import Store
from nenghao.security.authority import AuthorityLocked

LOOK_EVERY = 600.0
"""Seconds between two looks."""
TELL_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


class Upkeep:
    """The looks of one process; `look` is one of them."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store
        self._told: dict[str, datetime] = {}

    def look(self, now: datetime) -> None:
        """Do what is due at `now`, and tell what cannot be done."""
        for work in (self._lists, self._server, self._sm2_server, self._alarms):
            try:
                work(now)
            except AuthorityLocked as locked:
                self._tell(f"{locked}；证书和吊销列表未能更新", now)
            except Exception as error:
                self._tell(f"证书维护未能完成：{error}", now)

    def _lists(self, now: datetime) -> None:
        with self._store.read() as conn:
            if trust_files.is_due(self._home.ca, now):
                trust_files.publish(conn, self._home.authority(), now)
            else:
                trust_files.write_trust(conn, self._home.ca, now)

    def _server(self, now: datetime) -> None:
        if self._home.renew_server_certificate(now):
            log.info("服务器证书已更新")

    def _sm2_server(self, now: datetime) -> None:
        if self._home.settings.sm_port and sm2_home.renew_server_certificate(self._home, now):
            log.info("国密服务器证书已更新")

    def _alarms(self, now: datetime) -> None:
        with self._store.read() as conn:
            for line in trust_files.alarms(conn, self._home.ca, now):
                self._tell(line, now)

    def _tell(self, line: str, now: datetime) -> None:
        last = self._told.get(line)
        if last is None or now - last >= TELL_EVERY:
            self._told[line] = now
            log.error("证书告警", reason=line)


@contextmanager
def running(home: Home, store: Store, clock: Callable[[], datetime]) -> Iterator[None]:
    """Look now, and then every ten minutes in a thread, until the block is left."""
    upkeep = Upkeep(home, store)
    upkeep.look(clock())
    end = threading.Event()

    def work() -> None:
        while not end.wait(LOOK_EVERY):
            upkeep.look(clock())

    thread = threading.Thread(target=work, name="nenghao-upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
