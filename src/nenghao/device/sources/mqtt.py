"""MQTT: values that a broker (消息服务器) delivers as they are published, through aiomqtt.

Messages come when they come; between two reads they wait as samples in a bounded queue, of which
the oldest go first when it is full. A value without a time of its own holds when it arrives, told
by a stopwatch that runs from message to read: nobody here looks at a clock. A retained message
(保留消息) may be days old, so by default it counts only when it says its own time. What messages
say is `mqtt_payload`'s business. A message that cannot be read is a remark about its point; only
when no point at all gives anything but nonsense is there a fault.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from msgspec import Meta, Struct
from paho.mqtt.reasoncodes import ReasonCode

from nenghao.device.sources.arrivals import Arrivals
from nenghao.device.sources.base import FaultKind, Sample, SourceFault, secret
from nenghao.device.sources.discreet import Discreet
from nenghao.device.sources.mqtt_client import Client
from nenghao.device.sources.mqtt_payload import MqttPoint, Payload, PayloadReader, Reading
from nenghao.device.sources.network import timed_out, tls_context, unreachable
from nenghao.device.sources.remarks import Remarks

# Faults are told once, in Chinese, by whoever asked; the library would tell them again.
logging.getLogger("mqtt").setLevel(logging.CRITICAL)


class MqttSettings(
    Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt", tag_field="type"
):
    """A `[[source]]` block with `type = "mqtt"`."""

    secrets: ClassVar[frozenset[str]] = frozenset({"password"})

    name: Annotated[str, Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """None: 1883, with TLS 8883."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    tls: bool = False
    ca_file: str = ""
    """PEM of the authority of the broker's certificate; empty: the system's authorities."""
    certificate: str = ""
    private_key: str = ""
    """The device's own, for brokers that ask for one."""
    username: str = ""
    password: str = ""
    password_file: str = ""
    client_id: str = ""
    """Empty: a random one."""
    persistent: bool = False
    """Whether the broker keeps messages while the device is away; needs a `client_id`."""
    qos: Literal[0, 1, 2] = 1
    keepalive_seconds: Annotated[int, Meta(ge=1, le=65_535)] = 30
    retained: Literal["timed", "always", "never"] = "timed"
    """Which retained messages count: those with a time of their own, all, none."""
    queue_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    """Samples that wait for the next read."""
    points: Annotated[list[MqttPoint], Meta(min_length=1)]

    def __post_init__(self) -> None:
        names = [point.name for point in self.points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"采集点名称重复：{'、'.join(twice)}")
        if self.persistent and not self.client_id:
            raise ValueError("persistent 需要给出 client_id")
        if (self.password or self.password_file) and not self.username:
            raise ValueError("给出了密码而没有 username")
        if (self.ca_file or self.certificate) and not self.tls:
            raise ValueError("给出了证书而 tls 为 false")
        if self.private_key and not self.certificate:
            raise ValueError("给出了 private_key 而没有 certificate")
        for point in self.points:
            try:
                PayloadReader(point)
                aiomqtt.Wildcard(point.topic)
            except ValueError as error:
                reason = str(error) if not isinstance(error, UnicodeError) else "主题不合法"
                if "Invalid wildcard" in reason:
                    reason = f"主题 {point.topic!r} 不合法"
                raise ValueError(f"采集点 {point.name}：{reason}") from None


def make(settings: MqttSettings, home_dir: Path) -> MqttSource:
    """The source of a settings block, not yet open."""
    return MqttSource(settings, home_dir)


class _Waiting(Struct, frozen=True):
    """A reading in the queue, and when the stopwatch stood at its arrival."""

    reading: Reading
    arrived: float


