"""Sends what a unit has to go up (上送): registration, configurations, values, in that order.

One message of a unit is on its way at a time, and what is sent is read anew for every attempt: so
upstairs a unit goes from one of its states to a later one, whatever gets lost. A mark goes away
only after the answer that acknowledged all that was read under it.

- Transient failures (`line.NotSent`) leave everything as it is; who calls tries again.
- A refusal is narrowed down to its mark, which goes to the list; the others go on. Where the
  registration is refused, nothing of the unit can follow.
- "Unknown deviceId" says that the nation does not know the unit (any more): it is introduced
  again, once a turn.
- HTTP 413 makes the batches smaller.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection, Row, select

from nenghao.platform import journal
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configuration, device, unit
from nenghao.platform.uplink import batches, marks
from nenghao.platform.uplink.lease import Orders
from nenghao.platform.uplink.line import Line, NotSent, RefusedUp, TooLarge
from nenghao.platform.uplink.marks import Held
from nenghao.standard import periods
from nenghao.standard.messages import read, uplink, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.replies import DatabaseFault

log = structlog.get_logger(__name__)

GZIP_LEVEL: Final = 1
FEWEST: Final = 500
"""A batch of so few records that is still too large for the nation is refused."""
MOST_TURNS: Final = 3
"""So often an attempt is numbered anew in one turn because the nation had a later one."""

_TOO_LARGE = "HTTP 413：请求体超过国家平台的上限"
_IS_GZIP = 31


@dataclass(slots=True)
class Turn:
    """What one pass came to."""

    sent: int = 0
    """Messages that were acknowledged."""
    records: int = 0
    refused: int = 0
    """Marks that went to the list."""
    failed: dict[int, str] = field(default_factory=dict)
    """Units with a transient failure, and why."""

    def add(self, other: Turn) -> None:
        self.sent += other.sent
        self.records += other.records
        self.refused += other.refused
        self.failed |= other.failed


@dataclass(frozen=True)
class Means:
    """What a sender works with."""

    store: Store
    line: Line
    device_id: str
    """The province's own."""
    clock: Callable[[], datetime]
    orders: Orders
    most: int
    making: threading.Semaphore
    """Held while a message is made: so many cores are used, however many connections there are."""
    pace: Callable[[float], None]


