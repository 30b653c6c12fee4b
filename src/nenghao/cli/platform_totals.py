"""`nenghao platform totals …`: totals in standard coal, checked, explained, shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, opened_store
from nenghao.clock import china_now
from nenghao.platform import statistics
from nenghao.platform.statistics import Question
from nenghao.platform.totals import explain as explaining
from nenghao.platform.totals import verify as verifying
from nenghao.platform.totals.explain import Explained
from nenghao.platform.totals.verify import Verified
from nenghao.standard import indicators, periods
from nenghao.standard.energy_explanation import Line
from nenghao.standard.indicators import INDICATORS, UNITS, Totals

totals = typer.Typer(help="能耗合计：核对、核算说明、查询、重算", no_args_is_help=True)

_SHAPES = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_DATES = {"day": "2026-03-01", "month": "2026-03", "year": "2026"}


class PeriodCode(StrEnum):
    """`periodCode` of the exchange."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class SourceCode(StrEnum):
    """`onlinORreport` of the exchange."""

    ONLINE = "online"
    REPORT = "report"


PeriodOption = Annotated[PeriodCode, typer.Option("--period", help="统计周期：日、月、年")]
DateOption = Annotated[
    str, typer.Option("--date", help="哪一个周期：2026-03-01、2026-03 或 2026", metavar="DATE")
]
SourceOption = Annotated[SourceCode, typer.Option("--source", help="在线采集或填报")]


@totals.command()
def verify(home: HomeOption, as_json: JsonOption = False) -> None:
    """用已存数据重算全部合计并与保存的比较；有任何不同时退出码为 1。"""
    with opened_store(home) as store:
        done = verifying.verify(store, china_now())
    if as_json:
        output.emit_json(_verified(done))
    else:
        for one in done.differences[:20]:
            told = one.plain()
            output.say(f"{told['what']} {told['statDate']}（{told['source']}）与重算结果不同")
        for code, key in done.damaged[:20]:
            output.say(f"{code} 的 {key.data_code} 已存数据损坏，未计入合计")
        output.say(
            f"核对 {done.units} 个单位的 {done.totals} 个合计、{done.sums} 个汇总："
            + ("一致" if done.ok else f"{len(done.differences) + done.more} 处不同")
        )
    if not done.ok:
        raise typer.Exit(1)


def _verified(done: Verified) -> dict[str, Any]:
    return {
        "ok": done.ok,
        "units": done.units,
        "skipped": done.skipped,
        "totals": done.totals,
        "sums": done.sums,
        "damaged": [{"code": code, **key._asdict()} for code, key in done.damaged],
        "differences": [one.plain() for one in done.differences],
        "more": done.more,
    }


@totals.command()
def recompute(home: HomeOption) -> None:
    """丢弃全部合计，用已存数据重算。"""
    with opened_store(home) as store:
        units = verifying.recompute(store, china_now())
    output.say(f"已重算 {units} 个单位的合计")


@totals.command()
def explain(
    home: HomeOption,
    code: Annotated[str, typer.Option("--code", help="统一社会信用代码", metavar="USCC")],
    period: PeriodOption,
    date: DateOption,
    source: SourceOption = SourceCode.ONLINE,
    as_json: JsonOption = False,
) -> None:
    """说明一个用能单位一个周期的合计是怎样算出来的：逐项列出数据、系数及其来源。"""
    moment = _moment(period, date)
    with opened_store(home) as store:
        try:
            told = explaining.explain(
                store,
                code,
                statistics.KINDS[period],
                moment,
                statistics.SOURCES[source],
                china_now(),
            )
        except explaining.UnknownUnit as error:
            raise output.Failure(str(error)) from error
    if as_json:
        output.emit_json(_explained(told, period, source))
        return
    output.say(f"{told.name}（{told.credit_code}）{date}，{source}")
    output.say(f"地区 {told.place.region}，行业 {told.place.industry or '未知'}")
    columns = {
        "dataCode": "数据项编码",
        "name": "品种",
        "usageName": "用途",
        "amount": "数量",
        "unit": "单位",
        "coefficient": "折标系数",
        "basis": "系数来源",
        "route": "路径",
        "contribution": "折标量",
        "indicators": "计入",
        "missing": "缺少的分期",
    }
    lines = [_line(line) | {"indicators": "、".join(line.indicators)} for line in _lines(told)]
    output.emit_rows(lines, columns, as_json=False)
    for finding in told.explanation.findings:
        output.say(f"提示：{finding.subject} {finding.kind.label}：{finding.detail}")
    output.emit_rows(_rows(told.explanation.totals), _COLUMNS, as_json=False)


