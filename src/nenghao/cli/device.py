"""`nenghao device …`: make a device, feed it, run it, look into its queue.

Thin: options in, the device's own modules called, their results printed. The status report is in
`device_status`, reading back from the platform in `device_download`. Knows nothing of the
platform's side and imports none of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from nenghao.cli import (
    device_collect,
    device_download,
    device_enrol,
    device_page,
    device_simulate,
    device_status,
    output,
)
from nenghao.cli.device_home import HomeOption, JsonOption, failures, moment, opened
from nenghao.clock import china_now
from nenghao.device import agent as agents
from nenghao.device import configuration, history, outbox, renewal
from nenghao.device.client import PlatformClient
from nenghao.device.clocks import WallClock
from nenghao.device.home import DeviceHome, write_file
from nenghao.device.page import page
from nenghao.device.service import Service
from nenghao.device.settings import DeviceSettings
from nenghao.device.sources import csv_file
from nenghao.device.store import DeviceStore
from nenghao.standard import data_code

app = typer.Typer(help="端设备：配置、导入读数、按时上传、队列", no_args_is_help=True)


class Label(StrEnum):
    """What the time of a CSV row labels."""

    END = "end"
    START = "start"


@app.command()
def init(
    home: HomeOption,
    platform: Annotated[
        str, typer.Option(help="省级平台注册地址 https://H:PORT", metavar="URL", show_default=False)
    ],
    credentials: Annotated[
        Path, typer.Option(help="nenghao ca issue 写出的证书目录", metavar="OUT")
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="用能单位配置（表 A.4 的结构）；也可以以后用 configure 给出"),
    ] = None,
) -> None:
    """建立端设备目录：设置、证书、数据库，以及（如果给出）用能单位配置。"""
    with failures():
        content = None if config is None else _checked_configuration(credentials, config)
        DeviceHome.create(home, platform=platform, credentials=credentials, configuration=content)
    output.say(f"端设备目录已建立：{home}")
    output.say(
        f"采集：来源和数据项写入 {home / 'collection.toml'}；或导入读数：nenghao device import"
    )
    output.say(f"运行：nenghao device run --home {home}")


def _checked_configuration(credentials: Path, config: Path) -> bytes:
    content = config.read_bytes()
    configuration.check(content, DeviceHome.unit_of(credentials))
    return content


@app.command()
def configure(
    home: HomeOption,
    file: Annotated[Path, typer.Argument(help="用能单位配置（表 A.4 的结构）", metavar="FILE")],
) -> None:
    """检查并采用新的用能单位配置；下一次与平台通信时上传。"""
    with failures():
        device = DeviceHome.open(home)
        content = file.read_bytes()
        upload = configuration.check(content, device.unit())
        write_file(device.config_file, content)
    output.say(f"配置已采用：{len(upload.collect_item_config)} 个采集数据项，下一次通信时上传")


@app.command("import")
def import_(
    home: HomeOption,
    csv: Annotated[Path, typer.Option(help="CSV 文件", metavar="FILE")],
    code: Annotated[
        str, typer.Option("--data-code", help=f"上传数据项编码 {data_code.SHAPE}", metavar="CODE")
    ],
    column: Annotated[str, typer.Option(help="数值所在列的列名", metavar="NAME")],
    time_column: Annotated[str, typer.Option(help="时间所在列的列名", metavar="NAME")],
    time_format: Annotated[str, typer.Option(help="时间格式，如 %Y-%m-%d %H:%M", metavar="FMT")],
    label: Annotated[
        Label,
        typer.Option(
            help="时间标在区间的末尾（end）还是开头（start）；"
            "end 时，同一日期较晚时间之后的 00:00 是当日 24:00"
        ),
    ],
    scale: Annotated[
        str, typer.Option(help="乘数，按十进制精确计算；千瓦时换算万千瓦时为 0.0001")
    ] = "1",
    interval: Annotated[
        int | None, typer.Option(help="采集间隔（分钟）：15、30 或 60；默认由数据判断")
    ] = None,
    input_type: Annotated[
        int | None,
        typer.Option(min=1, max=7, help="数据采集来源（表 B.1）；默认按配置，配置中没有则为 4"),
    ] = None,
    name: Annotated[str, typer.Option(help="采集数据项名称；默认按配置")] = "",
    as_json: JsonOption = False,
) -> None:
    """从 CSV 文件导入读数；文件中有错误时什么也不导入，并指出错误的行和列。"""
    source = csv_file.CsvFile(
        path=csv,
        column=column,
        time_column=time_column,
        time_format=time_format,
        label=label.value,
        scale=_scale(scale),
        interval=interval,
    )
    if fault := csv_file.check_format(time_format):
        raise output.Misuse(fault)
    if not data_code.is_form(code):
        raise output.Misuse(f"数据项编码应为 {data_code.SHAPE}，收到 {code}")
    if interval not in (None, 15, 30, 60):
        raise output.Misuse(f"采集间隔应为 15、30 或 60 分钟，收到 {interval}")
    with failures(), opened(home) as (device, store):
        read = csv_file.read(source)
        known = _configured(device).get(code)
        with store.write() as connection:
            item = history.ensure_item(
                connection,
                code,
                interval=read.interval,
                input_type=input_type or (known.input_type if known else None),
                name=name or (known.name if known else ""),
                coarser=interval is not None,
            )
            result = history.put(connection, item, read.readings, china_now())
    _say_import(read, item, result, as_json)


def _scale(text: str) -> Decimal:
    try:
        scale = Decimal(text)
    except InvalidOperation:
        raise output.Misuse(f"--scale 应为数值，收到 {text}") from None
    if not scale.is_finite() or scale == 0:
        raise output.Misuse(f"--scale 应为非零的有限数值，收到 {text}")
    return scale


def _configured(device: DeviceHome) -> dict[str, configuration.ConfiguredItem]:
    content = device.configuration()
    return (
        {} if content is None else configuration.items(configuration.check(content, device.unit()))
    )


def _say_import(
    read: csv_file.CsvReadings, item: history.Item, result: history.PutResult, as_json: bool
) -> None:
    summary: dict[str, Any] = {
        "dataCode": item.data_code,
        "interval": item.interval,
        "inputType": item.input_type,
        "readings": len(read.readings),
        "blanks": read.blanks,
        "added": result.added,
        "changed": result.changed,
        "same": result.same,
        "days": len(result.days),
        "first": read.readings[0].time,
        "last": read.readings[-1].time,
    }
    if as_json:
        output.emit_json(summary)
        return
    output.say(
        f"{item.data_code}：{len(read.readings)} 个读数（每 {item.interval} 分钟），"
        f"{read.readings[0].time} 至 {read.readings[-1].time}"
    )
    output.say(
        f"新增 {result.added}，改变 {result.changed}，相同 {result.same}，空值 {read.blanks}；"
        f"{len(result.days)} 天待上传"
    )


@app.command()
def run(
    home: HomeOption,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="立即完成一次到期的全部工作后退出：0 全部被接收，1 有等待或被拒收的",
        ),
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(
            help='按此时刻（"YYYY-MM-DD HH:MM:SS"）安排工作；不影响证书有效期', metavar="TIME"
        ),
    ] = None,
) -> None:
    """运行端设备：采集，注册、校验版本、下载基础数据、上传配置，每天在指定时间上传数据。"""
    begin = None if at is None else moment("--at", at)
    with failures(), opened(home) as (device, store):
        settings = device.settings(os.environ, output.warn)
        output.configure_logging(settings.log_level, as_json=settings.log_json)
        with device.lock():
            if not once:
                asyncio.run(_serve(device, store, begin))
                return
            summary = asyncio.run(_once(device, settings, store, begin or china_now()))
    output.say(
        f"本次接收 {summary.accepted} 个批次；队列中等待 {summary.queued}，被拒收 {summary.refused}"
    )
    for trouble in summary.troubles:
        output.complain(trouble)
    raise typer.Exit(0 if summary.is_well else 1)


def _client(
    device: DeviceHome,
    settings: DeviceSettings,
    on_date: Callable[[datetime], None] | None = None,
) -> PlatformClient:
    return PlatformClient(
        context=device.context(settings),
        timeout=settings.timeout_seconds,
        content_encoding=settings.content_encoding,
        on_date=on_date,
        leave_by=settings.leave_by,
    )


async def _once(
    device: DeviceHome, settings: DeviceSettings, store: DeviceStore, at: datetime
) -> agents.Summary:
    async with _client(device, settings) as client:
        summary = await agents.Agent(device, settings, store, client).run_once(at)
        # certificates are judged by the wall clock, whatever --at says
        await renewal.renew_if_due(device, settings, client, china_now())
        return summary


async def _serve(device: DeviceHome, store: DeviceStore, begin: datetime | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(
        device,
        store,
        WallClock(begin),
        load=lambda: device.settings(os.environ),
        client_of=lambda now_in_force, on_date: _client(device, now_in_force, on_date),
    )
    renewing = renewal.companion(lambda in_force: _client(device, in_force), china_now)
    await service.run(stop, (page, renewing))


@app.command()
def queue(
    home: HomeOption,
    as_json: JsonOption = False,
    retry: Annotated[
        int | None, typer.Option(help="把这个被拒收的批次重新放入队列", metavar="ID")
    ] = None,
    discard: Annotated[
        int | None, typer.Option(help="不再上传这个被拒收的批次，并移出队列", metavar="ID")
    ] = None,
) -> None:
    """列出等待上传和被拒收的批次，最早的日期在前。"""
    with failures(), opened(home) as (_, store):
        if retry is not None or discard is not None:
            _decide(store, retry, discard)
        with store.read() as connection:
            waiting = outbox.waiting(connection)
    columns = {
        "id": "编号",
        "day": "日期",
        "state": "状态",
        "attempts": "次数",
        "records": "记录",
        "size": "字节",
        "createdAt": "生成时间",
        "lastError": "最近一次失败",
    }
    rows = [msgspec.to_builtins(batch) for batch in waiting]
    if not as_json:
        words = {"queued": "等待", "refused": "被拒收"}
        rows = [row | {"state": words[row["state"]]} for row in rows]
    output.emit_rows(rows, columns, as_json=as_json)


def _decide(store: DeviceStore, retry: int | None, discard: int | None) -> None:
    """Carry out what an operator decided about refused batches."""
    with store.write() as connection:
        if retry is not None and not outbox.retry(connection, retry):
            raise output.Failure(f"没有编号为 {retry} 的被拒收批次")
        if discard is not None and not outbox.discard(connection, discard, china_now()):
            raise output.Failure(f"没有编号为 {discard} 的被拒收批次")


app.command("enrol")(device_enrol.enrol)
app.command("status")(device_status.status)
app.command("download")(device_download.download)
app.command("config-download")(device_download.config_download)
app.command("probe")(device_collect.probe)
app.command("manual")(device_collect.manual_entry)
app.command("resend")(device_collect.resend_range)
app.command("restore")(device_collect.restore_home)
app.command("page-password")(device_page.page_password)
app.command("simulate")(device_simulate.simulate)
