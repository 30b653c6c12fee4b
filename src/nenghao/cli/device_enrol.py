"""`nenghao device enrol`: a device's directory from a one-time code, its key made here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.device_home import HomeOption, failures
from nenghao.device import configuration as configurations
from nenghao.device.enrolment import enrol as enrol_device
from nenghao.device.home import write_file


def enrol(
    home: HomeOption,
    url: Annotated[
        str, typer.Option("--url", help="平台领取证书的地址 https://H:PORT", metavar="URL")
    ],
    code: Annotated[
        str, typer.Option("--code", help="平台运维人员给出的一次性注册码", metavar="CODE")
    ],
    platform: Annotated[
        str,
        typer.Option("--platform", help="省级平台注册地址，默认用平台给出的", metavar="URL"),
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="用能单位配置（表 A.4 的结构）")
    ] = None,
) -> None:
    """凭注册码领取证书并建立端设备目录；密钥在本机生成，不离开本机。"""
    with failures():
        content = None if config is None else config.read_bytes()
        made = enrol_device(home, url=url, code=code, platform=platform)
        if content is not None:
            configurations.check(content, made.unit())
            write_file(made.config_file, content)
        unit = made.unit()
    output.say(f"端设备目录已建立：{home}（{unit.code} 端设备 {unit.device}）")
    output.say(f"运行：nenghao device run --home {home}")
