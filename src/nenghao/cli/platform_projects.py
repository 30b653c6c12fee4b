"""`nenghao platform projects …`: the key projects that the exchange answers, in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, opened_store
from nenghao.clock import china_now
from nenghao.platform import projects as service
from nenghao.platform import table_file

projects = typer.Typer(help="重点项目：导入、导出", no_args_is_help=True)

ProjectsFile = Annotated[
    Path, typer.Argument(help="CSV 或 Excel 文件（.csv、.xlsx）", metavar="FILE", dir_okay=False)
]


@projects.command("import")
def import_projects(
    home: HomeOption,
    file: ProjectsFile,
    replace: Annotated[
        bool, typer.Option("--replace", help="删除文件中没有的项目；默认保留")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """导入重点项目：代码相同的替换，其余新增；有任何错误则一个也不导入。"""
    with opened_store(home) as store:
        lines = table_file.read(file.read_bytes(), file.suffix, service.HEADER)
        with store.write() as conn:
            done = service.replace_or_add(conn, lines, china_now(), whole=replace, source=file.name)
    if as_json:
        output.emit_json(
            {
                "rows": done.rows,
                "added": done.added,
                "changed": done.changed,
                "unchanged": done.unchanged,
                "removed": done.removed,
            }
        )
        return
    output.say(
        f"{done.rows} 个项目：新增 {done.added}，修改 {done.changed}，"
        f"未变 {done.unchanged}，删除 {done.removed}"
    )


@projects.command("export")
def export_projects(home: HomeOption, file: ProjectsFile) -> None:
    """把全部重点项目写成 CSV 或 Excel（按扩展名）。"""
    if file.suffix.lower() not in (table_file.CSV, table_file.EXCEL):
        raise output.Misuse(f"文件应为 .csv 或 .xlsx，收到 {file.name}")
    with opened_store(home) as store, store.read() as conn:
        rows = service.listing(conn)
    file.write_bytes(table_file.written(file.suffix, service.HEADER, rows, "重点项目"))
    output.say(f"{len(rows)} 个项目写入 {file}")
