"""Modbus TCP and RTU: registers of meters and PLCs, through pymodbus (Modbus 采集).

All points are read in as few requests as the settings allow; what registers mean is
`modbus_registers`' business. Every poll asks once and never repeats a request: on a serial line
the late answer to the first would be taken for the answer to the second. Behind one address there
may be many units (从站), so one that is silent or refuses an address costs its own points only:
the remarks name them, and a silent unit is asked less and less often. Only when nothing at all
can be read is there a SourceFault.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ModbusPDU

from nenghao.device.sources import values
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.modbus_faults import Refused, Silence, grouped, no_line, refusal
from nenghao.device.sources.modbus_registers import (
    BIT_TABLES,
    Span,
    Table,
    batches,
    decode,
    width,
)
from nenghao.device.sources.modbus_settings import ModbusPoint, ModbusRtu, ModbusTcp
from nenghao.device.sources.network import timed_out, unreachable
from nenghao.device.sources.remarks import Remarks

# Faults are told once, in Chinese, by whoever asked; the library would tell them again.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

PATIENCE = 16
"""Refusals in a row after which a unit that has answered nothing else is left alone for a while."""

TCP_PAUSE = 0.01
"""Seconds between two RTU frames through a serial server, whose line speed nobody tells us."""


class ModbusTcpSettings(ModbusTcp, frozen=True, kw_only=True, tag="modbus_tcp", tag_field="type"):
    """A `[[source]]` block with `type = "modbus_tcp"`."""


class ModbusRtuSettings(ModbusRtu, frozen=True, kw_only=True, tag="modbus_rtu", tag_field="type"):
    """A `[[source]]` block with `type = "modbus_rtu"`."""


ModbusSettings = ModbusTcpSettings | ModbusRtuSettings


def make(settings: ModbusSettings, home_dir: Path) -> ModbusSource:
    """The source, not yet open. The device's directory holds nothing for it."""
    return ModbusSource(settings)


