"""One process sends at a time (上送租约): a row with a heartbeat, and the numbers of attempts.

Should two ever think that they hold it, nothing is lost or turned back: marks go away only by
their token, and the nation takes a unit's attempts only in the order of their numbers, which are
handed out from here and never twice.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.uplink_schema import uplink_lease
from nenghao.standard import periods

LIFE = timedelta(seconds=10)
"""So long after its last heartbeat a holder counts as dead."""

_ID = 1
_BLOCK = 100_000
_mine = uplink_lease.c.id == _ID


@dataclass(frozen=True, slots=True)
class Standing:
    """What the row says."""

    holder: str
    heartbeat_at: datetime | None
    sent_at: datetime | None
    failing_since: datetime | None
    failure: str

    def is_held(self, now: datetime) -> bool:
        """Whether somebody sends; a heartbeat from the future is a clock that was set back."""
        return (
            bool(self.holder)
            and self.heartbeat_at is not None
            and abs(now - self.heartbeat_at) < LIFE
        )


NOBODY = Standing("", None, None, None, "")


def standing(conn: Connection) -> Standing:
    """Who sends, and how it goes."""
    row = conn.execute(select(uplink_lease).where(_mine)).one_or_none()
    return NOBODY if row is None else _standing(row)


def take(store: Store, holder: str, now: datetime) -> bool:
    """Become, or stay, the one that sends; False while another one lives."""
    with store.write() as conn:
        held = _standing(_locked(conn))
        if held.holder != holder and held.is_held(now):
            return False
        conn.execute(update(uplink_lease).where(_mine).values(holder=holder, heartbeat_at=now))
    return True


def holder_of(process: int, now: datetime) -> str:
    """The name of a process of this machine as a holder."""
    return f"{_machine()}:{process}:{periods.format_time(now)}"


def bury(store: Store, process: int) -> None:
    """Let another one send at once after this process of this machine died."""
    with store.write() as conn:
        held = uplink_lease.c.holder.startswith(f"{_machine()}:{process}:", autoescape=True)
        conn.execute(update(uplink_lease).where(_mine, held).values(holder="", heartbeat_at=None))


def _machine() -> str:
    return socket.gethostname()[:60]


def release(store: Store, holder: str) -> None:
    """Let another one send at once."""
    with store.write() as conn:
        gone = uplink_lease.c.holder == holder
        conn.execute(update(uplink_lease).where(_mine, gone).values(holder="", heartbeat_at=None))


def tell(store: Store, now: datetime, *, sent: bool, failure: str) -> None:
    """Write down how it goes: whether something was acknowledged, and what fails if anything."""
    with store.write() as conn:
        before = _standing(_locked(conn))
        values: dict[str, object] = {"failure": failure}
        if sent:
            values["sent_at"] = now
        if not failure:
            values["failing_since"] = None
        elif sent or before.failing_since is None:
            values["failing_since"] = now
        conn.execute(update(uplink_lease).where(_mine).values(**values))


class Orders:
    """Numbers of attempts, ever greater: no process gives one twice, whatever its clock says."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._next = 0
        self._end = 0

    def next(self, now: datetime, beyond: int = 0) -> int:
        """A number greater than all before it, and than `beyond`."""
        with self._guard:
            if self._next <= beyond or self._next >= self._end:
                self._reserve(now, beyond)
            number = self._next
            self._next += 1
            return number

    def _reserve(self, now: datetime, beyond: int) -> None:
        with self._store.write() as conn:
            reserved = _locked(conn).reserved
            self._next = max(periods.to_epoch_ms(now), reserved + 1, beyond + 1)
            self._end = self._next + _BLOCK
            conn.execute(update(uplink_lease).where(_mine).values(reserved=self._end))


def _locked(conn: Connection) -> Row[Any]:
    first = {"id": _ID, "holder": "", "reserved": 0, "failure": ""}
    upsert(conn, uplink_lease, [first], lambda _: {})
    return conn.execute(select(uplink_lease).where(_mine).with_for_update()).one()


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.holder, row.heartbeat_at, row.sent_at, row.failing_since, row.failure)
