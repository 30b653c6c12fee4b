"""A TLS connection of pyOpenSSL as an asyncio transport (国密 TLS 的异步传输).

Between the TCP transport below, which brings and takes ciphertext, and the protocol above. What
asyncio does for `ssl`, done for `OpenSSL.SSL`:

- writing: what was written is encrypted at once and handed down; when the TCP transport's buffer
  is full its `pause_writing` is passed on to the protocol, and so is `resume_writing`;
- reading: a protocol that pauses reading pauses TCP too; at most what TCP brought in one piece
  waits here meanwhile;
- the end: our farewell goes out after what was written, theirs is waited for (not for ever); an
  alert in either direction, or TCP that ends without a farewell, ends the connection and tells
  the protocol why.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from OpenSSL import SSL, crypto

_OLD_ALERTS = frozenset(
    {
        "bad certificate",
        "certificate expired",
        "certificate revoked",
        "certificate unknown",
        "handshake failure",
        "unsupported certificate",
    }
)
_RECORD = 16_384
_PIECE = 256 * 1024


class _State(Enum):
    SHAKING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class Spoken:
    """What the listener asks of an `ssl.SSLObject`, of a connection of pyOpenSSL."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        """The other's certificate, DER; there is no other form."""
        if not binary_form:
            raise ValueError("only the certificate itself is given")
        found = self._connection.get_peer_certificate()
        return None if found is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, found)

    def version(self) -> str:
        """As `TLSv1.3`."""
        return self._connection.get_protocol_version_name()

    def cipher(self) -> str | None:
        """As `TLS_SM4_GCM_SM3`."""
        return self._connection.get_cipher_name()

    def group(self) -> str | None:
        """What keys were exchanged on, as `curveSM2`."""
        return self._connection.get_group_name()

    def selected_alpn_protocol(self) -> str | None:
        """None is ever offered."""
        return None


