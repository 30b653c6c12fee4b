"""The page of the platform's health (运行状况): what answers, how full it is, what is to do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from nicegui import ui

from nenghao.console.page import Group, page
from nenghao.console.pages.health_table import Cell, marked_table
from nenghao.console.parts import Kind, empty, figure, notice, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import health as view
from nenghao.console.visit import Visit
from nenghao.platform import doctor, vitals
from nenghao.platform.home import open_home
from nenghao.platform.permissions import Act
from nenghao.platform.settings import PlatformSettings
from nenghao.settings import SettingsError


@page("/health", "运行状况", Act.RUN_PLATFORM, group=Group.SYSTEM, icon="monitor_heart", order=10)
async def health(visit: Visit, state: State) -> None:
    """Figures at once; what takes longer comes after the page is there."""
    try:
        settings = open_home(visit.home.path, os.environ).settings
    except SettingsError as error:
        notice(f"设置文件有误，正在运行的平台仍用原来的设置：{error}", "bad")
        settings = visit.settings
    figures = ui.element("div").classes("cards")
    with section("监听端口"):
        ports = ui.element("div")
    with section("体检"):
        text("逐项检查，并说明如何处理；不改动任何东西。", "p", "dull")
        button = ui.button("重新检查", icon="refresh")
        checkup = ui.element("div").props("aria-live=polite")
    with section("平台自己的证书"):
        endings = ui.element("div")
    with section("运行指标"):
        counted = ui.element("div")

    async def show() -> None:
        now, store = visit.now(), visit.office.store
        found = await visit.ask(
            Act.RUN_PLATFORM,
            lambda conn: view.figures(conn, store, visit.home, settings, now),
        )
        figures.clear()
        with figures:
            _figures(found)

    async def look() -> None:
        button.disable()
        for place in (ports, checkup, endings, counted):
            place.clear()
            with place:
                text("正在检查……", "p", "dull")
        try:
            await _ports(visit, settings, ports)
            await _endings(visit, endings)
            await _counted(visit, settings, counted)
            await _checkup(visit, checkup)
        finally:
            button.enable()

    async def again() -> None:
        await show()
        await look()

    button.on_click(again)
    await show()
    ui.timer(0, look, once=True)


def _figures(found: view.Figures) -> None:
    figure("数据库", found.size, "", f"{found.database}，{found.receipts:,} 次上传", "good")
    disk: Kind = "good" if found.disk_kind == "good" else "warn"
    if found.disk_kind == "bad":
        disk = "bad"
    figure("磁盘剩余", found.disk_free, "", f"共 {found.disk_total}", disk)
    figure("用能单位", f"{found.units:,}", "家", f"端设备 {found.devices:,} 台", "info")
    figure("最近一次上传", found.newest or "（无）", "", "平台收到的时间", "info")
    figure(
        "待结算的合计",
        f"{found.due:,}",
        "条",
        f"{found.marked_units:,} 家单位，连同未到时间的共 {found.marks:,} 条；平台自动结算",
        "warn" if found.due > 1000 else "good",
    )
    sending = "正在上送" if found.sending else "没有在上送"
    figure("待上送国家平台", f"{found.backlog:,}", "条", sending, "info")
    figure("工作进程", f"{found.workers}", "个", f"每个 {found.threads} 个线程（设置值）", "info")


async def _ports(visit: Visit, settings: PlatformSettings, place: ui.element) -> None:
    def look() -> list[view.Listening]:
        return view.listening((port, vitals.answers(port)) for port in vitals.ports(settings))

    found = await asyncio.to_thread(look)
    place.clear()
    with place:
        rows: list[Sequence[Cell]] = [
            (one.name, one.address, one.setting, (one.state, one.kind)) for one in found
        ]
        marked_table(
            {"端口": 9, "地址": 9, "设置项": 7, "状态": 6}, rows, "platform serve 的监听端口"
        )
        if any(one.kind == "bad" for one in found):
            serve = f"nenghao platform serve --home {visit.home.path}"
            notice(f"没有监听的端口：平台没有运行，或设置改后没有重新启动。运行 {serve}", "warn")


async def _endings(visit: Visit, place: ui.element) -> None:
    found = await asyncio.to_thread(vitals.endings, visit.home)
    place.clear()
    with place:
        told = view.certificates(found, visit.now())
        rows: list[Sequence[Cell]] = [
            (one.what, one.subject, one.until, (one.state, one.kind)) for one in told
        ]
        marked_table(
            {"证书": 8, "主体": 12, "有效至": 6, "状态": 7}, rows, "平台自己的证书，先到期的在前"
        )


async def _counted(visit: Visit, settings: PlatformSettings, place: ui.element) -> None:
    found = view.counted(await asyncio.to_thread(vitals.counts, settings))
    place.clear()
    with place:
        if found:
            rows = [
                tuple(
                    f"{number:,}"
                    for number in (
                        one.connections,
                        one.answered,
                        one.faults,
                        one.limits,
                        one.handshakes,
                    )
                )
                for one in found
            ]
            plain_table(
                ("端口", "打开的连接", "已应答", "其中未成功", "达到限制", "被拒绝的握手"),
                [(one.name, *row) for one, row in zip(found, rows, strict=True)],
                "平台启动以来",
            )
        elif settings.health_port:
            empty("运行指标没有应答：platform serve 没有运行。")
        else:
            empty(
                "没有开放运行指标。设置项 health_port 填一个端口（如 9464）并重新启动平台。",
                State.link("/settings", q="health_port"),
                "去设置",
            )


async def _checkup(visit: Visit, place: ui.element) -> None:
    home, now = visit.home.path, visit.now()
    lines = await asyncio.to_thread(doctor.examine, home, os.environ, now)
    found = view.findings(lines)
    place.clear()
    with place:
        bad = sum(one.kind == "bad" for one in found)
        warned = sum(one.kind == "warn" for one in found)
        if bad or warned:
            notice(f"{bad} 项故障，{warned} 项须注意。", "bad" if bad else "warn")
        else:
            notice("各项正常。", "good")
        rows: list[Sequence[Cell]] = [
            ((one.state, one.kind), one.subject, one.found, one.advice or "—") for one in found
        ]
        marked_table({"状态": 4, "项目": 8, "情况": 16, "如何处理": 16}, rows, "体检结果")
