"""Readings from a web service (HTTP JSON 接口): one request a poll, a path per point.

    path = "data.meters[id=M-01].value"      see `json_path`

Without `records` the document holds one moment; with it, a list of moments, and the paths begin
at each of them. Certificates are always verified, against the usual authorities or the `ca_file`
of the site; redirects are not followed, since credentials would travel along.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn

import httpx
from msgspec import Meta, Struct, field

from nenghao.device.sources import network
from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, Sample, SourceFault, secret
from nenghao.device.sources.discreet import Discreet, short
from nenghao.device.sources.json_path import JsonPath, NotThere
from nenghao.device.sources.remarks import Remarks
from nenghao.device.sources.rows import BadValue, Label, Times, Zone, number, scalings

_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))

_STATUS = {
    401: FaultKind.CREDENTIALS,
    403: FaultKind.CREDENTIALS,
    407: FaultKind.CREDENTIALS,
    408: FaultKind.TIMEOUT,
    429: FaultKind.UNREACHABLE,
    504: FaultKind.TIMEOUT,
}


class HttpPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value in the answer."""

    name: Annotated[str, Meta(min_length=1)]
    path: str
    time_path: str = ""
    """Where its own time stands; empty: the source's."""
    scale: str = "1"
    offset: str = "0"
    unit: str = ""


