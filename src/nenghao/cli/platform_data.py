"""`nenghao platform base-data …` and `schedule …`: what devices are told, and how it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.platform_coefficients import date_of
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import dictionary, dictionary_csv, registry, schedule_changes
from nenghao.platform.schedule_changes import ScheduleError

base_data = typer.Typer(help="基础数据：导出、导入代码表", no_args_is_help=True)
schedule = typer.Typer(help="上报时间点：查看、重新编排", no_args_is_help=True)

TableFile = Annotated[
    Path,
    typer.Argument(
        help="CSV 文件；文件名（不含扩展名）即表名，如 region.csv", metavar="FILE", dir_okay=False
    ),
]


@base_data.command("export")
def export_table(home: HomeOption, file: TableFile) -> None:
    """把一张代码表写成 CSV（UTF-8）。"""
    with opened_store(home) as store, store.read() as conn:
        text = dictionary.export_table(conn, file.stem)
    file.write_text(text, encoding="utf-8", newline="")
    output.say(f"{file.stem}：{len(text.splitlines()) - 1} 行写入 {file}")


@base_data.command("import")
def import_table(
    home: HomeOption,
    file: TableFile,
    valid_from: Annotated[
        str,
        typer.Option(
            help="energyType 中改变的折标系数自哪天起有效（YYYY-MM-DD），默认今年 1 月 1 日",
            metavar="DATE",
        ),
    ] = "",
) -> None:
    """用 CSV 整表替换一张代码表并升高 dicVersion；有错误则原表不变。"""
    since = date_of(valid_from, "--valid-from") if valid_from else None
    with opened_store(home) as store:
        text = dictionary_csv.decode(file.read_bytes())
        with store.write() as conn:
            done = dictionary.import_table(conn, file.stem, text, china_now(), valid_from=since)
    if done.raised:
        output.say(
            f"{file.stem}：{done.rows} 行，新增或修改 {done.added} 行，"
            f"删除或修改 {done.removed} 行；dicVersion 升为 {done.version}"
        )
    else:
        output.say(f"{file.stem}：与现有的 {done.rows} 行相同，dicVersion 仍为 {done.version}")


@schedule.command("list")
def list_schedule(home: HomeOption, as_json: JsonOption = False) -> None:
    """按上报时间点列出端设备。"""
    with opened_store(home) as store, store.read() as conn:
        devices = registry.devices(conn)
    rows = [
        {
            "uploadTime": device["upload_time"],
            "code": device["code"],
            "device": device["number"],
            "name": device["name"],
        }
        for device in devices
    ]
    columns = {
        "uploadTime": "上报时间点",
        "code": "统一社会信用代码",
        "device": "端设备",
        "name": "名称",
    }
    output.emit_rows(rows, columns, as_json=as_json)


@schedule.command()
def replan(
    home: HomeOption,
    start: Annotated[
        str | None, typer.Option(help="新的窗口开始，HH:MM:SS", metavar="TIME")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="新的窗口结束（不含），HH:MM:SS", metavar="TIME")
    ] = None,
    step: Annotated[int | None, typer.Option(help="相邻时间点的间隔，秒", min=1, max=86400)] = None,
) -> None:
    """按注册顺序重新编排全部上报时间点，并升高 regVersion；窗口的改动写入 platform.toml。"""
    given = {
        "upload_window_start": start,
        "upload_window_end": end,
        "upload_step_seconds": step,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    with failures():
        opened_home = opened(home)
        try:
            schedule_changes.changed_settings(opened_home.settings, changes)
        except ScheduleError as error:
            raise output.Misuse(str(error)) from error
        with opened_home.store() as store:
            done = schedule_changes.reissue(opened_home, store, changes, china_now())
    output.say(f"已重新编排 {done.devices} 台端设备的上报时间点；regVersion 升为 {done.version}")
