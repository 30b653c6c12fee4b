"""The time between TCP and HTTP: the TLS handshake of one connection, and what is logged of it.

asyncio refuses a handshake without a word, neither in the log nor, since it drops the alert
unsent, to the client. So the listener accepts plain TCP and upgrades by `loop.start_tls`, which
tells what went wrong, with the address at hand; and a class of TLS objects puts the alert on
the wire, so that who installs a device reads "certificate expired" there and not "connection
reset".
"""

from __future__ import annotations

import asyncio
import contextvars
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

import structlog

from nenghao.platform.web.limits import Limits

log = structlog.get_logger(__name__)

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "对方没有出示证书",
    "UNSUPPORTED_PROTOCOL": "对方的 TLS 版本过低",
    "NO_SHARED_CIPHER": "没有双方都支持的加密套件",
    "HTTP_REQUEST": "对方发来的是明文 HTTP",
    "TLSV1_ALERT_UNKNOWN_CA": "对方不信任本平台证书的签发者",
    "SSLV3_ALERT_BAD_CERTIFICATE": "对方不接受本平台的证书",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "对方认为本平台的证书已过期",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "对方不接受本平台的证书",
}
_VERIFY_REASONS = {
    9: "对方证书尚未生效",
    10: "对方证书已过期",
    18: "对方证书是自签名的",
    19: "对方证书的签发者不受信任",
    20: "对方证书的签发者不受信任",
    21: "对方证书的签发者不受信任",
    23: "对方证书已吊销",
    26: "对方证书的用途不是客户端认证",
}


def reason_of(error: BaseException) -> str:
    """Why a handshake failed, in Chinese, with OpenSSL's own word where there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY_REASONS.get(error.verify_code, "对方证书未通过验证")
        return f"{known}（{error.verify_message}）"
    if isinstance(error, ssl.SSLError):
        return f"{_REASONS.get(error.reason or '', 'TLS 协议错误')}（{error.reason}）"
    if isinstance(error, ConnectionAbortedError):
        return "握手超时"
    if isinstance(error, OSError):
        return "对方在握手完成前断开"
    return f"意外错误（{type(error).__name__}）"


def is_about_certificate(error: BaseException) -> bool:
    """Whether the client was turned away for its certificate, or for having none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    reason = getattr(error, "reason", "")
    return isinstance(error, ssl.SSLError) and reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


class TlsContext(Protocol):
    """A context of another TLS than Python's own (`security.sm_tls`): it upgrades by itself."""

    async def start_tls(
        self,
        raw: asyncio.Transport,
        protocol: asyncio.Protocol,
        *,
        ssl_handshake_timeout: float,
        ssl_shutdown_timeout: float,
    ) -> asyncio.Transport:
        """As `loop.start_tls`, server side."""


_wire: contextvars.ContextVar[asyncio.Transport] = contextvars.ContextVar("wire")
"""TCP transport of the handshake that the current task performs."""


class Handshake(asyncio.Protocol):
    """Protocol of a fresh TCP connection: performs the handshake, then gives way to HTTP.

    `make` builds the HTTP protocol for the TCP transport; it is called only after a successful
    handshake. `admit` says whether there is room for one more connection, `on_refused` hears of
    refused certificates: address and reason. `on_failed` hears of every handshake that failed.
    """

    def __init__(
        self,
        context: ssl.SSLContext | TlsContext,
        limits: Limits,
        make: Callable[[asyncio.Transport], asyncio.Protocol],
        under_way: set[Handshake],
        admit: Callable[[asyncio.Transport], bool],
        on_refused: Callable[[str, str], None] | None = None,
        on_failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        if isinstance(context, ssl.SSLContext):
            context.sslobject_class = _SpeakingObject
        self._context = context
        self._limits = limits
        self._make = make
        self._under_way = under_way
        self._admit = admit
        self._on_refused = on_refused
        self._on_failed = on_failed
        self._raw: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast("asyncio.Transport", transport)
        self._raw = raw
        if not self._admit(raw):
            raw.abort()
            return
        raw.pause_reading()  # nothing may be read before TLS is there to read it
        self._under_way.add(self)
        self._task = asyncio.get_running_loop().create_task(self._perform(raw))

    def data_received(self, data: bytes) -> None:
        # What came together with the last message of the handshake.
        self._early.append(data)

    def abort(self) -> None:
        """End the connection now."""
        if self._task is not None:
            self._task.cancel()
        if self._raw is not None:
            self._raw.abort()

    async def _perform(self, raw: asyncio.Transport) -> None:
        _wire.set(raw)
        peer = raw.get_extra_info("peername")
        try:
            transport = await self._upgraded(raw)
        except Exception as error:
            self._refused(peer, error)
            raw.abort()
            return
        finally:
            self._under_way.discard(self)
        if transport is None or transport.is_closing():
            # Gone in the moment between; asyncio does not tell whether before or after the end.
            spoken = transport and transport.get_extra_info("ssl_object")
            if not spoken or spoken.version() is None:
                self._refused(peer, ConnectionResetError())
            return
        protocol = self._make(raw)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in self._early:
            protocol.data_received(data)

    async def _upgraded(self, raw: asyncio.Transport) -> asyncio.Transport | None:
        handshake, shutdown = self._limits.handshake_seconds, self._limits.close_seconds
        if not isinstance(self._context, ssl.SSLContext):
            return await self._context.start_tls(
                raw, self, ssl_handshake_timeout=handshake, ssl_shutdown_timeout=shutdown
            )
        return await asyncio.get_running_loop().start_tls(
            raw,
            self,
            self._context,
            server_side=True,
            ssl_handshake_timeout=handshake,
            ssl_shutdown_timeout=shutdown,
        )

    def _refused(self, peer: tuple[str, int] | None, error: Exception) -> None:
        self._on_failed(error)
        address = f"{peer[0]}:{peer[1]}" if peer else ""
        log.warning("TLS 握手被拒绝", peer=address, reason=reason_of(error))
        if self._on_refused is not None and is_about_certificate(error):
            self._on_refused(peer[0] if peer else "", reason_of(error))


class _SpeakingObject(ssl.SSLObject):
    """Sends the alert of a failed handshake, which asyncio would leave in its buffer."""

    _alerts: tuple[ssl.MemoryBIO, asyncio.Transport] | None = None

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **rest: Any) -> Any:
        # How SSLContext.wrap_bio makes its objects, the only place that knows the buffer.
        # Should Python ever make them otherwise, alerts stay unsent again and nothing else.
        made = super()._create(incoming, outgoing, **rest)  # type: ignore[misc]
        raw = _wire.get(None)
        if raw is not None:
            made._alerts = (outgoing, raw)
        return made

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self._alerts is not None:
                outgoing, raw = self._alerts
                raw.write(outgoing.read())
            raise