class HttpJsonSettings(
    Discreet,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="http_json",
    tag_field="type",
):
    """A `[[source]]` block with `type = "http_json"`."""

    secrets: ClassVar[frozenset[str]] = frozenset({"password", "token", "headers", "body"})

    name: Annotated[str, Meta(min_length=1)]
    url: str
    points: Annotated[list[HttpPoint], Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    """For the whole request, to the last byte."""
    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    """Of a POST, as JSON text."""
    user: str = ""
    password: str = ""
    password_file: str = ""
    token: str = ""
    """A bearer token (令牌), instead of user and password."""
    token_file: str = ""
    ca_file: str = ""
    """Certificates (PEM) by which the server's is verified, instead of the usual ones."""
    records: str = ""
    """Path of a list of moments; empty: the document is one moment."""
    time_path: str = ""
    """Empty: the values hold now."""
    time_format: str = ""
    time_zone: Zone = "cst"
    label: Label = "end"
    interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    most_megabytes: Annotated[float, Meta(gt=0, le=100)] = 8

    def __post_init__(self) -> None:
        _check_url(self.url)
        for key, value in self.headers.items():
            if not key or not set(key + value) <= _PRINTABLE:
                raise ValueError(f"headers：{key!r} 只能含 ASCII 可见字符")
        bearer = bool(self.token or self.token_file)
        basic = bool(self.user or self.password or self.password_file)
        own = any(key.casefold() == "authorization" for key in self.headers)
        if bearer + basic + own > 1:
            raise ValueError("user、token 与 headers 中的 Authorization 只能用一种")
        if basic and not self.user:
            raise ValueError("给出了口令而没有 user")
        if self.body and self.method != "POST":
            raise ValueError("body 只用于 POST")
        scalings(self.points)
        self.times.check()
        JsonPath(self.records)
        JsonPath(self.time_path)
        for point in self.points:
            JsonPath(point.path)
            JsonPath(point.time_path)

    @property
    def times(self) -> Times:
        """How times are written and what they mean."""
        return Times(
            format=self.time_format,
            zone=self.time_zone,
            label=self.label,
            interval=timedelta(minutes=self.interval_minutes),
        )


def _check_url(text: str) -> None:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"url 不是合法的地址：{error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("url 应以 http:// 或 https:// 开头")
    if url.userinfo:
        raise ValueError("url 中不要写用户名和口令，请写在 user 与 password_file")


class _Place(Struct, frozen=True):
    """Where a point's value and its time stand."""

    name: str
    value: JsonPath
    time: JsonPath | None


class HttpJsonSource:
    """See the module; the connection is kept between polls as long as the server likes."""

    def __init__(self, settings: HttpJsonSettings, home_dir: Path) -> None:
        self._settings = settings
        self._home_dir = home_dir
        self._times = settings.times
        self._scalings = scalings(settings.points)
        self._records = JsonPath(settings.records) if settings.records else None
        self._places = [
            _Place(
                point.name,
                JsonPath(point.path),
                JsonPath(time) if (time := point.time_path or settings.time_path) else None,
            )
            for point in settings.points
        ]
        url = httpx.URL(settings.url)
        self._peer = str(url.copy_with(query=None, fragment=None))
        self._remarks = Remarks()
        self._client: httpx.AsyncClient | None = None
        self._hidden: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Points that the last answer did not hold."""
        return self._remarks.lines

    async def open(self) -> None:
        """Read secrets and certificates; the server is asked by `read`. SourceFault."""
        settings = self._settings
        home = self._home_dir
        password = await in_background(secret, settings.password, settings.password_file, home)
        token = await in_background(secret, settings.token, settings.token_file, home)
        context = await in_background(_context, settings.ca_file, home)
        headers = {"accept": "application/json", **settings.headers}
        if settings.body:
            headers.setdefault("content-type", "application/json; charset=utf-8")
        if token:
            if not set(token) <= _PRINTABLE:
                raise SourceFault(FaultKind.CONFIGURATION, "token 只能含 ASCII 可见字符")
            headers["authorization"] = f"Bearer {token}"
        self._hidden = tuple(filter(None, (password, token, *settings.headers.values())))
        self._client = httpx.AsyncClient(  # see timeout below  # nosec B113
            transport=httpx.AsyncHTTPTransport(verify=context, trust_env=False),
            auth=httpx.BasicAuth(settings.user, password) if settings.user else None,
            headers=headers,
            timeout=None,  # noqa: S113 - the whole request has one deadline, in `read`
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self, now: datetime) -> list[Sample]:
        """Every point that the answer holds; SourceFault when it holds none."""
        document = _document(await self._ask(), self._peer)
        found: list[Sample] = []
        errors: list[str] = []
        for where, record in self._moments(document):
            for place in self._places:
                try:
                    found += self._samples(place, record, now)
                except (NotThere, ValueError) as error:  # BadValue is one
                    errors.append(f"采集点 {place.name}{where}：{error}")
        if errors and not found:
            raise SourceFault(FaultKind.GARBAGE, f"{self._peer} 的应答中没有读数：{errors[0]}")
        self._remarks.tell(errors)
        return found

    # --- the answer ------------------------------------------------------------------------------

    def _moments(self, document: Any) -> Iterator[tuple[str, Any]]:
        """The moments of the answer, with words for where they stand."""
        if self._records is None:
            yield "", document
            return
        try:
            records = self._records.find(document)
        except NotThere as error:
            raise SourceFault(FaultKind.GARBAGE, f"{self._peer} 的应答中{error}") from None
        if not isinstance(records, list):
            text = f"{self._peer} 的应答中 {self._records.text} 不是列表"
            raise SourceFault(FaultKind.GARBAGE, text)
        for count, record in enumerate(records):
            yield f"（{self._records.text}[{count}]）", record

    def _samples(self, place: _Place, record: Any, now: datetime) -> list[Sample]:
        """The sample of a point, none where its value is null."""
        value = place.value.find(record)
        if isinstance(value, dict | list):
            raise BadValue(f"{place.value.text} 不是数值")
        read = number(value)
        if read is None:
            return []
        time = now
        if place.time is not None:
            time = self._times.sample_time(self._times.read(place.time.find(record)))
        return [Sample(place.name, time, self._scalings[place.name].apply(read))]

    # --- the request -----------------------------------------------------------------------------

    async def _ask(self) -> bytes:
        client = self._client
        if client is None:
            raise SourceFault(FaultKind.UNREACHABLE, "接口尚未打开")
        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                return await self._content(client)
        except TimeoutError:
            raise network.timed_out(self._peer, settings.timeout_seconds, "收完应答") from None
        except httpx.HTTPError as error:
            self._fail(error)

    async def _content(self, client: httpx.AsyncClient) -> bytes:
        settings = self._settings
        most = int(settings.most_megabytes * 1024 * 1024)
        content = bytearray()
        body = settings.body.encode() if settings.body else None
        async with client.stream(settings.method, settings.url, content=body) as response:
            self._judge(response)
            async for part in response.aiter_bytes():
                content += part
                if len(content) > most:
                    text = f"{self._peer} 的应答超过 {settings.most_megabytes:g} MB"
                    raise SourceFault(FaultKind.GARBAGE, text)
        return bytes(content)

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        text = f"{self._peer} 应答 HTTP {status}"
        if 300 <= status < 400:
            raise SourceFault(FaultKind.CONFIGURATION, f"{text}（重定向），请直接写最终的地址")
        other = FaultKind.UNREACHABLE if status >= 500 else FaultKind.CONFIGURATION
        raise SourceFault(_STATUS.get(status, other), text)

    def _fail(self, error: httpx.HTTPError) -> NoReturn:
        """The fault that a request's failure is."""
        if (cause := _cause(error)) is not None:
            raise network.unreachable(self._peer, cause) from None
        text = short(error, *self._hidden)
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" in text:
            raise SourceFault(FaultKind.UNREACHABLE, f"{self._peer} 关闭了连接") from None
        if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
            text = f"{self._peer} 的应答不是合法的 HTTP：{text}"
            raise SourceFault(FaultKind.GARBAGE, text) from None
        if isinstance(error, httpx.NetworkError):
            raise SourceFault(FaultKind.UNREACHABLE, f"无法连接 {self._peer}：{text}") from None
        raise SourceFault(FaultKind.CONFIGURATION, f"无法请求 {self._peer}：{text}") from None


def _cause(error: BaseException) -> OSError | None:
    """What the system or TLS said beneath the layers of the library: the innermost."""
    found: OSError | None = None
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(found, ssl.SSLError):
            found = inner
        inner = inner.__cause__ or inner.__context__
    return found


def _context(ca_file: str, home_dir: Path) -> ssl.SSLContext:
    """Verifies names and certificates, always."""
    if not ca_file:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(home_dir / ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "不是 PEM 证书"
        raise SourceFault(
            FaultKind.CONFIGURATION, f"无法读取证书文件 {ca_file}：{reason}"
        ) from error


def _document(content: bytes, peer: str) -> Any:
    """The answer as JSON, its decimals exact."""
    try:
        return json.loads(_text(content), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        shown = _text(content[:60], strict=False).strip()
        raise SourceFault(FaultKind.GARBAGE, f"{peer} 的应答不是合法的 JSON：{shown!r}") from None


def _text(content: bytes, *, strict: bool = True) -> str:
    """UTF-8, or GB 18030 as older systems write it against the standard."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "strict" if strict else "replace")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def make(settings: HttpJsonSettings, home_dir: Path) -> HttpJsonSource:
    """The source of a settings block, not yet open."""
    return HttpJsonSource(settings, home_dir)