class SmTransport(asyncio.Transport):
    """TLS on a TCP transport; made and shaken by `sm_tls.SmContext.start_tls`."""

    def __init__(
        self,
        raw: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        connection: SSL.Connection,
        context: object,
        shutdown_seconds: float,
    ) -> None:
        super().__init__()
        self._raw = raw
        self._protocol = protocol
        self._connection = connection
        self._extra: dict[str, Any] = {
            "ssl_object": Spoken(connection),
            "sslcontext": context,
        }
        self._shutdown_seconds = shutdown_seconds
        self._loop = asyncio.get_running_loop()
        self._state = _State.SHAKING
        self._shaken: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._error: Exception | None = None

    # --- the handshake ------------------------------------------------------------------

    async def handshake(self, seconds: float) -> None:
        """Perform it; raises as `SmContext.start_tls` says, and then leaves TCP to the caller."""
        self._raw.set_protocol(_Wire(self))
        self._timer = self._loop.call_later(seconds, self._late)
        self._raw.resume_reading()
        self._shake()
        try:
            await self._shaken
        except BaseException:
            self._state = _State.CLOSED
            raise
        finally:
            self._stop_timer()

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
        except (SSL.Error, ssl.SSLError) as error:
            self._flush()  # the alert
            self._not_shaken(ssl_error(error))
        else:
            self._flush()
            self._state = _State.OPEN
            self._stop_timer()
            if not self._shaken.done():
                self._shaken.set_result(None)

    def _late(self) -> None:
        self._not_shaken(ConnectionAbortedError("TLS handshake timed out"))

    def _not_shaken(self, error: Exception) -> None:
        self._state = _State.CLOSED
        if not self._shaken.done():
            self._shaken.set_exception(error)

    # --- from below ---------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Ciphertext came."""
        if self._state is _State.CLOSED:
            return
        self._connection.bio_write(data)
        if self._state is _State.SHAKING:
            self._shake()
        self._take()

    def ended(self) -> None:
        """TCP ended without the farewell of TLS, or after it."""
        if self._state is _State.SHAKING:
            self._not_shaken(ConnectionResetError("connection ended in the TLS handshake"))
        elif self._state is _State.OPEN:
            self._fail(ConnectionResetError("connection ended without the farewell of TLS"))

    def lost(self, error: Exception | None) -> None:
        """TCP is gone."""
        self._stop_timer()
        if self._state is _State.SHAKING:
            self._not_shaken(error or ConnectionResetError("connection lost in the handshake"))
        elif self._shaken.done() and not self._shaken.cancelled() and not self._shaken.exception():
            self._protocol.connection_lost(self._error or error)
        self._state = _State.CLOSED

    def full(self) -> None:
        """TCP takes no more for now."""
        if self._state in (_State.OPEN, _State.CLOSING):
            self._protocol.pause_writing()

    def empty(self) -> None:
        """TCP takes more again."""
        if self._state in (_State.OPEN, _State.CLOSING):
            self._protocol.resume_writing()

    def _take(self) -> None:
        """Hand up what can be decrypted, as long as it is wanted."""
        while self._state in (_State.OPEN, _State.CLOSING) and not self._paused:
            try:
                data = self._connection.recv(_RECORD)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._farewell()
                break
            except (SSL.Error, ssl.SSLError) as error:
                self._fail(ssl_error(error))
                return
            if self._state is _State.OPEN:
                assert isinstance(self._protocol, asyncio.Protocol)  # noqa: S101
                self._protocol.data_received(data)
        if self._state is not _State.CLOSED:
            self._flush()  # an answer to a change of keys

    def _farewell(self) -> None:
        """The other has said that no more will come."""
        if self._state is _State.OPEN:
            assert isinstance(self._protocol, asyncio.Protocol)  # noqa: S101
            self._protocol.eof_received()
        self.close()
        self._raw.close()

    def _fail(self, error: Exception) -> None:
        """End at once; the alert goes out if TCP takes it."""
        self._error = error
        self._state = _State.CLOSING
        self._flush()
        self._raw.close()
        if self._raw.get_write_buffer_size():
            self._await_end()

    def _flush(self) -> None:
        while True:
            try:
                data = self._connection.bio_read(_PIECE)
            except SSL.WantReadError:
                return
            self._raw.write(data)

    # --- from above ---------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._state is not _State.OPEN:
            return
        view = memoryview(data).cast("B")
        try:
            while view:
                view = view[self._connection.send(view[:_PIECE]) :]
        except SSL.Error as error:
            self._fail(ssl_error(error))
            return
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        if self._state is _State.OPEN:
            self._paused = True
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._state is _State.OPEN:
            self._raw.resume_reading()
            self._loop.call_soon(self._take)

    def is_reading(self) -> bool:
        return self._state is _State.OPEN and not self._paused

    def close(self) -> None:
        """Say farewell after what was written, and wait for the other's."""
        if self._state is not _State.OPEN:
            return
        self._state = _State.CLOSING
        self._paused = False
        try:
            self._connection.shutdown()
        except SSL.Error:
            self._raw.abort()
            return
        self._flush()
        self._await_end()
        self._raw.resume_reading()
        self._loop.call_soon(self._take)  # what came meanwhile is for nobody

    def abort(self) -> None:
        """End now, whatever is still to be sent."""
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._state is not _State.OPEN or self._raw.is_closing()

    def _await_end(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(self._shutdown_seconds, self._raw.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the rest of a transport --------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name in self._extra:
            return self._extra[name]
        return self._raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)


class _Wire(asyncio.Protocol):
    """What the TCP transport talks to."""

    def __init__(self, transport: SmTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.received(data)

    def eof_received(self) -> None:
        self._transport.ended()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.lost(exc)

    def pause_writing(self) -> None:
        self._transport.full()

    def resume_writing(self) -> None:
        self._transport.empty()


def ssl_error(error: Exception) -> Exception:
    """An error of pyOpenSSL as the `ssl` module would have raised it; others as they are."""
    if isinstance(error, SSL.SysCallError):
        return ConnectionResetError("connection ended in the middle of TLS")
    if not isinstance(error, SSL.Error | crypto.Error):
        return error
    told = error.args[0] if error.args and isinstance(error.args[0], list) else []
    # The first that TLS itself had to say; after it come those of the layers above.
    reasons = [str(entry[-1]) for entry in told if entry[0] == "SSL routines" and entry[-1]]
    reasons += [str(entry[-1]) for entry in told if entry[-1]]
    reason = reasons[0] if reasons else str(error) or type(error).__name__
    made = ssl.SSLError(1, f"[SSL] {reason}")
    made.library = "SSL"
    made.reason = _word(reason)
    return made


def _word(reason: str) -> str:
    """OpenSSL's reason as Python's `ssl` has it: alerts by the version that brought them."""
    plain = re.sub(r"^(?:ssl/tls|tls|sslv3|tlsv1) alert ", "", reason)
    if plain != reason:
        version = "SSLV3" if plain in _OLD_ALERTS else "TLSV1"
        plain = f"{version} alert {plain}"
    return plain.upper().replace(" ", "_").replace("-", "_")
