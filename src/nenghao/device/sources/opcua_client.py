"""asyncua's client with its errors as faults (OPC UA 连接), and its habits where they do harm.

The library tells of nonsense on the wire in its log only, and asks for keep-alives every three
quarters of an hour; here the first is remembered and the second come every few seconds, since
what a subscription does not report is known to be unchanged only while it is alive.
"""

from __future__ import annotations

import logging
import math
import sys

from asyncua import ua
from asyncua.client import client as library
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.uaerrors._base import UaError, UaStatusCodeError

from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.network import timed_out, unreachable

# Faults are told once, in Chinese, by whoever asked; the library would tell them again, and
# errors of its own with whole packets.
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

KEEPALIVE_SECONDS = 5.0
"""A subscription without news says that it is alive at least so often."""

WATCH_SECONDS = 60.0
"""How often the library looks by itself whether the server is there; every read does anyway."""

_MESSAGES = frozenset({b"ACK", b"ERR", b"MSG", b"OPN", b"CLO"})

_CREDENTIALS = (
    "BadUserAccessDenied",
    "BadIdentityToken",
    "BadCertificate",
    "BadSecurityChecksFailed",
    "BadUserSignatureInvalid",
    "BadApplicationSignatureInvalid",
    "BadNoValidCertificates",
    "BadNotReadable",
)
_CONFIGURATION = (
    "BadNodeId",
    "BadAttributeIdInvalid",
    "BadIndexRange",
    "BadSecurityPolicyRejected",
    "BadSecurityModeRejected",
    "BadTcpEndpointUrlInvalid",
)
_UNREACHABLE = (
    "BadCommunicationError",
    "BadConnection",
    "BadDeviceFailure",
    "BadMaxConnectionsReached",
    "BadNoCommunication",
    "BadNotConnected",
    "BadOutOfService",
    "BadSecureChannelClosed",
    "BadSensorFailure",
    "BadServerHalted",
    "BadSession",
    "BadShutdown",
    "BadTooMany",
    "BadTcpServerTooBusy",
    "BadWaitingForInitialData",
)
_TIMEOUT = ("BadTimeout", "BadRequestTimeout")


class Client(library.Client):
    """A client for one connection; it never connects again by itself."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout=timeout, watchdog_intervall=WATCH_SECONDS)
        self.name = self.description = "nenghao"
        self.product_uri = "urn:nenghao:device"
        self._broke_off = False
        self._protocol: UASocketProtocol | None = None
        self._make_protocol = self.uaclient._make_protocol
        self.uaclient._make_protocol = self._watched  # type: ignore[method-assign]

    @property
    def heard_nonsense(self) -> bool:
        """Whether the peer has said something that is no message nor the beginning of one."""
        begun = self._protocol.receive_buffer if self._protocol is not None else None
        return self._broke_off or (begun is not None and begun[:3] not in _MESSAGES)

    def _watched(self) -> UASocketProtocol:
        """The protocol; it hangs up where it cannot read on, and then the error is at hand."""
        protocol = self._protocol = self._make_protocol()
        hang_up = protocol.disconnect_socket

        def disconnect_socket() -> None:
            error = sys.exception()
            expected = (OSError, UaStatusCodeError, type(None))
            self._broke_off |= not isinstance(error, expected)
            hang_up()

        protocol.disconnect_socket = disconnect_socket  # type: ignore[method-assign]
        return protocol

    def get_keepalive_count(self, period: float) -> int:
        """Publishing intervals (of `period` ms) between two signs of life."""
        return max(1, math.ceil(KEEPALIVE_SECONDS * 1000 / period)) if period else 0


def kind_of(name: str) -> FaultKind:
    """Which kind of fault a bad status code is, by its name."""
    for names, kind in (
        (_CREDENTIALS, FaultKind.CREDENTIALS),
        (_CONFIGURATION, FaultKind.CONFIGURATION),
        (_UNREACHABLE, FaultKind.UNREACHABLE),
        (_TIMEOUT, FaultKind.TIMEOUT),
    ):
        if name.startswith(names):
            return kind
    return FaultKind.GARBAGE


def fault_of(error: Exception, client: Client, peer: str, seconds: float) -> SourceFault:
    """What an error of the library means. Texts hold no secrets: they are made here."""
    if isinstance(error, UaStatusCodeError):
        name = ua.StatusCode(error.code).name
        return SourceFault(kind_of(name), f"{peer} 拒绝了请求：{name}")
    if client.heard_nonsense:
        return SourceFault(FaultKind.GARBAGE, f"{peer} 的应答不是合法的 OPC UA 报文")
    if isinstance(error, TimeoutError):
        return timed_out(peer, seconds, "收到应答：")
    if isinstance(error, ConnectionError) and error.errno is None:
        return SourceFault(FaultKind.UNREACHABLE, f"{peer} 断开了连接")
    if isinstance(error, OSError):
        return unreachable(peer, error)
    if isinstance(error, UaError) and "No matching endpoints" in str(error):
        text = f"{peer} 不提供所配置的安全策略和模式"
        return SourceFault(FaultKind.CONFIGURATION, text)
    return SourceFault(FaultKind.GARBAGE, f"{peer} 的应答无法理解（{type(error).__name__}）")
