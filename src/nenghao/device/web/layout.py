"""The frame around every page, and the parts that pages share: tables, forms, labels, ages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal
from urllib.parse import urlencode

from nenghao.device.history import plain
from nenghao.device.web.html import Child, Markup, escape, join, tag

Tone = Literal["good", "warn", "bad", "dull"]

NAVIGATION: Final[Mapping[str, str]] = {
    "/": "实时数据",
    "/sources": "采集来源",
    "/queue": "上传队列",
    "/calendar": "数据完整性",
    "/manual": "手工填报",
    "/mapping": "测点映射",
    "/certificate": "证书",
    "/log": "日志",
}
"""Path → name, in the order of the bar."""

NOSCRIPT_SECONDS: Final = 15
"""How often a page that is worth it reloads itself where scripts do not run."""


def document(
    title: str,
    body: Markup,
    *,
    unit: str,
    token: str,
    path: str = "",
    notices: Sequence[str] = (),
    refresh: bool = False,
) -> str:
    """A whole page; without `token` nobody is logged in and there is no bar."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} - {unit} 端设备"),
        tag("link", rel="icon", type="image/svg+xml", href="/static/icon.svg"),
        tag("link", rel="stylesheet", href="/static/page.css"),
        _reload() if refresh else None,
        tag("script", src="/static/page.js", defer=True),
    )
    content = tag(
        "main",
        tag("h1", title),
        [tag("p", notice, class_="notice", role="status") for notice in notices],
        tag("div", body, id="content", data_refresh=refresh),
    )
    bar = _bar(unit, token, path) if token else None
    return f"<!doctype html>\n{tag('html', head, tag('body', bar, content), lang='zh-CN')}\n"


def _reload() -> Markup:
    again = tag("meta", http_equiv="refresh", content=str(NOSCRIPT_SECONDS))
    return tag("noscript", again)


def _bar(unit: str, token: str, path: str) -> Markup:
    here = "/" + path.strip("/").partition("/")[0]
    links = [
        tag("a", name, href=target, aria_current="page" if target == here else None)
        for target, name in NAVIGATION.items()
    ]
    leave = form("/logout", token, tag("button", "退出", type="submit"), class_="leave")
    return tag(
        "header", tag("strong", unit), tag("nav", links, aria_label="页面"), leave, class_="bar"
    )


def form(action: str, token: str, *children: Child, class_: str | None = None) -> Markup:
    """A form that is posted, with the token that lets it pass."""
    hidden = tag("input", type="hidden", name="token", value=token)
    return tag("form", hidden, *children, method="post", action=action, class_=class_)


def button(action: str, token: str, text: str, **fields: str) -> Markup:
    """A form of one button, with fields that it sends."""
    hidden = [tag("input", type="hidden", name=name, value=fields[name]) for name in fields]
    return form(action, token, hidden, tag("button", text, type="submit"), class_="inline")


def field(label: str, name: str, value: str = "", hint: str = "", **attributes: object) -> Markup:
    """A labelled line of input."""
    given: dict[str, object] = {"type": "text", "autocomplete": "off", **attributes}
    box = tag("input", id=f"f-{name}", name=name, value=value, **given)
    return _labelled(label, name, box, hint)


def select(
    label: str,
    name: str,
    options: Mapping[str, str],
    chosen: str = "",
    hint: str = "",
    **attributes: object,
) -> Markup:
    """A labelled list to choose from, value → text; a chosen value that is not in it is added."""
    listed = dict(options)
    if chosen and chosen not in listed:
        listed[chosen] = f"{chosen}（不在列表中）"
    made = [
        tag("option", text, value=value, selected=value == chosen) for value, text in listed.items()
    ]
    return _labelled(
        label, name, tag("select", made, id=f"f-{name}", name=name, **attributes), hint
    )


def _labelled(label: str, name: str, box: Markup, hint: str) -> Markup:
    note = tag("small", hint) if hint else None
    return tag("p", tag("label", label, for_=f"f-{name}"), box, note, class_="field")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Child]],
    *,
    empty: str = "（无）",
    cards: bool = True,
) -> Markup:
    """A table; a row's cells may be `Markup` of `td` elements already, else they are wrapped.

    With `cards` every row is a card of labelled lines where the screen is narrow.
    """
    listed = [[_cell(cell) for cell in row] for row in rows]
    if not listed:
        return tag("p", empty, class_="dull empty")
    kinds = ["number" if cell.startswith(_NUMBER) else None for cell in listed[0]]
    head = [
        tag("th", heading, scope="col", class_=kind)
        for heading, kind in zip(headings, kinds, strict=True)
    ]
    if cards:
        listed = [
            [_labelled_cell(heading, cell) for heading, cell in zip(headings, row, strict=True)]
            for row in listed
        ]
    made = tag(
        "table",
        tag("thead", tag("tr", head)),
        tag("tbody", [tag("tr", row) for row in listed]),
        class_="cards" if cards else None,
    )
    return tag("div", made, class_="wide")


_NUMBER: Final = '<td class="number'


def _labelled_cell(heading: str, cell: Markup) -> Markup:
    return Markup(cell.replace("<td", f'<td data-label="{escape(heading)}"', 1))


def _cell(cell: Child) -> Markup:
    if isinstance(cell, Markup) and cell.startswith("<td"):
        return cell
    return tag("td", cell)


def number(value: Decimal | float | None) -> Markup:
    """A cell with a number, set to the right."""
    if value is None:
        return tag("td", "—", class_="number dull")
    text = plain(value) if isinstance(value, Decimal) else str(value)
    return tag("td", text, class_="number")


def label(text: str, tone: Tone) -> Markup:
    """A word in the colour of how things are."""
    return tag("span", text, class_=f"label {tone}")


def facts(pairs: Mapping[str, Child]) -> Markup:
    """Names and what is known of them."""
    rows = [tag("div", tag("dt", name), tag("dd", value or "—")) for name, value in pairs.items()]
    return tag("dl", rows, class_="facts")


def link(text: str, path: str, **query: object) -> Markup:
    """A link to a page of this site."""
    return tag("a", text, href=f"{path}?{urlencode(query)}" if query else path)


def when(text: str) -> Markup:
    """A date or time that is not broken into lines; nothing for none."""
    return Markup() if not text else tag("span", text, class_="when")


def action(text: str, path: str, **query: object) -> Markup:
    """A link that looks like what it is: something to begin."""
    return tag("a", text, href=f"{path}?{urlencode(query)}" if query else path, class_="button")


def time_text(moment: datetime | date | None) -> str:
    """A time as people here write it, "" for none."""
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    return moment.isoformat()


def age_text(seconds: float | None) -> str:
    """How long ago: `3 秒`, `12 分钟`, `5 小时`, `8 天`; "" for never."""
    if seconds is None:
        return ""
    if seconds < 0:
        return "时间在将来"
    for size, word in ((86400, "天"), (3600, "小时"), (60, "分钟")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} 秒"


def paragraphs(text: str) -> Markup:
    """A text of several lines, each on its own."""
    return join((escape(line) for line in text.splitlines()), tag("br"))
