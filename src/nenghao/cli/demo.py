"""`nenghao demo`: a province on this machine, units that upload to it, a nation that it sends to.

Makes what is missing under one folder, starts `nenghao platform serve` twice as its own processes,
back-fills the last days through real devices over mutual TLS, asks the platform for everything
back, shows it, and keeps going until Ctrl-C. What the units are and read is `conformance`'s
business, the national platform `demo_nation`'s; order, progress and the end are here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from nenghao.cli import demo_console, demo_nation, output
from nenghao.cli.platform_home import failures
from nenghao.clock import china_now
from nenghao.conformance.fleet import FleetUnit, fleet
from nenghao.conformance.platform_process import PlatformFailed, serving
from nenghao.conformance.simulated_device import (
    Arrived,
    NotAnswered,
    SimulatedDevice,
    can_meter,
)
from nenghao.device.home import DeviceHome, HomeBusy
from nenghao.device.home import HomeError as DeviceHomeError
from nenghao.device.outbox import Batch
from nenghao.platform import certificates
from nenghao.platform import home as platform_homes
from nenghao.security.credentials import write_credentials
from nenghao.standard.industries import GBT_4754
from nenghao.standard.regions import LIAONING

app = typer.Typer(help="演示：一个平台和若干模拟用能单位", add_completion=False)

AT_ONCE = 4
"""Devices that talk to the platform at the same time while the past is filled in."""
CONSOLE_PORT = 8443
FEED_SECONDS = 20.0
"""How often the simulated meters look whether a tick has come."""
METERED = 2
"""Units whose devices read a simulated factory over Modbus while the demo runs."""
PIPE_WIDTH = 110
"""Columns where no terminal says how many there are."""
BARS = 20
"""Up to so many units have a progress bar each."""


class Plan(NamedTuple):
    """What is to be shown, and where it lies."""

    home: Path
    units: int
    days: int
    port: int

    @property
    def platform(self) -> Path:
        return self.home / "platform"

    @property
    def log(self) -> Path:
        return self.home / "platform.log"

    @property
    def console_login(self) -> Path:
        return self.home / "console-login.json"

    @property
    def nation(self) -> Path:
        return self.home / "nation"

    def device(self, unit: FleetUnit) -> Path:
        return self.home / "devices" / f"{unit.number:02d}"

    def credentials(self, unit: FleetUnit) -> Path:
        return self.home / "credentials" / f"{unit.number:02d}"


@app.command()
def demo(
    units: Annotated[int, typer.Option(help="模拟用能单位的个数", min=1, max=500)] = 12,
    days: Annotated[int, typer.Option(help="补传最近多少天的数据", min=1, max=180)] = 30,
    home: Annotated[
        Path, typer.Option(help="演示目录；已有内容时接着用", metavar="DIR", file_okay=False)
    ] = Path("demo"),
    port: Annotated[
        int, typer.Option(help="新建平台的端口；被占用时另选一个", min=1, max=65535)
    ] = 9443,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="补传之后继续运行，直到 Ctrl-C")
    ] = True,
) -> None:
    """启动一个省级平台和若干模拟用能单位，补传最近的数据，列出到达情况，然后继续运行。"""
    output.configure_logging("warning")
    try:
        with failures():
            asyncio.run(_until_told_to_end(Plan(home, units, days, port), wait))
    except PlatformFailed as error:
        raise output.Failure(str(error)) from error


async def _until_told_to_end(plan: Plan, wait: bool) -> None:
    """The demo; SIGINT, SIGTERM and SIGHUP end it in order, wherever it is."""
    work = asyncio.ensure_future(_Demo(plan).run(wait))
    told = asyncio.Event()

    def end() -> None:
        if not told.is_set():  # a second Ctrl-C must not interrupt the clearing up
            told.set()
            work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        await work
    except asyncio.CancelledError:
        if not told.is_set():
            raise
        output.say("演示已结束；再次运行会接着已有的数据继续。")


class _Demo:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
        self.began = china_now()
        self.progress: Progress | None = None
        self.bars: dict[FleetUnit, Any] = {}

    async def run(self, wait: bool) -> None:
        self.plan.home.mkdir(parents=True, exist_ok=True)
        url = _prepare_platform(self.plan)
        wanted = self.plan.port + 1000
        above = demo_nation.prepare(self.plan.nation, self.plan.platform, _free_port, wanted)
        async with (
            serving(self.plan.nation, self.plan.nation.with_suffix(".log")),
            serving(self.plan.platform, self.plan.log) as platform,
        ):
            self.console.print(f"平台已就绪：{url}；国家平台：{above}")
            async with self._devices(url) as devices:
                await self._backfill(devices)
                await self._show_arrived(devices)
                await self._show_received()
                self._show_addresses(url)
                await self._show_console()
                if wait:
                    await self._keep_going(devices, platform)

    @contextlib.asynccontextmanager
    async def _devices(self, url: str) -> AsyncIterator[list[SimulatedDevice]]:
        """The simulated units' devices, made if they are not there, each locked and open."""
        units = fleet(self.plan.units)
        _make_devices(self.plan, units, url)
        devices: list[SimulatedDevice] = []
        try:
            for unit in units:
                try:
                    home = DeviceHome.open(self.plan.device(unit))
                    metered = unit.number <= METERED and can_meter()
                    devices.append(SimulatedDevice(unit, home, self._accepted, metered))
                except HomeBusy as error:
                    raise output.Failure(f"{error}（另一个演示还在运行？）") from error
            yield devices
        finally:
            for device in devices:
                await device.close()

    # --- the past ---------------------------------------------------------------------------------

    async def _backfill(self, devices: Sequence[SimulatedDevice]) -> None:
        """Let every meter read up to now and every device upload what is due."""
        now = china_now()
        begin = now.date() - timedelta(days=self.plan.days)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self.console) as progress:
            reading = progress.add_task("模拟读表（单位）", total=len(devices))
            sending = progress.add_task("双向 TLS 上传（批次）", total=0)
            self.progress, self.bars = progress, {}
            expected = 0
            for device in devices:
                fresh = device.feed(begin, now)
                due = device.queued() + sum(day < now.date() for day in fresh)
                expected += due
                progress.update(sending, total=expected)
                progress.advance(reading)
                seen = due > 0 and len(devices) <= BARS
                own = progress.add_task(f"  {device.unit.name}", total=due, visible=seen)
                self.bars[device.unit] = (sending, own)
                await asyncio.sleep(0)
            await _together(AT_ONCE, [self._upload(device) for device in devices])
        self.progress = None

    async def _upload(self, device: SimulatedDevice) -> None:
        summary = await device.upload(china_now())
        for trouble in summary.troubles:
            self.console.print(f"{device.unit.name}：{trouble}", style="yellow")

    def _accepted(self, unit: FleetUnit, batch: Batch) -> None:
        if self.progress is not None:
            for bar in self.bars[unit]:
                self.progress.advance(bar)
            return
        time = str(china_now())[11:]
        self.console.print(f"{time} {unit.name}：{batch.day} 的 {batch.records} 条数据已被平台接收")

    # --- what arrived -----------------------------------------------------------------------------

    async def _show_arrived(self, devices: Sequence[SimulatedDevice]) -> None:
        today = china_now().date()
        begin = today - timedelta(days=self.plan.days)
        rows: dict[int, list[str]] = {}

        async def ask(device: SimulatedDevice) -> None:
            try:
                arrived = await device.arrived(begin, today)
            except NotAnswered as error:
                rows[device.unit.number] = [*_who(device.unit), "", "", str(error), ""]
            else:
                rows[device.unit.number] = [*_who(device.unit), *_what(arrived)]

        with self.console.status("从平台下载全部数据，逐个核对 …"):
            await _together(AT_ONCE, [ask(device) for device in devices])
        title = f"从平台读回的数据（{begin} 至 {today - timedelta(days=1)}）"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for heading in ("用能单位", "地区", "行业"):
            table.add_column(heading, overflow="fold")
        for heading in ("天数", "实时值", "与读表一致", "最近上传"):
            table.add_column(heading, justify="right", no_wrap=True)
        for number in sorted(rows):
            table.add_row(*rows[number])
        self.console.print(table)

    async def _show_received(self) -> None:
        with self.console.status("省级平台上送国家平台 …"):
            above = await demo_nation.until_received(self.plan.nation, self.plan.platform)
        self.console.print(above.text())

    def _show_addresses(self, url: str) -> None:
        home = self.plan.home
        seconds = (china_now() - self.began).total_seconds()
        output.say(f"端设备接口  {url}（双向 TLS，端设备证书在 {home}/credentials/）")
        output.say(f"平台日志    {self.plan.log}")
        output.say(f"用时        {seconds:.0f} 秒")
        output.say("可以另开一个终端看看：")
        program = _program()
        output.say(f"  {program} platform uploads --home {self.plan.platform}")
        output.say(f"  {program} platform unit list --home {self.plan.platform}")
        output.say(f"  {program} platform uplink status --home {self.plan.platform}")
        output.say(f"  {program} device status --home {home}/devices/01")

    async def _show_console(self) -> None:
        settings = platform_homes.open_home(self.plan.platform, os.environ).settings
        if not settings.console_port:
            return
        login = await asyncio.to_thread(
            demo_console.prepare, self.plan.platform, self.plan.console_login
        )
        url = f"https://{settings.host}:{settings.console_port}"
        if not await demo_console.until_reached(settings.host, settings.console_port):
            output.warn(f"管理控制台 {url} 没有应答，见 {self.plan.log}")
            return
        output.say(f"管理控制台  {url}（证书由 {self.plan.platform}/ca/root.pem 签发）")
        output.say(f"  用户名 {login.name}  口令 {login.password}")

    # --- the present ------------------------------------------------------------------------------

    async def _keep_going(
        self, devices: Sequence[SimulatedDevice], platform: asyncio.subprocess.Process
    ) -> None:
        """Meters read every quarter of an hour, devices keep their upload times, until the end."""
        times = sorted(
            registration.upload_time
            for device in devices
            if (registration := device.registration) is not None
        )
        if times:
            output.say(
                f"继续运行：每天 {times[0]} 至 {times[-1]} 依次上传前一天的数据。Ctrl-C 结束。"
            )
        for device in devices:
            if device.metered:
                output.say(f"{device.unit.name} 的端设备正从模拟工厂的 Modbus 表计采集。")
        never = asyncio.Event()
        lives = [device.run(never) for device in devices]
        await _together(None, [_watch(platform, self.plan.log), _feed(devices), *lives])


