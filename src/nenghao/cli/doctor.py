"""`nenghao doctor`: what is wrong with a platform's or a device's folder, and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.clock import china_now
from nenghao.security.checkup import Line, State

app = typer.Typer(add_completion=False, help="体检：检查平台或端设备的目录，逐项说明如何处理")


@app.command()
def doctor(
    home: Annotated[Path, typer.Option("--home", help="平台目录或端设备目录", metavar="DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="标准输出只写一个 JSON 值")] = False,
) -> None:
    """体检：检查平台或端设备的目录，逐项说明如何处理；有故障时退出码为 1。"""
    lines = _lines(home)
    if as_json:
        output.emit_json(
            [
                {
                    "subject": line.subject,
                    "state": line.state.value,
                    "found": line.found,
                    "advice": line.advice,
                }
                for line in lines
            ]
        )
    else:
        for line in lines:
            output.say(f"[{line.state.label}] {line.subject}：{line.found}")
            if line.advice:
                output.say(f"       → {line.advice}")
    raise typer.Exit(1 if any(line.state is State.FAULT for line in lines) else 0)


def _lines(home: Path) -> list[Line]:
    if not home.is_dir():
        raise output.Failure(f"找不到目录 {home}")
    extra = "platform" if (home / "platform.toml").exists() else "device"
    try:
        if extra == "platform":
            from nenghao.platform import doctor as platform

            return platform.examine(home, os.environ, china_now())
        if not (home / "device.toml").exists():
            raise output.Failure(f"{home} 既不是平台目录也不是端设备目录")
        from nenghao.device import doctor as device

        return device.examine(home, os.environ, china_now())
    except ModuleNotFoundError as error:
        raise output.Failure(f"缺少 Python 包 {error.name}，请安装 nenghao[{extra}]") from error
