"""`nenghao device download | config-download`: what the platform has of this device's unit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from nenghao.cli import output
from nenghao.cli.device_home import HomeOption, JsonOption, failures, moment, opened
from nenghao.device import agent as agents
from nenghao.device import download as downloads
from nenghao.device.client import PlatformClient
from nenghao.device.events import Failure, Registration
from nenghao.device.home import DeviceHome, HomeError, write_file
from nenghao.standard import data_code as data_codes
from nenghao.standard import periods
from nenghao.standard.messages.config_data import ConfigDownloadRequest
from nenghao.standard.messages.energy_data import EnergyDownloadRequest, EnergyRecord

T = TypeVar("T")


def download(
    home: HomeOption,
    stat_type: Annotated[int, typer.Option(min=0, max=3, help="0 实时，1 日，2 月，3 年")],
    begin: Annotated[str, typer.Option(help='开始时间 "YYYY-MM-DD HH:MM:SS"', metavar="TIME")],
    end: Annotated[
        str,
        typer.Option(help="结束时间；实时数据取 (开始, 结束]，其余取 [开始, 结束)", metavar="TIME"),
    ],
    data_code: Annotated[
        str, typer.Option(help="只要这个数据项编码；默认全部", metavar="CODE")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            help="写入文件（.json 为 JSON，其余为 CSV）；默认写到标准输出", metavar="FILE"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """从平台下载本单位的采集数据，自动取完所有页。"""
    begin_time, end_time = moment("--begin", begin), moment("--end", end)
    if begin_time > end_time:
        raise output.Misuse("--begin 应不晚于 --end")
    if data_code and not data_codes.is_form(data_code):
        raise output.Misuse(f"数据项编码应为 {data_codes.SHAPE}，收到 {data_code}")

    async def ask(
        client: PlatformClient, registration: Registration, device: DeviceHome
    ) -> list[EnergyRecord]:
        request = EnergyDownloadRequest(
            device_id=registration.device_id,
            enterprise_code=device.unit().code,
            stat_type=stat_type,
            begin_time=periods.format_time(begin_time),
            end_time=periods.format_time(end_time),
            data_code=data_code,
        )
        return await downloads.energy(client, registration, request)

    with failures():
        records = _with_platform(home, ask)
        _deliver(records, out, as_json)


def _deliver(records: list[EnergyRecord], out: Path | None, as_json: bool) -> None:
    rows = msgspec.to_builtins(records)
    if out is None:
        if as_json:
            output.emit_json(rows)
        else:
            sys.stdout.write(downloads.as_csv(records))
        return
    if out.suffix.lower() == ".json":
        text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    else:
        text = downloads.as_csv(records)
    write_file(out, text.encode())
    if as_json:
        output.emit_json({"records": len(records), "out": str(out)})
    else:
        output.say(f"{len(records)} 条记录已写入 {out}")


def config_download(
    home: HomeOption,
    out: Annotated[
        Path | None, typer.Option(help="写入文件；默认写到标准输出", metavar="FILE")
    ] = None,
) -> None:
    """从平台下载本单位的用能单位基础信息（JSON）。"""

    async def ask(client: PlatformClient, registration: Registration, device: DeviceHome) -> Any:
        request = ConfigDownloadRequest(
            device_id=registration.device_id, enterprise_code=device.unit().code
        )
        answer = await client.download_configuration(registration, request)
        if isinstance(answer, Failure):
            raise downloads.DownloadError(f"下载失败：{answer.reason}")
        value = msgspec.to_builtins(answer)
        return {key: value[key] for key in value if not key.startswith("response")}

    with failures():
        value = _with_platform(home, ask)
        if out is None:
            output.emit_json(value)
            return
        write_file(out, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())
    output.say(f"已写入 {out}")


def _with_platform(
    home: Path, ask: Callable[[PlatformClient, Registration, DeviceHome], Awaitable[T]]
) -> T:
    """Ask the platform something as this device, beside the running one if there is one."""
    with opened(home) as (device, store):
        registration = agents.load_state(store).registration
        if registration is None:
            raise HomeError("端设备尚未注册，请先运行 nenghao device run --once")
        settings = device.settings(os.environ, output.warn)
        output.configure_logging(settings.log_level, as_json=settings.log_json)
        context = device.context(settings)

        async def conversation() -> T:
            async with PlatformClient(
                context=context, timeout=settings.timeout_seconds, leave_by=settings.leave_by
            ) as client:
                return await ask(client, registration, device)

        return asyncio.run(conversation())
