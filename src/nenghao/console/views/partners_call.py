"""A test call (测试调用): a real sealed question to the platform's own exchange listener.

It is asked as the partner would ask it, over TLS, with the key and the password that the operator
gives; neither is kept, logged or put into an error. It counts like any other call and stands in
the audit trail as the account's.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nenghao.exchange.account import Account, account_of
from nenghao.exchange.account import AccountError as AccountError
from nenghao.exchange.client import (
    Client,
    Period,
    Source,
    industry_statistics,
    one_of,
    region_statistics,
)
from nenghao.exchange.conversation import Answered, ExchangeError, Forged, Refused, Unreachable
from nenghao.platform.home import Home
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from nenghao.standard.messages.fields import Message

if TYPE_CHECKING:
    import httpx

TIMEOUT: Final = 20.0
SHOWN_CHARACTERS: Final = 20_000
STATISTICS: Final = ("getRegionData", "getIndustryData")
NO_PORT: Final = "设置项 exchange_port 为 0：平台没有开放其他应用平台接口，无法测试调用"


@dataclass(frozen=True, repr=False)
class Question:
    """What is asked, and with which secrets. Shows none of them of itself."""

    app_id: str
    user_name: str
    cipher: str
    kid: str
    key: str
    """32 hexadecimal digits."""
    password: str
    interface: str
    place: str
    """A region or an industry, as the interface asks for."""
    period: Period = "month"
    begin: datetime | None = None
    end: datetime | None = None
    source: Source = "online"


@dataclass(frozen=True)
class Outcome:
    """What came back."""

    ok: bool
    said: str
    """In a sentence."""
    rows: int = 0
    content: str = ""
    """The opened answer, as JSON one can read."""
    ms: int = 0
    url: str = ""


def call(
    home: Home,
    question: Question,
    ticks: Callable[[], float],
    transport: httpx.BaseTransport | None = None,
    clock: Callable[[], int] | None = None,
) -> Outcome:
    """Ask, and tell what came back; what fails is told, too. `ticks` counts seconds.

    Raises AccountError and ValueError (Chinese) for what cannot be asked at all.
    """
    if home.settings.exchange_port == 0:
        raise AccountError(NO_PORT)
    account = _account(question)
    name, query = _query(question)
    url = url_of(home)
    given: dict[str, Any] = {} if clock is None else {"clock": clock}
    began = ticks()

    def told(ok: bool, said: str, rows: int = 0, content: str = "") -> Outcome:
        return Outcome(ok, said, rows, content, round((ticks() - began) * 1000), url)

    root = home.ca / "root.pem"
    with Client(url, account, ca=root, timeout=TIMEOUT, transport=transport, **given) as client:
        try:
            answered = client.ask(name, query)
        except Refused as refused:
            how = "密封的应答" if refused.sealed else "未加密的应答"
            return told(False, f"平台拒绝（{how}）：{refused}")
        except Forged as error:
            return told(False, f"应答不可信：{error}")
        except Unreachable as error:
            return told(False, f"{error}。请确认平台正在运行，且其他应用平台接口的端口已开放")
        except ExchangeError as error:
            return told(False, str(error))
    return told(True, "调用成功，应答已验证并解密", len(answered.data), _readable(answered))


def url_of(home: Home) -> str:
    """Where the platform's own listener is reached from this machine."""
    settings = home.settings
    host = settings.listen_address
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_unspecified:
        host = "127.0.0.1"
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.exchange_port}"


def _account(question: Question) -> Account:
    fields: dict[str, object] = {
        "appId": question.app_id,
        "kid": question.kid.strip(),
        "key": "".join(question.key.split()),
        "userName": question.user_name,
        "password": question.password.strip(),
        "cipher": question.cipher,
    }
    return account_of(fields, "测试调用")


def _query(question: Question) -> tuple[str, Message]:
    interface = INTERFACES[question.interface]
    place = question.place.strip()
    if interface.name in STATISTICS:
        if question.begin is None:
            raise ValueError("请给出开始日期")
        make = region_statistics if interface.by == "region" else industry_statistics
        asked = make(place, question.begin, question.end, question.period, question.source)
        return interface.name, asked
    if not place:
        raise ValueError("请给出行政区划代码" if interface.by == "region" else "请给出行业代码")
    region, industry = (place, "") if interface.by == "region" else ("", place)
    stem = interface.name.removesuffix("Region").removesuffix("Industry")
    return one_of(stem, region, industry)


def _readable(answered: Answered) -> str:
    text = json.dumps(answered.data, ensure_ascii=False, indent=2)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n……（共 {len(text)} 个字符，其余未显示）"
