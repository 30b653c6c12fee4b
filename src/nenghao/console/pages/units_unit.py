"""`/units/{code}`: one unit (用能单位), its parts in tabs that the address names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nicegui import ui

from nenghao.console.page import page
from nenghao.console.pages import (
    units_calendar,
    units_curves,
    units_info,
    units_totals,
    units_uploads,
)
from nenghao.console.parts import badge, empty, notice, tabs, text
from nenghao.console.state import State
from nenghao.console.views import unit_basics
from nenghao.console.views.unit_basics import Head
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

Show = Callable[[Visit, State, Head], Awaitable[None]]


@dataclass(frozen=True)
class Part:
    """One tab: who may see it, and what shows it."""

    label: str
    acts: tuple[Act, ...]
    """Any of them suffices."""
    show: Show


PARTS: Final = {
    "info": Part("基本信息", (Act.UNITS_READ,), units_info.information),
    "items": Part("数据项", (Act.UNITS_READ,), units_info.items),
    "curves": Part("曲线", (Act.DATA_READ,), units_curves.curves),
    "totals": Part("合计", (Act.TOTALS_READ,), units_totals.totals),
    "calendar": Part("完整性", (Act.DATA_READ,), units_calendar.calendar),
    "uploads": Part("上传", (Act.DATA_READ, Act.JOURNAL_READ), units_uploads.uploads),
    "findings": Part("提示", (Act.DATA_READ,), units_uploads.findings),
    "devices": Part("端设备", (Act.UNITS_READ,), units_info.devices),
}


@page("/units/{code}", "用能单位", Act.UNITS_READ, group=None)
async def unit(visit: Visit, state: State, code: str) -> None:
    """The unit's head and the part that is open."""
    now = visit.now()
    head = await visit.ask(
        Act.UNITS_READ, lambda conn: unit_basics.head(conn, code, now), unit=code
    )
    if head is None:
        _unknown(visit)
        return
    allowed = {
        key: part for key, part in PARTS.items() if any(visit.may(act, code) for act in part.acts)
    }
    asked = state.text("tab", "info")
    _head(head)
    tabs(state, {key: part.label for key, part in allowed.items()}, asked)
    if asked in allowed:
        await allowed[asked].show(visit, state, head)
    elif asked in PARTS:
        notice(f"您的角色（{visit.session.role.label}）不能查看“{PARTS[asked].label}”。", "warn")
    else:
        notice("本页没有这个部分，请从上面选择。", "warn")


def _unknown(visit: Visit) -> None:
    word = (
        "没有注册过的用能单位：请核对统一社会信用代码。端设备以数字证书注册后，单位才出现在平台上。"
    )
    if visit.may(Act.UNITS_READ):
        empty(word, "/units", "回到用能单位列表")
    else:
        empty(word)


def _head(head: Head) -> None:
    with ui.element("div").classes("row wrap"):
        text(head.name, "strong").style("font-size:1.15rem")
        text(head.code, "span", "code dull")
        badge(head.state.label, head.state.badge)
        text(head.region_name)
        text(f"{head.industry} {head.industry_name}".strip() or "行业未知")
        last = f"{head.last_upload:%Y-%m-%d %H:%M}" if head.last_upload else "从未"
        text(f"最近上传 {last}，上报时间点 {head.upload_time or '—'}", "span", "dull")
