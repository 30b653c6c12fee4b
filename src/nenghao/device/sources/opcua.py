"""OPC UA: values of a server, subscribed to or polled, through asyncua.

A subscription reports changes only, so a value that is not reported is the last one still: every
read says so again with a later time, as long as the subscription shows that it is alive. Times
are the source's own, so they come from the server's clock; "unchanged" is said up to the server's
present less what a report may take, never ahead of a report that is on its way. Where that clock
is not to be trusted (PLCs that give local time as UTC), `timestamps = "local"` dates by arrival.
Nodes with a bad status are remarks; only when no point gives a value is there a fault.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.subscription import Subscription
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec import Meta, Struct

from nenghao.device.sources import opcua_values
from nenghao.device.sources.arrivals import Arrivals
from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, Sample, SourceFault, secret
from nenghao.device.sources.discreet import Discreet
from nenghao.device.sources.opcua_client import Client, fault_of
from nenghao.device.sources.opcua_points import OpcUaPoint, Point, node_id
from nenghao.device.sources.opcua_security import (
    Mode,
    Policy,
    ServerTrust,
    load_pair,
    own_pair,
    secure,
)
from nenghao.device.sources.remarks import Remarks

CLOCK_OFF = timedelta(seconds=60)
"""Difference between the server's clock and ours that is remarked on."""

REPORT_INTERVALS = 3
"""Publishing intervals after which a change has been reported."""

CLOSE_SECONDS = 2.0
"""How long a server has to say goodbye."""

_CURRENT_TIME = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))