def _lines(told: Explained) -> tuple[Line, ...]:
    return told.explanation.lines


def _explained(told: Explained, period: PeriodCode, source: SourceCode) -> dict[str, Any]:
    found = told.explanation
    return {
        "code": told.credit_code,
        "name": told.name,
        "period": period.value,
        "start": told.start,
        "source": source.value,
        "region": told.place.region,
        "industry": told.place.industry,
        "industrial": found.industrial,
        "lines": [_line(line) for line in found.lines],
        "findings": [
            {"kind": one.kind.value, "subject": one.subject, "detail": one.detail}
            for one in found.findings
        ],
        "totals": _plain(found.totals),
        "kept": None if told.kept is None else _plain(told.kept),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "dataCode": line.data_code,
        "name": line.name,
        "usage": line.usage,
        "usageName": line.usage_name,
        "amount": _number(line.amount),
        "unit": line.unit,
        "summed": line.summed,
        "missing": line.missing,
        "route": line.route,
        "indicators": list(line.indicators),
        "sign": line.sign,
        "coefficient": None if line.coefficient is None else _number(line.coefficient),
        "basis": line.basis,
        "contribution": _number(line.contribution),
        "origin": _number(line.origin),
    }


def _number(value: Decimal) -> str:
    """Without exponent and without zeros at the end: exact, so a text."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@totals.command()
def show(
    home: HomeOption,
    period: PeriodOption,
    date: DateOption,
    source: SourceOption = SourceCode.ONLINE,
    region: Annotated[
        str, typer.Option("--region", help="行政区划代码，含其下级；默认全部", metavar="CODE")
    ] = "",
    industry: Annotated[
        str, typer.Option("--industry", help="行业代码，含其下级；默认全部", metavar="CODE")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """一个地区或行业一个周期的十项能耗指标。"""
    moment = _moment(period, date)
    question = Question(
        period.value, moment, moment, source.value, region or None, industry or None
    )
    with opened_store(home) as store:
        found = statistics.answer(store, question, china_now())
    if as_json:
        output.emit_json(_plain(found))
    else:
        output.emit_rows(_rows(found), _COLUMNS, as_json=False)


_COLUMNS: Mapping[str, str] = {
    "code": "指标",
    "name": "名称",
    "origin": "原始量",
    "unit": "单位",
    "value": "折标量（吨标准煤）",
}


def _rows(found: Totals) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "name": INDICATORS[code],
            "origin": indicators.rounded(total.origin),
            "unit": UNITS[code],
            "value": indicators.rounded(total.value),
        }
        for code, total in found.items()
    ]


def _plain(found: Totals) -> dict[str, Any]:
    """As the exchange answers it."""
    return {
        code: {
            "OriginValue": float(indicators.rounded(total.origin)),
            "value": float(indicators.rounded(total.value)),
            "unitName": UNITS[code],
        }
        for code, total in found.items()
    }


def _moment(period: PeriodCode, text: str) -> datetime:
    expected = output.Misuse(f"--date 应为 {_DATES[period]} 这样的日期，收到 {text!r}")
    try:
        moment = datetime.strptime(text, _SHAPES[period])
    except ValueError:
        raise expected from None
    if not periods.in_years(moment) or moment.strftime(_SHAPES[period]) != text:
        raise expected
    return moment