class ModbusSource:
    """One connection: a socket or a serial line with its units."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._points = [
            (_span(settings, point), point, values.scaling(point.scale, point.offset))
            for point in settings.points
        ]
        self._client: ModbusBaseClient | None = None
        self._lost = asyncio.Event()
        self._heard = False
        self._asked = False
        self._plan: list[Span] = []
        self._final: set[Span] = set()
        self._may_heal = False
        self._silent: dict[int, Silence] = {}
        self._remarks = Remarks()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Points that the last `read` could not give while it gave others, and why."""
        return self._remarks.lines

    async def open(self) -> None:
        settings = self._settings
        self._lost = asyncio.Event()
        self._asked = False
        self._plan_afresh()
        client = self._make_client()
        try:
            # `client.connect` does the same and hides why it failed
            async with asyncio.timeout(settings.timeout_seconds):
                client.ctx.transport, _ = await client.ctx.call_create()
                await asyncio.sleep(0)  # a serial line is set up in the next turn of the loop
        except TimeoutError:
            raise timed_out(self._peer, settings.timeout_seconds) from None
        except OSError as error:
            if isinstance(settings, ModbusRtu):
                raise no_line(settings.port, error) from None
            raise unreachable(self._peer, error) from None
        except ValueError as error:  # pyserial, about the line's parameters
            text = f"串口参数不可用：{error}"
            raise SourceFault(FaultKind.CONFIGURATION, text) from None
        self._client = client

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, now: datetime) -> list[Sample]:
        if self._client is None or self._lost.is_set():
            raise SourceFault(FaultKind.UNREACHABLE, f"与 {self._peer} 的连接已断开")
        answers, refused = await self._ask_all(self._units_to_ask(now), now)
        samples: list[Sample] = []
        faults: dict[str, SourceFault] = {}
        for span, point, scaling in self._points:
            try:
                raw = _raw(point, span, answers)
                if raw is None:
                    faults[point.name] = self._why_not(span, refused)
                else:
                    samples.append(Sample(point.name, now, scaling.apply(raw)))
            except ValueError as error:
                faults[point.name] = SourceFault(FaultKind.GARBAGE, str(error))
        if not samples:
            raise next(iter(faults.values()))
        self._remarks.tell(grouped(faults))
        return samples

    # --- asking ----------------------------------------------------------------------------------

    def _units_to_ask(self, now: datetime) -> set[int]:
        """All but those whose silence lasts; when it lasts for all, the one asked longest ago."""
        units = {span.unit_id for span in self._plan}
        silent = {unit: self._silent[unit] for unit in units & self._silent.keys()}
        due = {unit for unit in units if unit not in silent or silent[unit].over(now)}
        return due or {min(silent, key=lambda unit: silent[unit].asked)}

    async def _ask_all(
        self, units: set[int], now: datetime
    ) -> tuple[dict[Span, list[int]], dict[Span, SourceFault]]:
        """What was answered by request, and which requests were refused.

        A request that a unit refuses is split until the part that cannot be read stands alone:
        registers between two values need not exist. What was refused comes last the next time.
        """
        answers: dict[Span, list[int]] = {}
        refused: dict[Span, SourceFault] = {}
        skipped: list[Span] = []
        refusals: Counter[int] = Counter()
        alive: set[int] = set()
        waiting = deque(self._plan)
        while waiting:
            request = waiting.popleft()
            unit = request.unit_id
            if unit not in units:
                skipped.append(request)
                continue
            try:
                answers[request] = await self._ask(request)
                self._silent.pop(unit, None)
                alive.add(unit)
            except Refused as error:
                refusals[unit] += 1
                if parts := self._parts(request) if error.may_be_split else []:
                    waiting.extendleft(reversed(parts))
                    self._may_heal |= error.fault.kind is not FaultKind.CONFIGURATION
                else:
                    refused[request] = error.fault
                if unit not in alive and refusals[unit] >= PATIENCE:
                    self._leave(unit, units, error.fault, now)
            except SourceFault as fault:
                if self._lost.is_set():
                    raise
                skipped.append(request)
                self._leave(unit, units, fault, now)
        self._plan = [*answers, *skipped, *refused]
        if self._may_heal and not refused and not skipped:
            self._plan_afresh()
        return answers, refused

    def _plan_afresh(self) -> None:
        """The fewest requests; those that units refuse are split again."""
        spans = [span for span, _, _ in self._points]
        settings = self._settings
        self._plan = batches(spans, most=settings.max_registers, gap=settings.max_gap)
        self._final = set()
        self._may_heal = False

    def _leave(self, unit: int, units: set[int], fault: SourceFault, now: datetime) -> None:
        """Asks a unit no more in this read, and not again before its silence is over."""
        units.discard(unit)
        before = self._silent.get(unit)
        self._silent[unit] = Silence(now, before.times + 1 if before else 1, fault)

    def _why_not(self, span: Span, refused: Mapping[Span, SourceFault]) -> SourceFault:
        faults = (fault for request, fault in refused.items() if _covers(request, span))
        return next(faults, None) or self._silent[span.unit_id].fault

    def _parts(self, request: Span) -> list[Span]:
        """The smaller requests instead of one; empty when it cannot be split."""
        spans = sorted({span for span, _, _ in self._points if _covers(request, span)})
        if len(spans) == 1 or request in self._final:
            return []
        parts = batches(spans, most=self._settings.max_registers, gap=0)
        if parts == [request]:
            half = len(spans) // 2
            parts = [_hull(spans[:half]), _hull(spans[half:])]
        if request in parts:  # values that lie within each other
            self._final.update(spans)
            return spans
        return parts

    async def _ask(self, span: Span) -> list[int]:
        """One request; SourceFault when there is no usable answer, Refused for its addresses."""
        assert self._client is not None  # noqa: S101  read() has looked
        if self._asked and (pause := _pause(self._settings)):
            await asyncio.sleep(pause)
        self._asked = True
        self._heard = False
        ask = _reader(self._client, span.table)
        answer = asyncio.ensure_future(ask(span.begin, count=span.count, device_id=span.unit_id))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((answer, lost), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise self._broken()
            return _content(answer.result(), span)
        except ModbusException:
            raise self._no_answer(span) from None
        finally:
            lost.cancel()
            answer.cancel()

    def _make_client(self) -> ModbusBaseClient:
        settings = self._settings
        common: dict[str, Any] = {
            "timeout": settings.timeout_seconds,
            "retries": 0,
            "reconnect_delay": 0,
            "trace_packet": self._note_packet,
            "trace_connect": self._note_connection,
        }
        if isinstance(settings, ModbusRtu):
            return AsyncModbusSerialClient(
                settings.port,
                baudrate=settings.baudrate,
                parity=settings.parity,
                stopbits=settings.stopbits,
                bytesize=settings.bytesize,
                **common,
            )
        framer = FramerType.RTU if settings.framing == "rtu" else FramerType.SOCKET
        return AsyncModbusTcpClient(settings.host, port=settings.port, framer=framer, **common)

    def _note_packet(self, sending: bool, data: bytes) -> bytes:
        self._heard = self._heard or not sending
        return data

    def _note_connection(self, connected: bool) -> None:
        if not connected:
            self._lost.set()

    def _broken(self) -> SourceFault:
        if self._heard:
            return SourceFault(FaultKind.GARBAGE, f"{self._peer} 的应答不是 Modbus，连接已断开")
        return SourceFault(FaultKind.UNREACHABLE, f"{self._peer} 断开了连接")

    def _no_answer(self, span: Span) -> SourceFault:
        who = f"{self._peer} 从站 {span.unit_id}"
        if self._heard:
            return SourceFault(FaultKind.GARBAGE, f"{who} 的应答不是合法的 Modbus 报文")
        seconds = f"{self._settings.timeout_seconds:g}"
        return SourceFault(FaultKind.TIMEOUT, f"{who} 在 {seconds} 秒内没有应答")

    @property
    def _peer(self) -> str:
        settings = self._settings
        if isinstance(settings, ModbusRtu):
            return settings.port
        return f"{settings.host}:{settings.port}"


# --- requests and answers ------------------------------------------------------------------------


def _span(settings: ModbusSettings, point: ModbusPoint) -> Span:
    unit_id = settings.unit_id if point.unit_id is None else point.unit_id
    return Span(unit_id, point.table, point.address, point.address + width(point.type))


def _covers(request: Span, span: Span) -> bool:
    same = (request.unit_id, request.table) == (span.unit_id, span.table)
    return same and request.begin <= span.begin and span.end <= request.end


def _hull(spans: Sequence[Span]) -> Span:
    """The request for all of some spans."""
    first = spans[0]
    return Span(first.unit_id, first.table, first.begin, max(span.end for span in spans))


def _raw(point: ModbusPoint, span: Span, answers: Mapping[Span, list[int]]) -> Decimal | None:
    """The raw number of a point; None when nobody answered for it, ValueError for nonsense."""
    for request, content in answers.items():
        if _covers(request, span):
            words = content[span.begin - request.begin : span.end - request.begin]
            return decode(point.type, point.order, words)
    return None


def _reader(client: ModbusBaseClient, table: Table) -> Callable[..., Awaitable[ModbusPDU]]:
    return {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[table]


def _content(answer: ModbusPDU, span: Span) -> list[int]:
    """The registers or bits of an answer."""
    if answer.isError():
        raise refusal(answer.exception_code, span)
    content = answer.bits if span.table in BIT_TABLES else answer.registers
    missing = len(content) < span.count
    # bits come in whole bytes; a register more or less belongs to another question
    if missing or (span.table not in BIT_TABLES and len(content) > span.count):
        text = f"从站 {span.unit_id} 应答 {len(content)} 个寄存器，应为 {span.count} 个"
        raise SourceFault(FaultKind.GARBAGE, text)
    return [int(one) for one in content]


# --- the line ------------------------------------------------------------------------------------


def _pause(settings: ModbusSettings) -> float:
    """Seconds of silence between two requests."""
    if settings.pause_milliseconds is not None:
        return settings.pause_milliseconds / 1000
    if isinstance(settings, ModbusTcp):
        return TCP_PAUSE if settings.framing == "rtu" else 0
    bits = 1 + settings.bytesize + (settings.parity != "N") + settings.stopbits
    return max(3.5 * bits / settings.baudrate, 0.00175)
