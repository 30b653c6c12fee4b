"""The collector (采集器): every source of collection.toml at work, their samples recorded.

One task a source, one recorder for all; samples are on the disk before a source is told that they
were taken. A full disk stops collection last: the oldest raw samples are given up, then what is
read waits in memory, and only when that is full nothing is read any more; every step is said.

Belongs to one event loop and to the thread of its store.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from nenghao.device import configuration
from nenghao.device.clocks import PollClock
from nenghao.device.collection import plan as plans
from nenghao.device.collection import settings as files
from nenghao.device.collection.disk import Ballast, is_full
from nenghao.device.collection.feeder import Feeder
from nenghao.device.collection.health import ClockOffset, ClockWatch, LiveValue, SourceHealth
from nenghao.device.collection.maker import ItemEvent, Latest, Taken
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.recorder import Recorder
from nenghao.device.collection.samples import moment
from nenghao.device.collection.settings import CollectionError, CollectionSettings, SourceBlock
from nenghao.device.home import DeviceHome
from nenghao.device.sources import registry
from nenghao.device.sources.base import FaultKind, Sample, Source, SourceFault
from nenghao.device.store import DeviceStore
from nenghao.standard import replies

TIDY_EVERY = timedelta(hours=1)
LOOK_EVERY = 5.0
"""Seconds between two looks at what is to be done beside polling."""
MOST_WAITING = 20_000
"""Samples that wait in memory while the disk is full."""
LEAST_DAYS = 1.0
"""Days of raw samples that are kept even then."""

log = structlog.get_logger()


def load_plan(home: DeviceHome) -> tuple[CollectionSettings, Plan]:
    """What collection.toml, config.json and the dictionary say together; CollectionError."""
    settings = files.load(home.collection_file)
    content = home.configuration()
    configured = {}
    if content is not None:
        try:
            configured = configuration.items(configuration.check(content, home.unit()))
        except replies.RequestError as error:
            log.warning("config.json 不合法，采集时不用其中的名称", reason=error.text)
    try:
        base_data: bytes | None = home.base_data_file.read_bytes()
    except FileNotFoundError:
        base_data = None
    return settings, plans.make(settings, plans.unit_finder(base_data), configured)


class Collector:
    """Collects for one device from `run` on; `reload` takes up changed files."""

    def __init__(
        self, home: DeviceHome, store: DeviceStore, clock: PollClock, *, raw_days: float = 7
    ) -> None:
        self._home = home
        self._clock = clock
        self.raw_days = raw_days
        self.faults: tuple[str, ...] = ()
        """Why collection.toml as it is now is not what is read; empty when it is."""
        self.settings, self.plan = CollectionSettings(), Plan()
        self._recorder = Recorder(store, self.plan, clock.moment())
        self._feeders: dict[str, Feeder] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._watch = ClockWatch(None, timedelta(days=raw_days))
        self._waiting: deque[tuple[str, list[Sample], datetime]] = deque()
        self._ballast = Ballast(home.root)
        self._trouble = ""
        self._tidied: datetime | None = None
        self.reload()

    # --- the file --------------------------------------------------------------------------------

    def reload(self) -> bool:
        """Take up the files as they are now; whether they can be used.

        A source that is as before is not interrupted; with an error in the files everything goes
        on as it was and `faults` says why.
        """
        try:
            settings, plan = load_plan(self._home)
        except CollectionError as error:
            self.faults = error.lines
            for line in error.lines:
                log.error("collection.toml 不可用，沿用原来的采集配置", reason=line)
            return False
        self.faults = ()
        if (settings, plan) == (self.settings, self.plan):
            return True
        now = self._clock.moment()
        self._flush()
        self._recorder.replan(plan, now)
        self._watch = ClockWatch(self._recorder.newest(), timedelta(days=self.raw_days))
        blocks = {block.name: block for block in settings.sources}
        for name in [name for name, one in self._feeders.items() if blocks.get(name) != one.block]:
            del self._feeders[name]
            if name in self._tasks:
                self._tasks.pop(name).cancel()
        for name, block in blocks.items():
            if name not in self._feeders:
                self._feeders[name] = Feeder(block, self._make, self, self._clock)
        self.settings, self.plan = settings, plan
        if self._running:
            self._start()
        return True

    def _make(self, block: SourceBlock) -> Source:
        try:
            return registry.make(block.type, block.settings, self._home.root)
        except registry.MissingLibrary as error:
            raise SourceFault(FaultKind.CONFIGURATION, str(error)) from error

    # --- work ------------------------------------------------------------------------------------

    _running = False

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop` is set."""
        self._running = True
        self._stop = stop
        self._ballast.restore()
        self._start()
        try:
            await self._clock.sleep(LOOK_EVERY, stop)  # the meters first
            while not stop.is_set():
                self._look_after()
                await self._clock.sleep(LOOK_EVERY, stop)
        finally:
            self._running = False
            tasks = list(self._tasks.values())
            self._tasks = {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._flush()

    def _start(self) -> None:
        for name, feeder in self._feeders.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(feeder.run(self._stop), name=name)

    def _look_after(self) -> None:
        now = self._clock.moment()
        try:
            self._recorder.catch_up(now)
            if self._tidied is None or not timedelta(0) <= now - self._tidied < TIDY_EVERY:
                self._tidied = now
                if self._watch.newest is not None:
                    self._recorder.tidy(self._watch.newest, self.raw_days)
                self._ballast.restore()
        except sqlite3.OperationalError as error:
            log.error("采集数据库暂时无法整理", reason=str(error))

    # --- what feeders ask for --------------------------------------------------------------------

    def label(self) -> datetime:
        """See `feeder.Desk`."""
        now = self._clock.moment()
        verdict = self._watch.look(now)
        if verdict == "held":
            known = self._watch.newest
            beside = f"早于最近一次采集的 {known:%Y-%m-%d %H:%M:%S}" if known else "尚未校准"
            raise SourceFault(
                FaultKind.CONFIGURATION,
                f"本机时钟 {now:%Y-%m-%d %H:%M:%S} {beside}，在与平台核对之前不采集",
            )
        if verdict == "back":
            days = self._recorder.step_back(now)
            log.warning(
                "本机时钟回拨，其后的采样和读数作废并重新采集", now=str(now), days=len(days)
            )
        return now

    def deliver(self, source: str, samples: list[Sample], now: datetime) -> tuple[bool, str]:
        """See `feeder.Desk`."""
        if samples:
            self._waiting.append((source, samples, now))
        taken = self._flush()
        if self._waiting:
            count = sum(len(one[1]) for one in self._waiting)
            if count > MOST_WAITING:
                self._waiting.pop()
                raise SourceFault(FaultKind.CONFIGURATION, f"{self._trouble}，采集已停止")
            return False, f"{self._trouble}，{count} 个采样在内存中等待"
        return True, _remark(taken)

    def _flush(self) -> Taken:
        """Record what waits, oldest first; what cannot be recorded goes on waiting."""
        taken = Taken()
        tried = False
        while self._waiting:
            source, samples, now = self._waiting[0]
            try:
                taken = self._recorder.take(source, samples, now)
            except (sqlite3.OperationalError, OSError) as error:
                if not tried and is_full(error):
                    tried = True
                    self._make_room(now)
                    continue
                self._stuck("磁盘已满" if is_full(error) else f"数据库无法写入（{error}）")
                return taken
            self._waiting.popleft()
            self._tell(taken)
        if self._trouble:
            log.info("数据库恢复写入")
            self._trouble = ""
        return taken

    def _stuck(self, trouble: str) -> None:
        if trouble != self._trouble:  # once: the log may lie on the same disk
            log.error(f"{trouble}，采样在内存中等待")
        self._trouble = trouble

    def _make_room(self, now: datetime) -> None:
        """The disk is full: give up the reserve, and the oldest raw samples with its help."""
        released = self._ballast.release()
        if not self._trouble:
            log.error("磁盘已满，删除较早的原始采样以继续采集", reserve=released)
        with suppress(sqlite3.OperationalError, OSError):
            self._recorder.tidy(now, LEAST_DAYS)

    @staticmethod
    def _tell(taken: Taken) -> None:
        for one in taken.events:
            log.warning(
                one.event.kind.label,
                item=one.item,
                time=str(moment(one.event.time)),
                before=str(one.event.before),
                after=str(one.event.after),
            )

    # --- what others ask for ---------------------------------------------------------------------

    def confirm_clock(self, offset: ClockOffset) -> None:
        """What the platform's clock says of ours: a held clock that agrees is believed."""
        if not offset.is_wrong:
            self._watch.confirm()

    def health(self) -> list[SourceHealth]:
        """How every source stands, in the order of collection.toml."""
        now = self._clock.moment()
        return [
            self._feeders[block.name].health(now)
            for block in self.settings.sources
            if block.name in self._feeders
        ]

    def live(self) -> list[LiveValue]:
        """The latest values: items (their last tick), then points."""
        now = self._clock.moment()
        ticks = self._recorder.latest_of_items()
        values = [
            _live("item", item.name or item.settings.title, item.code, item.unit,
                  ticks.get(item.code), now)
            for item in self.plan.items
        ]  # fmt: skip
        return values + [
            _live("point", point.key, "", point.unit,
                  self._recorder.latest_of_point(point.key), now)
            for point in self.plan.points
        ]  # fmt: skip

    def events(self) -> list[ItemEvent]:
        """What registers did besides counting, oldest first."""
        return list(self._recorder.events)


def _live(
    kind: str, name: str, code: str, unit: str, latest: Latest | None, now: datetime
) -> LiveValue:
    time = moment(latest.time) if latest else None
    return LiveValue(
        kind="item" if kind == "item" else "point",
        name=name,
        code=code,
        value=latest.value if latest else None,
        unit=unit,
        time=time,
        age=(now - time).total_seconds() if time else None,
        good=latest.good if latest else False,
    )


def _remark(taken: Taken) -> str:
    """What is odd about samples, for the page."""
    remarks = (
        (taken.ahead, "个采样的时间比本机快 5 分钟以上，未采用"),
        (taken.too_old, "个采样早于已清理的原始采样，未采用"),
        (taken.unusable, "个数值不可用"),
        (taken.unknown, "个采样属于未配置的测点"),
    )
    return "；".join(f"{count} {words}" for count, words in remarks if count)
