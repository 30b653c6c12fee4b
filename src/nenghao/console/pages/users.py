"""The page of operators (操作员): who there is, found by name, role and state; a new account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages import users_dialogs
from nenghao.console.parts import empty
from nenghao.console.state import State
from nenghao.console.views import users as view
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act


@page("/users", "操作员", Act.USERS_READ, group=Group.SECURITY, icon="group", order=30)
async def operators(visit: Visit, state: State) -> None:
    """The list of operators."""

    async def fetch(asked: Page) -> Rows:
        wanted = view.Wanted(
            state.text("q"),
            state.choice("role", tuple(view.ROLES), ""),
            state.choice("state", tuple(view.STATES), ""),
        )
        now = visit.now()
        found, total = await visit.ask(
            Act.USERS_READ,
            lambda conn: view.people(
                conn,
                wanted,
                now,
                sort=asked.sort,
                descending=asked.descending,
                limit=asked.size,
                offset=asked.offset,
            ),
        )
        return Rows([_row(person) for person in found], total)

    async def search(**changes: object) -> None:
        state.set(**changes)
        await listed.refresh(first=True)

    async def add() -> None:
        if await users_dialogs.add(visit):
            await listed.refresh()

    _toolbar(visit, state, search, add)
    listed = await listing(
        visit,
        state,
        [
            Column("name", "用户名", sort=True, link=lambda row: f"/users/{row['number']}"),
            Column("full_name", "姓名", sort=True),
            Column("role", "角色", sort=True),
            Column("unit", "用能单位"),
            Column("totp", "动态口令"),
            Column("state", "状态", badge=lambda row: str(row["kind"])),
            Column("last_login", "最近登录", sort=True),
        ],
        fetch,
        empty="没有符合条件的操作员。系统管理员在此建立账户，安全管理员授予角色。",
        caption="操作员",
    )
    if not visit.may(Act.USERS_ADD):
        empty("账户由系统管理员建立；建立之后由安全管理员在其页面上授予角色。")


def _toolbar(
    visit: Visit,
    state: State,
    search: Callable[..., Awaitable[None]],
    add: Callable[[], Awaitable[None]],
) -> None:
    with ui.element("div").classes("toolbar"):
        field = ui.input(
            label="用户名、姓名或统一社会信用代码",
            value=state.text("q"),
            on_change=lambda event: search(q=event.value),
        )
        field.props("debounce=300 clearable").classes("grow")
        ui.select(
            view.ROLES,
            label="角色",
            value=state.choice("role", tuple(view.ROLES), ""),
            on_change=lambda event: search(role=event.value),
        )
        ui.select(
            view.STATES,
            label="状态",
            value=state.choice("state", tuple(view.STATES), ""),
            on_change=lambda event: search(state=event.value),
        )
        ui.link("权限表", "/permissions")
        if visit.may(Act.USERS_ADD):
            ui.button("建立账户", icon="person_add", on_click=add)


def _row(person: view.Person) -> Row:
    return {
        "number": person.number,
        "name": person.name,
        "full_name": person.full_name,
        "role": person.role,
        "unit": person.unit,
        "totp": person.totp,
        "state": person.state,
        "kind": person.kind,
        "last_login": person.last_login,
    }
