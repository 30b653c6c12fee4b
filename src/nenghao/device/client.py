"""The device's voice: requests over HTTPS with both certificates, outcomes as session events.

The platform's certificate is verified, always: the context comes from `security.contexts` and no
setting turns that off. Every request has one deadline from connecting to the last byte. What an
answer means is decided by its responseCode alone, never by its text (docs/decisions 2); when to
ask is `session`'s business. The transport is the seam for tests.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from nenghao.clock import CST
from nenghao.device.encoding import ContentEncoding, compressor
from nenghao.device.events import Done, Failure, FailureKind, Registered, Registration, VersionsRead
from nenghao.device.home import Unit
from nenghao.device.reasons import alert_of, cause_of, reason_of
from nenghao.device.urls import BadAddress, read_url
from nenghao.standard import replies
from nenghao.standard.messages import Answer, codec, write
from nenghao.standard.messages.base_data import BaseDataRequest
from nenghao.standard.messages.config_data import ConfigDownloadAnswer, ConfigDownloadRequest
from nenghao.standard.messages.energy_data import EnergyDownloadAnswer, EnergyDownloadRequest
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest

if TYPE_CHECKING:
    from nenghao.security.sm_tls import SmContext

A = TypeVar("A", bound=Answer)

CONNECT_SECONDS = 30.0
"""At most this long, and at most half the deadline, for TCP and TLS: after that nobody is there."""

KEEP_SECONDS = 30.0
"""A connection idle for longer is not used again: platforms close theirs after a minute or so."""

_JSON = "application/json; charset=utf-8"

_DEVICE_WORDS = ("deviceid", "设备序列号", "guid")
"""How platforms name `deviceId` in the text of an E2002."""

_NEVER_REACHED = frozenset({404, 405})
"""HTTP statuses that are failures whatever stands in the body (docs/decisions 5)."""

_TEXTS = ("responseCode", "regVersion", "dicVersion")
"""Fields that are text and that some platforms write as numbers."""


class Reply(Struct, frozen=True):
    """An answer with success: its body as it came."""

    body: bytes


class Pieces(Protocol):
    """A body that is made while it is sent, of a length that is known before."""

    def __len__(self) -> int:
        """Bytes in all."""

    def __iter__(self) -> Iterator[bytes]:
        """From the beginning, every time."""


class _Head(Struct):
    code: Any = msgspec.field(default=None, name="responseCode")
    message: Any = msgspec.field(default=None, name="responseMessage")


class PlatformClient:
    """Asks one platform; use as an async context manager.

    Exactly one of `context` and `transport` is given; `timeout` is in seconds. With a
    `content_encoding` uploads are compressed; everything else is small. `on_date` hears
    what the platform's clock shows (the `Date` of its answers), in China Standard Time.
    With `leave_by` connections leave by that interface or address alone (`way_out`).
    """

    def __init__(
        self,
        *,
        timeout: float,
        context: ssl.SSLContext | SmContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        content_encoding: ContentEncoding = "identity",
        on_date: Callable[[datetime], None] | None = None,
        leave_by: str = "",
    ) -> None:
        if transport is None:
            if context is None or context.verify_mode is not ssl.CERT_REQUIRED:
                raise ValueError("a context that verifies the platform is needed")
            limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEP_SECONDS)
            if not isinstance(context, ssl.SSLContext):
                from nenghao.device.sm_http import SmHttpTransport

                transport = SmHttpTransport(context, limits, leave_by)
            elif leave_by:
                from nenghao.device.way_out import BoundTransport

                transport = BoundTransport(context, limits, leave_by)
            else:
                transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)
        self._timeout = timeout
        self._content_encoding = content_encoding
        self._compress = compressor(content_encoding)
        self._on_date = on_date
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, timeout / 2)),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> PlatformClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    # --- the five requests of the session --------------------------------------------------------

    async def register(self, url: str, unit: Unit, now: datetime) -> Registered | Failure:
        """A.1, at the root URL of the registration service; `now` becomes the registration's."""
        request = RegistrationRequest(
            enterprise_code=unit.code,
            enterprise_name=unit.name,
            region=unit.region,
            region_name=unit.region_name,
        )
        answer = await self._ask(url, write(request), RegistrationAnswer)
        if isinstance(answer, Failure):
            return answer
        try:
            return Registered(_registration(answer, now))
        except BadAddress as error:
            return Failure(FailureKind.FAULT, f"注册应答不可用：{error}")

    async def versions(self, registration: Registration) -> VersionsRead | Failure:
        """A.3."""
        request = VersionRequest(device_id=registration.device_id)
        answer = await self._ask(registration.version_url, write(request), VersionAnswer)
        if isinstance(answer, Failure):
            return answer
        return VersionsRead(answer.reg_version, answer.dic_version)

    async def base_data(self, registration: Registration) -> Reply | Failure:
        """A.2, everything; the answer's body, for the device to keep."""
        request = BaseDataRequest(device_id=registration.device_id)
        reply = await self.post(registration.base_data_url, write(request))
        if isinstance(reply, Failure):
            return reply
        tables = msgspec.json.decode(codec.drop_bom(reply.body)).get("data")
        return reply if isinstance(tables, dict) else Failure(FailureKind.FAULT, "应答没有 data")

    async def configuration(self, registration: Registration, body: bytes) -> Done | Failure:
        """A.4."""
        return _done(await self._upload(registration.config_url, body))

    async def upload(self, registration: Registration, body: bytes | Pieces) -> Done | Failure:
        """A.5."""
        return _done(await self._upload(registration.data_url, body))

    # --- reading back ----------------------------------------------------------------------------

    async def download_page(
        self, registration: Registration, request: EnergyDownloadRequest
    ) -> EnergyDownloadAnswer | Failure:
        """One page of what was uploaded (downloadEnergyData, docs/decisions 6)."""
        return await self._ask(registration.data_download_url, write(request), EnergyDownloadAnswer)

    async def download_configuration(
        self, registration: Registration, request: ConfigDownloadRequest
    ) -> ConfigDownloadAnswer | Failure:
        """The configuration as the platform has it (downloadConfigData, docs/decisions 6)."""
        return await self._ask(
            registration.config_download_url, write(request), ConfigDownloadAnswer
        )

    # --- one request -----------------------------------------------------------------------------

    async def _upload(self, url: str, body: bytes | Pieces) -> Reply | Failure:
        if self._compress is None:
            return await self.post(url, body)
        pieces = (body,) if isinstance(body, bytes) else body
        packed = await asyncio.to_thread(self._compress, pieces, len(body))
        return await self.post(url, packed, {"content-encoding": self._content_encoding})

    async def post(
        self, url: str, body: bytes | Pieces, headers: Mapping[str, str] | None = None
    ) -> Reply | Failure:
        """POST a JSON body; the answer if its code is "0", else what kind of failure it was."""
        told = {"content-type": _JSON, "content-length": str(len(body)), **(headers or {})}
        content = body if isinstance(body, bytes) else _streamed(body)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._http.post(url, content=content, headers=told)
        except TimeoutError:
            return Failure(FailureKind.BROKEN, f"{self._timeout:g} 秒内没有收到应答")
        except (httpx.TransportError, ssl.SSLError) as error:
            # In TLS 1.3 a refused certificate shows when the answer is read, and httpx lets it by.
            return _unsent(url, error)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return Failure(FailureKind.FAULT, f"应答无法读取：{error}")
        shown = _date(response.headers.get("date", ""))
        if self._on_date is not None and shown is not None:
            self._on_date(shown)
        return _judge(response.status_code, response.content)

    async def _ask(self, url: str, body: bytes, cls: type[A]) -> A | Failure:
        reply = await self.post(url, body)
        if isinstance(reply, Failure):
            return reply
        value = msgspec.json.decode(codec.drop_bom(reply.body))
        for name in _TEXTS:
            if type(value.get(name)) is int:
                value[name] = str(value[name])
        try:
            return codec.read_value(cls, value)
        except replies.Refusal as refusal:
            return Failure(FailureKind.FAULT, f"应答不可用：{refusal.text.partition('：')[2]}")


