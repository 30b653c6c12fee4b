"""What goes wrong with Modbus units and lines, and how it is told (Modbus 故障)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.modbus_registers import Span

SILENT_PAUSES = (10, 30, 60)
"""Seconds after which a unit that gave no answer is asked again, while others do answer."""

MOST_NAMED = 5
"""Points that a remark names; the rest are counted."""


class Refused(Exception):
    """A unit answered with an exception code."""

    def __init__(self, fault: SourceFault, *, may_be_split: bool) -> None:
        self.fault = fault
        self.may_be_split = may_be_split
        """Whether a part of what was asked for might be answered."""


class Silence(Struct, frozen=True):
    """A unit that gave no answer: since when, how often, and what happened last."""

    asked: datetime
    times: int
    fault: SourceFault

    def over(self, now: datetime) -> bool:
        """Whether to ask again; a clock that was set back never makes the silence longer."""
        pause = SILENT_PAUSES[min(self.times, len(SILENT_PAUSES)) - 1]
        return not self.asked <= now < self.asked + timedelta(seconds=pause)


_EXCEPTIONS = {
    1: (FaultKind.CONFIGURATION, "不支持该功能码"),
    2: (FaultKind.CONFIGURATION, "没有该地址"),
    3: (FaultKind.CONFIGURATION, "不接受该地址或数量"),
    4: (FaultKind.UNREACHABLE, "设备故障"),
    5: (FaultKind.TIMEOUT, "仍在处理"),
    6: (FaultKind.TIMEOUT, "设备忙"),
    8: (FaultKind.GARBAGE, "存储器校验错"),
    10: (FaultKind.UNREACHABLE, "网关没有到该从站的路径"),
    11: (FaultKind.TIMEOUT, "网关后的设备没有应答"),
}

_BUSY = frozenset({5, 6})


def refusal(code: int, span: Span) -> Refused:
    """What the exception code of an answer means."""
    kind, reason = _EXCEPTIONS.get(code, (FaultKind.GARBAGE, "未知异常"))
    text = f"从站 {span.unit_id} 拒绝读取 {span.table} {span.begin}–{span.end - 1}：{reason}"
    fault = SourceFault(kind, f"{text}（异常码 {code}）")
    return Refused(fault, may_be_split=code not in _BUSY)


def grouped(faults: Mapping[str, SourceFault]) -> list[str]:
    """Remarks about points: one line per reason with the points that it concerns."""
    names: dict[str, list[str]] = {}
    for name, fault in faults.items():
        names.setdefault(fault.text, []).append(name)
    return [
        f"{'、'.join(points[:MOST_NAMED])}{f' 等 {len(points)} 点' * (len(points) > MOST_NAMED)}"
        f"：{text}"
        for text, points in names.items()
    ]


def no_line(port: str, error: OSError) -> SourceFault:
    """Why a serial line cannot be opened."""
    if error.errno == errno.ENOENT:
        return SourceFault(FaultKind.CONFIGURATION, f"没有串口 {port}")
    if error.errno in (errno.EACCES, errno.EPERM):
        text = f"没有权限打开串口 {port}，请把运行账号加入 dialout 组"
        return SourceFault(FaultKind.CONFIGURATION, text)
    if error.errno in (errno.EAGAIN, errno.EBUSY):
        return SourceFault(FaultKind.UNREACHABLE, f"串口 {port} 正被其他程序占用")
    return SourceFault(FaultKind.UNREACHABLE, f"无法打开串口 {port}：{error.strerror or error}")