class Sender:
    """Sends through `line` under the province's `device_id`; `unit` may run in several threads.

    `clock` gives China Standard Time. Two threads never have the same unit. `pace` is called
    after each batch with the seconds that making it took.
    """

    def __init__(
        self,
        store: Store,
        line: Line,
        device_id: str,
        clock: Callable[[], datetime],
        *,
        most: int = batches.RECORDS,
        pace: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        making = threading.Semaphore(max(1, (os.cpu_count() or 1) // 2))
        orders = Orders(store)
        self._means = Means(store, line, device_id, clock, orders, most, making, pace)

    def turn(self) -> Turn:
        """One pass over all units that have something to go up, in this thread, without pauses.

        It ends where the nation was not reached at all.
        """
        done = Turn()
        with self._means.store.read() as conn:
            units = marks.due_units(conn, 1_000_000)
        for unit_id in units:
            try:
                self.unit(unit_id, done)
            except NotSent as failure:
                done.failed[unit_id] = str(failure)
                if not failure.reached:
                    break
        return done

    def unit(self, unit_id: int, done: Turn | None = None) -> Turn:
        """All that the unit has to go up now; raises NotSent where it has to be tried again.

        `done` counts what was acknowledged before that, too.
        """
        done = Turn() if done is None else done
        _UnitTurn(self._means, unit_id, done).run()
        return done


class _Unknown(Exception):
    """The nation does not know the unit's device."""

    def __init__(self, refusal: RefusedUp) -> None:
        self.refusal = refusal


class _UnitTurn:
    """One pass over one unit."""

    def __init__(self, means: Means, unit_id: int, done: Turn) -> None:
        self._means = means
        self._store = means.store
        self._clock = means.clock
        self._most = means.most
        self._unit_id = unit_id
        self._done = done
        self._introduced = False
        self._making = 0.0

    def run(self) -> None:
        try:
            self._pass()
        except _Unknown:
            self._introduced = True
            with self._store.write() as conn:
                journal.lock(conn, self._unit_id)
                marks.introduce(conn, self._unit_id, self._clock())
            self._pass()

    def _pass(self) -> None:
        with self._store.read() as conn:
            held = marks.held(conn, self._unit_id)
            self._read_unit(conn)
        if not self._devices:
            return
        for mark in held:
            if mark.kind == marks.UNIT:
                if not self._identity(mark, self._announcement):
                    return
            elif mark.kind == marks.CONFIGURATION:
                self._identity(mark, partial(self._configuration, mark))
        values = [mark for mark in held if mark.kind >= 0]
        while values:
            values = values[self._values(values) :]

    def _read_unit(self, conn: Connection) -> None:
        self._unit = conn.execute(select(unit).where(unit.c.id == self._unit_id)).one()
        columns = (device.c.number, device.c.device_id)
        query = select(*columns).where(device.c.unit_id == self._unit_id)
        self._devices: Sequence[Row[int, str]] = conn.execute(query.order_by(device.c.number)).all()

    # --- registration and configurations ---------------------------------------------------------

    def _identity(self, mark: Held, message: Callable[[int], tuple[str, bytes] | None]) -> bool:
        """Send a registration or configuration; False when it was refused."""
        try:
            sent = self._post(message)
        except (RefusedUp, TooLarge) as refusal:
            self._refuse(mark, refusal)
            return False
        self._done.sent += sent
        self._acknowledge([mark])
        return True

    def _announcement(self, order: int) -> tuple[str, bytes]:
        message = uplink.Announcement(
            device_id=self._means.device_id,
            enterprise_code=self._unit.code,
            enterprise_name=self._unit.name,
            region=self._unit.region,
            region_name=self._unit.region_name,
            devices=[uplink.AnnouncedDevice(row.number, row.device_id) for row in self._devices],
            order=order,
        )
        return uplink.ANNOUNCE, write(message)

    def _configuration(self, mark: Held, order: int) -> tuple[str, bytes] | None:
        """The configuration that the device uploaded last."""
        query = (
            select(configuration.c.message, configuration.c.received_at)
            .where(
                configuration.c.unit_id == self._unit_id,
                configuration.c.device_number == mark.number,
            )
            .order_by(configuration.c.sequence.desc())
            .limit(1)
        )
        with self._store.read() as conn:
            found = conn.execute(query).one_or_none()
        devices = {row.number: row.device_id for row in self._devices}
        if found is None or mark.number not in devices:
            return None
        stored = read(ConfigUpload, found.message.encode())
        message = uplink.ConfigurationUp(
            device_id=devices[mark.number],
            enterprise_code=stored.enterprise_code,
            collect_item_config=stored.collect_item_config,
            enterprise=stored.enterprise,
            group=stored.group,
            process=stored.process,
            process_unit=stored.process_unit,
            received_at=periods.format_time(found.received_at),
            order=order,
        )
        return uplink.CONFIGURATION, write(message)

    # --- values ----------------------------------------------------------------------------------

    def _values(self, wanted: Sequence[Held]) -> int:
        """Send the values of the first marks; how many marks are done with."""
        try:
            covered = self._send(wanted)
        except (DatabaseFault, RefusedUp) as refusal:
            return self._one_by_one(wanted, refusal)
        except TooLarge as refusal:
            if self._most <= FEWEST:
                return self._one_by_one(wanted, refusal)
            self._most = max(self._most // 2, FEWEST)
            return 0
        self._acknowledge(covered)
        return len(covered)

    def _one_by_one(self, wanted: Sequence[Held], why: Exception) -> int:
        """After a refusal: find the marks that are refused by themselves, among those tried."""
        with self._store.read() as conn:
            try:
                tried = batches.load(conn, self._unit_id, wanted, self._most).covered
            except DatabaseFault:
                tried = list(wanted[: batches.FRAMES_AT_ONCE])
        if len(tried) == 1 and not isinstance(why, DatabaseFault):
            self._refuse(tried[0], why)
            return 1
        for mark in tried:
            try:
                covered = self._send([mark])
            except (DatabaseFault, RefusedUp, TooLarge) as refusal:
                self._refuse(mark, refusal)
            else:
                self._acknowledge(covered)
        return len(tried)

    def _send(self, wanted: Sequence[Held]) -> list[Held]:
        """Send the values of the first of the marks; those whose values are all sent."""
        with self._made(), self._store.read() as conn:
            values = batches.load(conn, self._unit_id, wanted, self._most)
            parts = list(batches.batches(values, most=self._most))
        for batch in parts:
            self._done.sent += self._post(partial(self._data, batch))
            self._done.records += batch.records
            spent, self._making = self._making, 0.0
            self._means.pace(spent)
        return values.covered

    @contextmanager
    def _made(self) -> Iterator[None]:
        """Make something, in turn with the other connections; the time that it takes counts."""
        with self._means.making:
            begun = time.perf_counter()
            yield
            self._making += time.perf_counter() - begun

    def _data(self, batch: batches.Batch, order: int) -> tuple[str, bytes]:
        return uplink.DATA, batch.body(self._devices[0].device_id, self._unit.code, order)

    # --- one message -----------------------------------------------------------------------------

    def _post(self, message: Callable[[int], tuple[str, bytes] | None]) -> int:
        """Send what `message` makes of an attempt's number; 0 where there is nothing to send."""
        beyond = 0
        for again in range(MOST_TURNS, 0, -1):
            order = self._means.orders.next(self._clock(), beyond)
            with self._made():
                made = message(order)
                if made is None:
                    return 0
                path, body = made[0], packed(made[1])
            try:
                self._means.line.post(path, body, packed=True)
            except RefusedUp as refusal:
                last = uplink.stale_after(refusal.words)
                if last is not None and again > 1:
                    beyond = last
                    continue
                if _names_device(refusal) and path != uplink.ANNOUNCE and not self._introduced:
                    raise _Unknown(refusal) from refusal
                raise
            break
        return 1

    def _acknowledge(self, done: Sequence[Held]) -> None:
        with self._store.write() as conn:
            journal.lock(conn, self._unit_id)
            marks.acknowledged(conn, self._unit_id, done)

    def _refuse(self, mark: Held, refusal: Exception) -> None:
        code, words = "413", _TOO_LARGE
        if isinstance(refusal, RefusedUp):
            code, words = refusal.code, refusal.words
        elif isinstance(refusal, DatabaseFault):
            code, words = refusal.code, refusal.text
        log.warning("上送被拒绝", unit=self._unit.code, code=code, reason=words)
        with self._store.write() as conn:
            journal.lock(conn, self._unit_id)
            marks.refused(conn, self._unit_id, mark, code, words, self._clock())
        self._done.refused += 1


def packed(body: bytes) -> bytes:
    """As gzip."""
    deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _IS_GZIP)
    return deflate.compress(body) + deflate.flush()


def _names_device(refusal: RefusedUp) -> bool:
    return refusal.code == "E2002" and "deviceId" in refusal.words
