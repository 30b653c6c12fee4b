"""The sources' health (采集来源): which is read, which is not, since when, and why."""

from __future__ import annotations

from typing import Final

from nenghao.device.collection.health import SourceHealth
from nenghao.device.collection.samples import moment
from nenghao.device.history import plain
from nenghao.device.web import layout
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import Markup, join, tag
from nenghao.device.web.layout import Tone
from nenghao.device.web.visit import Page, Visit

MOST_EVENTS: Final = 50

_TONES: Final[dict[str, Tone]] = {"good": "good", "starting": "dull", "fault": "bad"}


def show(desk: Desk, visit: Visit) -> Page:
    """One row a source with its fault in full; below, what registers did besides counting."""
    columns = ("来源", "类型", "状态", "最近成功", "距今", "采样数", "说明")
    told = "来源和数据项写在端设备目录的 collection.toml 中，修改后自动生效。"
    body = tag(
        "div",
        [tag("p", text, class_="trouble") for text in desk.collection_faults()],
        layout.table(
            columns,
            [_row(one) for one in desk.sources()],
            empty="collection.toml 中没有采集来源；写法见 docs/device-collection.md",
        ),
        tag("p", told, class_="dull"),
        _events(desk),
    )
    return Page("采集来源", body, refresh=True)


def _row(one: SourceHealth) -> list[object]:
    return [
        one.name,
        tag("code", one.type),
        _state(one),
        layout.when(layout.time_text(one.last_good)),
        layout.age_text(one.age),
        layout.number(one.samples),
        _told(one),
    ]


def _state(one: SourceHealth) -> Markup:
    if one.state == "good" and one.noticed:
        return layout.label("未读全", "warn")
    return layout.label(one.label, _TONES[one.state])


def _told(one: SourceHealth) -> Markup:
    parts = [one.fault_text, *one.noticed]
    if one.state == "fault":
        since, again = layout.time_text(one.since), layout.time_text(one.next_try)
        parts.append(f"自 {since} 起，下次重试 {again}")
    return join((part for part in parts if part), tag("br"))


def _events(desk: Desk) -> Markup | None:
    rows = [
        [
            layout.time_text(moment(one.event.time)),
            one.item,
            one.event.kind.label,
            f"{plain(one.event.before)} → {plain(one.event.after)}",
        ]
        for one in desk.events()[:MOST_EVENTS]
    ]
    if not rows:
        return None
    heading = tag("h2", "表计的异常变化")
    return tag("div", heading, layout.table(("时间", "数据项", "判断", "表底读数"), rows))
