"""`nenghao platform reports …`: the monthly form (填报), made as a template and taken in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened
from nenghao.clock import china_now
from nenghao.platform import reports as service
from nenghao.platform import reports_blank, reports_template
from nenghao.platform.workbook import MOST_BYTES

reports = typer.Typer(help="填报：能源购进、消费与库存月报的模板和导入", no_args_is_help=True)

FormFile = Annotated[
    Path, typer.Argument(help="Excel 文件（.xlsx）", metavar="FILE", dir_okay=False)
]


@reports.command()
def template(
    home: HomeOption,
    file: FormFile,
    month: Annotated[str, typer.Option(help="报表月份，YYYY-MM，默认上个月", metavar="MONTH")] = "",
    code: Annotated[
        list[str] | None,
        typer.Option(help="只要这个统一社会信用代码的用能单位，可重复", metavar="USCC"),
    ] = None,
    region: Annotated[str, typer.Option(help="只要这个行政区划内的用能单位", metavar="CODE")] = "",
) -> None:
    """生成填报模板：用能单位、月份、能源品种、计量单位已填好并锁定。"""
    _check_suffix(file)
    month = month or _last_month(china_now())
    if not re.fullmatch(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", month):
        raise output.Misuse(f"--month 应为 YYYY-MM，收到 {month!r}")
    if region and not re.fullmatch(r"[0-9]{6}", region):
        raise output.Misuse(f"--region 应为 6 位数字，收到 {region!r}")
    with failures():
        found = opened(home)
        with found.store() as store, store.read() as conn:
            form = reports_blank.form(conn, found.settings, month, code or (), region or None)
    file.write_bytes(reports_template.write(form))
    rows = sum(len(unit.kinds) for unit in form.units)
    output.say(f"{month}：{len(form.units)} 个用能单位，{rows} 行写入 {file}")


@reports.command("import")
def import_report(home: HomeOption, file: FormFile, as_json: JsonOption = False) -> None:
    """导入填好的模板；有任何错误则整个文件都不导入，错误逐一指出行和列。"""
    _check_suffix(file)
    if file.stat().st_size > MOST_BYTES:
        raise output.Failure(f"文件超过 {MOST_BYTES // 1_000_000} MB")
    with failures():
        found = opened(home)
        with found.store() as store:
            done = service.import_form(
                store, found.settings, file.read_bytes(), china_now(), file.name
            )
    if as_json:
        output.emit_json({"month": done.month, "units": [_plain(one) for one in done.units]})
        return
    for one in done.units:
        result = one.result
        output.say(
            f"{one.code} {one.name}：{result.records} 个数值，新增或改变 {result.stored}，"
            f"未变 {result.unchanged}，已有更新的 {result.lost}；回执 {result.sequence}"
        )
        for kind, times in result.advice.items():
            output.say(f"  提示：{kind.label} {times} 处")
        for finding in one.findings:
            output.say(f"  提示：{finding.kind.label}：{finding.subject} {finding.detail}")
    output.say(f"{done.month}：已导入 {len(done.units)} 个用能单位")


def _plain(one: service.UnitReport) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": one.name,
        "sequence": one.result.sequence,
        "records": one.result.records,
        "stored": one.result.stored,
        "unchanged": one.result.unchanged,
        "lost": one.result.lost,
        "advice": {kind.value: times for kind, times in one.result.advice.items()},
        "findings": [
            {
                "kind": finding.kind.value,
                "label": finding.kind.label,
                "subject": finding.subject,
                "detail": finding.detail,
            }
            for finding in one.findings
        ],
    }


def _check_suffix(file: Path) -> None:
    if file.suffix.lower() != ".xlsx":
        raise output.Misuse(f"文件应为 .xlsx，收到 {file.name}")


def _last_month(now: datetime) -> str:
    return (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
