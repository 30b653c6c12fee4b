"""Electricity meters by DL/T 645-2007 (多功能电能表), on a serial line or behind a serial server.

One line, any number of meters, one question at a time. Points of one block (the three voltages,
the tariffs of one register) are read with one question where the meter has blocks. A meter that
is silent or refuses an item costs its own points, which the remarks name, and is asked less and
less often; only when nothing at all was read is the poll a fault.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from nenghao.device.sources import dlt645_codec as codec
from nenghao.device.sources import dlt645_items, values
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.dlt645_codec import ANY_ADDRESS
from nenghao.device.sources.dlt645_items import Item
from nenghao.device.sources.dlt645_line import Line, Parity, SerialLine, SerialSettings, TcpLine
from nenghao.device.sources.dlt645_link import Link, Refused
from nenghao.device.sources.modbus_faults import Silence, grouped
from nenghao.device.sources.remarks import Remarks
from nenghao.device.sources.values import Scaling

POLL_SECONDS = 20.0
"""After so long a poll begins no further question."""


class Dlt645Point(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One data item of one meter."""

    name: Annotated[str, Meta(min_length=1)]
    meter: str = ""
    """Its address (通信地址) as printed on it; empty: the source's."""
    item: str
    """Data identifier (数据标识), DI3 first: 00010000 is 正向有功总电能."""
    length: Annotated[int, Meta(ge=1, le=8)] | None = None
    decimals: Annotated[int, Meta(ge=0, le=8)] | None = None
    signed: bool | None = None
    """These three for items that the standard does not list, or meters that depart from it."""
    scale: str = "1"
    """Often the ratio of the transformers (互感器倍率 CT × PT)."""
    offset: str = "0"
    unit: str = ""

    def __post_init__(self) -> None:
        try:
            values.scaling(self.scale, self.offset)
            codec.address(self.meter)
            listed = dlt645_items.find(codec.identifier(self.item))
        except ValueError as error:
            raise ValueError(f"采集点 {self.name}：{error}") from None
        if listed is None and (self.length is None or self.decimals is None):
            raise ValueError(
                f"采集点 {self.name}：数据标识 {self.item} 不在标准的数据项表中，"
                "请同时给出 length（字节数）与 decimals（小数位数）"
            )

    @property
    def meaning(self) -> Item:
        """What the meter sends; an item with its own form is read alone."""
        identifier = codec.identifier(self.item)
        listed = dlt645_items.find(identifier)
        own = (self.length, self.decimals, self.signed) != (None, None, None)
        if listed is None:
            listed = Item(identifier, "", self.length or 4, self.decimals or 0, self.unit, False)
        return replace(
            listed,
            length=listed.length if self.length is None else self.length,
            decimals=listed.decimals if self.decimals is None else self.decimals,
            signed=listed.signed if self.signed is None else self.signed,
            block="" if own else listed.block,
        )


