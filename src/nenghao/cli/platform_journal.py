"""`nenghao platform journal …` and `rebuild`: the upload journal, checked, pruned, replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from nenghao.cli import output
from nenghao.cli.platform_home import (
    CodeOption,
    HomeOption,
    JsonOption,
    LimitOption,
    failures,
    opened,
    opened_store,
)
from nenghao.clock import china_now
from nenghao.platform import chain, registry, retention
from nenghao.platform import journal as receipts
from nenghao.platform import rebuild as rebuilding
from nenghao.platform.chain import Checked, Noted
from nenghao.platform.rebuild import Rebuilt

journal = typer.Typer(help="上传日志：列出、查看、核对、清除原文", no_args_is_help=True)

CODE = "统一社会信用代码"
SHOWN = 20
"""Differences that `rebuild` lists without --json."""

UnitOption = Annotated[str, typer.Option("--code", help=CODE, metavar="USCC")]


def add_to(app: typer.Typer) -> None:
    """Mount the command that has no group of its own."""
    app.command("rebuild")(rebuild)


@journal.command("list")
def list_receipts(
    home: HomeOption, code: CodeOption = "", limit: LimitOption = 100, as_json: JsonOption = False
) -> None:
    """列出回执，新的在前。"""
    with opened_store(home) as store, store.read() as conn:
        unit_id = _unit_id(conn, code) if code else None
        listed = [_receipt(one) for one in receipts.receipts(conn, unit_id, limit=limit)]
    columns = {
        "receivedAt": "接收时间",
        "code": CODE,
        "number": "编号",
        "kind": "种类",
        "device": "端设备",
        "records": "记录数",
        "size": "字节",
        "kept": "原文在",
        "digest": "摘要（SM3）",
    }
    output.emit_rows(listed, columns, as_json=as_json)


@journal.command()
def show(
    home: HomeOption,
    code: UnitOption,
    number: Annotated[int, typer.Option(help="journal list 所列的编号", min=1)],
    as_json: JsonOption = False,
) -> None:
    """查看一份回执：摘要、生效设置、结果；原文用 upload-body 取出。"""
    with opened_store(home) as store, store.read() as conn:
        unit_id = _unit_id(conn, code)
        try:
            told = _receipt(receipts.receipt_of(conn, unit_id, number))
        except LookupError:
            raise output.Failure(f"{code} 没有编号 {number} 的回执") from None
    if as_json:
        output.emit_json(told)
        return
    for key, value in told.items():
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        output.say(f"{key}: {shown}")


@journal.command()
def verify(
    home: HomeOption,
    code: CodeOption = "",
    skip_bodies: Annotated[
        bool, typer.Option("--skip-bodies", help="只核对回执链，不读原文（快得多）")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            help="先前 verify --json 的输出：其中记下的摘要必须仍在链上",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """核对回执链和原文；有任何问题时退出码为 1，并指出单位和编号。"""
    noted = {} if against is None else _noted(against)
    with opened_store(home) as store:
        with store.read() as conn:
            units = [_unit_id(conn, code)] if code else chain.units(conn)
        checked = list(chain.check(store, units, bodies=not skip_bodies, noted=noted))
    gone = [] if code else sorted(noted.keys() - {one.credit_code for one in checked})
    broken = sum(len(one.breaks) for one in checked) + len(gone)
    if as_json:
        units_told = [_checked(one) for one in checked]
        output.emit_json({"ok": not broken, "units": units_told, "missingUnits": gone})
    else:
        _say_checked(checked, gone, broken)
    if broken:
        raise typer.Exit(1)


@journal.command()
def prune(
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只报告将清除什么")] = False,
    as_json: JsonOption = False,
) -> None:
    """清除超过设置项 journal_keep_days 天的原文；回执和摘要保留，清除本身也记入回执链。"""
    with failures():
        found = opened(home)
        days = found.settings.journal_keep_days
        done = []
        if days:
            with found.store() as store:
                done = retention.prune(store, days, china_now(), dry_run=dry_run)
    bodies, size = sum(one.bodies for one in done), sum(one.size for one in done)
    if as_json:
        units = [{"code": one.credit_code, "bodies": one.bodies, "bytes": one.size} for one in done]
        told = {"keepDays": days, "dryRun": dry_run, "bodies": bodies, "bytes": size}
        output.emit_json(told | {"units": units})
    elif not days:
        output.say("journal_keep_days = 0：原文永久保留，未清除任何原文")
    else:
        word = "将清除" if dry_run else "已清除"
        output.say(f"{word} {len(done)} 个单位 {days} 天以前的 {bodies} 份原文，共 {size} 字节")


def rebuild(
    home: HomeOption,
    unit: Annotated[str, typer.Option("--unit", help=CODE, metavar="USCC")],
    first: Annotated[
        str,
        typer.Option("--from", help="第一天，YYYY-MM-DD；取在这些天开始的各种周期", metavar="D"),
    ],
    last: Annotated[str, typer.Option("--to", help="最后一天，YYYY-MM-DD", metavar="D")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只比较，不改写；有不同时退出码为 1")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """按上传日志重建一个单位的数据，报告与现有数据的不同并改写。"""
    begin, end = _date("--from", first), _date("--to", last)
    with opened_store(home) as store:
        done = rebuilding.rebuild(store, unit, begin, end, china_now(), dry_run=dry_run)
    if as_json:
        output.emit_json(done.plain() | {"dryRun": dry_run})
    else:
        _say_rebuilt(done, dry_run)
    if dry_run and (done.differences or done.damaged):
        raise typer.Exit(1)


def _receipt(one: receipts.Receipt) -> dict[str, Any]:
    return {
        "code": one.credit_code,
        "number": one.sequence,
        "kind": one.kind,
        "device": one.device,
        "receivedAt": one.received_at,
        "address": one.address,
        "sha256": one.sha256,
        "size": one.size,
        "kept": one.kept,
        "records": one.records,
        "covers": {str(kind): [str(end) for end in ends] for kind, ends in one.covers.items()},
        "settings": one.settings,
        "result": one.result,
        "previous": one.previous,
        "digest": one.digest,
    }


def _checked(one: Checked) -> dict[str, Any]:
    return {
        "code": one.credit_code,
        "receipts": one.receipts,
        "bodies": one.bodies,
        "dropped": one.dropped,
        "sequence": one.sequence,
        "digest": one.digest,
        "breaks": [
            {
                "number": each.sequence,
                "fault": each.fault.value,
                "text": each.fault.text,
                "detail": each.detail,
            }
            for each in one.breaks
        ],
    }


def _say_checked(checked: Sequence[Checked], gone: Sequence[str], broken: int) -> None:
    for one in checked:
        for each in one.breaks:
            detail = f"（{each.detail}）" if each.detail else ""
            output.say(f"{one.credit_code} 编号 {each.sequence}：{each.fault.text}{detail}")
    for code in gone:
        output.say(f"{code}：先前有过的单位已不在")
    output.say(
        f"核对了 {len(checked)} 个单位的 {sum(one.receipts for one in checked)} 份回执、"
        f"{sum(one.bodies for one in checked)} 份原文"
        f"（另有 {sum(one.dropped for one in checked)} 份原文已按设置清除）："
        + (f"{broken} 处问题" if broken else "没有问题")
    )


def _say_rebuilt(done: Rebuilt, dry_run: bool) -> None:
    for key in done.damaged:
        output.say(f"{key.data_code}（statType {key.stat_type}，帧 {key.frame}）的已存数据损坏")
    for one in done.differences[:SHOWN]:
        told = one.plain()
        output.say(
            f"{told['dataCode']} statType {told['statType']} {told['statDate']} {told['source']}："
            f"现有 {_value(told['stored'])}，按日志应为 {_value(told['rebuilt'])}"
        )
    if len(done.differences) > SHOWN:
        output.say(f"另有 {len(done.differences) - SHOWN} 处不同")
    wrote = "未改写" if dry_run or not done.frames_written else f"改写了 {done.frames_written} 帧"
    output.say(
        f"重放 {done.receipts} 份回执，比较 {done.compared} 个数据，"
        f"{len(done.differences)} 处不同，{wrote}"
    )


def _value(told: dict[str, Any] | None) -> str:
    if told is None:
        return "无"
    marks = "" if told["valid"] else "（无效）"
    return f"{told['dataValue']}{marks}，uploadDate {told['uploadDate']}"


def _noted(path: Path) -> Noted:
    """The digests in the output of an earlier verification."""
    try:
        units = json.loads(path.read_text("utf-8"))["units"]
        return {
            str(one["code"]): (int(one["sequence"]), str(one["digest"]))
            for one in units
            if one["sequence"]
        }
    except (ValueError, KeyError, TypeError):
        raise output.Misuse(f"{path} 不是 journal verify --json 的输出") from None


def _date(option: str, text: str) -> date:
    try:
        if len(text) == len("YYYY-MM-DD"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise output.Misuse(f"{option} 应为 YYYY-MM-DD，收到 {text!r}")


def _unit_id(conn: Connection, code: str) -> int:
    unit_id = registry.unit_id_of(conn, code)
    if unit_id is None:
        raise output.Failure(f"没有注册过的用能单位 {code}")
    return unit_id
