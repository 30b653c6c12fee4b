"""aiomqtt's client with three gaps closed that a device on its own must not have.

A peer that ends the connection before the session begins is told at once, not after the time-out;
a session that did not come about leaves no socket behind; and whether a peer that gave no session
said anything at all can be asked. Everything else is aiomqtt's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions


class _ClosingSocket(ssl.SSLSocket):
    """paho leaves a socket open whose handshake failed."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class Client(aiomqtt.Client):
    """A client for one connection."""

    def __init__(
        self,
        hostname: str,
        port: int,
        *,
        timeout: float,
        persistent: bool,
        version5: bool,
        tls_context: ssl.SSLContext | None,
        **options: Any,
    ) -> None:
        if tls_context is not None:
            tls_context.sslsocket_class = _ClosingSocket
        if version5:
            options["protocol"] = aiomqtt.ProtocolVersion.V5
            options["clean_start"] = not persistent
            if persistent:
                options["properties"] = _kept()
        else:
            options["clean_session"] = not persistent
        super().__init__(hostname, port, timeout=timeout, tls_context=tls_context, **options)
        self._client.connect_timeout = timeout
        self._version5 = version5
        self._left = False

    async def connect(self) -> None:
        """Begin the session; MqttError, its `__context__` the error of the socket if there is."""
        await self.__aenter__()

    async def subscribe_to(self, topics: Sequence[str], qos: int) -> list[int | ReasonCode]:
        """The broker's answer for each topic; MqttError."""
        if self._version5:
            return list(await self.subscribe([(one, SubscribeOptions(qos)) for one in topics]))
        return list(await self.subscribe([(one, qos) for one in topics]))

    async def leave(self) -> None:
        """End the session if there is one, and close the socket in any case."""
        self._left = True
        if self._connected.done() and not self._connected.cancelled():
            with suppress(aiomqtt.MqttError):
                if self._connected.exception() is None:
                    await self.__aexit__(None, None, None)
        self._close()
        if self._misc_task is not None:
            self._misc_task.cancel()
            await asyncio.wait([self._misc_task])

    @property
    def heard_nonsense(self) -> bool:
        """Whether the peer has said something that is no session."""
        return bool(self._client._in_packet["command"]) or self._disconnected.done()

    def _close(self) -> None:
        self._client._sock_close()
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # it has been told, or nobody wants it

    def _client_connect(self) -> None:
        """In a thread, which goes on when nobody waits for it any more."""
        super()._client_connect()
        if self._left:
            with suppress(RuntimeError):  # the loop has ended too
                self._loop.call_soon_threadsafe(self._close)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttCodeError(reason_code))
            return
        if self._connected.cancelled():
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _kept() -> Properties:
    """MQTT 5: how long the broker keeps the session; as long as it can."""
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0xFFFFFFFF
    return cast("Properties", properties)