class MqttSource:
    """One connection to a broker with a subscription per topic."""

    def __init__(
        self,
        settings: MqttSettings,
        home_dir: Path,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._home_dir = home_dir
        self._stopwatch = stopwatch
        self._by_topic: dict[str, list[PayloadReader]] = {}
        self._by_filter: list[PayloadReader] = []
        for point in settings.points:
            reader = PayloadReader(point)
            if set(point.topic) & set("+#$"):
                self._by_filter.append(reader)
            else:
                self._by_topic.setdefault(point.topic, []).append(reader)
        self._waiting: deque[_Waiting] = deque(maxlen=settings.queue_size)
        self._lost_samples = 0
        self._troubles: dict[str, str] = {}
        self._denied: set[str] = set()
        self._remarks = Remarks()
        self._clock = Arrivals()
        self._client: Client | None = None
        self._listening: asyncio.Task[None] | None = None
        self._fault: SourceFault | None = None
        self.arrived = asyncio.Event()
        """Set whenever a message has come or the connection is gone, for whoever waits for it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Messages since the last `read` that could not be used, and topics that are denied."""
        return self._remarks.lines

    async def open(self) -> None:
        client = self._make_client()
        try:
            await client.connect()
            await self._subscribe(client)
        except aiomqtt.MqttError as error:
            fault = self._connect_fault(client, error)
            await client.leave()
            raise fault from None
        except BaseException:
            await client.leave()
            raise
        self._fault = None
        self._troubles = {}
        self._client = client
        self._listening = asyncio.create_task(self._listen(client))

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        if self._client is not None:
            await self._client.leave()
            self._client = None

    async def read(self, now: datetime) -> list[Sample]:
        """What came since the last read, in the order of arrival."""
        self.arrived.clear()
        self._clock.set(now, self._stopwatch())
        samples = [self._sample(self._waiting.popleft()) for _ in range(len(self._waiting))]
        self._tell()
        if samples:
            return samples
        if self._fault is not None:
            raise self._fault
        if self._client is None:
            raise SourceFault(FaultKind.UNREACHABLE, f"没有连接 {self._peer}")
        if len(self._troubles) == len(self._settings.points):
            name, trouble = next(iter(self._troubles.items()))
            raise SourceFault(FaultKind.GARBAGE, f"采集点 {name}：{trouble}")
        return []

    # --- messages --------------------------------------------------------------------------------

    async def _listen(self, client: Client) -> None:
        try:
            async for message in client.messages:
                self._take(message)
                self.arrived.set()
        except aiomqtt.MqttError as error:
            self._fault = self._loss(error.__cause__)
        finally:
            self.arrived.set()

    def _take(self, message: aiomqtt.Message) -> None:
        arrived = self._stopwatch()
        payload = Payload(message.payload)
        for reader in self._readers_of(message.topic):
            point = reader.point
            if message.retain and not self._counts_retained(reader):
                continue
            readings, trouble = reader.read(payload)
            self._troubles.pop(point.name, None)
            if trouble:
                self._troubles[point.name] = f"主题 {message.topic}：{trouble}"
            for reading in readings:
                self._lost_samples += len(self._waiting) == self._settings.queue_size
                self._waiting.append(_Waiting(reading, arrived))

    def _readers_of(self, topic: aiomqtt.Topic) -> list[PayloadReader]:
        readers = self._by_topic.get(str(topic), [])
        return readers + [one for one in self._by_filter if topic.matches(one.point.topic)]

    def _counts_retained(self, reader: PayloadReader) -> bool:
        retained = self._settings.retained
        return retained == "always" or (retained == "timed" and reader.is_timed)

    def _sample(self, waiting: _Waiting) -> Sample:
        reading = waiting.reading
        moment = reading.time or self._clock.at(waiting.arrived)
        return Sample(reading.point, moment, reading.value)

    def _tell(self) -> None:
        lines = [f"没有权限订阅主题 {topic}" for topic in sorted(self._denied)]
        lines += [f"采集点 {name}：{trouble}" for name, trouble in self._troubles.items()]
        if self._lost_samples:
            lines.append(f"队列已满，丢弃了最早的 {self._lost_samples} 个样本")
            self._lost_samples = 0
        self._remarks.tell(lines)

    # --- the connection --------------------------------------------------------------------------

    def _make_client(self) -> Client:
        settings = self._settings
        options: dict[str, Any] = {}
        context = None
        if settings.tls:
            context = tls_context(
                self._home_dir,
                ca_file=settings.ca_file,
                certificate=settings.certificate,
                private_key=settings.private_key,
            )
        if settings.username:
            password = secret(settings.password, settings.password_file, self._home_dir)
            options |= {"username": settings.username, "password": password or None}
        return Client(
            settings.host,
            self._port,
            identifier=settings.client_id or f"nenghao-{secrets.token_hex(8)}",
            persistent=settings.persistent,
            version5=settings.protocol == "5",
            keepalive=settings.keepalive_seconds,
            timeout=settings.timeout_seconds,
            tls_context=context,
            **options,
        )

    async def _subscribe(self, client: Client) -> None:
        """Subscribes to every topic; a fault when the broker denies them all."""
        topics = list(dict.fromkeys(point.topic for point in self._settings.points))
        codes = await client.subscribe_to(topics, self._settings.qos)
        self._denied = {
            topic for topic, code in zip(topics, codes, strict=False) if _value(code) >= 128
        }
        if len(self._denied) == len(topics):
            text = f"{self._peer} 不允许订阅主题 {'、'.join(topics[:5])}"
            raise SourceFault(FaultKind.CREDENTIALS, text)

    def _connect_fault(self, client: Client, error: aiomqtt.MqttError) -> SourceFault:
        """Why there is no session with the broker."""
        cause = error.__context__
        if isinstance(error, MqttConnectError):
            return self._refusal(_value(error.rc))
        if isinstance(error, aiomqtt.MqttCodeError):
            return self._loss(error)
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return unreachable(self._peer, cause)
        if client.heard_nonsense:
            text = f"{self._peer} 的应答不是 MQTT {self._settings.protocol}"
            return SourceFault(FaultKind.GARBAGE, text)
        return timed_out(self._peer, self._settings.timeout_seconds)

    def _refusal(self, code: int) -> SourceFault:
        """What the broker's CONNACK says, in the numbers of MQTT 5."""
        if code in (0x86, 0x87, 0x8C):
            text = f"{self._peer} 拒绝登录：用户名或密码不正确，或没有权限"
            return SourceFault(FaultKind.CREDENTIALS, text)
        if code in (0x84, 0x85):
            reason = "协议版本" if code == 0x84 else "client_id"
            return SourceFault(FaultKind.CONFIGURATION, f"{self._peer} 不接受 {reason}")
        return SourceFault(FaultKind.UNREACHABLE, f"{self._peer} 拒绝服务（代码 {code:#x}）")

    def _loss(self, cause: BaseException | None) -> SourceFault:
        """Why a connection ended."""
        code = _value(cause.rc) if isinstance(cause, aiomqtt.MqttCodeError) else 0
        if code == 0x8D:
            return SourceFault(FaultKind.TIMEOUT, f"{self._peer} 没有应答心跳，连接已断开")
        if code in (0x81, 0x82) or not isinstance(cause, aiomqtt.MqttError | OSError | None):
            text = f"{self._peer} 的应答不是 MQTT {self._settings.protocol}，连接已断开"
            return SourceFault(FaultKind.GARBAGE, text)
        if code in (0x87, 0x98, 0x8E):
            return SourceFault(FaultKind.CREDENTIALS, f"{self._peer} 终止了会话（代码 {code:#x}）")
        return SourceFault(FaultKind.UNREACHABLE, f"{self._peer} 断开了连接")

    @property
    def _port(self) -> int:
        return self._settings.port or (8883 if self._settings.tls else 1883)

    @property
    def _peer(self) -> str:
        return f"{self._settings.host}:{self._port}"


def _value(code: int | ReasonCode | None) -> int:
    return int(code.value) if isinstance(code, ReasonCode) else int(code or 0)
