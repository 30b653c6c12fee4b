"""What an MQTT message says about points (MQTT 报文): plain numbers and JSON, no I/O.

A payload is a number as text, or a JSON document in which a path leads to the number and another,
if the publisher writes one, to its time. Gateways that send many values at once are read by
`each`: the path of an array whose every element is a document of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nenghao.device.sources import values
from nenghao.device.sources.base import SourceFault
from nenghao.device.sources.json_path import JsonPath, NotThere
from nenghao.device.sources.rows import Times, Zone, number

MOST_ELEMENTS = 100_000
"""Elements of an array that are read of one message."""

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class MqttPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point (采集点) in the messages of a topic."""

    name: Annotated[str, Meta(min_length=1)]
    topic: Annotated[str, Meta(min_length=1)]
    """A topic, or a filter with + and #: then every message that fits is about this point."""
    each: str = ""
    """JSON path of an array of readings; `path` and `time_path` begin at its elements."""
    path: str = ""
    """JSON path of the number; empty: the payload (or the element) is the number."""
    time_path: str = ""
    """JSON path of the value's time; empty: it holds when it arrives."""
    time_format: str = ""
    """As `datetime.strptime` has it; `epoch`, `epoch_ms`; empty: ISO 8601."""
    time_zone: Zone = "cst"
    """What times without a zone of their own are in."""
    scale: str = "1"
    offset: str = "0"
    unit: str = ""


class Reading(Struct, frozen=True):
    """A value out of a message; without a time of its own it holds when the message came."""

    point: str
    value: Decimal
    time: datetime | None


class PayloadReader:
    """Reads the payloads of one point; ValueError (Chinese) for settings of no use."""

    def __init__(self, point: MqttPoint) -> None:
        self.point = point
        self._scaling = values.scaling(point.scale, point.offset)
        self._each = JsonPath(point.each)
        self._path = JsonPath(point.path)
        self._time_path = JsonPath(point.time_path)
        self._times = Times(format=point.time_format, zone=point.time_zone)
        try:
            self._times.check()
        except SourceFault as fault:
            raise ValueError(fault.text) from None

    @property
    def is_timed(self) -> bool:
        """Whether the publisher says when a value holds."""
        return bool(self.point.time_path)

    def read(self, payload: Payload) -> tuple[list[Reading], str]:
        """The readings in a payload, and what is wrong with it in Chinese (empty: nothing)."""
        readings: list[Reading] = []
        trouble = ""
        try:
            for document in self._documents(payload):
                try:
                    readings += self._reading(document)
                except (ValueError, NotThere) as error:
                    trouble = str(error)
        except (ValueError, NotThere) as error:
            trouble = str(error)
        return readings, trouble

    def _documents(self, payload: Payload) -> Iterable[Any]:
        if not (self.point.each or self.point.path or self.point.time_path):
            return [payload.text]
        document = payload.document()
        if not self.point.each:
            return [document]
        array = self._each.find(document)
        if not isinstance(array, list):
            raise ValueError(f"{self.point.each} 不是数组")
        if len(array) > MOST_ELEMENTS:
            raise ValueError(f"{self.point.each} 的元素多于 {MOST_ELEMENTS} 个")
        return array

    def _reading(self, document: Any) -> list[Reading]:
        value = number(self._path.find(document))
        if value is None:
            return []
        time = self._times.read(self._time_path.find(document)) if self.is_timed else None
        return [Reading(self.point.name, self._scaling.apply(value), time)]


class Payload:
    """A message's payload, decoded once however many points look at it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._document: Any = None
        self._decoded = False

    @property
    def text(self) -> str:
        """ValueError (Chinese) for what is no text."""
        try:
            return self._content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError("报文不是 UTF-8 文本") from None

    def document(self) -> Any:
        """ValueError (Chinese) for what is no JSON; numbers with a fraction are decimals."""
        if not self._decoded:
            try:
                self._document = _DECODER.decode(self._content.removeprefix(b"\xef\xbb\xbf"))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
                raise ValueError("报文不是合法的 JSON") from None
            self._decoded = True
        return self._document
