"""`nenghao device simulate`: a factory's meters over Modbus TCP and OPC UA, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from nenghao.cli import output
from nenghao.cli.device_home import moment
from nenghao.clock import china_now

if TYPE_CHECKING:
    from nenghao.conformance.factory.clock import FastClock
    from nenghao.conformance.factory.collection_file import Where
    from nenghao.conformance.factory.plant import Plant

DEFAULT_PORT = 5020
"""Modbus port when no port is named at all; 502 is for root."""


class _Wanted(Struct, frozen=True):
    """What the command line asks for."""

    kind: str
    host: str
    modbus_port: int | None
    opcua_port: int | None
    speed: float
    begin: datetime | None
    seed: int | None
    noise: float
    glitches: float
    drift: float
    rollover: float | None
    faults: tuple[str, ...]
    csv: Path | None
    csv_column: str
    csv_time_column: str
    csv_time_format: str
    csv_label: str


def simulate(
    kind: Annotated[
        str,
        typer.Argument(
            help="工厂类型：steel 钢厂、refinery 炼厂、heating 供热、cement、campus、hospital、"
            "chemical、paper、brewery、mine、port、datacenter",
            metavar="KIND",
        ),
    ],
    modbus_port: Annotated[
        int | None,
        typer.Option(
            help=f"Modbus TCP 端口，0 为任意空闲端口；两个端口都不给出时为 {DEFAULT_PORT}",
            min=0,
            max=65535,
        ),
    ] = None,
    opcua_port: Annotated[
        int | None, typer.Option(help="OPC UA 端口，0 为任意空闲端口", min=0, max=65535)
    ] = None,
    host: Annotated[str, typer.Option(help="监听地址", metavar="H")] = "127.0.0.1",
    speed: Annotated[
        float, typer.Option(help="模拟时间相对实际时间的倍数", min=0.001, max=100_000)
    ] = 1.0,
    begin: Annotated[
        str | None,
        typer.Option(
            help='模拟时间的起点（"YYYY-MM-DD HH:MM:SS"）；默认现在，回放时为文件开头',
            metavar="TIME",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="随机种子；相同的种子给出相同的读数")] = None,
    noise: Annotated[float, typer.Option(help="瞬时值的相对标准差，如 0.02", min=0, max=1)] = 0.0,
    glitches: Annotated[
        float, typer.Option(help="累计值在某一秒显示乱码的概率，如 0.001", min=0, max=1)
    ] = 0.0,
    drift: Annotated[
        float, typer.Option(help="表内时钟每天快多少秒，负数为慢", min=-3600, max=3600)
    ] = 0.0,
    rollover: Annotated[
        float | None,
        typer.Option(help="让每块累计表在这么多分钟（模拟时间）之后走满归零", min=0),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="故障 类型:表号:开始分钟:结束分钟，可多次给出；类型为 dead 停走、stuck 数值不变、"
            "silent 无应答、replaced 换表（没有结束分钟）",
            metavar="FAULT",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="回放这个 CSV 文件：只有 1 号表，其累计值按文件增长", metavar="FILE"),
    ] = None,
    csv_column: Annotated[str, typer.Option(help="数值列的列名", metavar="NAME")] = "Usage_kWh",
    csv_time_column: Annotated[str, typer.Option(help="时间列的列名", metavar="NAME")] = "date",
    csv_time_format: Annotated[
        str, typer.Option(help="时间格式", metavar="FMT")
    ] = "%d/%m/%Y %H:%M",
    csv_label: Annotated[
        str, typer.Option(help="时间标在区间的末尾（end）还是开头（start）")
    ] = "end",
    collection: Annotated[
        Path | None,
        typer.Option(help="把读取这个工厂的 collection.toml 写到这里；不覆盖", metavar="FILE"),
    ] = None,
) -> None:
    """模拟一个工厂的计量表，供端设备经 Modbus TCP、OPC UA 采集；Ctrl-C 结束。"""
    if modbus_port is None and opcua_port is None:
        modbus_port = DEFAULT_PORT
    wanted = _Wanted(
        kind=kind, host=host, modbus_port=modbus_port, opcua_port=opcua_port, speed=speed,
        begin=None if begin is None else moment("--begin", begin), seed=seed, noise=noise,
        glitches=glitches, drift=drift, rollover=rollover, faults=tuple(fault or ()), csv=csv,
        csv_column=csv_column, csv_time_column=csv_time_column, csv_time_format=csv_time_format,
        csv_label=csv_label,
    )  # fmt: skip
    if collection is not None and collection.exists():
        raise output.Failure(f"{collection} 已经存在，不会覆盖")
    plant, start = _plant(wanted)
    try:
        asyncio.run(_serve(wanted, plant, start, collection))
    except ModuleNotFoundError as error:
        raise output.Failure(f"缺少 Python 包 {error.name}，请安装 nenghao[sources]") from error
    except OSError as error:
        raise output.Failure(str(error)) from error


def _plant(wanted: _Wanted) -> tuple[Plant, datetime]:
    """The plant that is asked for, and the moment at which it begins."""
    from nenghao.conformance.factory import faults, kinds, plant, replay
    from nenghao.conformance.fleet import SEED
    from nenghao.device.sources import csv_file

    seed = SEED if wanted.seed is None else wanted.seed
    try:
        unit = kinds.unit_of(wanted.kind, seed)
    except KeyError:
        known = "、".join(f"{kind}（{name}）" for kind, name in kinds.KINDS.items())
        raise output.Misuse(f"没有工厂类型 {wanted.kind}，可用：{known}") from None
    if wanted.csv_label not in ("end", "start"):
        raise output.Misuse(f"--csv-label 应为 end 或 start，收到 {wanted.csv_label}")
    try:
        load = None
        start = wanted.begin or china_now()
        if wanted.csv is not None:
            source = csv_file.CsvFile(
                path=wanted.csv,
                column=wanted.csv_column,
                time_column=wanted.csv_time_column,
                time_format=wanted.csv_time_format,
                label="start" if wanted.csv_label == "start" else "end",
            )
            load, decimals = replay.load_of(source)
            start = wanted.begin or load.begin
        character = plant.Character(seed, wanted.noise, wanted.glitches, wanted.drift, start)
        told = [faults.parse(text, start) for text in wanted.faults]
        rolls = None if wanted.rollover is None else timedelta(minutes=wanted.rollover)
        if load is not None:
            made = plant.replay_plant(
                unit.items[0], load, decimals, faults=told, character=character, rollover=rolls
            )
        else:
            made = plant.fleet_plant(unit, start, faults=told, character=character, rollover=rolls)
    except csv_file.SourceError as error:
        raise output.Failure("\n  ".join(("无法回放：", *error.lines))) from error
    except ValueError as error:
        raise output.Misuse(str(error)) from error
    return made, start


async def _serve(wanted: _Wanted, plant: Plant, start: datetime, collection: Path | None) -> None:
    """Serve until SIGINT or SIGTERM; say where, once everything listens."""
    from nenghao.conformance.factory import collection_file
    from nenghao.conformance.factory.clock import FastClock
    from nenghao.conformance.factory.modbus_server import FactoryModbus
    from nenghao.conformance.factory.opcua_server import FactoryOpcua

    # an open endpoint is what is meant: the simulated factory guards nothing
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    clock = FastClock(start, wanted.speed, time.monotonic)
    where = collection_file.Where(wanted.host)
    async with AsyncExitStack() as stack:
        if wanted.modbus_port is not None:
            modbus = FactoryModbus(plant, clock, wanted.host, wanted.modbus_port)
            where.modbus_port = await stack.enter_async_context(modbus.serving())
        if wanted.opcua_port is not None:
            opcua = FactoryOpcua(plant, clock, wanted.host, wanted.opcua_port)
            where.opcua_url = await stack.enter_async_context(opcua.serving())
        if collection is not None:
            _write(collection, collection_file.text(plant, where))
        _say(plant, where, clock, collection)
        await told.wait()


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _say(plant: Plant, where: Where, clock: FastClock, collection: Path | None) -> None:
    output.say(f"模拟时间从 {clock.begin:%Y-%m-%d %H:%M:%S} 起，{clock.speed:g} 倍速")
    for meter in plant.meters:
        shown = plant.shown(meter, clock())
        output.say(
            f"{meter.number} 号表 {meter.name}：{shown.counter * meter.step} {meter.unit}，"
            f"寄存器 {(meter.number - 1) * 10}，节点 M{meter.number:02d}"
        )
    if collection is not None:
        output.say(f"采集设置：{collection}")
    if where.modbus_port is not None:
        output.say(f"ready modbus {where.host}:{where.modbus_port}")
    if where.opcua_url:
        output.say(f"ready opcua {where.opcua_url}")
