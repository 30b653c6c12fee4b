"""The last lines of the log (日志)."""

from __future__ import annotations

from typing import Final

from nenghao.device.web import layout
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import tag
from nenghao.device.web.layout import Tone
from nenghao.device.web.visit import Page, Visit

_LEVELS: Final[dict[str, tuple[str, Tone]]] = {
    "debug": ("调试", "dull"),
    "info": ("信息", "good"),
    "warning": ("警告", "warn"),
    "error": ("错误", "bad"),
    "critical": ("严重", "bad"),
}


def show(desk: Desk, visit: Visit) -> Page:
    """Newest first, from a level on."""
    least = visit.query.text("level")
    if least not in _LEVELS:
        least = "debug"
    rows = [
        [layout.when(layout.time_text(line.time)), layout.label(*_LEVELS[line.level]), line.text]
        for line in desk.tail.lines(least)
    ]
    choice = [
        [tag("strong", text) if level == least else layout.link(text, "/log", level=level), " "]
        for level, text in {"debug": "全部", "warning": "警告以上", "error": "错误"}.items()
    ]
    listed = tag("div", layout.table(("时间", "级别", "内容"), rows), class_="log")
    told = "这里是本次启动以来最近的日志；完整日志见系统日志（journalctl）。"
    body = tag("div", tag("p", choice), listed, tag("p", told, class_="dull"))
    return Page("日志", body, refresh=True)
