"""Lists of any length (列表): one page of rows at a time from the server, sorted there.

Cells are texts of the row's dict; templates are fixed, so nothing in the data is ever markup.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nicegui import ui
from nicegui.events import GenericEventArguments

from nenghao.console.state import State
from nenghao.console.visit import Visit

Row = dict[str, str | int | float | None]
SIZES: Final = (20, 50, 100)


@dataclass(frozen=True)
class Column:
    """One column: the row's key, its heading, and how it is shown."""

    key: str
    label: str
    sort: bool = False
    """Whether `fetch` can sort by it."""
    number: bool = False
    link: Callable[[Row], str | None] | None = None
    """The address within the console that the cell leads to."""
    badge: Callable[[Row], str] | None = None
    """good, warn, bad or dull: the cell as a badge of that kind."""
    code: bool = False
    """Letters of one width."""


@dataclass(frozen=True)
class Page:
    """Which rows are wanted."""

    number: int
    """From 1."""
    size: int
    sort: str
    """A column's key, "" for the natural order."""
    descending: bool

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return (self.number - 1) * self.size


@dataclass(frozen=True)
class Rows:
    """The rows of a page, and how many there are in all."""

    rows: Sequence[Row]
    total: int


Fetch = Callable[[Page], Awaitable[Rows]]
Action = tuple[str, Callable[[Row], Awaitable[None]]]

_HEAD = """
<q-th :props="props" :tabindex="props.col.sortable ? 0 : undefined"
  :aria-sort="!props.col.sortable ? undefined : props.col.__sorted || 'none'"
  @keydown.enter="props.col.sortable && props.sort(props.col)">{{ props.col.label }}</q-th>
"""
_CELL = """
<q-td :props="props"
  :class="[props.col.css, /^20[0-9]{2}-[0-9]{2}/.test(props.value) ? 'when' : '']">
  <a v-if="props.row._links && props.row._links[props.col.name]"
    :href="props.row._links[props.col.name]">{{ props.value ?? '—' }}</a>
  <span v-else-if="props.row._badges && props.row._badges[props.col.name] && props.value"
    :class="'badge ' + props.row._badges[props.col.name]">{{ props.value }}</span>
  <template v-else>{{ props.value ?? '—' }}</template>
</q-td>
"""
_ACTIONS = """
<q-td :props="props" auto-width>
  <q-btn v-for="(name, index) in props.row._actions" :key="name" flat dense no-caps
    color="primary" :label="name" @click="$parent.$emit('act', [props.row._row, name])" />
</q-td>
"""
_ACT_COLUMN = "_act"


@dataclass
class Listing:
    """A list on a page."""

    visit: Visit
    state: State
    columns: Sequence[Column]
    fetch: Fetch
    actions: Callable[[Row], Sequence[Action]] | None
    empty: str
    prefix: str
    element: ui.table = field(init=False)
    _shown: list[Row] = field(default_factory=list, init=False)

    async def refresh(self, *, first: bool = False) -> None:
        """Read the rows again; `first`: from the first page, since something else is searched."""
        if first:
            self.state.set(**{f"{self.prefix}page": None})
        rows, pagination = await self.read()
        self.element.pagination = pagination
        self.element.rows = rows
        self.element.update()

    async def read(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The rows as the table has them, and its pagination."""
        page = self._page()
        found = await self.fetch(page)
        if page.number > 1 and not found.rows:  # the list has become shorter
            page = Page(1, page.size, page.sort, page.descending)
            found = await self.fetch(page)
        self._shown = list(found.rows)
        return [self._row(number, row) for number, row in enumerate(self._shown)], {
            "page": page.number,
            "rowsPerPage": page.size,
            "rowsNumber": found.total,
            "sortBy": page.sort or None,
            "descending": page.descending,
        }

    def _page(self) -> Page:
        sortable = tuple(column.key for column in self.columns if column.sort)
        return Page(
            self.state.number(f"{self.prefix}page", 1, 1),
            self.state.number(f"{self.prefix}size", SIZES[0], 5, SIZES[-1]),
            self.state.choice(f"{self.prefix}sort", ("", *sortable), ""),
            self.state.flag(f"{self.prefix}desc"),
        )

    def _row(self, number: int, row: Row) -> dict[str, Any]:
        made: dict[str, Any] = {column.key: row.get(column.key) for column in self.columns}
        made["_row"] = number
        links = {c.key: c.link(row) for c in self.columns if c.link is not None}
        made["_links"] = {key: link for key, link in links.items() if link and link[0] == "/"}
        made["_badges"] = {c.key: c.badge(row) for c in self.columns if c.badge is not None}
        if self.actions is not None:
            made["_actions"] = [name for name, _ in self.actions(row)]
        return made

    async def _asked(self, event: GenericEventArguments) -> None:
        wanted = event.args["pagination"]
        page, size = int(wanted["page"]), int(wanted["rowsPerPage"])
        self.state.set(
            **{
                f"{self.prefix}page": page if page > 1 else None,
                f"{self.prefix}size": size if size != SIZES[0] else None,
                f"{self.prefix}sort": wanted.get("sortBy"),
                f"{self.prefix}desc": bool(wanted.get("descending")),
            }
        )
        await self.refresh()

    async def _acted(self, event: GenericEventArguments) -> None:
        number, wanted = event.args
        if self.actions is None or not 0 <= int(number) < len(self._shown):
            return
        row = self._shown[int(number)]
        for name, handler in self.actions(row):
            if name == wanted:
                await handler(row)


async def listing(
    visit: Visit,
    state: State,
    columns: Sequence[Column],
    fetch: Fetch,
    empty: str,
    caption: str,
    actions: Callable[[Row], Sequence[Action]] | None = None,
    prefix: str = "",
) -> Listing:
    """Show a list; `prefix` keeps the keys in the address apart where a page has two.

    `empty` is what it says without rows: what to do next. `caption` tells readers what it lists.
    """
    made = Listing(visit, state, columns, fetch, actions, empty, prefix)
    described: list[dict[str, Any]] = [
        {
            "name": column.key,
            "field": column.key,
            "label": column.label,
            "sortable": column.sort,
            "align": "right" if column.number else "left",
            "css": " ".join(["number"] * column.number + ["code"] * column.code),
        }
        for column in columns
    ]
    if actions is not None:
        described.append(
            {"name": _ACT_COLUMN, "field": _ACT_COLUMN, "label": "操作", "align": "right"}
        )
    # Read before: a table that is mounted without its number of rows would page by itself.
    rows, pagination = await made.read()
    table = ui.table(columns=described, rows=rows, row_key="_row", pagination=pagination)
    made.element = table
    table.classes("listing").props(
        "flat bordered binary-state-sort wrap-cells"
        f' :rows-per-page-options="{list(SIZES)}" rows-per-page-label="每页"'
        ' :pagination-label="(first, last, all) => `第 ${first}–${last} 条，共 ${all} 条`"'
    )
    table.props(f'aria-label="{caption}" no-data-label="{empty}"')
    table.add_slot("header-cell", _HEAD)
    table.add_slot("body-cell", _CELL)
    if actions is not None:
        table.add_slot(f"body-cell-{_ACT_COLUMN}", _ACTIONS)
    table.on("request", made._asked)
    table.on("act", made._acted)
    return made
