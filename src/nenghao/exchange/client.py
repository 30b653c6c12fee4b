"""The six questions over HTTPS, with and without asyncio (客户端).

Both clients verify the platform's certificate, always. A question is asked once: whoever wants to
ask again asks a new one. Times are China Standard Time, naive; a span is half-open and holds the
periods that begin in it, and without an `end` it is the one period that contains `begin`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import httpx

from nenghao.clock import CST
from nenghao.exchange.account import Account
from nenghao.exchange.conversation import Answered, Question, Unanswered, Unreachable, ask
from nenghao.standard import periods
from nenghao.standard.messages.companies import CompaniesAnswer, Company
from nenghao.standard.messages.exchange import IndustryQuery, RegionQuery
from nenghao.standard.messages.fields import Message
from nenghao.standard.messages.projects import Project, ProjectsAnswer
from nenghao.standard.messages.statistics import (
    IndicatorValue,
    IndustryStatisticsQuery,
    RegionStatisticsQuery,
    StatisticsAnswer,
)

Period = Literal["day", "month", "year"]
Source = Literal["online", "report"]
Indicators = dict[str, IndicatorValue]

TIMEOUT = 60.0
"""Seconds for connecting, and for each piece of the answer."""

_HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "accept-encoding": "identity",  # ciphertext does not get smaller
}


def epoch_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class _Common:
    """What both clients know: whom they ask as whom, and how the questions are worded."""

    def __init__(self, url: str, account: Account, clock: Callable[[], int]) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.netloc:
            raise ValueError(f"平台地址应为 https://主机:端口，收到 {url!r}")
        self._url = url.rstrip("/")
        self._account = account
        self._clock = clock

    def _ask(self, interface: str, query: Message) -> Question:
        return ask(self._account, interface, query, self._clock())

    def _understand(self, question: Question, response: httpx.Response) -> Answered:
        return question.understand(response.status_code, response.content, self._clock())

    def _failed(self, error: httpx.HTTPError) -> Unreachable | Unanswered:
        if not isinstance(error, httpx.TransportError):
            return Unanswered(f"应答无法读取：{error}")
        untrusted = _untrusted(error)
        if untrusted is not None:
            reason = untrusted.verify_message
            return Unreachable(f"平台 {self._url} 的证书未通过验证：{reason}（根证书：--ca 或 ca）")
        if isinstance(error, httpx.TimeoutException):
            return Unreachable(f"平台 {self._url} 在时限内没有应答")
        return Unreachable(f"无法连接平台 {self._url}：{str(error) or type(error).__name__}")


class Client(_Common):
    """Asks one platform under one account; use as a context manager, from one thread at a time.

    `ca` is a PEM file with the platform's root certificate, default the system's trust store.
    `transport` and `clock` are for tests.
    """

    def __init__(
        self,
        url: str,
        account: Account,
        *,
        ca: Path | str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        super().__init__(url, account, clock)
        transport = transport or httpx.HTTPTransport(verify=_context(ca), trust_env=False)
        self._http = httpx.Client(
            transport=transport, timeout=timeout, headers=_HEADERS, trust_env=False
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def ask(self, interface: str, query: Message) -> Answered:
        """Any of the six by its name, e.g. `getRegionData`, with its queryParam.

        Raises ExchangeError, and ValueError for a query that breaks its form.
        """
        question = self._ask(interface, query)
        try:
            response = self._http.post(self._url + question.path, content=question.body)
        except httpx.HTTPError as error:
            raise self._failed(error) from error
        return self._understand(question, response)

    def region_data(
        self,
        region: str,
        begin: datetime,
        end: datetime | None = None,
        *,
        period: Period = "month",
        source: Source = "online",
    ) -> Indicators:
        """The ten indicators of a region and all below it (C.1)."""
        query = region_statistics(region, begin, end, period, source)
        return _indicators(self.ask("getRegionData", query))

    def industry_data(
        self,
        industry: str,
        begin: datetime,
        end: datetime | None = None,
        *,
        period: Period = "month",
        source: Source = "online",
    ) -> Indicators:
        """The ten indicators of an industry and all below it (C.2)."""
        query = industry_statistics(industry, begin, end, period, source)
        return _indicators(self.ask("getIndustryData", query))

    def projects(self, *, region: str = "", industry: str = "") -> list[Project]:
        """The key projects of a region (C.3) or of an industry (C.4)."""
        return _projects(self.ask(*one_of("getProjectDataBy", region, industry)))

    def companies(self, *, region: str = "", industry: str = "") -> list[Company]:
        """The units of a region (C.5) or of an industry (C.6)."""
        return _companies(self.ask(*one_of("getCompanyBy", region, industry)))


class AsyncClient(_Common):
    """`Client` for asyncio; use as an async context manager, many questions at a time."""

    def __init__(
        self,
        url: str,
        account: Account,
        *,
        ca: Path | str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        super().__init__(url, account, clock)
        transport = transport or httpx.AsyncHTTPTransport(verify=_context(ca), trust_env=False)
        self._http = httpx.AsyncClient(
            transport=transport, timeout=timeout, headers=_HEADERS, trust_env=False
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def ask(self, interface: str, query: Message) -> Answered:
        """As `Client.ask`."""
        question = self._ask(interface, query)
        try:
            response = await self._http.post(self._url + question.path, content=question.body)
        except httpx.HTTPError as error:
            raise self._failed(error) from error
        return self._understand(question, response)

    async def region_data(
        self,
        region: str,
        begin: datetime,
        end: datetime | None = None,
        *,
        period: Period = "month",
        source: Source = "online",
    ) -> Indicators:
        """As `Client.region_data`."""
        query = region_statistics(region, begin, end, period, source)
        return _indicators(await self.ask("getRegionData", query))

    async def industry_data(
        self,
        industry: str,
        begin: datetime,
        end: datetime | None = None,
        *,
        period: Period = "month",
        source: Source = "online",
    ) -> Indicators:
        """As `Client.industry_data`."""
        query = industry_statistics(industry, begin, end, period, source)
        return _indicators(await self.ask("getIndustryData", query))

    async def projects(self, *, region: str = "", industry: str = "") -> list[Project]:
        """As `Client.projects`."""
        return _projects(await self.ask(*one_of("getProjectDataBy", region, industry)))

    async def companies(self, *, region: str = "", industry: str = "") -> list[Company]:
        """As `Client.companies`."""
        return _companies(await self.ask(*one_of("getCompanyBy", region, industry)))


def region_statistics(
    region: str, begin: datetime, end: datetime | None, period: Period, source: Source
) -> RegionStatisticsQuery:
    """queryParam of getRegionData."""
    span = _span(begin, end)
    return RegionStatisticsQuery(period, *span, onlin_or_report=source, region_code=region)


def industry_statistics(
    industry: str, begin: datetime, end: datetime | None, period: Period, source: Source
) -> IndustryStatisticsQuery:
    """queryParam of getIndustryData."""
    span = _span(begin, end)
    return IndustryStatisticsQuery(period, *span, onlin_or_report=source, industry_code=industry)


def one_of(name: str, region: str, industry: str) -> tuple[str, Message]:
    """The interface that asks by what is given, region or industry, with its queryParam."""
    if bool(region) is bool(industry):
        raise ValueError("region 和 industry 应给出其一")
    if region:
        return f"{name}Region", RegionQuery(region)
    return f"{name}Industry", IndustryQuery(industry)


def _span(begin: datetime, end: datetime | None) -> tuple[int, int]:
    first, last = _china(begin), _china(begin if end is None else end)
    return periods.to_epoch_ms(first), periods.to_epoch_ms(last)


def _china(moment: datetime) -> datetime:
    """Naive China Standard Time; a moment with a time zone is brought there."""
    return moment if moment.tzinfo is None else moment.astimezone(CST).replace(tzinfo=None)


def _context(ca: Path | str | None) -> ssl.SSLContext:
    """Verifies the platform; the given root alone is trusted, or the system's store."""
    roots = None if ca is None else Path(ca).read_text(encoding="ascii", errors="replace")
    try:
        context = ssl.create_default_context(cadata=roots)
    except ssl.SSLError:
        raise ValueError(f"{ca} 不是 PEM 证书") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _untrusted(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The failed verification behind an error, if that is what is behind it."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _indicators(answered: Answered) -> Indicators:
    return cast(StatisticsAnswer, answered.message).data


def _projects(answered: Answered) -> list[Project]:
    return cast(ProjectsAnswer, answered.message).data


def _companies(answered: Answered) -> list[Company]:
    return cast(CompaniesAnswer, answered.message).data
