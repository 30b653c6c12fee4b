"""`nenghao platform unit|uploads|findings …`: what the platform knows and has taken."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import datetime
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
    opened_store,
)
from nenghao.clock import china_now
from nenghao.platform import advice, journal, registry, unit_settings
from nenghao.platform.chain import JournalDamaged

unit = typer.Typer(help="用能单位：列出、设置", no_args_is_help=True)

CODE = "统一社会信用代码"


@unit.command("list")
def list_units(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出注册过的用能单位、端设备和单位设置。"""
    with opened_store(home) as store, store.read() as conn:
        units = _units(conn)
    if as_json:
        output.emit_json(units)
        return
    rows = [
        {
            **one,
            **device,
            "label": "，".join(
                f"{setting['value']}（{setting['validFrom']} 起）" for setting in one["settings"]
            ),
        }
        for one in units
        for device in one["devices"]
    ]
    columns = {
        "code": CODE,
        "name": "名称",
        "region": "行政区划",
        "device": "端设备",
        "deviceId": "设备序列号",
        "uploadTime": "上报时间点",
        "lastRegisteredAt": "最近注册",
        "label": "实时标签",
    }
    output.emit_rows(rows, columns, as_json=False)


def _units(conn: Connection) -> list[dict[str, Any]]:
    dated = defaultdict(list)
    for row in unit_settings.listing(conn):
        dated[row["code"]].append(
            {"name": row["name"], "value": row["value"], "validFrom": row["valid_from"]}
        )
    units: dict[str, dict[str, Any]] = {}
    for row in registry.devices(conn):
        one = units.setdefault(
            row["code"],
            {
                "code": row["code"],
                "name": row["name"],
                "region": row["region"],
                "regionName": row["region_name"],
                "devices": [],
                "settings": dated[row["code"]],
            },
        )
        one["devices"].append(
            {
                "device": row["number"],
                "deviceId": row["device_id"],
                "uploadTime": row["upload_time"],
                "registeredAt": row["registered_at"],
                "lastRegisteredAt": row["last_registered_at"],
            }
        )
    return list(units.values())


@unit.command("set")
def set_unit(
    home: HomeOption,
    code: Annotated[str, typer.Option("--code", help=CODE, metavar="USCC")],
    realtime_label: Annotated[
        str,
        typer.Option(
            help="实时数据的时间标签指什么：end 区间结束；start:15、start:30、start:60 区间开始，"
            "数字为区间分钟数",
            metavar="LABEL",
        ),
    ],
    valid_from: Annotated[
        str, typer.Option("--from", help="自哪天起（YYYY-MM-DD），默认今天", metavar="DATE")
    ] = "",
) -> None:
    """设置一个用能单位；只影响此后收到的数据。"""
    now = china_now()
    since = _date(valid_from) if valid_from else datetime(now.year, now.month, now.day)
    with opened_store(home) as store, store.write() as conn:
        unit_settings.set_realtime_label(conn, code, realtime_label, since, now)
    output.say(f"{code}：自 {since:%Y-%m-%d} 起 realtime_label = {realtime_label}")


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise output.Misuse(f"--from 应为 YYYY-MM-DD，收到 {text!r}") from None


def add_to(app: typer.Typer) -> None:
    """Mount the commands that have no group of their own."""
    app.command("uploads")(uploads)
    app.command("upload-body")(upload_body)
    app.command("findings")(findings)


def uploads(
    home: HomeOption,
    code: CodeOption = "",
    refused: Annotated[bool, typer.Option("--refused", help="列出被拒绝的批次")] = False,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """列出收到的上传，新的在前。"""
    with opened_store(home) as store, store.read() as conn:
        unit_id = _unit_id(conn, code) if code else None
        if refused:
            listed = [_refused(one) for one in journal.refused_uploads(conn, unit_id, limit=limit)]
        else:
            listed = [_accepted(one) for one in journal.receipts(conn, unit_id, limit=limit)]
    columns = {"receivedAt": "接收时间", "code": CODE, "device": "端设备", "number": "编号"}
    if refused:
        columns |= {"path": "接口", "size": "字节", "responseCode": "返回码", "text": "原因"}
    else:
        columns |= {"kind": "种类", "records": "记录数", "result": "结果"}
    output.emit_rows(listed, columns, as_json=as_json)


def _accepted(one: journal.Receipt) -> dict[str, Any]:
    return {
        "code": one.credit_code,
        "device": one.device,
        "number": one.sequence,
        "kind": one.kind,
        "receivedAt": one.received_at,
        "address": one.address,
        "sha256": one.sha256,
        "records": one.records,
        "result": one.result,
    }


def _refused(one: journal.RefusedUpload) -> dict[str, Any]:
    return {
        "code": one.credit_code,
        "device": one.device,
        "number": one.number,
        "receivedAt": one.received_at,
        "address": one.address,
        "path": one.path,
        "responseCode": one.code,
        "text": one.text,
        "size": one.size,
        "kept": one.kept,
    }


def upload_body(
    home: HomeOption,
    code: Annotated[str, typer.Option("--code", help=CODE, metavar="USCC")],
    number: Annotated[int, typer.Option(help="uploads 所列的编号", min=1)],
    refused: Annotated[bool, typer.Option("--refused", help="被拒绝的批次")] = False,
    out: Annotated[
        Path | None, typer.Option(help="写入这个文件，默认写到标准输出", metavar="FILE")
    ] = None,
) -> None:
    """取出一次上传的原文，一字节不差。"""
    with opened_store(home) as store, store.read() as conn:
        unit_id = _unit_id(conn, code)
        take = journal.refused_body if refused else journal.body_of
        try:
            body = take(conn, unit_id, number)
        except LookupError:
            raise output.Failure(f"{code} 没有编号 {number} 的原文") from None
        except JournalDamaged as error:
            raise output.Failure(f"{code} 编号 {number} 的原文已损坏：{error}") from error
    if out is None:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        out.write_bytes(body)
        output.say(f"{len(body)} 字节写入 {out}")


def findings(home: HomeOption, code: CodeOption = "", as_json: JsonOption = False) -> None:
    """列出已接收数据中的提示（编码未收录、超出范围等），新的在前。"""
    with opened_store(home) as store, store.read() as conn:
        if code:
            _unit_id(conn, code)
        kept = advice.kept(conn, code)
    rows = [
        {
            "code": one.code,
            "kind": one.kind.value,
            "label": one.kind.label,
            "subject": one.subject,
            "detail": one.detail,
            "times": one.times,
            "firstAt": one.first_at,
            "lastAt": one.last_at,
        }
        for one in kept
    ]
    columns = {
        "lastAt": "最近",
        "code": CODE,
        "label": "类别",
        "subject": "对象",
        "times": "次数",
        "detail": "说明",
    }
    output.emit_rows(rows, columns, as_json=as_json)


def _unit_id(conn: Connection, code: str) -> int:
    unit_id = registry.unit_id_of(conn, code)
    if unit_id is None:
        raise output.Failure(f"没有注册过的用能单位 {code}")
    return unit_id
