"""Manual entry (手工填报, inputType 5): values of days, months and years, with limits checked.

A value outside the configured limits is asked about once more and then taken as not valid. Which
items there are is what the unit's configuration says; limits and periods are `manual`'s matter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from nenghao.device import manual, validity
from nenghao.device.history import plain
from nenghao.device.manual import Entry, ManualError, OutOfBounds
from nenghao.device.web import layout
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import Markup, tag
from nenghao.device.web.visit import Answer, Form, Moved, Page, Visit
from nenghao.standard.periods import StatType

SHOWN_DAYS: Final = 800
"""Entries of periods that began so long ago are listed."""
MOST: Final = 100

_PERIODS: Final = "YYYY-MM-DD（日）、YYYY-MM（月）或 YYYY（年）"

_FORMATS: Final = {
    StatType.DAY: ("日", "%Y-%m-%d"),
    StatType.MONTH: ("月", "%Y-%m"),
    StatType.YEAR: ("年", "%Y"),
}


def show(desk: Desk, visit: Visit) -> Page:
    """The form, and what was entered."""
    given = Form({"code": visit.query.text("code"), "date": visit.query.text("date")})
    return Page("手工填报", _body(desk, visit, given))


def enter(desk: Desk, visit: Visit) -> Answer:
    """Take a value; one outside its limits only with `outside`."""
    given = visit.form
    try:
        stat_type, start = manual.period(given.text("date"))
        entry = Entry(given.text("code"), stat_type, start, manual.number(given.text("value")))
        known = desk.configured().get(entry.data_code)
        if known is None or known.input_type != desk.MANUAL:
            raise ManualError(f"配置中没有手工填报的数据项 {entry.data_code}")
        with desk.store.write() as connection:
            taken = manual.enter(
                connection,
                entry,
                visit.now,
                limits=desk.limits(),
                accept_outside=given.text("outside") == "yes",
            )
    except OutOfBounds as error:
        return Page("手工填报", _body(desk, visit, given, str(error), outside=True), status=422)
    except ManualError as error:
        return Page("手工填报", _body(desk, visit, given, str(error)), status=422)
    word = "" if taken.valid else "（超出范围，标为无效）"
    told = f"{known.name or entry.data_code} {_period(taken)} 的数值 {plain(taken.value)}"
    return Moved("/manual", f"已填报：{told}{word}，随下一批上传")


def _body(
    desk: Desk, visit: Visit, given: Form, trouble: str = "", *, outside: bool = False
) -> Markup:
    items = {
        code: f"{item.name or code}（{code}，{desk.unit_of(code) or '无单位'}）"
        for code, item in sorted(desk.configured().items())
        if item.input_type == desk.MANUAL
    }
    told = tag("p", trouble, class_="trouble", role="alert") if trouble else None
    if not items:
        text = (
            "用能单位配置（config.json）中没有数据采集来源为 5（手工填报）的数据项。"
            "在配置中把要填报的数据项的 inputType 写为 5，再运行 nenghao device configure。"
        )
        return tag("div", told, tag("p", text, class_="dull"))
    return tag(
        "div",
        told,
        _form(visit, items, given, outside),
        _limits(desk, items),
        _entered(desk, visit),
    )


def _form(visit: Visit, items: dict[str, str], given: Form, outside: bool) -> Markup:
    sure = None
    if outside:
        box = tag("input", type="checkbox", name="outside", value="yes", id="f-outside")
        words = "数值无误，仍然填报（标为无效）"
        sure = tag("p", box, tag("label", words, for_="f-outside"))
    return layout.form(
        "/manual",
        visit.token,
        layout.select("数据项", "code", items, given.text("code")),
        layout.field("日期", "date", given.text("date"), _PERIODS,
                     required=True, pattern="[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", maxlength=10),
        layout.field("数值", "value", given.text("value"), "按数据项的计量单位，至多 10 位小数",
                     required=True, inputmode="decimal"),
        sure,
        tag("p", tag("button", "填报", type="submit")),
    )  # fmt: skip


def _limits(desk: Desk, items: dict[str, str]) -> Markup:
    limits = desk.limits()
    rows = [
        [tag("code", code), *(str(validity.bounds(limits, code, one)) for one in _FORMATS)]
        for code in items
    ]
    heading = tag("h2", "允许的范围")
    return tag("div", heading, layout.table(("数据项编码", "日", "月", "年"), rows))


def _entered(desk: Desk, visit: Visit) -> Markup:
    begin, end = visit.now - timedelta(days=SHOWN_DAYS), visit.now + timedelta(days=1)
    with desk.store.read() as connection:
        entries = manual.entries(connection, begin, end)
    configured = desk.configured()
    rows = []
    for entry in reversed(entries[-MOST:]):
        known = configured.get(entry.data_code)
        rows.append(
            [
                known.name if known else "",
                tag("code", entry.data_code),
                _period(entry),
                layout.number(entry.value),
                desk.unit_of(entry.data_code),
                layout.label("有效", "good") if entry.valid else layout.label("无效", "warn"),
                layout.label("待上传", "warn") if entry.waiting else layout.label("已打包", "good"),
                layout.time_text(entry.entered_at),
            ]
        )
    columns = ("名称", "编码", "时段", "数值", "单位", "有效", "上传", "填报时间")
    return tag("div", tag("h2", "已填报"), layout.table(columns, rows))


def _period(entry: Entry) -> str:
    word, form = _FORMATS[entry.stat_type]
    return f"{entry.start.strftime(form)}（{word}）"
