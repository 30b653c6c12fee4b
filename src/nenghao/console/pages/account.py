"""The page of one's own account (我的账户): one's password, one's sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.page import Group, page
from nenghao.console.parts import facts, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import users as view
from nenghao.console.visit import Visit
from nenghao.platform import operators, sessions
from nenghao.platform.operators import LoginRefused, OperatorError, Policy
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store


@page(
    "/account", "我的账户", Act.OWN_ACCOUNT, group=Group.SECURITY, icon="manage_accounts", order=50
)
async def account(visit: Visit, state: State) -> None:
    """One's own account."""
    session = visit.session
    facts(
        {
            "用户名": session.name,
            "姓名": session.full_name,
            "角色": session.role.label,
            "用能单位": session.unit,
            "本次登录": f"{session.created_at:{view.TIME}}，来自 {session.address or '本机'}",
            "最迟结束": f"{session.expires_at:{view.TIME}}",
        }
    )
    with section("会话"):
        seats = ui.element("div")

    async def show() -> None:
        now = visit.now()
        found = await visit.ask(
            Act.OWN_ACCOUNT, lambda conn: view.seats(conn, session.name, now, visit.session)
        )
        seats.clear()
        with seats:
            _seats(found)
            if any(not one.is_own for one in found):
                ui.button("结束其他会话", on_click=end).props("outline")

    async def end() -> None:
        word = "在别处打开的页面随即不能再用；本页不受影响。"
        if await confirm("结束其他会话？", word, "结束", danger=True):
            ended = await visit.do(
                Act.OWN_ACCOUNT,
                lambda store, now: sessions.end_others(store, visit.session, now, visit.address),
            )
            visit.say(f"已结束 {ended} 个会话")
            await show()

    await show()
    with section("改口令"):
        _password(visit, show)


def _seats(found: list[view.Seat]) -> None:
    rows = [
        (
            f"{one.address}（本页）" if one.is_own else one.address,
            one.created_at,
            one.seen_at,
            one.expires_at,
        )
        for one in found
    ]
    plain_table(("地址", "登录", "最近使用", "最迟结束"), rows, "我的会话")


def _password(visit: Visit, changed: Callable[[], Awaitable[None]]) -> None:
    text(
        f"口令为 {operators.LEAST_PASSWORD} 至 {operators.MOST_PASSWORD} 个字符，含大写字母、"
        "小写字母、数字、其他字符中的至少三种，不含用户名。改后其他会话随之结束。",
        "p",
        "dull",
    )

    def field(label: str, hint: str) -> ui.input:
        made = ui.input(label=label, password=True, password_toggle_button=True)
        return made.props(f"outlined maxlength=128 autocomplete={hint}").style(
            "max-width:26rem;margin-bottom:.6rem"
        )

    old = field("原口令", "current-password")
    new = field("新口令", "new-password")
    again = field("再输入一次新口令", "new-password")
    problem = text("", "p", "bad-text").props("aria-live=polite")

    def judge() -> None:
        wrong = operators.objection(new.value or "", visit.session.name) if new.value else ""
        if not wrong and again.value and again.value != new.value:
            wrong = "两次输入的新口令不同"
        problem.text = wrong

    for one in (new, again):
        one.props("debounce=200").on_value_change(judge)

    async def change() -> None:
        if new.value != again.value:
            problem.text = "两次输入的新口令不同"
            return
        given, wanted = old.value or "", new.value or ""

        def work(store: Store, now: datetime) -> None:
            try:
                operators.change_password(
                    store,
                    visit.session,
                    given,
                    wanted,
                    visit.address,
                    now,
                    policy=Policy.of(visit.settings),
                )
            except LoginRefused:
                raise OperatorError("原口令不正确；多次错误会锁定账户") from None

        await visit.do(Act.OWN_ACCOUNT, work, refusals=(OperatorError,))
        for one in (old, new, again):
            one.value = ""
        visit.say("口令已改，其他会话已结束")
        await changed()

    ui.button("改口令", on_click=change)
