"""`nenghao device probe | manual | resend | restore`: what belongs to collecting, by hand.

Thin: options in, the device's own modules called, their results printed.
"""

from __future__ import annotations

import asyncio
import os
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from nenghao.cli import output
from nenghao.cli.device_home import HomeOption, JsonOption, failures, opened
from nenghao.clock import china_moment, china_now
from nenghao.device import agent as agents
from nenghao.device import configuration, download, manual, resend, restore
from nenghao.device import history as histories
from nenghao.device.client import PlatformClient
from nenghao.device.collection import settings as collection_settings
from nenghao.device.collection.settings import CollectionError, SourceBlock
from nenghao.device.events import Failure, Registered, Registration
from nenghao.device.home import DeviceHome, write_file
from nenghao.device.manual import Entry, ManualError, OutOfBounds
from nenghao.device.session import next_time_of_day
from nenghao.device.settings import DeviceSettings
from nenghao.device.sources import registry
from nenghao.device.sources.base import Probing, Sample, SourceFault
from nenghao.device.sources.remarks import Remarking
from nenghao.device.store import DeviceStore
from nenghao.device.urls import read_url
from nenghao.standard import data_code as data_codes
from nenghao.standard import periods
from nenghao.standard.messages.config_data import ConfigDownloadRequest
from nenghao.standard.messages.energy_data import EnergyDownloadRequest
from nenghao.standard.periods import StatType

WINDOW_DAYS = 10
"""Days of ticks that are asked for and written at once."""

FromOption = Annotated[
    str, typer.Option("--from", help="第一天 YYYY-MM-DD", metavar="DATE", show_default=False)
]
ToOption = Annotated[
    str, typer.Option("--to", help="最后一天 YYYY-MM-DD", metavar="DATE", show_default=False)
]


def _day(option: str, text: str) -> date:
    try:
        if len(text) != 10:
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise output.Misuse(f"{option} 应为 YYYY-MM-DD，收到 {text}") from None
    if not periods.FIRST_YEAR <= day.year <= periods.LAST_YEAR:
        raise output.Misuse(f"{option} 的年份应在 2000 至 2099 之间，收到 {text}")
    return day


# --- probe ---------------------------------------------------------------------------------------


