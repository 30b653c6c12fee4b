"""The device as a service (端设备服务): collecting and uploading in one process.

The collector and the agent share the store, the loop and the clock, and neither waits for the
other: without a platform collecting goes on, without sources uploading does, and both start from
what is kept when nothing can be reached. device.toml, config.json and collection.toml are taken up
when they change; what is queued stays queued. Something the agent cannot get over, such as a full
disk, stops the agent for a minute and never the collector.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import structlog

from nenghao.device import notes
from nenghao.device.agent import Agent
from nenghao.device.client import PlatformClient
from nenghao.device.clocks import DeviceClock
from nenghao.device.collection.collector import Collector
from nenghao.device.collection.health import ClockOffset, SourceHealth
from nenghao.device.home import DeviceHome, HomeError
from nenghao.device.settings import DeviceSettings
from nenghao.device.store import DeviceStore
from nenghao.device.urls import BadAddress
from nenghao.settings import SettingsError

LOOK_EVERY = 2.0
"""Seconds between two looks at the files."""
NOTE_EVERY = 30.0
"""Seconds between two notes of how the sources stand; a change is noted at the next look."""
OFFSET_STEP = 10.0
"""Seconds by which a wrong clock must go on to change before it is warned about again."""
REST_SECONDS = 60.0
"""How long the agent rests after something that it could not get over."""

log = structlog.get_logger()

ClientOf = Callable[[DeviceSettings, Callable[[datetime], None]], PlatformClient]
Companion = Callable[["Service", asyncio.Event], Awaitable[None]]
"""Something that runs beside, such as the page; it ends when the event is set."""


class Service:
    """One device at work. The caller holds `home.lock()` and closes the store.

    `load` reads device.toml; `client_of` makes a client for settings, told what the platform's
    clock shows.
    """

    def __init__(
        self,
        home: DeviceHome,
        store: DeviceStore,
        clock: DeviceClock,
        *,
        load: Callable[[], DeviceSettings],
        client_of: ClientOf,
    ) -> None:
        self.home = home
        self.store = store
        self.clock = clock
        self.settings = load()
        self.clock_offset: ClockOffset | None = None
        self.collector = Collector(home, store, clock, raw_days=self.settings.raw_days)
        self.settings_fault = ""
        """Why device.toml as it is now is not what is gone by; "" when it is."""
        self._load = load
        self._client_of = client_of
        self._agent: Agent | None = None
        self._renew = asyncio.Event()
        self._seen: dict[Path, str] = {}
        self._noted: tuple[SourceHealth, ...] | None = None

    async def run(self, stop: asyncio.Event, companions: tuple[Companion, ...] = ()) -> None:
        """Collect and upload until `stop` is set."""
        self._look_at_files()
        parts: list[Awaitable[None]] = [
            self.collector.run(stop),
            self._upload(stop),
            self._watch_files(stop),
            self._take_notes(stop),
            *(self._beside(companion, stop) for companion in companions),
        ]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beside(self, companion: Companion, stop: asyncio.Event) -> None:
        try:
            await companion(self, stop)
        except Exception as error:
            log.exception("附属服务已停止，采集和上传不受影响", exc_info=error)

    # --- uploading -------------------------------------------------------------------------------

    async def _upload(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._renew.clear()
            try:
                await self._upload_with(self.settings, stop)
            except (sqlite3.OperationalError, HomeError, BadAddress, OSError) as error:
                log.error("上传暂停一分钟，采集不受影响", reason=str(error))
                await self.clock.sleep(REST_SECONDS, stop)

    async def _upload_with(self, settings: DeviceSettings, stop: asyncio.Event) -> None:
        """Upload by these settings until there are others, or until `stop`."""
        async with self._client_of(settings, self._compare_clock) as client:
            self._agent = Agent(self.home, settings, self.store, client)
            either = asyncio.Event()
            ends = [asyncio.ensure_future(_pass_on(one, either)) for one in (stop, self._renew)]
            try:
                await self._agent.run(either, self.clock)
            finally:
                self._agent = None
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

    def _compare_clock(self, shown: datetime) -> None:
        """The platform's clock against ours: noted, and a warning above a minute."""
        now = self.clock.moment()
        off = (now - shown).total_seconds()
        # the header has whole seconds, and the answer was on its way: two seconds are none
        offset = ClockOffset(0.0 if abs(off) < 2 else round(off, 1), now.replace(microsecond=0))
        before, self.clock_offset = self.clock_offset, offset
        self.collector.confirm_clock(offset)
        if offset.is_wrong and not _is_known(before, offset):  # a backlog brings many answers
            log.warning("本机时钟与平台相差超过 60 秒，请检查 NTP", offset=offset.text)
        with suppress(sqlite3.OperationalError), self.store.write() as connection:
            notes.put(connection, notes.CLOCK, offset)

    # --- what the page can have done -------------------------------------------------------------

    def is_paused(self) -> bool:
        """Whether uploads are held back."""
        with self.store.read() as connection:
            return notes.is_paused(connection)

    def pause(self) -> None:
        """Hold uploads back until resumed, over restarts too; what is collected is queued."""
        self._set_paused(True)

    def resume(self) -> None:
        """Let uploads go on, at the next occasion."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        with self.store.write() as connection:
            notes.set_paused(connection, paused)
        log.warning("上传已暂停" if paused else "上传已恢复")

    def send_now(self) -> None:
        """An upload occasion as soon as possible."""
        if self._agent is not None:
            self._agent.send_now()

    def take_up_certificate(self) -> None:
        """Connect anew: the certificate was renewed."""
        self._renew.set()

    # --- files -----------------------------------------------------------------------------------

    def _look_at_files(self) -> set[Path]:
        """The files that are other than when they were looked at last."""
        files = (
            self.home.settings_file,
            self.home.collection_file,
            self.home.config_file,
            self.home.base_data_file,
        )
        changed = set()
        for file in files:
            try:
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
            except OSError:
                digest = ""
            if self._seen.get(file) != digest:
                self._seen[file] = digest
                changed.add(file)
        return changed

    async def _watch_files(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.clock.sleep(LOOK_EVERY, stop)
            changed = self._look_at_files()
            if self.home.settings_file in changed:
                self._take_up_settings()
            if changed - {self.home.settings_file}:
                self._take_up_collection(changed)

    def _take_up_settings(self) -> None:
        try:
            settings = self._load()
        except SettingsError as error:
            self.settings_fault = str(error)
            log.error("device.toml 不可用，沿用原来的设置", reason=str(error))
            return
        self.settings_fault = ""
        if settings != self.settings:
            log.info("device.toml 已更新，重新载入")
            self.settings = settings
            self.collector.raw_days = settings.raw_days
            self._renew.set()

    def _take_up_collection(self, changed: set[Path]) -> None:
        try:
            if self.collector.reload():
                log.info("配置已更新，重新载入", files="、".join(sorted(f.name for f in changed)))
        except sqlite3.OperationalError as error:
            log.error("配置暂时无法载入", reason=str(error))
            self._seen.clear()  # try again at the next look

    # --- notes -----------------------------------------------------------------------------------

    async def _take_notes(self, stop: asyncio.Event) -> None:
        noted_at: datetime | None = None
        while not stop.is_set():
            health = tuple(self.collector.health())
            now = self.clock.moment()
            due = noted_at is None or abs((now - noted_at).total_seconds()) >= NOTE_EVERY
            changed = _states(health) != _states(self._noted or ())
            if changed or noted_at is None or (due and health):
                with suppress(sqlite3.OperationalError), self.store.write() as connection:
                    notes.put(connection, notes.HEALTH, health)
                self._noted, noted_at = health, now
            await self.clock.sleep(min(LOOK_EVERY, NOTE_EVERY), stop)


def _is_known(before: ClockOffset | None, offset: ClockOffset) -> bool:
    """Whether the clock was as wrong at the last answer."""
    if before is None or not before.is_wrong:
        return False
    return abs(offset.seconds - before.seconds) < OFFSET_STEP


def _states(health: tuple[SourceHealth, ...]) -> list[tuple[str, str, object, str]]:
    """What is noted at once when it changes."""
    return [(one.name, one.state, one.fault_kind, one.remark) for one in health]


async def _pass_on(event: asyncio.Event, other: asyncio.Event) -> None:
    await event.wait()
    other.set()
