"""`nenghao exchange …`: ask a province's platform as another application platform (第 7 章).

The partner's side needs nothing of the platform's libraries; the operator's side, `account`, is in
`exchange_account`, which has a door of its own (`nenghao.cli.GROUPS`). Key and password come from
the account's file or the environment, never from the command line, which other users of a machine
can see.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nenghao.cli import output
from nenghao.exchange import AccountError, Answered, Client, ExchangeError
from nenghao.exchange.account import account_of, read_fields
from nenghao.exchange.client import TIMEOUT, industry_statistics, one_of, region_statistics
from nenghao.standard import periods
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.messages.fields import Message

app = typer.Typer(help="数据交换：账户，以及向省级平台查询（第 7 章）", no_args_is_help=True)

KEY_VARIABLE = "NENGHAO_EXCHANGE_KEY"
PASSWORD_VARIABLE = "NENGHAO_EXCHANGE_PASSWORD"  # noqa: S105 - a name  # nosec B105

AccountOption = Annotated[
    Path | None,
    typer.Option(
        "--account",
        help="账户文件：exchange account add --json 的输出，或同样内容的 TOML；"
        f"密钥、口令也可由环境变量 {KEY_VARIABLE}、{PASSWORD_VARIABLE} 给出",
        metavar="FILE",
        dir_okay=False,
    ),
]
UrlOption = Annotated[
    str,
    typer.Option("--url", help="平台地址 https://主机:端口；默认取账户文件的 url", metavar="URL"),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        help="平台的根证书（PEM）；默认取账户文件的 ca，再默认为系统信任的根证书",
        metavar="FILE",
        dir_okay=False,
    ),
]
AppIdOption = Annotated[str, typer.Option("--app-id", help="appId，代替账户文件中的", metavar="ID")]
KidOption = Annotated[str, typer.Option("--kid", help="密钥标识，代替账户文件中的", metavar="KID")]
UserOption = Annotated[str, typer.Option("--user", help="用户名，代替账户文件中的", metavar="NAME")]
CipherOption = Annotated[
    Literal["sm4-gcm", "sm4-cbc-hmac-sm3"] | None,
    typer.Option("--cipher", help="账户的加密方式，默认取账户文件的 cipher，再默认 sm4-gcm"),
]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="等待的时限，秒", min=0.1)]
JsonOption = Annotated[bool, typer.Option("--json", help="标准输出只写一个 JSON 值：应答的 data")]
PeriodOption = Annotated[Literal["day", "month", "year"], typer.Option("--period", help="数据周期")]
SourceOption = Annotated[
    Literal["online", "report"], typer.Option("--source", help="online 在线数据，report 填报数据")
]
BeginOption = Annotated[
    str,
    typer.Option("--begin", help="开始，如 2026、2026-03、2026-03-01", metavar="DATE"),
]
EndOption = Annotated[
    str,
    typer.Option(
        "--end", help="结束（不含），写法同上；默认只取包含开始时刻的那个周期", metavar="DATE"
    ),
]
RegionOption = Annotated[
    str, typer.Option("--region", help="行政区划代码，含下级；000000 为全部", metavar="CODE")
]
IndustryOption = Annotated[
    str, typer.Option("--industry", help="行业编码，含下级，如 C25", metavar="CODE")
]


@app.command("region-data")
def region_data(
    begin: BeginOption,
    region: RegionOption,
    end: EndOption = "",
    period: PeriodOption = "month",
    source: SourceOption = "online",
    account: AccountOption = None,
    url: UrlOption = "",
    ca: CaOption = None,
    app_id: AppIdOption = "",
    kid: KidOption = "",
    user: UserOption = "",
    cipher: CipherOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """一个地区的能耗统计数据（C.1）。"""
    query = region_statistics(region, *_span(begin, end), period, source)
    with _connected(account, url, ca, app_id, kid, user, cipher, timeout) as client:
        _indicators(_asked(client, "getRegionData", query), as_json)


@app.command("industry-data")
def industry_data(
    begin: BeginOption,
    industry: IndustryOption,
    end: EndOption = "",
    period: PeriodOption = "month",
    source: SourceOption = "online",
    account: AccountOption = None,
    url: UrlOption = "",
    ca: CaOption = None,
    app_id: AppIdOption = "",
    kid: KidOption = "",
    user: UserOption = "",
    cipher: CipherOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """一个行业的能耗统计数据（C.2）。"""
    query = industry_statistics(industry, *_span(begin, end), period, source)
    with _connected(account, url, ca, app_id, kid, user, cipher, timeout) as client:
        _indicators(_asked(client, "getIndustryData", query), as_json)


@app.command()
def projects(
    region: RegionOption = "",
    industry: IndustryOption = "",
    account: AccountOption = None,
    url: UrlOption = "",
    ca: CaOption = None,
    app_id: AppIdOption = "",
    kid: KidOption = "",
    user: UserOption = "",
    cipher: CipherOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """一个地区（C.3）或一个行业（C.4）的重点项目。"""
    interface, query = _one_of("getProjectDataBy", region, industry)
    with _connected(account, url, ca, app_id, kid, user, cipher, timeout) as client:
        answered = _asked(client, interface, query)
    output.emit_rows(answered.data, _PROJECT_COLUMNS, as_json=as_json)


@app.command()
def companies(
    region: RegionOption = "",
    industry: IndustryOption = "",
    account: AccountOption = None,
    url: UrlOption = "",
    ca: CaOption = None,
    app_id: AppIdOption = "",
    kid: KidOption = "",
    user: UserOption = "",
    cipher: CipherOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """一个地区（C.5）或一个行业（C.6）的企业基础信息；表格只列主要各项。"""
    interface, query = _one_of("getCompanyBy", region, industry)
    with _connected(account, url, ca, app_id, kid, user, cipher, timeout) as client:
        answered = _asked(client, interface, query)
    output.emit_rows(answered.data, _COMPANY_COLUMNS, as_json=as_json)


_PROJECT_COLUMNS = {
    "name": "项目名称",
    "code": "项目代码",
    "type": "项目类型",
    "region": "所属区域",
    "industry": "所属行业",
    "classified_disposal": "分类处置",
    "construction_content": "建设内容",
    "construction_site": "建设地点",
    "design_energy_consumption": "设计年综合能源消费量",
}
_COMPANY_COLUMNS = {
    "code": "统一社会信用代码",
    "name": "名称",
    "regionCode": "地区",
    "regionName": "地区名",
    "industryCode": "行业",
    "energyConsumeLevel": "能耗等级",
    "phone": "联系电话",
}


def _indicators(answered: Answered, as_json: bool) -> None:
    if as_json:
        output.emit_json(answered.data)
        return
    rows = [
        {"code": code, "indicator": INDICATORS.get(code, ""), **told}
        for code, told in answered.data.items()
    ]
    for row in rows:
        row["OriginValue"], row["value"] = f"{row['OriginValue']:.2f}", f"{row['value']:.2f}"
    columns = {
        "code": "指标编码",
        "indicator": "指标",
        "OriginValue": "原始值",
        "unitName": "计量单位",
        "value": "折标值（吨标准煤）",
    }
    output.emit_rows(rows, columns, as_json=False)


def _asked(client: Client, interface: str, query: Message) -> Answered:
    try:
        return client.ask(interface, query)
    except ExchangeError as error:
        raise output.Failure(str(error)) from error
    except ValueError as error:
        raise output.Misuse(str(error)) from error


def _connected(
    file: Path | None,
    url: str,
    ca: Path | None,
    app_id: str,
    kid: str,
    user: str,
    cipher: str | None,
    timeout: float,
) -> Client:
    given: dict[str, Any] = {
        "url": url,
        "ca": str(ca) if ca else "",
        "appId": app_id,
        "kid": kid,
        "userName": user,
        "cipher": cipher,
        "key": os.environ.get(KEY_VARIABLE),
        "password": os.environ.get(PASSWORD_VARIABLE),
    }
    try:
        fields = read_fields(file) if file is not None else {}
        fields |= {name: value for name, value in given.items() if value}
        account = account_of(fields, str(file) if file is not None else "账户")
        if not account.url:
            raise output.Misuse("缺少平台地址：--url，或账户文件的 url")
        return Client(account.url, account, ca=account.ca or None, timeout=timeout)
    except AccountError as error:
        raise output.Failure(str(error)) from error
    except ValueError as error:
        raise output.Misuse(str(error)) from error


def _one_of(name: str, region: str, industry: str) -> tuple[str, Message]:
    if bool(region) is bool(industry):
        raise output.Misuse("--region 和 --industry 应给出其一")
    return one_of(name, region, industry)


_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


def _span(begin: str, end: str) -> tuple[datetime, datetime | None]:
    return _date("--begin", begin), _date("--end", end) if end else None


def _date(option: str, text: str) -> datetime:
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            return periods.parse_time(text)
        year, month, day = (int(part) if part else 1 for part in match.groups())
        return datetime(year, month, day)
    except ValueError:
        raise output.Misuse(
            f"{option} 应如 2026、2026-03、2026-03-01 或 {periods.TIME_SHAPE}，收到 {text}"
        ) from None
