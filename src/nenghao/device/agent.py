"""Carries the session out: database, network and clock around `session.Session`.

After every event the session's new state and what it wants done with the queue are written in one
transaction, before anything goes over the wire; an attempt is counted before it is made. So a
device that is killed at any moment goes on where it was, and sends the same batch again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, timedelta

import msgspec
import structlog

from nenghao.device import batches, configuration, history, notes, outbox, validity
from nenghao.device.client import PlatformClient
from nenghao.device.clocks import Clock, WallClock
from nenghao.device.events import (
    Accept,
    Action,
    Ask,
    Done,
    Event,
    Failure,
    FailureKind,
    Finish,
    Gone,
    Halve,
    NoteFailure,
    Occasion,
    Prepare,
    Prepared,
    Refuse,
    Registration,
    Split,
    Started,
    Step,
    WaitUntil,
    Warn,
    Woken,
)
from nenghao.device.home import DeviceHome, Unit, write_file
from nenghao.device.outbox import BatchState
from nenghao.device.session import Schedule, Session
from nenghao.device.settings import DeviceSettings
from nenghao.device.state import SessionState
from nenghao.device.store import DeviceStore
from nenghao.device.urls import read_url
from nenghao.standard import replies

GRACE_SECONDS = 5.0
"""How long a request in flight may still take when the device is to stop."""

__all__ = ["Agent", "Clock", "Summary", "WallClock", "load_state"]

log = structlog.get_logger()


class Summary(msgspec.Struct, frozen=True):
    """How an occasion went (`run --once`)."""

    accepted: int
    """Batches that the platform took in it."""
    queued: int
    refused: int
    """Batches that stand in the queue now, from whenever."""
    troubles: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether all that was due is accepted."""
        return not (self.queued or self.refused or self.troubles)


