"""The line to the national platform (上送线路): HTTPS with both certificates, its answers judged.

Synchronous, for the sender's threads; one client and its connections serve all of them. The
transport is the seam for tests. A refusal is E2xxx; whatever else is no success is transient and
is tried again for ever.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from nenghao.platform.uplink import credentials
from nenghao.standard import replies
from nenghao.standard.messages import Answer, Message, codec, read, write

if TYPE_CHECKING:
    import httpx  # when a line is opened: other commands need not pay for it

A = TypeVar("A", bound=Answer)

TIMEOUT = 120.0
CONNECT_SECONDS = 10.0
_JSON = "application/json; charset=utf-8"
_NEVER_REACHED = frozenset({404, 405})


class NotSent(Exception):
    """Transient: nobody is there, or it cannot take anything now; the text says why, in Chinese.

    `reached` is False when there was no platform at all: then nobody else's need be tried.
    """

    def __init__(self, reason: str, *, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


class RefusedUp(Exception):
    """The nation refused the message (E2xxx), in these words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code} {words}")
        self.code = code
        self.words = words


class TooLarge(Exception):
    """HTTP 413: the message is too large for the nation's limits."""


class Line(Protocol):
    """What a sender needs of it."""

    def post(self, path: str, body: bytes, *, packed: bool = False) -> bytes:
        """The body of a success; NotSent, RefusedUp or TooLarge otherwise."""


class _Head(msgspec.Struct):
    code: Any = msgspec.field(default=None, name="responseCode")
    message: Any = msgspec.field(default=None, name="responseMessage")


class HttpsLine:
    """Asks one national platform at `to` (`https://H:PORT`); may be used from any thread.

    Exactly one of `context` and `transport` is given.
    """

    def __init__(
        self,
        to: str,
        context: ssl.SSLContext | None,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = TIMEOUT,
        connections: int = 4,
    ) -> None:
        import httpx

        if transport is None:
            if context is None or context.verify_mode is not ssl.CERT_REQUIRED:
                raise ValueError("a context that verifies the platform is needed")
            limits = httpx.Limits(
                max_connections=connections + 1, max_keepalive_connections=connections + 1
            )
            transport = httpx.HTTPTransport(verify=context, trust_env=False, limits=limits)
        self._to = to.rstrip("/")
        self._host = urlsplit(to).netloc
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            trust_env=False,
            follow_redirects=False,
        )

    def __enter__(self) -> HttpsLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; who is waiting for an answer gets NotSent."""
        self._http.close()

    def post(self, path: str, body: bytes, *, packed: bool = False) -> bytes:
        """POST a JSON body, gzip if `packed`; the answer's body if its code is "0"."""
        import httpx

        headers = {"content-type": _JSON}
        if packed:
            headers["content-encoding"] = "gzip"
        try:
            response = self._http.post(self._to + path, content=body, headers=headers)
        except (httpx.TransportError, httpx.StreamError, ssl.SSLError, RuntimeError) as error:
            raise self._not_sent(error) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise NotSent(f"应答无法读取：{error}", reached=True) from error
        return judged(response.status_code, response.content)

    def ask(self, path: str, message: Message, cls: type[A]) -> A:
        """POST a message; its answer, as class `cls`. Raises as `post`."""
        body = self.post(path, write(message))
        try:
            return read(cls, body)
        except replies.Refusal as refusal:
            raise NotSent(f"应答不可用：{refusal.text}", reached=True) from refusal

    def _not_sent(self, error: Exception) -> NotSent:
        import httpx

        tls = _tls_error(error)
        if isinstance(tls, ssl.SSLCertVerificationError):
            return NotSent(
                f"国家平台 {self._host} 的证书未通过验证：{tls.verify_message}", reached=False
            )
        if tls is not None:
            return NotSent(f"与国家平台 {self._host} 的加密连接失败：{tls}", reached=False)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return NotSent(f"无法连接国家平台 {self._host}：{error or '超时'}", reached=False)
        said = str(error) or type(error).__name__
        return NotSent(f"与国家平台 {self._host} 的连接中断：{said}", reached=False)


def open_line(home: Path, to: str, connections: int) -> HttpsLine:
    """The line of a platform's folder. Raises `credentials.CredentialsError`."""
    context = credentials.context(home / credentials.FOLDER)
    return HttpsLine(to, context, connections=connections)


def judged(status: int, body: bytes) -> bytes:
    """What an answer means: by HTTP status where no application was reached, else by its code."""
    if status == 413:
        raise TooLarge
    try:
        head = msgspec.json.decode(codec.drop_bom(body), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotSent(f"应答不是规定的 JSON（HTTP {status}）", reached=True) from None
    code = str(head.code) if isinstance(head.code, str | int) else ""
    if not code or status in _NEVER_REACHED:
        raise NotSent(f"国家平台没有这个接口（HTTP {status}）", reached=True)
    if code == replies.SUCCESS_CODE:
        if 200 <= status < 300:
            return body
        raise NotSent(f"HTTP {status}，responseCode {code}", reached=True)
    words = head.message if isinstance(head.message, str) else ""
    if code.startswith("E2"):
        raise RefusedUp(code, words)
    raise NotSent(f"{code} {words}".strip()[:500], reached=True)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