def probe(
    home: HomeOption,
    source: Annotated[
        str, typer.Argument(help="来源名称（collection.toml 中的 name）", metavar="SOURCE")
    ],
    wait: Annotated[
        float, typer.Option(min=0, max=600, help="等待所有测点都有数值，至多多少秒")
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """连接一个采集来源并显示读到的数值；不保存，也不影响采集。"""
    with failures():
        device = DeviceHome.open(home)
        try:
            settings = collection_settings.load(device.collection_file)
        except CollectionError as error:
            raise output.Failure("\n  ".join(("collection.toml 不可用：", *error.lines))) from error
        block = next((one for one in settings.sources if one.name == source), None)
        if block is None:
            names = "、".join(one.name for one in settings.sources) or "无"
            raise output.Failure(f"collection.toml 中没有名为 {source} 的来源（已有：{names}）")
        try:
            samples = asyncio.run(_read(block, device.root, wait))
        except registry.MissingLibrary as error:
            raise output.Failure(str(error)) from error
        except SourceFault as fault:
            raise output.Failure(f"来源 {source} {fault.kind.label}：{fault.text}") from fault
    _say_samples(block, samples, as_json)


async def _read(block: SourceBlock, root: Path, wait: float) -> list[Sample]:
    """Read until every point has told something, or for so many seconds."""
    source = registry.make(block.type, block.settings, root)
    wanted = {point.name for point in getattr(block.settings, "points", ())}
    found: list[Sample] = []
    if isinstance(source, Probing):
        source.only_look()
    try:
        await source.open()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            found += await source.read(china_moment())
            if wanted <= {sample.point for sample in found} or loop.time() >= end:
                for remark in source.remarks if isinstance(source, Remarking) else ():
                    output.warn(remark)
                return found
            await asyncio.sleep(min(block.poll_seconds, max(0.05, end - loop.time()), 1.0))
    finally:
        await source.close()


def _say_samples(block: SourceBlock, samples: list[Sample], as_json: bool) -> None:
    units = {point.name: point.unit for point in getattr(block.settings, "points", ())}
    rows = [
        {
            "point": one.point,
            "value": histories.plain(one.value) if one.value.is_finite() else str(one.value),
            "unit": units.get(one.point, ""),
            "time": one.time,
            "good": one.good,
        }
        for one in samples
    ]
    columns = {"point": "测点", "value": "数值", "unit": "单位", "time": "时间", "good": "有效"}
    output.emit_rows(rows, columns, as_json=as_json)
    silent = units.keys() - {one.point for one in samples}
    if silent:
        output.warn(f"没有读到：{'、'.join(sorted(silent))}")


# --- manual --------------------------------------------------------------------------------------


def manual_entry(
    home: HomeOption,
    code: Annotated[
        str, typer.Option("--data-code", help=f"数据项编码 {data_codes.SHAPE}", metavar="CODE")
    ],
    date_: Annotated[
        str,
        typer.Option("--date", help="日 YYYY-MM-DD、月 YYYY-MM 或年 YYYY", metavar="DATE"),
    ],
    value: Annotated[str, typer.Option(help="数值，按字典的计量单位", metavar="VALUE")],
    accept_outside: Annotated[
        bool, typer.Option("--accept-outside", help="超出配置的范围也采用，上传时标为无效")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """手工填报（inputType 5）一个日、月或年数据；随下一个批次上传，再次填报即更正。"""
    with failures(), opened(home) as (device, store):
        limits = agents.bounds_of(device, device.unit())
        try:
            stat_type, start = manual.period(date_)
            entry = Entry(code, stat_type, start, manual.number(value))
            with store.write() as connection:
                taken = manual.enter(
                    connection, entry, china_now(), limits=limits, accept_outside=accept_outside
                )
        except OutOfBounds as error:
            raise output.Failure(f"{error}；确认无误时加 --accept-outside") from error
        except ManualError as error:
            raise output.Failure(str(error)) from error
    summary = {
        "dataCode": taken.data_code,
        "statType": int(taken.stat_type),
        "statDate": periods.format_time(taken.start),
        "value": histories.plain(taken.value),
        "valid": taken.valid,
        "waiting": taken.waiting,
    }
    if as_json:
        output.emit_json(summary)
        return
    state = "随下一个批次上传" if taken.waiting else "与已上传的相同"
    valid = "" if taken.valid else "，超出范围，标为无效"
    output.say(f"{code} {date_}（{taken.stat_type.label}）= {summary['value']}{valid}；{state}")


# --- resend --------------------------------------------------------------------------------------


def resend_range(
    home: HomeOption, from_: FromOption, to: ToOption, as_json: JsonOption = False
) -> None:
    """把一段日期的数据重新放入上传队列，下一次上传时发送。"""
    begin, end = _day("--from", from_), _day("--to", to)
    if begin > end:
        raise output.Misuse("--from 应不晚于 --to")
    with failures(), opened(home) as (device, store):
        settings = device.settings(os.environ, output.warn)
        now = china_now()
        before = min(end + timedelta(days=1), now.date())
        with store.write() as connection:
            days = resend.mark(connection, begin, end)
            numbers = agents.pack(connection, device, settings, before, now) if days else ()
    if as_json:
        output.emit_json({"days": days, "batches": list(numbers)})
        return
    if not days:
        raise output.Failure(f"{begin} 至 {end} 没有数据")
    told = f"新增 {len(numbers)} 个批次" if numbers else "这些日子尚未结束，到期时打包上传"
    output.say(f"{days} 个数据项日已重新放入队列，{told}")


# --- restore -------------------------------------------------------------------------------------


def restore_home(
    home: HomeOption,
    from_: Annotated[
        str, typer.Option("--from", help="第一天；默认保存期限之前", metavar="DATE")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="最后一天；默认今天", metavar="DATE")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="用平台上的配置替换已有的 config.json")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """更换端设备后，从平台的两个下载接口恢复用能单位配置和历史数据。"""
    now = china_now()
    with failures(), opened(home) as (device, store):
        settings = device.settings(os.environ, output.warn)
        output.configure_logging(settings.log_level, as_json=settings.log_json)
        end = _day("--to", to) if to else now.date()
        begin = _day("--from", from_) if from_ else end - timedelta(days=settings.history_days)
        if begin > end:
            raise output.Misuse("--from 应不晚于 --to")
        with device.lock():
            summary = asyncio.run(_restore(device, settings, store, (begin, end), force, now))
    if as_json:
        output.emit_json(summary)
        return
    told = {"kept": "保留原有", "restored": "已恢复", "absent": "平台上没有"}
    output.say(f"用能单位配置（config.json）：{told[summary['configuration']]}")
    output.say(
        f"{begin} 至 {end}：恢复 {summary['ticks']} 个实时值，{summary['days']} 天，"
        f"{summary['entries']} 个手工填报值"
    )


async def _restore(
    device: DeviceHome,
    settings: DeviceSettings,
    store: DeviceStore,
    days: tuple[date, date],
    force: bool,
    now: datetime,
) -> dict[str, Any]:
    context = device.context(settings)
    async with PlatformClient(
        context=context, timeout=settings.timeout_seconds, leave_by=settings.leave_by
    ) as client:
        given = await _registration(client, device, settings, store, now)
        state = await _restore_configuration(client, given, device, store, force)
        restored = await _restore_history(client, given, device, store, days, now)
    return {
        "configuration": state,
        "ticks": restored.ticks,
        "days": restored.days,
        "entries": restored.entries,
    }


async def _registration(
    client: PlatformClient,
    device: DeviceHome,
    settings: DeviceSettings,
    store: DeviceStore,
    now: datetime,
) -> Registration:
    """What the platform gave this device, asked for if this directory does not know."""
    state = agents.load_state(store)
    if state.registration is not None:
        return state.registration
    answer = await client.register(read_url(settings.platform), device.unit(), now)
    if not isinstance(answer, Registered):
        raise download.DownloadError(f"注册失败：{answer.reason}")
    state.registration = answer.registration
    state.next_upload = next_time_of_day(now, answer.registration.upload_time)
    with store.write() as connection:
        agents.save_state(connection, state)
    return answer.registration


async def _restore_configuration(
    client: PlatformClient,
    given: Registration,
    device: DeviceHome,
    store: DeviceStore,
    force: bool,
) -> str:
    if device.configuration() is not None and not force:
        return "kept"
    request = ConfigDownloadRequest(device_id=given.device_id, enterprise_code=device.unit().code)
    answer = await client.download_configuration(given, request)
    if isinstance(answer, Failure):
        raise download.DownloadError(f"下载配置失败：{answer.reason}")
    content = restore.configuration_file(answer)
    if content is None:
        return "absent"
    configuration.check(content, device.unit())
    write_file(device.config_file, content)
    state = agents.load_state(store)
    state.configuration = device.configuration_digest()  # the platform has it
    with store.write() as connection:
        agents.save_state(connection, state)
    return "restored"


async def _restore_history(
    client: PlatformClient,
    given: Registration,
    device: DeviceHome,
    store: DeviceStore,
    days: tuple[date, date],
    now: datetime,
) -> restore.Restored:
    content = device.configuration()
    known = configuration.items(configuration.check(content, device.unit())) if content else {}
    names = {code: item.name for code, item in known.items()}
    begin, end = days[0], days[1] + timedelta(days=1)
    wanted = [
        (StatType.YEAR, begin.replace(month=1, day=1), end),
        (StatType.MONTH, begin.replace(month=1, day=1), end),
        *(
            (StatType.DAY, *part)
            for part in restore.windows(begin.replace(month=1, day=1), end, 100)
        ),
    ]
    restored = restore.Restored()
    for first, last in restore.windows(begin, end, WINDOW_DAYS):
        records = await _ask(client, given, device, StatType.REALTIME, first, last)
        records += await _ask(client, given, device, StatType.DAY, first, last)
        with store.write() as connection:
            restored.add(restore.put(connection, records, names, now))
    for stat_type, first, last in wanted:
        records = await _ask(client, given, device, stat_type, first, last)
        with store.write() as connection:
            restored.add(restore.put(connection, records, names, now))
    return restored


async def _ask(
    client: PlatformClient,
    given: Registration,
    device: DeviceHome,
    stat_type: StatType,
    begin: date,
    end: date,
) -> list[Any]:
    request = EnergyDownloadRequest(
        device_id=given.device_id,
        enterprise_code=device.unit().code,
        stat_type=int(stat_type),
        begin_time=periods.format_time(datetime.combine(begin, time())),
        end_time=periods.format_time(datetime.combine(end, time())),
    )
    return list(await download.energy(client, given, request))
