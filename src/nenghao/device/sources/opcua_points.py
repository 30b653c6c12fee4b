"""Points of OPC UA (OPC UA 采集点): which node, what is known of it, and what a value adds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from asyncua import ua
from msgspec import Meta, Struct

from nenghao.device.sources import opcua_values, values
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.opcua_client import kind_of
from nenghao.device.sources.values import Scaling


class OpcUaPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point (采集点): the value of a node."""

    name: Annotated[str, Meta(min_length=1)]
    node: Annotated[str, Meta(min_length=1)]
    """`ns=2;s=Boiler.Steam`, or by the namespace's name: `nsu=urn:plant;s=Boiler.Steam`."""
    index: int | None = None
    """Element of an array."""
    scale: str = "1"
    offset: str = "0"
    unit: str = ""

    def __post_init__(self) -> None:
        try:
            values.scaling(self.scale, self.offset)
            node_id(self.node)
        except ValueError as error:
            raise ValueError(f"采集点 {self.name}：{error}") from None


class Point:
    """A point and what is known of it."""

    def __init__(self, settings: OpcUaPoint) -> None:
        self.name = settings.name
        self.index = settings.index
        self.node_text = settings.node
        self.scaling: Scaling = values.scaling(settings.scale, settings.offset)
        self.last: Sample | None = None
        """The last sample that was given."""
        self.source_time: datetime | None = None
        """Of the value that stands, by the server; tells a new value from the one seen before."""
        self.trouble: SourceFault | None = None

    def forget(self) -> None:
        """A new session begins: what stood in the old one may have changed meanwhile."""
        self.last = self.source_time = self.trouble = None

    def moment(self, data: ua.DataValue, until: datetime | None) -> datetime | None:
        """When a polled value holds: a new one since its time stamp, an old one `until` then."""
        own = opcua_values.stamp(data)
        if own is None or own != self.source_time:
            self.source_time = own
            return own
        last = self.last.time if self.last is not None else own
        return until if until is not None and until > last else last

    def sample(self, data: ua.DataValue, at: datetime | None, otherwise: datetime) -> list[Sample]:
        """What a value adds: a sample `at` its time, or `otherwise` if the server gave none.

        Nothing for the one given last, and a trouble for one that is no number or no good one.
        """
        status = opcua_values.status_name(data)
        self.trouble = self.trouble_of(status) if status else None
        try:
            value = self.scaling.apply(opcua_values.number(data.Value, self.index))
        except ValueError as error:
            if not status:
                text = f"采集点 {self.name}：{error}"
                self.trouble = SourceFault(FaultKind.GARBAGE, text)
            self.last = None
            return []
        sample = Sample(self.name, at or otherwise, value, not status)
        if sample == self.last:
            return []
        self.last = sample
        return [sample]

    def unchanged(self, until: datetime) -> list[Sample]:
        """That the last value still stood then; nothing if it was no good one, or later."""
        last = self.last
        if last is None or not last.good or self.trouble is not None or last.time >= until:
            return []
        self.last = Sample(self.name, until, last.value)
        return [self.last]

    def trouble_of(self, status: str) -> SourceFault:
        """What a bad status of the node means."""
        text = f"采集点 {self.name}：节点 {self.node_text} 的状态为 {status}"
        return SourceFault(kind_of(status), text)


def node_id(text: str) -> Any:
    """A node id as written in the settings; ValueError (Chinese)."""
    try:
        return ua.NodeId.from_string(text)
    except Exception:
        raise ValueError(f"节点 {text!r} 不合法，应如 ns=2;s=名称") from None
