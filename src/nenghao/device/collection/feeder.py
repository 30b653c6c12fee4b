"""One source at work (采集来源): opened, read on its grid, opened again after a fault.

The grid is that of the clock: every ten seconds means 08:00:10, 08:00:20 …, so that polls of
several sources fall together and one lies at every tick. Whatever a source does — dies, answers
garbage, takes for ever, raises what it should not — concerns this feeder alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from nenghao.device.clocks import PollClock
from nenghao.device.collection.health import SourceHealth, pauses
from nenghao.device.collection.settings import SourceBlock
from nenghao.device.sources.base import Bookmarked, FaultKind, Sample, Source, SourceFault
from nenghao.device.sources.remarks import Remarking, Told
from nenghao.standard import periods

OPEN_SECONDS = 30.0
READ_SECONDS = 60.0
"""How long a source may take in all, over its own time-outs, before it counts as stuck."""
CLOSE_SECONDS = 5.0
"""How long a source may take to let go."""

T = TypeVar("T")

log = structlog.get_logger()


class Desk(Protocol):
    """Who takes the samples: the collector."""

    def label(self) -> datetime:
        """The time that samples read now bear; SourceFault while the clock is not believed."""

    def deliver(self, source: str, samples: list[Sample], now: datetime) -> tuple[bool, str]:
        """Take samples over: whether they are on the disk, and what is odd about them.

        SourceFault when nothing can be taken any more.
        """


class Feeder:
    """Keeps one source read; `health` says how that goes."""

    def __init__(
        self,
        block: SourceBlock,
        make: Callable[[SourceBlock], Source],
        desk: Desk,
        clock: PollClock,
    ) -> None:
        self.block = block
        self._make = make
        self._desk = desk
        self._clock = clock
        self._source: Source | None = None
        self._pauses = pauses()
        self._last_good: datetime | None = None
        self._fault: SourceFault | None = None
        self._since: datetime | None = None
        self._next_try: datetime | None = None
        self._samples = 0
        self._remark = ""
        self._remarks: tuple[str, ...] = ()
        self._told = Told()

    def health(self, now: datetime) -> SourceHealth:
        """How the source stands."""
        last, fault = self._last_good, self._fault
        return SourceHealth(
            name=self.block.name,
            type=self.block.type,
            state="fault" if fault else "starting" if last is None else "good",
            last_good=last,
            age=None if last is None else max(0.0, (now - last).total_seconds()),
            fault_kind=fault.kind if fault else None,
            fault_text=fault.text if fault else "",
            since=self._since,
            next_try=self._next_try,
            samples=self._samples,
            remark=self._remark,
            remarks=self._remarks,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`; raises nothing but cancellation."""
        try:
            while not stop.is_set():
                try:
                    await self._open()
                    await self._poll()
                except SourceFault as fault:
                    await self._recover(fault, stop)
                else:
                    await self._clock.sleep(self._until_next(), stop)
        finally:
            await self._close()

    async def _open(self) -> None:
        if self._source is not None:
            return
        source = self._make(self.block)
        self._source = source  # closed after a fault even if it opened half
        patience = self.block.timeout_seconds * 2 + OPEN_SECONDS
        await _guarded(source.open(), patience, "连接")

    async def _poll(self) -> None:
        source = self._source
        assert source is not None  # noqa: S101 - just opened
        now = self._desk.label()
        patience = max(READ_SECONDS, self.block.timeout_seconds * 10)
        samples = await _guarded(source.read(now), patience, "读取")
        self._notice(source)
        durable, self._remark = self._desk.deliver(self.block.name, samples, now)
        if durable and isinstance(source, Bookmarked):
            await _guarded(source.taken(), patience, "确认")
        if self._fault is not None:
            log.info("采集来源已恢复", source=self.block.name)
        self._fault = self._since = self._next_try = None
        self._pauses = pauses()
        self._last_good = now
        self._samples += len(samples)

    def _notice(self, source: Source) -> None:
        """Keep what the source left out; every such thing is logged once, not with every poll."""
        self._remarks = source.remarks if isinstance(source, Remarking) else ()
        if fresh := self._told.fresh(self._remarks):
            log.warning("采集来源有未能读取的内容", source=self.block.name, remarks=fresh)

    def _until_next(self) -> float:
        """Seconds to the next moment of the grid."""
        every = self.block.poll_seconds
        past = (self._clock.moment() - periods.EPOCH).total_seconds() % every
        return every - past

    async def _recover(self, fault: SourceFault, stop: asyncio.Event) -> None:
        await self._close()
        now = self._clock.moment()
        pause = next(self._pauses)
        known = self._fault
        if known is None or known.kind is not fault.kind:
            # once a kind: texts may bear times or counts that differ with every try; what a
            # source should not have raised is told with its traceback
            log.warning(
                "采集来源故障",
                source=self.block.name,
                kind=fault.kind.label,
                reason=fault.text,
                exc_info=fault.__cause__ if fault.kind is FaultKind.GARBAGE else None,
            )
        self._since = self._since or now
        self._fault = fault
        self._remark, self._remarks = "", ()  # of a read that was before
        self._next_try = now + timedelta(seconds=pause)
        await self._clock.sleep(pause, stop)

    async def _close(self) -> None:
        source, self._source = self._source, None
        if source is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await source.close()
        except Exception as error:
            log.debug("采集来源关闭时出错", source=self.block.name, reason=repr(error))


async def _guarded(work: Awaitable[T], patience: float, what: str) -> T:
    """Wait for a source, not for ever, and make a fault of whatever it raises."""
    try:
        async with asyncio.timeout(patience):
            return await work
    except SourceFault:
        raise
    except TimeoutError:
        raise SourceFault(FaultKind.TIMEOUT, f"{what}超过 {patience:g} 秒没有完成") from None
    except Exception as error:
        raise SourceFault(FaultKind.GARBAGE, f"{what}时程序出错：{type(error).__name__}") from error
