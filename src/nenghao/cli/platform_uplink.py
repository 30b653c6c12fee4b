"""`nenghao platform uplink …`: what goes up to the national platform, and where it stands."""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import structlog
import typer

from nenghao.cli import output, platform_uplink_verify
from nenghao.cli.platform_home import CodeOption, HomeOption, JsonOption, failures, opened
from nenghao.clock import china_now
from nenghao.platform import settings_admin
from nenghao.platform.home import Home
from nenghao.platform.national import base_data
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import credentials, lease, operation, status
from nenghao.platform.uplink.credentials import Credentials
from nenghao.platform.uplink.line import HttpsLine, open_line
from nenghao.platform.uplink.pace import Pace
from nenghao.platform.uplink.sender import Sender
from nenghao.platform.uplink.service import Service
from nenghao.settings import SettingsError

log = structlog.get_logger(__name__)

uplink = typer.Typer(help="上送国家平台：设置、状态、运行", no_args_is_help=True)


@uplink.command("set")
def set_up(
    home: HomeOption,
    to: Annotated[
        str | None, typer.Option("--to", help="国家平台的地址 https://主机:端口", metavar="URL")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--credentials",
            help="国家平台签发的省级平台证书目录；其内容复制到平台目录中",
            metavar="OUT",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="上送的时段：always 或每天的 HH:MM-HH:MM", metavar="W"),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="停止上送；标记照样保留")] = False,
) -> None:
    """设置上送的国家平台；正在运行的平台几秒内生效。"""
    with failures():
        here = opened(home)
        if here.settings.role == "national":
            raise output.Failure("国家平台不向上报送（role = national）")
        if off == (to is not None) or (to is None and not off):
            raise output.Misuse("请给出 --to 或 --off 之一")
        values: dict[str, Any] = {"uplink_to": (to or "").rstrip("/")}
        if window is not None:
            values["uplink_window"] = window
        _check(values)
        if folder is not None:
            told = credentials.take_over(folder, here.path)
        elif not off:
            told = credentials.of_home(here.path)
        with here.store() as store:  # in the order given, the address last: it is what begins
            ordered = {key: values[key] for key in sorted(values, reverse=True)}
            settings_admin.change(store, here.path, ordered, china_now())
    if off:
        output.say("已停止上送")
        return
    hours = values.get("uplink_window", here.settings.uplink_window)
    output.say(f"{told.name}（{told.province}）上送 {values['uplink_to']}，时段 {hours}")


def _check(values: dict[str, Any]) -> None:
    try:
        PlatformSettings(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from None


@uplink.command("status")
def show_status(home: HomeOption, as_json: JsonOption = False) -> None:
    """上送到哪里了：未送的条数、最早的一条、被拒绝的条目。"""
    now = china_now()
    with failures():
        here = opened(home)
        with here.store() as store, store.read() as conn:
            found = status.of(conn, now)
    plain = {
        **found.plain(),
        "to": here.settings.uplink_to,
        "window": here.settings.uplink_window,
    }
    if as_json:
        output.emit_json(plain)
        return
    output.say(f"国家平台：{plain['to'] or '（未设置）'}，时段 {plain['window']}")
    output.say(f"上送进程：{'运行中' if found.running else '未运行'}")
    output.say(f"未送：{found.backlog} 条，最早 {plain['oldest'] or '（无）'}")
    output.say(f"最近一次送达：{plain['sentAt'] or '（无）'}")
    if found.standing.failure:
        output.say(f"自 {plain['failingSince']} 起未成：{found.standing.failure}")
    output.say(f"被拒绝：{len(found.refused)} 条")
    if found.refused:
        columns = {
            "code": "用能单位",
            "item": "内容",
            "refusedAt": "被拒绝于",
            "responseCode": "代码",
            "responseMessage": "国家平台的原话",
        }
        output.emit_rows(plain["refused"], columns, as_json=False)


@uplink.command()
def retry(home: HomeOption, code: CodeOption = "") -> None:
    """把被拒绝的条目重新列入上送（每天也会自动重试一次）。"""
    with failures(), opened(home).store() as store:
        count = operation.retry(store, china_now(), code)
    output.say(f"{count} 条重新列入上送")


@uplink.command()
def run(
    home: HomeOption,
    once: Annotated[
        bool, typer.Option("--once", help="只送一遍：全部送达时退出码为 0，否则为 1")
    ] = False,
    child: Annotated[
        bool, typer.Option("--child", help="标准输入结束时随之结束（供 platform serve 使用）")
    ] = False,
) -> None:
    """在前台上送；platform serve 会自动运行它，一般不必单独运行。"""
    end = threading.Event()
    _obey(end)
    if child:
        threading.Thread(target=_end_with_parent, args=(end,), daemon=True).start()
        if hasattr(os, "nice"):
            os.nice(5)  # whoever takes uploads in goes first
    with failures():
        here = opened(home)
        if not here.settings.uplink_to:
            raise output.Failure("没有设置国家平台，请先运行 nenghao platform uplink set")
        told = credentials.of_home(here.path)
        settings = here.settings
        with (
            here.store() as store,
            open_line(here.path, settings.uplink_to, settings.uplink_connections) as line,
        ):
            if once:
                _once(store, line, told)
                return
            took = _service(here, store, line, told, end).run()
    if not took and not child:
        raise output.Failure("另一进程正在上送")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # requests on their way are cut off: nothing of them is counted as sent


def _once(store: Store, line: HttpsLine, told: Credentials) -> None:
    done = Sender(store, line, told.device_id, china_now).turn()
    output.say(f"送达 {done.sent} 个报文、{done.records} 条数据，被拒绝 {done.refused} 条")
    if done.failed:
        raise output.Failure(f"{len(done.failed)} 家单位未送完：{next(iter(done.failed.values()))}")


def _service(
    home: Home, store: Store, line: HttpsLine, told: Credentials, end: threading.Event
) -> Service:
    settings = home.settings

    def daily(now: datetime) -> None:
        said = base_data.look(store, settings, line, told.device_id, now)
        if said:
            log.info("国家平台的基础数据", result=said)

    return Service(
        store,
        Sender(store, line, told.device_id, china_now, pace=Pace(store, end.wait)),
        settings.uplink_hours,
        china_now,
        end,
        daily=daily,
        holder=lease.holder_of(os.getpid(), china_now()),
        connections=settings.uplink_connections,
    )


def _obey(end: threading.Event) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        end.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _end_with_parent(end: threading.Event) -> None:
    """Our standard input ends when the process that began us does."""
    while sys.stdin.buffer.read(4096):
        pass
    end.set()


platform_uplink_verify.add_to(uplink)
