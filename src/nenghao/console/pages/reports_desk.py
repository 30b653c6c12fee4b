"""A monthly form on somebody's desk (填报表): what its page holds while it is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from nicegui import ui
from nicegui.element import Element

from nenghao.console.pages.reports import NOWHERE
from nenghao.console.parts import empty
from nenghao.console.state import State
from nenghao.console.views import reports_form as view
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.platform.report_cells import Cell
from nenghao.platform.report_states import ReportStateError
from nenghao.platform.reports_blank import ReportError
from nenghao.platform.reports_form import FormError
from nenghao.platform.store.engine import Store

T = TypeVar("T")
REFUSALS: Final = (ReportStateError, FormError, ReportError)


@dataclass
class Desk:
    """A form on somebody's desk: what is typed so far."""

    visit: Visit
    state: State
    code: str
    month: str
    body: Element
    """What everything is shown in."""
    shown: Callable[[Desk, datetime], Awaitable[None]]
    """Shows `page`."""
    page: view.FormPage = field(init=False)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    fields: dict[Cell, tuple[ui.input, ui.label]] = field(default_factory=dict)
    """The fields that are on the screen, each with the place for its hint."""

    async def do(self, change: Callable[[Store, datetime], T]) -> T:
        """Do something with the form of this unit."""
        return await self.visit.do(Act.REPORTS_FILL, change, self.code, REFUSALS)

    async def again(self) -> None:
        """Read the form as it is now and show it."""
        now, settings = self.visit.now(), self.visit.settings
        found = await self.visit.ask(
            Act.REPORTS_FILL,
            lambda conn: view.form_page(conn, settings, self.code, self.month, now),
            self.code,
        )
        self.body.clear()
        self.fields.clear()
        with self.body:
            if found is None:
                empty(NOWHERE, "/", "返回")
                return
            self.page = found
            self.cells = {kind: dict(usages) for kind, usages in found.report.cells.items()}
            await self.shown(self, now)
