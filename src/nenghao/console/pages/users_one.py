"""The page of one operator (操作员): his account, his sessions, what an administrator may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from nenghao.console.dialogs import confirm, show_once
from nenghao.console.page import page
from nenghao.console.pages import users_dialogs
from nenghao.console.pages.users_dialogs import WORD, by
from nenghao.console.parts import badge, empty, facts, notice, plain_table, section
from nenghao.console.state import State
from nenghao.console.views import users as view
from nenghao.console.visit import Visit
from nenghao.platform import operators_admin
from nenghao.platform.operators import OperatorError, Policy
from nenghao.platform.permissions import Act

Again = Callable[[], Awaitable[None]]

SEATS = ("地址", "登录", "最近使用", "最迟结束")


@page("/users/{number}", "操作员", Act.USERS_READ)
async def operator(visit: Visit, state: State, number: str) -> None:
    """One operator."""
    content = ui.element("div")

    async def show() -> None:
        now, wanted = visit.now(), int(number) if number.isdecimal() and len(number) < 10 else 0
        found = await visit.ask(Act.USERS_READ, lambda conn: view.one(conn, wanted, now))
        content.clear()
        with content:
            if found is None:
                empty("没有这个操作员。", "/users", "回到操作员列表")
                return
            _account(found)
            _deeds(visit, found, show)
            with section("会话"):
                _seats(found)

    await show()


def _account(found: view.One) -> None:
    with ui.element("div").classes("toolbar"):
        badge(found.person.state, "good" if found.person.kind == "good" else "warn")
        if found.locked:
            badge(found.locked, "bad")
        ui.link("全部操作员", "/users")
    facts(
        {
            "用户名": found.name,
            "姓名": found.person.full_name,
            "角色": found.person.role,
            "用能单位": found.person.unit,
            "动态口令": found.person.totp,
            "建立": found.created_at,
            "最近登录": found.person.last_login,
        }
    )


def _seats(found: view.One) -> None:
    if not found.seats:
        empty("此刻没有会话。")
        return
    rows = [(one.address, one.created_at, one.seen_at, one.expires_at) for one in found.seats]
    plain_table(SEATS, rows, f"{found.name} 的会话")


def _deeds(visit: Visit, found: view.One, again: Again) -> None:
    """What the operator who looks may do to this account: nobody does anything to his own."""
    if found.name == visit.session.name:
        notice("这是您自己的账户：改口令、结束其他会话在“我的账户”中，其他改动须由另一位管理员做。")
        return

    def button(label: str, deed: Callable[[Visit, view.One], Awaitable[bool]], act: Act) -> None:
        async def press() -> None:
            if await deed(visit, found):
                await again()

        if visit.may(act):
            ui.button(label, on_click=press).props("outline no-caps")

    with ui.element("div").classes("toolbar"):
        button("授予角色", _grant, Act.USERS_GRANT)
        button("重置口令", _reset_password, Act.USERS_PASSWORD)
        if found.has_totp:
            button("重置动态口令", _reset_totp, Act.USERS_TOTP)
        if found.is_locked:
            button("启用", _unlock, Act.USERS_LOCK)
        if not found.person.state.startswith("已停用"):
            button("停用", _lock, Act.USERS_LOCK)
        if found.seats:
            button("结束会话", _end_sessions, Act.USERS_LOCK)


async def _grant(visit: Visit, found: view.One) -> bool:
    return await users_dialogs.grant(visit, found.name, found.role, found.unit)


async def _reset_password(visit: Visit, found: view.One) -> bool:
    word = "其会话随即结束，本人须用新的初始口令登录并改成自己的。"
    if not found.has_totp and found.role is not None:
        word += "\n此账户没有动态口令：其角色同时收回，须由安全管理员重新授予。"
    if not await confirm(f"重置 {found.name} 的口令？", word, "重置", danger=True):
        return False
    scheme = Policy.of(visit.settings).scheme
    password = await visit.do(
        Act.USERS_PASSWORD,
        lambda store, now: operators_admin.reset_password(
            store, by(visit), found.name, now, scheme=scheme
        ),
        refusals=(OperatorError,),
    )
    await show_once("口令已重置", {"用户名": found.name, "初始口令": password}, WORD)
    return True


async def _reset_totp(visit: Visit, found: view.One) -> bool:
    word = "其会话随即结束，原来的验证器不再有效。"
    if not await confirm(f"重置 {found.name} 的动态口令？", word, "重置", danger=True):
        return False
    master = visit.home.master_key()
    issued = await visit.do(
        Act.USERS_TOTP,
        lambda store, now: operators_admin.reset_totp(
            store, by(visit), found.name, now, master=master
        ),
        refusals=(OperatorError,),
    )
    await users_dialogs.hand_over(found.name, issued)
    return True


async def _lock(visit: Visit, found: view.One) -> bool:
    word = "即时生效：其会话结束，启用之前不能登录。"
    if not await confirm(f"停用 {found.name}？", word, "停用", danger=True):
        return False
    await visit.do(
        Act.USERS_LOCK,
        lambda store, now: operators_admin.lock(store, by(visit), found.name, now),
        refusals=(OperatorError,),
    )
    visit.say(f"{found.name} 已停用")
    return True


async def _unlock(visit: Visit, found: view.One) -> bool:
    await visit.do(
        Act.USERS_LOCK,
        lambda store, now: operators_admin.unlock(store, by(visit), found.name, now),
        refusals=(OperatorError,),
    )
    visit.say(f"{found.name} 已启用")
    return True


async def _end_sessions(visit: Visit, found: view.One) -> bool:
    word = "其打开的页面随即不能再用，须重新登录。"
    if not await confirm(f"结束 {found.name} 的全部会话？", word, "结束", danger=True):
        return False
    ended = await visit.do(
        Act.USERS_LOCK,
        lambda store, now: operators_admin.end_sessions(store, by(visit), found.name, now),
        refusals=(OperatorError,),
    )
    visit.say(f"已结束 {ended} 个会话")
    return True