class Dlt645Settings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dlt645", tag_field="type"
):
    """A `[[source]]` block with `type = "dlt645"`: `serial_port`, or `host` and `port`."""

    name: Annotated[str, Meta(min_length=1)]
    points: Annotated[list[Dlt645Point], Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    """How long a meter may take to answer one question."""
    serial_port: str = ""
    """The line's device file, such as /dev/ttyS1."""
    baudrate: Annotated[int, Meta(ge=300, le=4_000_000)] = 2400
    parity: Parity = "E"
    stopbits: Annotated[int, Meta(ge=1, le=2)] = 1
    bytesize: Annotated[int, Meta(ge=7, le=8)] = 8
    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    meter: str = ANY_ADDRESS
    """The meter of the points that name none; by default whoever is alone on the line."""
    wake_up: Annotated[int, Meta(ge=0, le=16)] = 4
    """FE bytes before a question."""
    attempts: Annotated[int, Meta(ge=1, le=3)] = 2
    """How often a question is asked in one poll before the meter counts as silent."""
    pause_milliseconds: Annotated[float, Meta(ge=0, le=10_000)] = 30
    """Silence between an answer and the next question."""
    gap_milliseconds: Annotated[float, Meta(gt=0, le=10_000)] = 500
    """A pause inside a frame that ends it (字节间停顿时间); mobile networks may need more."""
    blocks: bool = True
    """Ask for blocks where several points lie in one."""

    def __post_init__(self) -> None:
        if bool(self.serial_port) == bool(self.host):
            raise ValueError("serial_port 与 host 应给出且只给出一个")
        if bool(self.host) != bool(self.port):
            raise ValueError("host 与 port 应同时给出")
        codec.address(self.meter)
        names = [point.name for point in self.points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"采集点名称重复：{'、'.join(twice)}")


class _Wanted(Struct, frozen=True):
    """A point, ready for use."""

    name: str
    item: Item
    scaling: Scaling


class _Poll(Struct):
    """What a poll has brought so far."""

    now: datetime
    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, SourceFault] = field(default_factory=dict)
    """By point."""
    silent: dict[str, SourceFault] = field(default_factory=dict)
    """Meters that gave no answer in this poll."""

    def miss(self, points: Iterable[_Wanted], fault: SourceFault) -> None:
        """These points have no sample, and why."""
        self.faults |= dict.fromkeys((one.name for one in points), fault)


class _Question(Struct, frozen=True):
    """An item or block of a meter, and the points that its answer serves."""

    meter: str
    identifier: str
    points: list[_Wanted]

    @property
    def is_block(self) -> bool:
        return self.points[0].item.identifier != self.identifier

    @property
    def key(self) -> tuple[str, str]:
        return self.meter, self.identifier