async def _together(at_once: int | None, work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all of it, so many at a time; the first failure ends the rest and is raised."""
    gate = asyncio.Semaphore(at_once or len(work))

    async def one(part: Coroutine[Any, Any, None]) -> None:
        async with gate:
            await part

    tasks = [asyncio.ensure_future(one(part)) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in work:
            part.close()  # what never got through the gate


async def _feed(devices: Sequence[SimulatedDevice]) -> None:
    fed: datetime | None = None
    while True:
        now = china_now()
        quarter = now.replace(minute=now.minute // 15 * 15, second=0)
        if quarter != fed:
            for device in devices:
                device.feed(now.date(), now)
                await asyncio.sleep(0)
            fed = quarter
        await asyncio.sleep(FEED_SECONDS)


async def _watch(platform: asyncio.subprocess.Process, log: Path) -> None:
    code = await platform.wait()
    raise output.Failure(f"平台进程意外结束（{code}），见 {log}")


def _program() -> str:
    """How the reader calls `nenghao`: by its path where the shell would not find it."""
    installed = Path(sys.executable).parent / "nenghao"
    if shutil.which("nenghao") or not installed.exists():
        return "nenghao"
    here = Path.cwd()
    return str(installed.relative_to(here) if installed.is_relative_to(here) else installed)


def _who(unit: FleetUnit) -> list[str]:
    place = LIAONING.full_name(unit.region).removeprefix("辽宁省")
    name = unit.name.removesuffix("（模拟）").replace("有限公司", "")
    return [name, place, GBT_4754.name(unit.industry)]


def _what(arrived: Arrived) -> list[str]:
    verdict = "全部" if arrived.equal == arrived.ticks == arrived.read else f"{arrived.equal}"
    return [str(arrived.days), f"{arrived.ticks:,}", verdict, arrived.last_upload[5:16]]


# --- making things --------------------------------------------------------------------------------


def _prepare_platform(plan: Plan) -> str:
    """The platform's folder, made if it is not there; its address."""
    if not platform_homes.settings_file(plan.platform).exists():
        output.say(f"建立平台目录 {plan.platform} …")
        values: dict[str, Any] = {
            "device_port": _free_port(plan.port),
            "exchange_port": 0,
            "console_port": _free_port(CONSOLE_PORT),
            **demo_console.SETTINGS,
        }
        platform_homes.init(plan.platform, values, china_now())
    settings = platform_homes.open_home(plan.platform, os.environ, output.warn).settings
    return f"https://{settings.host}:{settings.device_port}"


def _free_port(wanted: int) -> int:
    """`wanted`, or another one when somebody listens there already."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # as the platform will: connections that have just ended do not occupy the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found = int(probe.getsockname()[1])
            if found != wanted:
                output.warn(f"端口 {wanted} 已被占用，改用 {found}")
            return found
    raise output.Failure("找不到可用的端口")


def _make_devices(plan: Plan, units: Sequence[FleetUnit], url: str) -> None:
    """Certificates and folders for the units that have none yet."""
    fresh = [unit for unit in units if not DeviceHome(plan.device(unit)).settings_file.exists()]
    if not fresh:
        return
    output.say(f"为 {len(fresh)} 个用能单位签发证书、建立端设备 …")
    _issue(plan, fresh)
    for unit in fresh:
        folder = plan.device(unit)
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left half made
        try:
            SimulatedDevice.create(unit, folder, url, plan.credentials(unit))
        except DeviceHomeError as error:
            raise output.Failure(str(error)) from error


def _issue(plan: Plan, units: Sequence[FleetUnit]) -> None:
    """Credentials for every unit, entered in the platform's register before they are used."""
    now = china_now()
    platform = platform_homes.open_home(plan.platform, os.environ)
    authority = platform.authority()
    with platform.store() as store, store.write() as conn:
        for unit in units:
            issued = authority.issue_device(unit.credit_code, unit.name, unit.region, 1, now)
            certificates.register(conn, issued, now)
            about = {
                "code": unit.credit_code,
                "name": unit.name,
                "region": unit.region,
                "regionName": LIAONING.name(unit.region),
                "device": 1,
            }
            write_credentials(plan.credentials(unit), issued, about)
