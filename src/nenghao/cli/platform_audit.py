"""`nenghao platform audit …`: the audit trail, listed, verified, exported."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, LimitOption, opened_store
from nenghao.clock import china_now
from nenghao.platform import audit as trail
from nenghao.platform import audit_chain, audit_export
from nenghao.platform.audit import Filter
from nenghao.platform.audit_export import COLUMNS, EVERYTHING, JSON_LINES, SUFFIXES

audit = typer.Typer(help="审计记录：列出、核对、导出", no_args_is_help=True)


@audit.command("list")
def list_records(
    home: HomeOption,
    actor: Annotated[
        str, typer.Option(help="只列这个主体：user:NAME、exchange:NAME、代码#端设备", metavar="WHO")
    ] = "",
    action: Annotated[
        str, typer.Option(help="只列这个操作；以点结尾表示一类，如 user.", metavar="WHAT")
    ] = "",
    refused: Annotated[bool, typer.Option("--refused", help="只列被拒绝的")] = False,
    since: Annotated[str, typer.Option("--from", help="第一天，YYYY-MM-DD", metavar="DATE")] = "",
    until: Annotated[str, typer.Option("--to", help="最后一天，YYYY-MM-DD", metavar="DATE")] = "",
    before: Annotated[int | None, typer.Option(help="只列编号小于它的，用于翻页", min=1)] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """列出审计记录，新的在前。"""
    wanted = Filter(
        actor,
        action,
        trail.REFUSED if refused else "",
        _date("--from", since) if since else None,
        _date("--to", until) + timedelta(days=1) if until else None,
    )
    with opened_store(home) as store, store.read() as conn:
        rows = [dict(row) for row in trail.listing(conn, wanted, limit, before)]
    output.emit_rows(rows, COLUMNS, as_json=as_json)


@audit.command()
def verify(
    home: HomeOption,
    against: Annotated[
        Path | None,
        typer.Option(
            help="先前 verify --json 的输出：其中的摘要须仍在链上",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help=f"不核对数据库，而核对导出的 {JSON_LINES} 文件", metavar="FILE", dir_okay=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """核对审计链：每条记录都在、未改、相连；有任何问题时退出码为 1。"""
    noted = None if against is None else _noted(against)
    with opened_store(home) as store:
        if file is None:
            with store.read() as conn:
                checked = audit_chain.verify(conn, noted)
        else:
            checked = _verified_file(file, noted)
    _tell(checked, as_json=as_json)
    if checked.breaks:
        raise typer.Exit(1)


@audit.command()
def export(
    home: HomeOption,
    file: Annotated[
        Path,
        typer.Argument(
            help=f"写入的文件：{JSON_LINES}（可独立核对）、.csv 或 .xlsx（供阅读）",
            metavar="FILE",
            dir_okay=False,
            show_default=False,
        ),
    ],
) -> None:
    """导出全部审计记录；导出本身也记入审计。"""
    if file.suffix.lower() not in SUFFIXES:
        raise output.Misuse(f"文件应为 {JSON_LINES}、.csv 或 .xlsx，收到 {file.name}")
    with opened_store(home) as store, file.open("wb") as out:
        count = audit_export.export(store, file.name, out, EVERYTHING, china_now())
    output.say(f"{count} 条审计记录写入 {file}")


def _verified_file(file: Path, noted: tuple[int, str] | None) -> audit_chain.Checked:
    try:
        with file.open(encoding="utf-8") as stream:
            return audit_chain.verify_exported(stream, noted)
    except ValueError as error:
        raise output.Failure(f"{file}：{error}") from None


def _tell(checked: audit_chain.Checked, *, as_json: bool) -> None:
    if as_json:
        output.emit_json(
            {
                "ok": not checked.breaks,
                "records": checked.records,
                "sequence": checked.sequence,
                "digest": checked.digest,
                "breaks": [
                    {
                        "sequence": one.sequence,
                        "fault": one.fault.value,
                        "text": one.fault.text,
                        "detail": one.detail,
                    }
                    for one in checked.breaks
                ],
            }
        )
        return
    for one in checked.breaks:
        output.say(
            f"编号 {one.sequence}：{one.fault.text}{f'（{one.detail}）' if one.detail else ''}"
        )
    state = f"{len(checked.breaks)} 处问题" if checked.breaks else "完好"
    output.say(
        f"{checked.records} 条记录，{state}；最后一条 {checked.sequence}，摘要 {checked.digest}"
    )


def _noted(file: Path) -> tuple[int, str]:
    try:
        told = json.loads(file.read_text("utf-8"))
        return int(told["sequence"]), str(told["digest"])
    except (ValueError, KeyError, TypeError):
        raise output.Failure(f"{file} 不是 audit verify --json 的输出") from None


def _date(option: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise output.Misuse(f"{option} 应为 YYYY-MM-DD，收到 {text!r}") from None
