"""Forms of an account (账户): made, limited, given new keys, locked. Secrets are shown once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from nicegui import ui
from sqlalchemy import Connection

from nenghao.console.dialogs import confirm, show_once
from nenghao.console.pages.devices_parts import number, whole
from nenghao.console.parts import notice, text
from nenghao.console.state import State
from nenghao.console.views.partners import CIPHERS, Partner
from nenghao.console.visit import Visit
from nenghao.platform import accounts
from nenghao.platform.accounts import AccountError, Issued, Scope
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.security.sealing import SealingError
from nenghao.standard.messages.exchange_interfaces import INTERFACES

T = TypeVar("T")
Choices = tuple[dict[str, str], dict[str, str]]
"""Regions and industries by code."""
ONCE = "以上密钥和口令只显示这一次，平台不再给出。请经安全途径交给对方。"
PLAIN_OFF = "设置项 allow_nonconforming_plain_exchange 未打开，明文请求仍会被拒绝。"


@dataclass
class Limits:
    """The fields of what an account may do."""

    interfaces: ui.select
    region: ui.select
    industries: ui.select
    rate: ui.number
    plain: ui.checkbox

    def scope(self) -> Scope:
        """What stands in them."""
        return Scope(
            tuple(self.interfaces.value or ()),
            str(self.region.value or ""),
            tuple(self.industries.value or ()),
        )


def adding(visit: Visit, choices: Choices) -> None:
    """The form of a new account."""
    with ui.element("div").classes("toolbar"):
        user = ui.input(label="用户名").props("outlined dense maxlength=40").classes("grow")
        app_id = ui.input(label="appId，字母、数字或 . _ -").props("outlined dense maxlength=64")
        cipher = ui.select(dict(CIPHERS), label="加密方式", value=next(iter(CIPHERS)))
        cipher.props("outlined dense").classes("grow")
    limits = _limits(visit, choices, Scope(), accounts.REQUESTS_PER_MINUTE, plain=False)

    def change(conn: Connection, now: datetime) -> Issued:
        return accounts.add(
            conn,
            visit.home.master_key(),
            user_name=str(user.value or "").strip(),
            app_id=str(app_id.value or "").strip(),
            now=now,
            scope=limits.scope(),
            plain=bool(limits.plain.value),
            cipher=cipher.value,
            requests_per_minute=whole(limits.rate),
            scheme=visit.settings.exchange_password_scheme,
        )

    async def add() -> None:
        issued = await _do(visit, change)
        await _hand_over(visit, "账户已建立", issued)

    ui.button("建立账户", icon="add", on_click=add)


def limiting(visit: Visit, found: Partner, choices: Choices) -> None:
    """The form of another scope; in force at once."""
    scope = Scope(found.interfaces, found.region, found.industries)
    limits = _limits(visit, choices, scope, found.rate, plain=found.plain)

    def change(conn: Connection, now: datetime) -> str:
        changed = accounts.limit(
            conn,
            found.user_name,
            now,
            scope=limits.scope(),
            plain=bool(limits.plain.value),
            requests_per_minute=whole(limits.rate),
        )
        return accounts.described(changed.scope)

    async def limit() -> None:
        said = await _do(visit, change)
        visit.say(f"范围已改变，即时生效：{said}")
        _again(visit, found.user_name)

    ui.button("保存范围", icon="save", on_click=limit)


def rotating(visit: Visit, found: Partner) -> None:
    """A new key beside the old one, and the end of the old one."""
    text(
        "新密钥产生后，原来的密钥仍有效，对方可以不停顿地换用；换好以后再停用旧密钥。", "p", "dull"
    )

    async def rotate(*, password: bool) -> None:
        what = "新密钥和新口令，旧口令立即失效" if password else "新密钥"
        if not await confirm(
            "换密钥", f"为 {found.user_name} 产生{what}。{_dropped(found)}", act="产生"
        ):
            return
        issued = await _do(
            visit,
            lambda conn, now: accounts.rotate(
                conn,
                visit.home.master_key(),
                found.user_name,
                now,
                password=password,
                scheme=visit.settings.exchange_password_scheme,
            ),
        )
        await _hand_over(visit, "新密钥", issued)

    async def finish() -> None:
        old = "、".join(found.kids[:-1])
        if not await confirm(
            "停用旧密钥",
            f"{old} 即时停用；对方仍用它的请求会被拒绝。请先确认对方已换用 {found.kids[-1]}。",
            act="停用旧密钥",
            danger=True,
        ):
            return
        gone = await _do(visit, lambda conn, now: accounts.retire(conn, found.user_name, now))
        visit.say(f"已停用密钥 {'、'.join(gone) or '（无）'}")
        _again(visit, found.user_name)

    with ui.element("div").classes("toolbar"):
        ui.button("产生新密钥", on_click=lambda: rotate(password=False))
        ui.button("产生新密钥和新口令", on_click=lambda: rotate(password=True)).props("outline")
        if len(found.kids) > 1:
            ui.button("停用旧密钥", on_click=finish).props("outline color=negative")


def locking(visit: Visit, found: Partner) -> None:
    """Locked at once, or opened again."""

    async def lock() -> None:
        if await confirm(
            "停用账户",
            f"{found.user_name} 的请求从现在起全部被拒绝，直到重新启用。",
            act="停用账户",
            danger=True,
            typed=found.user_name,
        ):
            await _do(visit, lambda conn, now: accounts.lock(conn, found.user_name, now))
            visit.say(f"{found.user_name} 已停用")
            _again(visit, found.user_name)

    async def unlock() -> None:
        if await confirm("启用账户", f"{found.user_name} 可以重新调用接口。", act="启用账户"):
            await _do(visit, lambda conn, now: accounts.unlock(conn, found.user_name, now))
            visit.say(f"{found.user_name} 已启用")
            _again(visit, found.user_name)

    with ui.element("div").classes("toolbar"):
        if found.locked_at is not None or found.locked_until is not None:
            ui.button("启用账户", on_click=unlock)
        if found.locked_at is None:
            ui.button("停用账户", on_click=lock).props("outline color=negative")


def _limits(visit: Visit, choices: Choices, scope: Scope, rate: int, *, plain: bool) -> Limits:
    regions, industries = choices
    titles = {name: f"{one.title}（{name}）" for name, one in INTERFACES.items()}
    with ui.element("div").classes("toolbar"):
        allowed = (
            ui.select(titles, label="接口，不选为全部", value=list(scope.interfaces), multiple=True)
            .props("outlined dense use-chips")
            .classes("grow")
        )
        places = {"": "不限"} | regions | _missing(regions, (scope.region,))
        region = ui.select(places, label="行政区划及其下级", value=scope.region, with_input=True)
        region.props("outlined dense").classes("grow")
    with ui.element("div").classes("toolbar"):
        industry = (
            ui.select(
                industries | _missing(industries, scope.industries),
                label="行业及其下级，不选为全部",
                value=list(scope.industries),
                multiple=True,
                with_input=True,
            )
            .props("outlined dense use-chips")
            .classes("grow")
        )
        per_minute = number("每分钟至多的请求数", rate, 1, 1_000_000)
        in_plain = ui.checkbox("允许明文请求（不符合标准 7.1）", value=plain)
    if not visit.settings.allow_nonconforming_plain_exchange:
        warning = notice(PLAIN_OFF, "warn")
        warning.bind_visibility_from(in_plain, "value")
    return Limits(allowed, region, industry, per_minute, in_plain)


def _missing(known: dict[str, str], codes: tuple[str, ...]) -> dict[str, str]:
    return {code: code for code in codes if code and code not in known}


def _dropped(found: Partner) -> str:
    if len(found.kids) < 2:
        return f"现有的 {'、'.join(found.kids)} 仍有效。"
    return f"{found.kids[-1]} 仍有效，{'、'.join(found.kids[:-1])} 即时停用。"


async def _do(visit: Visit, change: Callable[[Connection, datetime], T]) -> T:
    def work(store: Store, now: datetime) -> T:
        with store.write() as conn:
            return change(conn, now)

    return await visit.do(Act.PARTNERS_EDIT, work, refusals=(AccountError, SealingError))


async def _hand_over(visit: Visit, title: str, issued: Issued) -> None:
    given = {
        "用户名 userName": issued.user_name,
        "appId": issued.app_id,
        "密钥标识 kid": issued.kid,
        "密钥 key": issued.key.hex(),
    }
    if issued.password:
        given["口令 password"] = issued.password
    await show_once(title, given, ONCE)
    _again(visit, issued.user_name)


def _again(visit: Visit, user_name: str) -> None:
    visit.go(State.link("/partners/account", name=user_name))