class OpcUaSettings(
    Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="opcua", tag_field="type"
):
    """A `[[source]]` block with `type = "opcua"`."""

    secrets: ClassVar[frozenset[str]] = frozenset({"password"})

    name: Annotated[str, Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    url: Annotated[str, Meta(pattern=r"^opc\.tcp://[^/@\s]+(/\S*)?$")]
    """`opc.tcp://10.1.2.3:4840/path`; user and password have fields of their own."""
    security: Policy = "None"
    mode: Mode = "SignAndEncrypt"
    """Of the secure channel, where `security` is not None."""
    certificate: str = ""
    private_key: str = ""
    """The device's own; empty: made on first use in its directory under `opcua/`."""
    server_certificate: str = ""
    """The server's or its authority's; empty: the first that is met is kept and demanded."""
    username: str = ""
    password: str = ""
    password_file: str = ""
    user_certificate: str = ""
    user_private_key: str = ""
    """Login by certificate instead of user name and password."""
    reading: Literal["subscribe", "poll"] = "subscribe"
    publish_seconds: Annotated[float, Meta(ge=0.05, le=3600)] = 1
    """How often the server looks at the nodes and reports changes."""
    timestamps: Literal["source", "local"] = "source"
    max_nodes: Annotated[int, Meta(ge=1, le=10_000)] = 500
    """Nodes per request."""
    queue_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    """Reported values that wait for the next read."""
    points: Annotated[list[OpcUaPoint], Meta(min_length=1)]

    def __post_init__(self) -> None:
        names = [point.name for point in self.points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"采集点名称重复：{'、'.join(twice)}")
        if (self.password or self.password_file) and not self.username:
            raise ValueError("给出了密码而没有 username")
        if self.username and self.user_certificate:
            raise ValueError("username 与 user_certificate 只能给出一个")
        for one, other in (
            ("certificate", "private_key"),
            ("user_certificate", "user_private_key"),
        ):
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                raise ValueError(f"{one} 与 {other} 应同时给出")
        if self.security == "None" and (self.certificate or self.server_certificate):
            raise ValueError("给出了证书而 security 为 None")


def make(settings: OpcUaSettings, home_dir: Path) -> OpcUaSource:
    """The source of a settings block, not yet open."""
    return OpcUaSource(settings, home_dir)


class _Reported(Struct, frozen=True):
    node: ua.NodeId
    data: ua.DataValue
    arrived: float


class OpcUaSource:
    """One session with a server."""

    def __init__(
        self,
        settings: OpcUaSettings,
        home_dir: Path,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._home_dir = home_dir
        self._stopwatch = stopwatch
        self._points = [Point(point) for point in settings.points]
        self._by_node: dict[ua.NodeId, list[Point]] = {}
        self._reported: deque[_Reported] = deque(maxlen=settings.queue_size)
        self._dropped = 0
        self._arrivals = Arrivals()
        self._remarks = Remarks()
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        self.arrived = asyncio.Event()
        """Set whenever the server has reported something, for whoever waits for it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Points without a good value at the last `read`, and a server clock that is off."""
        return self._remarks.lines

    # --- the session -----------------------------------------------------------------------------

    async def open(self) -> None:
        settings = self._settings
        client = Client(settings.url, settings.timeout_seconds)
        try:
            await self._connect(client)
            await self._find_nodes(client)
            for point in self._points:
                point.forget()
            if settings.reading == "subscribe":
                await self._subscribe(client)
        except BaseException as error:
            fault = self._fault(error, client)
            await _leave(client)
            if fault is None:
                raise
            raise fault from None
        self._client = client

    async def close(self) -> None:
        client, self._client, self._subscription = self._client, None, None
        if client is not None:
            await _leave(client)

    async def _connect(self, client: Client) -> None:
        settings, home = self._settings, self._home_dir
        if settings.username:
            client.set_user(settings.username)
            client.set_password(secret(settings.password, settings.password_file, home))
        if settings.user_certificate:
            user = load_pair(home, settings.user_certificate, settings.user_private_key)
            client.user_certificate = x509.load_der_x509_certificate(user.certificate)
            client.user_private_key = serialization.load_der_private_key(user.key, None)
        if settings.security == "None":
            await client.connect()
            return
        if settings.certificate:
            own = load_pair(home, settings.certificate, settings.private_key)
        else:
            own = await in_background(own_pair, home)
        trust = ServerTrust(home, settings.name, settings.url, settings.server_certificate)
        offered = await secure(client, settings.security, settings.mode, own, trust)
        await client.connect()
        trust.keep(offered)

    async def _find_nodes(self, client: Client) -> None:
        """Node ids by the namespaces that the server has now."""
        self._by_node = {}
        namespaces: list[str] | None = None
        for point in self._points:
            node = node_id(point.node_text)
            uri = getattr(node, "NamespaceUri", None)
            if uri:
                if namespaces is None:
                    namespaces = await client.get_namespace_array()
                if uri not in namespaces:
                    text = f"采集点 {point.name}：服务器没有命名空间 {uri}"
                    raise SourceFault(FaultKind.CONFIGURATION, text)
                node = ua.NodeId(node.Identifier, ua.Int16(namespaces.index(uri)), node.NodeIdType)
            self._by_node.setdefault(node, []).append(point)

    async def _subscribe(self, client: Client) -> None:
        interval = self._settings.publish_seconds * 1000
        subscription = await client.create_subscription(interval, self)
        nodes = [client.get_node(node) for node in self._by_node]
        for some in _chunks(nodes, self._settings.max_nodes):
            handles = await subscription.subscribe_data_change(
                some, queuesize=10, sampling_interval=ua.Double(interval)
            )
            for node, handle in zip(some, handles, strict=True):
                if isinstance(handle, ua.StatusCode):
                    for point in self._by_node[node.nodeid]:
                        point.trouble = point.trouble_of(str(handle.name))
        self._subscription = subscription

    def datachange_notification(self, node: Node, value: Any, data: Any) -> None:
        """Called by the library for every value that the server reports."""
        self._dropped += len(self._reported) == self._settings.queue_size
        reported = _Reported(node.nodeid, data.monitored_item.Value, self._stopwatch())
        self._reported.append(reported)
        self.arrived.set()

    def status_change_notification(self, status: Any) -> None:
        """Called by the library when the subscription or the connection has ended."""
        self.arrived.set()

    # --- reading ---------------------------------------------------------------------------------

    async def read(self, now: datetime) -> list[Sample]:
        client = self._client
        if client is None:
            raise SourceFault(FaultKind.UNREACHABLE, f"没有连接 {self._settings.url}")
        self.arrived.clear()
        try:
            if self._settings.reading == "poll":
                samples, server_now = await self._poll(client, now)
            else:
                samples, server_now = await self._drain(client, now)
        except Exception as error:
            fault = self._fault(error, client)
            if fault is None:
                raise
            raise fault from None
        troubles = [point.trouble for point in self._points if point.trouble is not None]
        if not samples and len(troubles) == len(self._points):
            raise troubles[0]
        self._remarks.tell([*(fault.text for fault in troubles), *self._about(server_now, now)])
        return samples

    async def _poll(self, client: Client, now: datetime) -> tuple[list[Sample], datetime | None]:
        """All values in as few requests as the server takes, the server's time with the last."""
        nodes = [*self._by_node, _CURRENT_TIME]
        answers: list[ua.DataValue] = []
        for some in _chunks(nodes, self._settings.max_nodes):
            found = await client.uaclient.read_attributes(list(some), AttributeIds.Value)
            if len(found) != len(some):
                text = f"服务器应答 {len(found)} 个值，应为 {len(some)} 个"
                raise SourceFault(FaultKind.GARBAGE, text)
            answers += found
        server_now = _clock(answers[-1])
        until = now if self._is_local else self._unchanged_until(server_now, 0.0)
        samples = []
        for node, data in zip(self._by_node, answers, strict=False):
            for point in self._by_node[node]:
                at = now if self._is_local else point.moment(data, until)
                samples += point.sample(data, at, now)
        return samples, server_now

    async def _drain(self, client: Client, now: datetime) -> tuple[list[Sample], datetime | None]:
        """What was reported since the last read, and that the rest is unchanged."""
        (answer,) = await client.uaclient.read_attributes([_CURRENT_TIME], AttributeIds.Value)
        server_now = _clock(answer)
        await asyncio.sleep(0)  # the library hands over reports in tasks of their own
        self._arrivals.set(now, self._stopwatch())
        samples: list[Sample] = []
        fresh: set[str] = set()
        for one in [self._reported.popleft() for _ in range(len(self._reported))]:
            arrived = self._arrivals.at(one.arrived)
            for point in self._by_node.get(one.node, []):
                at = arrived if self._is_local else opcua_values.stamp(one.data)
                samples += point.sample(one.data, at, arrived)
                fresh.add(point.name)
        silence = self._silence()
        if silence is None:
            return samples, server_now
        until: datetime | None
        if self._is_local:
            until = self._arrivals.at(self._stopwatch() - silence)
        else:
            until = self._unchanged_until(server_now, silence)
        for point in self._points:
            if until is not None and point.name not in fresh:
                samples += point.unchanged(until)
        return samples, server_now

    def _silence(self) -> float | None:
        """Seconds since the subscription last showed that it is alive; None: it has not yet."""
        alive = self._subscription.last_publish_at if self._subscription is not None else None
        return None if alive is None else max(0.0, time.monotonic() - alive)

    def _unchanged_until(self, server_now: datetime | None, silence: float) -> datetime | None:
        if server_now is None:
            return None
        margin = REPORT_INTERVALS * self._settings.publish_seconds + silence
        return server_now - timedelta(seconds=margin)

    # --- words -----------------------------------------------------------------------------------

    def _about(self, server_now: datetime | None, now: datetime) -> list[str]:
        lines = []
        if not self._is_local and server_now is not None and abs(server_now - now) > CLOCK_OFF:
            seconds = round((server_now - now).total_seconds())
            lines.append(f"服务器时钟比本机{'快' if seconds > 0 else '慢'} {abs(seconds)} 秒")
        if self._dropped:
            lines.append(f"队列已满，丢弃了最早的 {self._dropped} 个样本")
            self._dropped = 0
        return lines

    def _fault(self, error: BaseException, client: Client) -> SourceFault | None:
        """The fault that an error means; None for what is no error of the source."""
        if isinstance(error, SourceFault):
            return error
        if not isinstance(error, Exception):
            return None
        return fault_of(error, client, self._settings.url, self._settings.timeout_seconds)

    @property
    def _is_local(self) -> bool:
        return self._settings.timestamps == "local"


async def _leave(client: Client) -> None:
    """Ends the session as far as the server takes part, and the connection in any case."""
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.disconnect()
    client.disconnect_socket()


def _clock(data: ua.DataValue) -> datetime | None:
    value = data.Value.Value if data.Value is not None else None
    return opcua_values.local(value) if isinstance(value, datetime) else None


def _chunks(some: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (some[at : at + size] for at in range(0, len(some), size))