async def _streamed(body: Pieces) -> AsyncIterator[bytes]:
    """The pieces as httpx takes them: the next is made when the line has taken the last."""
    for piece in body:
        yield piece


def _date(header: str) -> datetime | None:
    """The time in a `Date` header, naive China Standard Time; None when there is none."""
    try:
        shown = parsedate_to_datetime(header)
    except ValueError:
        return None
    if shown.tzinfo is None:  # "-0000", which says UTC without saying so
        shown = shown.replace(tzinfo=UTC)
    return shown.astimezone(CST).replace(tzinfo=None)


def _done(reply: Reply | Failure) -> Done | Failure:
    return reply if isinstance(reply, Failure) else Done()


def _judge(status: int, body: bytes) -> Reply | Failure:
    """What an answer means: by HTTP status where the application was not reached, else by code."""
    if status == 413:
        return Failure(FailureKind.TOO_LARGE, "报文过大（HTTP 413）")
    try:
        head = msgspec.json.decode(codec.drop_bom(body), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failure(FailureKind.FAULT, f"应答不是规定的 JSON（HTTP {status}）")
    code = _code(head.code)
    if code is None:
        return Failure(FailureKind.FAULT, f"应答没有 responseCode（HTTP {status}）")
    if status in _NEVER_REACHED or (code == replies.SUCCESS_CODE and not 200 <= status < 300):
        return Failure(FailureKind.FAULT, f"HTTP {status}，responseCode {code}")
    if code == replies.SUCCESS_CODE:
        return Reply(body)
    text = head.message if isinstance(head.message, str) else ""
    reason = f"{code} {text}".strip()[:2000]
    if not code.startswith("E2"):
        return Failure(FailureKind.FAULT, reason)
    names_device = code == "E2002" and any(word in text.lower() for word in _DEVICE_WORDS)
    return Failure(FailureKind.REFUSED, reason, names_device=names_device)


def _code(value: object) -> str | None:
    """responseCode as text: the standard's string, or the number that some platforms write."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _unsent(url: str, error: Exception) -> Failure:
    """Whether there was a platform at all: refused connections and TLS trouble say no."""
    host = urlsplit(url).netloc
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return Failure(
            FailureKind.UNREACHABLE, f"平台 {host} 的证书未通过验证：{tls.verify_message}"
        )
    if tls is not None:
        return Failure(FailureKind.UNREACHABLE, f"与平台 {host} 的加密连接失败：{alert_of(tls)}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Failure(FailureKind.UNREACHABLE, f"无法连接平台 {host}：{_reason(error, '超时')}")
    reason = _reason(error, type(error).__name__)
    return Failure(FailureKind.BROKEN, f"与平台 {host} 的连接中断：{reason}")


def _reason(error: Exception, otherwise: str) -> str:
    cause = cause_of(error)
    return reason_of(cause) if cause is not None else str(error) or otherwise


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _registration(answer: RegistrationAnswer, now: datetime) -> Registration:
    return Registration(
        device_id=answer.device_id,
        base_data_url=read_url(answer.load_config_url),
        version_url=read_url(answer.load_dic_version_url),
        config_url=read_url(answer.center_info_url),
        data_url=read_url(answer.center_data_url),
        config_download_url=read_url(answer.center_info_download_url),
        data_download_url=read_url(answer.center_data_download_url),
        upload_time=answer.upload_time,
        registered_at=now,
    )
