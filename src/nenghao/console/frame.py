"""What is around every page (页面框架): the head, the menu, who is logged in, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from nicegui import ui

from nenghao.console.parts import text
from nenghao.console.state import State
from nenghao.console.visit import Visit

PRODUCT: Final = "能耗在线监测"
DARK_COOKIE: Final = "nenghao-dark"
"""1 dark, 0 light; absent: as the system has it. Read by pages, written by the button."""
CONTENT: Final = "content"
_FORM: Final = (
    "<form id='leave' method='post' action='/logout' hidden></form>"  # its button is in the frame
)
Menu = Sequence[tuple[str, Sequence[tuple[str, str, str]]]]


def head() -> None:
    """The style sheet, and the reader's choice of light or dark."""
    ui.add_head_html('<link rel="stylesheet" href="/static/console.css">')
    ui.dark_mode(chosen_dark())
    ui.colors(primary="#1d5c8f", positive="#1c7c45", negative="#b3261e", warning="#9a6200")


def chosen_dark() -> bool | None:
    """What the reader has chosen; None: nothing."""
    request = ui.context.client.request
    return {"1": True, "0": False}.get(request.cookies.get(DARK_COOKIE, ""))


@contextmanager
def around(visit: Visit, state: State, title: str, menu: Menu) -> Iterator[None]:
    """The frame; what is made within comes under the heading."""
    ui.add_body_html(_FORM)
    with ui.element("a").classes("skip").props(f'href="#{CONTENT}"'):
        ui.label("跳到正文")
    with ui.element("header").classes("bar"):
        toggle = ui.button(icon="menu").props('flat round dense color=white aria-label="菜单"')
        toggle.classes("burger")
        ui.link(PRODUCT, "/").classes("brand")
        _role(visit)
        _dark_button()
        ui.button("退出", on_click=lambda: ui.run_javascript("leave.submit()")).props(
            "flat dense no-caps color=white icon=logout"
        )
    with ui.element("div").classes("house"):
        with ui.element("nav").classes("menu").props('aria-label="主菜单"') as side:
            _menu(menu, state.path)
        toggle.on_click(lambda: side.classes(toggle="open"))
        with ui.element("main").props(f"id={CONTENT} tabindex=-1"):
            text(title, "h1")
            yield


def _menu(menu: Menu, path: str) -> None:
    current = max(
        (link for _, links in menu for link, _, _ in links if _is_under(path, link)),
        key=len,
        default="",
    )
    for name, links in menu:
        text(name, "div", "group")
        for link, label, icon in links:
            with ui.link(target=link) as made:
                ui.icon(icon).props("aria-hidden=true")
                text(label)
            if link == current:
                made.props("aria-current=page")


def _is_under(path: str, link: str) -> bool:
    return path == link or (link != "/" and path.startswith(f"{link}/"))


def _role(visit: Visit) -> None:
    session = visit.session
    with ui.link(target="/account").classes("who"):
        text(f"{session.full_name or session.name}（{session.role.label}）")


def _dark_button() -> None:
    chosen = chosen_dark()

    def switch() -> None:
        value = "0" if chosen else "1"
        ui.run_javascript(
            f"document.cookie='{DARK_COOKIE}={value};path=/;max-age=31536000;secure;samesite=strict';"
            "location.reload()"
        )

    button = ui.button(icon="dark_mode" if not chosen else "light_mode", on_click=switch)
    button.props('flat round dense color=white aria-label="切换深色和浅色"')
