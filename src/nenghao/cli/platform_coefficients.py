"""`nenghao platform coefficients …`: the dated standard coal coefficients of energy types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, opened_store
from nenghao.clock import china_now
from nenghao.platform import coefficients as service
from nenghao.platform import coefficients_file, table_file
from nenghao.platform.coefficients import Change
from nenghao.standard import energy
from nenghao.standard.coefficients import Coefficient
from nenghao.standard.energy_amounts import Kind

coefficients = typer.Typer(help="折标系数：列出、设置、导入", no_args_is_help=True)


@coefficients.command("list")
def list_coefficients(
    home: HomeOption,
    on: Annotated[
        str, typer.Option("--date", help="只列这一天有效的（YYYY-MM-DD），默认全部", metavar="DATE")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """列出各能源品种的折标系数及其生效日期。"""
    day = date_of(on, "--date") if on else None
    with opened_store(home) as store, store.read() as conn:
        known = service.table(conn)
    listed = [_row(one) for one in known if day is None or known.of(one.kind, day) is one]
    columns = {
        "classCode": "分类",
        "code": "编码",
        "name": "品种",
        "validFrom": "生效日期",
        "zbckz": "折标系数",
        "dwzbxs": "单位折标系数",
        "nhzbdw": "单位",
        "range": "实测范围",
        "source": "来源",
    }
    output.emit_rows(listed, columns, as_json=as_json)


def _row(one: Coefficient) -> dict[str, Any]:
    (row,) = coefficients_file.rows([one])
    return {**row, "name": one.name, "nhzbdw": one.nhzbdw}


@coefficients.command("set")
def set_coefficient(
    home: HomeOption,
    kind: Annotated[
        str, typer.Option("--kind", help="分类和品种，6 位数字，如 023300", metavar="CCTTTT")
    ],
    zbckz: Annotated[
        str, typer.Option(help="折标系数（吨标准煤/能耗折标单位），如 1.229", metavar="DECIMAL")
    ],
    valid_from: Annotated[
        str,
        typer.Option(
            "--valid-from", help="生效日期（YYYY-MM-DD），默认今年 1 月 1 日", metavar="DATE"
        ),
    ] = "",
    dwzbxs: Annotated[str, typer.Option(help="单位折标系数，默认不变", metavar="DECIMAL")] = "",
    bounds: Annotated[
        str,
        typer.Option("--range", help="实测系数的范围，如 1.1-1.3，默认不变", metavar="LOW-HIGH"),
    ] = "",
    source: Annotated[str, typer.Option(help="来源，供审计", metavar="TEXT")] = "",
) -> None:
    """自某日起使用新的折标系数；此前的数据不变，此后的合计重新计算。"""
    if len(kind) != 6 or not (kind.isascii() and kind.isdigit()):
        raise output.Misuse(f"--kind 应为 6 位数字，收到 {kind!r}")
    now = china_now()
    since = _since(valid_from, now)
    limits = _range(bounds)
    with opened_store(home) as store, store.write() as conn:
        change = service.set_(
            conn,
            Kind(kind[:2], kind[2:]),
            service.decimal(zbckz),
            valid_from=since,
            now=now,
            dwzbxs=service.decimal(dwzbxs) if dwzbxs else None,
            bounds=limits,
            source=source,
        )
    _tell([] if change is None else [change])


@coefficients.command("import")
def import_coefficients(
    home: HomeOption,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV 或 Excel 文件，表头 classCode,code,validFrom,zbckz,dwzbxs,range,source",
            metavar="FILE",
            dir_okay=False,
        ),
    ],
) -> None:
    """导入折标系数表；有任何错误则一行也不导入。"""
    with opened_store(home) as store:
        lines = table_file.read(file.read_bytes(), file.suffix, coefficients_file.HEADER)
        with store.write() as conn:
            changes = coefficients_file.take(conn, lines, china_now())
    _tell(changes)


def date_of(text: str, option: str) -> date:
    """The day that an option names; Misuse."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise output.Misuse(f"{option} 应为 YYYY-MM-DD，收到 {text!r}") from None


def _since(text: str, now: datetime) -> date:
    return date_of(text, "--valid-from") if text else date(now.year, 1, 1)


def _range(text: str) -> tuple[Decimal, Decimal] | None:
    if not text:
        return None
    try:
        return energy.parse_range(text)
    except ValueError as error:
        raise output.Misuse(f"--range {error}") from None


def _tell(changes: Sequence[Change]) -> None:
    for change in changes:
        after = change.after
        before = "无" if change.before is None else service.plain(change.before.zbckz)
        output.say(
            f"{change.kind.energy_class}{change.kind.code} {after.name}："
            f"自 {change.valid_from} 起由 {before} 改为 {service.plain(after.zbckz)}"
        )
    if not changes:
        output.say("与现有的折标系数相同，未改动")
