"""Live values (实时数据): what every item and point showed last, and how old that is."""

from __future__ import annotations

from nenghao.device.web import layout
from nenghao.device.web.desk import Desk, Live
from nenghao.device.web.html import Markup, tag
from nenghao.device.web.visit import Page, Visit

MOST = 200
"""Values on one page; further ones are a page on."""


def show(desk: Desk, visit: Visit) -> Page:
    """The values, items before points; what is wrong with the device stands above."""
    values = desk.live()
    start = visit.query.number("start", 0)
    wanted = visit.query.text("find").lower()
    chosen = [one for one in values if wanted in f"{one.value.name} {one.value.code}".lower()]
    shown = chosen[start : start + MOST]
    troubles = [tag("p", text, class_="trouble") for text in desk.troubles(visit.now)]
    empty = (
        "没有符合的值" if wanted else "还没有要采集的数据：采集来源和数据项写在 collection.toml 中"
    )
    columns = ("名称", "数据项编码", "数值", "单位", "时间", "距今", "状态")
    body = tag(
        "div",
        troubles,
        _summary(desk, visit, values),
        _search(wanted),
        layout.table(columns, [_row(one) for one in shown], empty=empty),
        _further(start, len(chosen), wanted),
    )
    return Page("实时数据", body, refresh=True)


def _row(one: Live) -> list[object]:
    value = one.value
    return [
        value.name,
        tag("code", value.code) if value.code else tag("span", "测点", class_="dull"),
        layout.number(value.value),
        value.unit,
        layout.when(layout.time_text(value.time)),
        layout.age_text(value.age),
        layout.label(one.state, one.tone),
    ]


def _summary(desk: Desk, visit: Visit, values: list[Live]) -> Markup:
    bad = sum(one.tone != "good" for one in values)
    sources = desk.sources()
    ill = sum(one.state == "fault" for one in sources)
    odd = sum(one.state != "fault" and bool(one.noticed) for one in sources)
    remarks = [f"{count} 个{word}" for count, word in ((ill, "有故障"), (odd, "未读全")) if count]
    state = desk.upload_state()
    offset = desk.running.clock_offset
    return layout.facts(
        {
            "现在": layout.time_text(visit.now),
            "实时值": f"{len(values)} 个" + (f"，其中 {bad} 个需要注意" if bad else ""),
            "采集来源": f"{len(sources)} 个" + (f"，其中 {'、'.join(remarks)}" if remarks else ""),
            "上次上传": layout.time_text(state.last_upload) or "尚未上传",
            "下次上传": layout.time_text(state.next_upload) or "等待注册",
            "本机时钟": offset.text if offset else "尚未与平台核对",
        }
    )


def _search(wanted: str) -> Markup:
    words = "名称、测点或编码"
    box = tag(
        "input", type="search", name="find", value=wanted, placeholder=words, aria_label=words
    )
    search = tag("button", "查找", type="submit")
    every = layout.link("显示全部", "/") if wanted else None
    return tag("form", box, search, every, method="get", action="/", class_="line")


def _further(start: int, total: int, wanted: str) -> Markup | None:
    if total <= MOST:
        return None
    links = [
        layout.link(f"{first + 1}–{min(first + MOST, total)}", "/", start=first, find=wanted)
        for first in range(0, total, MOST)
        if first != start
    ]
    return tag("p", "其他：", [[one, " "] for one in links])
