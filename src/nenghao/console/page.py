"""Makes a page of a function (页面): who may see it, the frame around it, the state in its address.

    @page("/units", "用能单位", Act.UNITS_READ, group=Group.DATA, icon="factory", order=10)
    async def units(visit: Visit, state: State) -> None: ...

Whoever may not see it gets an answer with status 403, and the audit trail a record. A path
parameter named `code` is a unit's credit code: the act is then checked for that unit.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog
from fastapi import Request
from nicegui import ui
from starlette.responses import RedirectResponse, Response

from nenghao.console import entrance, frame
from nenghao.console.state import State
from nenghao.console.visit import LOGIN, Office, Shown, Visit
from nenghao.platform import sessions
from nenghao.platform.permissions import Act
from nenghao.platform.sessions import NotPermitted, Session

log = structlog.get_logger(__name__)

UNIT_PARAMETER: Final = "code"
BUILD_SECONDS = 20.0
WATCH_SECONDS = 30.0
Build = Callable[..., Awaitable[None]]


class Group(StrEnum):
    """The parts of the menu."""

    OVERVIEW = "总览"
    DATA = "数据"
    WORK = "业务"
    SECURITY = "证书与账户"
    SYSTEM = "系统"


@dataclass(frozen=True)
class Entry:
    """A page that there is."""

    path: str
    title: str
    acts: tuple[Act, ...]
    """Any of them suffices."""
    group: Group | None
    icon: str
    order: int

    @property
    def of_unit(self) -> bool:
        """Whether it is about the one unit whose code stands in its path."""
        return f"{{{UNIT_PARAMETER}}}" in self.path

    def allows(self, session: Session, unit: str | None) -> bool:
        """Whether the operator may see it."""
        return any(session.may(act, unit) for act in self.acts)


PAGES: Final[list[Entry]] = []
"""Every page; filled as the modules of `pages` are imported."""


def page(
    path: str,
    title: str,
    *acts: Act,
    group: Group | None = None,
    icon: str = "article",
    order: int = 100,
    bare: bool = False,
) -> Callable[[Build], Build]:
    """Register a page; `group` None keeps it out of the menu, `bare` leaves the frame away."""
    entry = Entry(path, title, acts, group, icon, order)
    PAGES.append(entry)

    def register(build: Build) -> Build:
        async def shown(request: Request) -> Response | None:
            session: Session = request.state.session
            office: Office = request.app.state.office
            address: str = request.state.address
            parameters: dict[str, str] = dict(request.path_params)
            unit = parameters.get(UNIT_PARAMETER)
            if refused := await _refusal(office, session, entry, unit, address):
                return entrance.refused_page(session, refused)
            visit = Visit(office, session, address, ui.context.client)
            state = State(request.url.path, request.query_params)
            return await _built(visit, state, entry, build, parameters, bare=bare)

        # NiceGUI makes a route of it; the request comes through the gate, which knows the session.
        ui.page(
            path,
            title=f"{title} · 能耗在线监测",
            language="zh-CN",
            dark=None,
            response_timeout=BUILD_SECONDS,
        )(shown)
        return build

    return register


async def _refusal(
    office: Office, session: Session, entry: Entry, unit: str | None, address: str
) -> str | None:
    """Why the operator may not see the page; None when he may."""
    if entry.allows(session, unit):
        return None
    try:
        await asyncio.to_thread(
            sessions.require,
            office.store,
            session,
            entry.acts[0],
            office.clock(),
            address,
            unit,
        )
    except NotPermitted as error:
        return str(error)
    return None


async def _built(
    visit: Visit,
    state: State,
    entry: Entry,
    build: Build,
    parameters: dict[str, Any],
    *,
    bare: bool,
) -> Response | None:
    client = ui.context.client
    client.on_exception(lambda error: _failed(visit, error))
    frame.head()
    try:
        if bare:
            await build(visit, state, **parameters)
            _follow(visit)
            return None
        with frame.around(visit, state, entry.title, menu(visit.session)):
            await build(visit, state, **parameters)
            _follow(visit)
    except Redirect as redirect:
        return RedirectResponse(redirect.path, 303)
    except Shown:
        return RedirectResponse(LOGIN, 303) if visit.is_over() else None
    return None


class Redirect(Exception):
    """Raised while a page is built: the browser is to open another one."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def _follow(visit: Visit) -> None:
    """Once the page is built: a timer waits for the browser, and with that the page is sent."""
    visit.repeat()
    ui.timer(WATCH_SECONDS, lambda: _watch(visit), immediate=False)


async def _watch(visit: Visit) -> None:
    """An open tab whose session has ended shows nothing any more."""
    if await asyncio.to_thread(visit.is_over):
        visit.go(LOGIN)


def _failed(visit: Visit, error: Exception) -> None:
    """An unforeseen error in a handler: its reference for the operator, the rest for the log."""
    if isinstance(error, Shown):
        return
    reference = secrets.token_hex(4)
    log.error("控制台内部错误", reference=reference, exc_info=error)
    visit.refuse(f"内部错误，编号 {reference}，详见平台日志")


def menu(session: Session) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The menu of an operator: groups of (path, title, icon)."""
    made = []
    for group in Group:
        entries = sorted(
            (
                entry
                for entry in PAGES
                if entry.group is group
                and entry.allows(session, None)
                and not (entry.path == "/" and session.unit)  # it leads a unit's user to his unit
            ),
            key=lambda entry: entry.order,
        )
        links = [(entry.path, entry.title, entry.icon) for entry in entries]
        if group is Group.DATA and session.unit:
            links.insert(0, (f"/units/{session.unit}", "本单位", "factory"))
            links.append((f"/reports/{session.unit}", "填报", "edit_note"))
        if links:
            made.append((group.value, links))
    return made
