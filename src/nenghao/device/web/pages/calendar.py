"""Completeness (数据完整性): a month of every item, day by day, and the ticks of one day."""

from __future__ import annotations

import sqlite3
from calendar import monthrange
from datetime import date, timedelta
from typing import Final, Literal

from nenghao.device import history
from nenghao.device.aggregation import TICKS_OF_DAY, Rule, Total, expected_slots
from nenghao.device.batches import MANUAL_ENTRY
from nenghao.device.history import DayRow, Item
from nenghao.device.web import layout
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import Markup, tag
from nenghao.device.web.visit import Page, Visit
from nenghao.standard import periods

MOST: Final = 50
"""Items on one page."""
_PER_ROW: Final = 8

Standing = Literal["full", "part", "none", "open"]


def show(desk: Desk, visit: Visit) -> Page:
    """A month: rows are items, columns days; a cell says how much of the day is there."""
    today = visit.now.date()
    first = _month(visit.query.text("month"), today)
    start = visit.query.number("start", 0)
    days = [first + timedelta(days=n) for n in range(monthrange(first.year, first.month)[1])]
    with desk.store.read() as connection:
        known = [one for one in history.items(connection) if one.input_type != MANUAL_ENTRY]
        shown = known[start : start + MOST]
        rows = [_row(connection, item, days, today) for item in shown]
    empty = "还没有数据项：写入 collection.toml 的数据项有了第一个读数后出现在这里"
    headings = ["数据项", *(str(day.day) for day in days), "完整"]
    body = tag(
        "div",
        _months(first, start),
        tag("div", layout.table(headings, rows, empty=empty, cards=False), class_="calendar"),
        _pages(len(known), start, first),
        tag("p", "数字是当日已有读数占应有读数的百分比；点开可看每一个时刻。", class_="dull"),
    )
    return Page(f"数据完整性 {first:%Y-%m}", body)


def _month(text: str, today: date) -> date:
    try:
        return date.fromisoformat(f"{text}-01") if len(text) == 7 else today.replace(day=1)
    except ValueError:
        return today.replace(day=1)


def _months(first: date, start: int) -> Markup:
    before = (first - timedelta(days=1)).replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    links = [
        layout.link(text, "/calendar", month=f"{day:%Y-%m}", start=start)
        for text, day in (("← 上月", before), ("下月 →", after))
        if 2000 <= day.year <= 2099
    ]
    return tag("p", [[one, " "] for one in links])


def _pages(total: int, start: int, first: date) -> Markup | None:
    if total <= MOST:
        return None
    links = [
        layout.link(
            f"{begin + 1}–{min(begin + MOST, total)}", "/calendar",
            month=f"{first:%Y-%m}", start=begin,
        )
        for begin in range(0, total, MOST)
        if begin != start
    ]  # fmt: skip
    return tag("p", "其他数据项：", [[one, " "] for one in links])


def _row(connection: sqlite3.Connection, item: Item, days: list[date], today: date) -> list[object]:
    totals = history.day_totals(connection, item, days[0], days[-1] + timedelta(days=1))
    cells: list[object] = []
    whole = over = 0
    for day in days:
        total = totals.get(day)
        standing: Standing
        if item.rule is Rule.SUM and total is not None and total.complete and day < today:
            standing, text = "full", "100"  # most days: their ticks need not be read
        else:
            row = history.day_row(connection, item, day) if day in totals else None
            standing, text = standing_of(row, day, today)
        over += day < today
        whole += day < today and standing == "full"
        cells.append(_cell(item, day, standing, text))
    name = tag("td", item.name or item.data_code, tag("br"), tag("code", item.data_code))
    return [name, *cells, tag("td", f"{whole}/{over}", class_="number")]


def _cell(item: Item, day: date, standing: Standing, text: str) -> Markup:
    place = f"/calendar/{item.data_code}/{day.isoformat()}"
    content = layout.link(text, place) if text else ""
    return tag("td", content, class_=standing, title=f"{day} {text}".strip())


def standing_of(row: DayRow | None, day: date, today: date) -> tuple[Standing, str]:
    """How complete an item's day is: the kind of cell and its text."""
    if row is None:
        return ("none", "0") if day < today else ("open", "")
    if row.ticks is None:  # only the total is kept of so long ago
        complete = row.total is not None and row.total.complete
        return ("full", "✓") if complete else ("part", "缺")
    slots = expected_slots(row.interval)
    present = sum(row.ticks[slot] is not None for slot in slots)
    share = present * 100 // len(slots)
    if day >= today:
        return "open", f"{share}"
    if present == len(slots):
        return "full", "100"
    return ("part" if present else "none"), f"{share}"


def show_day(desk: Desk, visit: Visit) -> Page:
    """The 96 slots of an item's day."""
    try:
        day = date.fromisoformat(visit.path["day"])
    except ValueError:
        day = None
    with desk.store.read() as connection:
        item = history.find_item(connection, visit.path["code"])
        row = history.day_row(connection, item, day) if item and day else None
    if item is None or day is None:
        return Page(
            "没有这个数据项或日期", tag("p", layout.link("回到日历", "/calendar")), status=404
        )
    total = row.total if row else None
    back = layout.link("回到日历", "/calendar", month=f"{day:%Y-%m}")
    body = tag(
        "div",
        layout.facts(
            {
                "数据项": item.name or item.data_code,
                "编码": tag("code", item.data_code),
                "采集间隔": f"{(row.interval if row else item.interval)} 分钟",
                "日合计": _total(total),
            }
        ),
        _ticks(row, day) if row and row.ticks is not None else tag("p", "没有保存这一天的读数"),
        tag("p", back),
    )
    return Page(f"{day} 的读数", body)


def _total(total: Total | None) -> str:
    if total is None:
        return "—"
    return history.plain(total.value) + ("" if total.complete else "（不完整）")


def _ticks(row: DayRow, day: date) -> Markup:
    assert row.ticks is not None  # noqa: S101 - the caller has looked
    wanted = set(expected_slots(row.interval))
    cells: list[Markup] = []
    for slot, (tick, value) in enumerate(zip(periods.day_ticks(day), row.ticks, strict=True)):
        if slot not in wanted and value is None:
            continue
        kind = "none" if value is None else "part" if slot in row.suspect else "full"
        text = "缺" if value is None else history.plain(value)
        label = "24:00" if slot == TICKS_OF_DAY - 1 else f"{tick:%H:%M}"
        cells.append(tag("td", tag("small", label), tag("br"), text, class_=f"number {kind}"))
    rows = [cells[n : n + _PER_ROW] for n in range(0, len(cells), _PER_ROW)]
    return tag("div", tag("table", [tag("tr", row) for row in rows]), class_="wide")
