"""`nenghao platform console`: the browser console in the foreground.

`platform serve` runs it as a process of its own beside the listeners (`platform.console_child`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from nenghao.cli import acts, output
from nenghao.cli.platform_home import HomeOption, failures, opened
from nenghao.clock import china_now
from nenghao.platform import console_child
from nenghao.platform.home import open_home


def console(
    home: HomeOption,
    child: Annotated[
        bool, typer.Option("--child", help="标准输入结束时随之结束（供 platform serve 使用）")
    ] = False,
) -> None:
    """在前台运行管理控制台；platform serve 会自动运行它，一般不必单独运行。"""
    if child:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    with failures():
        here = opened(home)
        settings = here.settings
        if not settings.console_port:
            raise output.Failure("设置项 console_port 为 0：没有开放管理控制台")
        here.renew_server_certificate(china_now())
        try:
            from nenghao.console import app  # two seconds of import that no other command pays
            from nenghao.console.visit import Office
        except ModuleNotFoundError as error:
            raise output.Failure(f"缺少 Python 包 {error.name}，请安装 nenghao[console]") from error
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        with console_child.alone(here.path) as free, here.store() as store:
            if not free:
                if child:
                    return
                raise output.Failure("管理控制台已在运行（platform serve 会自动运行它）")
            try:
                app.serve(
                    Office(here, store, reopen=lambda: open_home(home, acts.environment())),
                    lambda port: output.say(f"ready console https://{shown}:{port}"),
                )
            except OSError as error:
                raise output.Failure(
                    f"管理控制台不能监听 {settings.listen_address}:{settings.console_port}："
                    f"{error.strerror or error}"
                ) from error


def _end_with_parent() -> None:
    """The parent holds the other end of standard input; when it is gone, so are we."""
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