class Agent:
    """One device at work. The caller holds `home.lock()` and closes `store` and `client`.

    async with PlatformClient(context=home.context(settings), timeout=120) as client:
        summary = await Agent(home, settings, store, client).run_once(now)
    """

    def __init__(
        self,
        home: DeviceHome,
        settings: DeviceSettings,
        store: DeviceStore,
        client: PlatformClient,
        on_accepted: Callable[[outbox.Batch], None] | None = None,
    ) -> None:
        self._home = home
        self._settings = settings
        self._store = store
        self._client = client
        self._on_accepted = on_accepted
        self._unit: Unit = home.unit()
        self._register_url = read_url(settings.platform)
        schedule = Schedule(
            pauses=tuple(settings.resend_pauses),
            check_every=timedelta(hours=settings.version_check_hours),
            register_every=timedelta(minutes=settings.register_again_minutes),
        )
        self._session = Session(load_state(store), schedule)
        self._accepted = 0
        self._finished: Finish | None = None
        self._waiting: datetime | None = None
        self._wanted = asyncio.Event()

    def send_now(self) -> None:
        """An upload occasion as soon as the request in flight is answered."""
        self._wanted.set()

    async def run_once(self, at: datetime) -> Summary:
        """An upload occasion at `at`, from beginning to end, without waiting."""
        self._accepted = 0
        self._finished = None
        event: Event | None = Occasion(self._home.configuration_digest())
        while event is not None:
            event = await self._step(at, event)
        assert self._finished is not None  # noqa: S101 - an immediate round never waits
        with self._store.read() as connection:
            counts = outbox.counts(connection)
        return Summary(
            self._accepted,
            counts[BatchState.QUEUED],
            counts[BatchState.REFUSED],
            self._finished.troubles,
        )

    async def run(self, stop: asyncio.Event, clock: Clock | None = None) -> None:
        """Serve: upload at the given time every day, until `stop` is set.

        A request in flight may finish for `GRACE_SECONDS`; what is cut off counts as an attempt
        and is made again after the next start.
        """
        clock = clock or WallClock()
        event: Event = Started(self._home.configuration_digest())
        while not stop.is_set():
            work = asyncio.ensure_future(self._until_waiting(event, clock))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not work.done():
                await asyncio.wait({work}, timeout=GRACE_SECONDS)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
                return
            moment = work.result()
            log.info("等待", until=str(moment))
            wanted = await self._rest(clock, moment, stop)
            digest = self._home.configuration_digest()
            event = Occasion(digest) if wanted else Woken(digest)

    async def _rest(self, clock: Clock, moment: datetime, stop: asyncio.Event) -> bool:
        """Wait until a moment, or until somebody wants an upload now; whether somebody does."""
        waiting = asyncio.ensure_future(clock.wait(moment, stop))
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait({waiting, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            wanted.cancel()
            await asyncio.gather(waiting, wanted, return_exceptions=True)
        asked = self._wanted.is_set()
        self._wanted.clear()
        return asked

    async def _until_waiting(self, event: Event, clock: Clock) -> datetime:
        """Go on event by event until the session waits; until when."""
        current: Event | None = event
        while current is not None:
            current = await self._step(clock.now(), current)
        assert self._waiting is not None  # noqa: S101 - the session said so
        return self._waiting

    async def _step(self, now: datetime, event: Event) -> Event | None:
        """One event in, its actions out; the event that comes of them, if any."""
        actions = self._session.handle(now, event)
        following: Event | None = None
        with self._store.write() as connection:
            for action in actions:
                following = self._carry_out(connection, action, now) or following
            save_state(connection, self._session.state)
        self._tell(actions)
        last = actions[-1]
        if isinstance(last, Ask):
            return await self._ask(last, now)
        if isinstance(last, WaitUntil):
            self._waiting = last.moment
        return following

    # --- the database ----------------------------------------------------------------------------

    def _carry_out(
        self, connection: sqlite3.Connection, action: Action, now: datetime
    ) -> Event | None:
        match action:
            case Prepare(before):
                return self._prepare(connection, before, now)
            case Halve(batch):
                return Split(outbox.split(connection, batch, now))
            case NoteFailure(batch, reason):
                outbox.failed(connection, batch, reason)
            case Accept(batch):
                outbox.accept(connection, batch, now)
            case Refuse(batch, reason):
                outbox.refuse(connection, batch, reason, now)
            case Ask(Step.DATA, int(batch)):
                outbox.attempt(connection, batch, now)
        return None

    def _prepare(self, connection: sqlite3.Connection, before: date, now: datetime) -> Prepared:
        pack(connection, self._home, self._settings, before, now)
        history.forget(connection, now, self._settings.history_days)
        if notes.is_paused(connection):
            log.warning("上传已暂停，批次留在队列中")
            return Prepared(())
        return Prepared(outbox.queued(connection))

    def _tell(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Accept(batch):
                    self._accepted += 1
                    with self._store.read() as connection:
                        row = outbox.get(connection, batch)
                    assert row is not None  # noqa: S101 - just accepted
                    log.info("批次已被平台接收", batch=batch, day=row.day, records=row.records)
                    if self._on_accepted is not None:
                        self._on_accepted(row)
                case Refuse(batch, reason):
                    log.error("批次被平台拒收，已保留", batch=batch, reason=reason)
                case Warn(text):
                    log.warning(text)
                case Finish(troubles):
                    self._finished = action
                    for trouble in troubles:
                        log.warning("本次未成功", reason=trouble)

    # --- the network -----------------------------------------------------------------------------

    async def _ask(self, ask: Ask, now: datetime) -> Event:
        if ask.step is Step.REGISTER:
            outcome: Event = await self._client.register(self._register_url, self._unit, now)
        else:
            registration = self._session.state.registration
            assert registration is not None  # noqa: S101 - the session registers first
            outcome = await self._ask_registered(ask, registration)
        if isinstance(outcome, Failure):
            log.warning(f"{ask.step.label}未成功", batch=ask.batch, reason=outcome.reason)
        elif ask.step is not Step.DATA:
            log.info(f"{ask.step.label}成功")
        return outcome

    async def _ask_registered(self, ask: Ask, registration: Registration) -> Event:
        match ask.step:
            case Step.VERSIONS:
                return await self._client.versions(registration)
            case Step.BASE_DATA:
                reply = await self._client.base_data(registration)
                if isinstance(reply, Failure):
                    return reply
                write_file(self._home.base_data_file, reply.body)
                return Done()
            case Step.CONFIGURATION:
                return await self._send_configuration(registration)
        with self._store.read() as connection:
            body = outbox.body(connection, ask.batch or 0, registration.device_id)
            if notes.is_paused(connection):
                return Gone()  # it stays queued
        return Gone() if body is None else await self._client.upload(registration, body)

    async def _send_configuration(self, registration: Registration) -> Event:
        content = self._home.configuration()
        if content is None:
            return Failure(FailureKind.REFUSED, "配置文件 config.json 已不存在")
        try:
            body = configuration.request(content, self._unit, registration.device_id)
        except replies.Refusal as refusal:
            return Failure(FailureKind.REFUSED, f"本机检查未通过：{refusal.text}")
        return await self._client.configuration(registration, body)


def pack(
    connection: sqlite3.Connection,
    home: DeviceHome,
    settings: DeviceSettings,
    before: date,
    now: datetime,
) -> tuple[int, ...]:
    """Put what is due before a date into batches, by the device's settings; their ids."""
    unit = home.unit()
    return batches.build(
        connection,
        enterprise_code=unit.code,
        before=before,
        now=now,
        limits=batches.Limits(settings.batch_records, int(settings.batch_megabytes * 1_000_000)),
        incomplete=settings.incomplete_total,
        bounds=bounds_of(home, unit),
    )


def bounds_of(home: DeviceHome, unit: Unit) -> validity.AllBounds:
    """The limits of the configuration; none while there is none that can be read."""
    content = home.configuration()
    if content is None:
        return {}
    try:
        return validity.of_configuration(configuration.check(content, unit))
    except replies.RequestError:
        return {}


def load_state(store: DeviceStore) -> SessionState:
    """The session's state as it was last written; a fresh one in a new database."""
    with store.read() as connection:
        row = connection.execute("SELECT state FROM session WHERE id = 1").fetchone()
    return SessionState() if row is None else msgspec.json.decode(row[0], type=SessionState)


def save_state(connection: sqlite3.Connection, state: SessionState) -> None:
    """Write the session's state, inside the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO session (id, state) VALUES (1, ?)", (msgspec.json.encode(state),)
    )
