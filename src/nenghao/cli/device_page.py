"""`nenghao device page-password`: the password of the page of the site engineer."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.device_home import HomeOption, failures
from nenghao.device.home import DeviceHome


def page_password(
    home: HomeOption,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="从标准输入的第一行读取密码；默认随机生成并显示一次")
    ] = False,
) -> None:
    """设置现场页面的密码；已登录的浏览器须重新登录。"""
    from nenghao.device.web import access

    with failures():
        device = DeviceHome.open(home)
        password = sys.stdin.readline().rstrip("\r\n") if stdin else access.random_password()
        try:
            access.set_password(device.root, password)
        except access.BadPassword as error:
            raise output.Failure(str(error)) from error
    if not stdin:
        output.say(password)
    print("现场页面的密码已设置" + ("" if stdin else "；密码只显示这一次"), file=sys.stderr)