class Dlt645Source:
    """See the module."""

    def __init__(self, settings: Dlt645Settings) -> None:
        self._settings = settings
        self._remarks = Remarks()
        self._line: Line | None = None
        self._link: Link | None = None
        self._count = 0
        self._asked: dict[tuple[str, str], int] = {}
        """When each question was asked last: the count of questions."""
        self._silent: dict[str, Silence] = {}
        self._without_block: set[tuple[str, str]] = set()
        self._answered: set[tuple[str, str]] = set()
        self._meters: dict[str, list[_Wanted]] = {}
        for point in settings.points:
            meter = codec.address(point.meter or settings.meter)
            wanted = _Wanted(point.name, point.meaning, values.scaling(point.scale, point.offset))
            self._meters.setdefault(meter, []).append(wanted)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The points that the last read could not give, and why."""
        return self._remarks.lines

    async def open(self) -> None:
        """Open the line; meters are not asked yet. SourceFault."""
        settings = self._settings
        seconds = settings.timeout_seconds
        self._silent.clear()
        self._without_block.clear()
        self._answered.clear()
        line: Line
        if settings.host:
            line = await TcpLine.open(settings.host, settings.port, seconds)
        else:
            serial = SerialSettings(
                settings.serial_port,
                settings.baudrate,
                settings.bytesize,
                settings.parity,
                settings.stopbits,
            )
            line = await SerialLine.open(serial, seconds)
        self._line = line
        self._link = Link(
            line,
            timeout=seconds,
            attempts=settings.attempts,
            pause=settings.pause_milliseconds / 1000,
            gap=settings.gap_milliseconds / 1000,
            wake_up=settings.wake_up,
        )

    async def close(self) -> None:
        """Let go of the line."""
        line, self._line, self._link = self._line, None, None
        if line is not None:
            await line.close()

    async def read(self, now: datetime) -> list[Sample]:
        """Every point of every meter that answers; SourceFault when none does.

        A poll begins no question after `POLL_SECONDS` or four time-outs: on a slow line with many
        meters the next poll goes on with what was asked longest ago.
        """
        if self._link is None:
            raise SourceFault(FaultKind.UNREACHABLE, "通信线路尚未打开")
        poll = _Poll(now)
        waiting = deque(sorted(self._due(poll), key=lambda one: self._asked.get(one.key, 0)))
        clock = asyncio.get_running_loop().time
        end = clock() + max(POLL_SECONDS, 4 * self._settings.timeout_seconds)
        while waiting:
            question = waiting.popleft()
            if question.meter in poll.silent:
                poll.miss(question.points, poll.silent[question.meter])
            elif clock() > end:
                poll.miss(question.points, SourceFault(FaultKind.TIMEOUT, "轮询时间用完，下次再读"))
            else:
                waiting.extendleft(reversed(await self._ask(self._link, question, poll)))
        if not poll.samples and poll.faults:
            raise next(iter(poll.faults.values()))
        self._remarks.tell(grouped(poll.faults))
        return poll.samples

    def _due(self, poll: _Poll) -> list[_Question]:
        """The questions to all meters but those whose silence lasts.

        When it lasts for all, the one asked longest ago is asked.
        """
        due = {
            meter
            for meter in self._meters
            if meter not in self._silent or self._silent[meter].over(poll.now)
        }
        due = due or {min(self._silent, key=lambda meter: self._silent[meter].asked)}
        questions: list[_Question] = []
        for meter, points in self._meters.items():
            if meter in due:
                questions += self._questions(meter, points)
            else:
                poll.miss(points, self._silent[meter].fault)
        return questions

    def _questions(self, meter: str, points: Iterable[_Wanted]) -> list[_Question]:
        """How to ask for the points with as few questions as the meter allows."""
        by_block: dict[str, list[_Wanted]] = {}
        for one in points:
            block = one.item.block if self._settings.blocks else ""
            if not block or (meter, block) in self._without_block:
                block = one.item.identifier
            by_block.setdefault(block, []).append(one)
        questions: list[_Question] = []
        for identifier, served in by_block.items():
            items = {one.item.identifier for one in served}
            # a block for a single item would only be more to send
            asked = identifier if len(items) > 1 else items.pop()
            questions.append(_Question(meter, asked, served))
        return questions

    async def _ask(self, link: Link, question: _Question, poll: _Poll) -> list[_Question]:
        """Asks one question; gives the questions to ask instead of a block that is not known."""
        meter = question.meter
        self._count += 1
        self._asked[question.key] = self._count
        try:
            raw = await link.read_item(meter, question.identifier)
        except Refused as refused:
            self._silent.pop(meter, None)
            if question.is_block:
                return self._without(question)
            poll.miss(question.points, refused.fault)
        except SourceFault as fault:
            if fault.kind is FaultKind.UNREACHABLE:
                raise  # the line itself is gone, and every meter with it
            if question.is_block and question.key not in self._answered:
                return self._without(question)  # some say nothing to a block they do not know
            poll.miss(question.points, fault)
            poll.silent[meter] = fault
            before = self._silent.get(meter)
            self._silent[meter] = Silence(poll.now, before.times + 1 if before else 1, fault)
        else:
            self._silent.pop(meter, None)
            self._answered.add(question.key)
            _take(question, raw, poll)
        return []

    def _without(self, question: _Question) -> list[_Question]:
        self._without_block.add(question.key)
        return self._questions(question.meter, question.points)


def _take(question: _Question, raw: bytes, poll: _Poll) -> None:
    """The samples in an answer; what it lacks is a fault of that point."""
    for one in question.points:
        item = one.item
        part = raw
        if question.is_block:
            part = raw[item.place * item.length : (item.place + 1) * item.length]
        try:
            if not part:
                raise ValueError("数据块中没有这一项")
            value = item.decode(part)
            if value is None:
                raise ValueError("没有有效数据（全为 FF）")
            poll.samples.append(Sample(one.name, poll.now, one.scaling.apply(value)))
        except ValueError as error:  # BadFrame is one
            text = f"电表 {question.meter} 的数据项 {item.identifier}：{error}"
            poll.miss([one], SourceFault(FaultKind.GARBAGE, text))


def make(settings: Dlt645Settings, home_dir: Path) -> Dlt645Source:
    """The source of a settings block, not yet open; it keeps nothing in the directory."""
    del home_dir
    return Dlt645Source(settings)
