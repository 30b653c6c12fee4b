"""Questions to DL/T 645 meters and their answers (一问一答): one at a time on one line.

Waits, asks again, fetches follow-up frames, and tells an answer from echoes, noise and late
answers. Which items to ask for is `dlt645`'s business.
"""

from __future__ import annotations

import asyncio

from nenghao.device.sources import dlt645_codec as codec
from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.dlt645_codec import Frame, MeterError
from nenghao.device.sources.dlt645_line import Line

MOST_FRAMES = 256
"""Frames of one answer: the sequence number is one byte."""


class Refused(Exception):
    """The meter answered with an error word."""

    def __init__(self, meter: str, error: MeterError) -> None:
        kind = FaultKind.CONFIGURATION
        if MeterError.NOT_AUTHORISED in error:
            kind = FaultKind.CREDENTIALS
        elif MeterError.NO_SUCH_DATA not in error:
            kind = FaultKind.GARBAGE
        self.fault = SourceFault(kind, f"电表 {meter} 拒绝读取：{error.text}")


class Link:
    """Asks the meters on an open line; times in seconds."""

    def __init__(
        self,
        line: Line,
        *,
        timeout: float,
        attempts: int,
        pause: float,
        gap: float,
        wake_up: int,
    ) -> None:
        self._line = line
        self._timeout = timeout
        self._attempts = attempts
        self._pause = pause
        self._gap = gap
        self._wake_up = wake_up

    async def read_item(self, meter: str, identifier: str) -> bytes:
        """The whole of an item or block, follow-up frames included.

        Refused by the meter's error word; SourceFault: timeout, garbage, or the line is gone.
        """
        answer = await self._ask(meter, codec.read_request(meter, identifier))
        raw = answer.data[4:]
        sequence = 0
        while answer.more:
            sequence += 1
            if sequence >= MOST_FRAMES:
                raise SourceFault(FaultKind.GARBAGE, f"电表 {meter} 的后续帧没有尽头")
            answer = await self._ask(meter, codec.more_request(meter, identifier, sequence))
            raw += answer.data[4:-1]
        return raw

    async def _ask(self, meter: str, request: Frame) -> Frame:
        """The answer to one question, asked again when it is not heard; Refused, SourceFault."""
        for attempt in range(self._attempts):
            if attempt or self._pause:
                await asyncio.sleep(self._pause)
            try:
                answer = await self._ask_once(meter, request)
            except SourceFault as fault:
                if fault.kind is FaultKind.UNREACHABLE or attempt + 1 == self._attempts:
                    raise
            else:
                if answer.refused:
                    raise Refused(meter, answer.error)
                return answer
        raise AssertionError("at least one attempt is made")

    async def _ask_once(self, meter: str, request: Frame) -> Frame:
        line = self._line
        seconds = self._timeout
        decoder = codec.Decoder()
        line.discard()
        await line.send(codec.encode(request, self._wake_up))
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for frame in await self._frames(line, decoder):
                        if _answers(request, frame):
                            return frame
        except TimeoutError:
            for frame in decoder.silence():
                if _answers(request, frame):
                    return frame
        if decoder.noise:
            raise SourceFault(
                FaultKind.GARBAGE,
                f"电表 {meter} 的应答不是合法的帧（{decoder.noise} 字节，请检查波特率与校验位）",
            )
        raise SourceFault(FaultKind.TIMEOUT, f"电表 {meter} 在 {seconds:g} 秒内没有应答")

    async def _frames(self, line: Line, decoder: codec.Decoder) -> list[Frame]:
        """The frames of what comes next; a pause inside a frame ends it."""
        gap = self._gap if decoder.waiting else None
        try:
            async with asyncio.timeout(gap):
                received = await line.receive()
        except TimeoutError:
            return decoder.silence()
        return decoder.feed(received)


def _answers(request: Frame, frame: Frame) -> bool:
    """Whether a frame is the answer: not an echo, not another meter's, not a late one."""
    if not frame.from_meter or frame.function != request.function:
        return False
    pairs = zip(request.address, frame.address, strict=True)
    if not all(asked in ("A", came) for asked, came in pairs):
        return False
    if frame.refused:
        return True
    if frame.data[:4] != request.data[:4]:
        return False
    return frame.function != codec.Function.READ_MORE or frame.data[-1:] == request.data[4:]
