"""Dialogs about operators' accounts (操作员账户): a new one, a role, what is handed over once."""

from __future__ import annotations

from nicegui import ui

from nenghao.console.dialogs import show_once
from nenghao.console.pages.health_table import discard
from nenghao.console.parts import notice, text
from nenghao.console.views import users_qr
from nenghao.console.visit import Visit
from nenghao.platform import operators_admin
from nenghao.platform.operators import OperatorError, Policy
from nenghao.platform.operators_admin import By, Issued
from nenghao.platform.permissions import Act, Role

WORD = "以上只显示这一次，请经安全途径交给本人，不要留存。"
TAKE_AWAY = "none"
_ROLES = {role.value: role.label for role in Role}
_QR_SIDE = "14rem"


def by(visit: Visit) -> By:
    """Who acts, for the services."""
    return By(visit.session, visit.address)


async def add(visit: Visit) -> bool:
    """A new account; its first password is shown. Whether one was made."""
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text("建立账户", "h2")
        text("授予角色之前不能登录；角色由安全管理员授予，自己不能给自己。", "p", "dull")
        name = ui.input(label="用户名").props("autofocus outlined maxlength=40")
        full_name = ui.input(label="姓名").props("outlined maxlength=40")
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(None)).props("flat")

            async def make() -> None:
                scheme = Policy.of(visit.settings).scheme
                called, whole = (name.value or "").strip(), (full_name.value or "").strip()
                password = await visit.do(
                    Act.USERS_ADD,
                    lambda store, now: operators_admin.add(
                        store, by(visit), called, whole, now, scheme=scheme
                    ),
                    refusals=(OperatorError,),
                )
                dialog.submit((called, password))

            ui.button("建立", on_click=make)
    made = await dialog
    discard(dialog)
    if made is None:
        return False
    await show_once(
        "账户已建立", {"用户名": made[0], "初始口令": made[1]}, f"{WORD}首次登录须修改口令。"
    )
    return True


async def grant(visit: Visit, name: str, present: Role | None, unit: str) -> bool:
    """Another role for this operator; his authenticator is shown. Whether one was granted."""
    options = {**_ROLES, **({TAKE_AWAY: "收回角色"} if present is not None else {})}
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text(f"授予 {name} 角色", "h2")
        text("取代原有的角色，其会话随之结束。", "p", "dull")
        chosen = ui.select(options, label="角色", value=present.value if present else None)
        chosen.props("outlined")
        code = ui.input(label="所属用能单位的统一社会信用代码", value=unit)
        code.props("outlined maxlength=18")
        with_totp = ui.checkbox("用动态口令登录", value=True)
        code.bind_visibility_from(chosen, "value", lambda role: role == Role.UNIT.value)
        if Policy.of(visit.settings).totp:  # else everybody may go without
            with_totp.bind_visibility_from(chosen, "value", lambda role: role == Role.UNIT.value)
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(None)).props("flat")

            async def give() -> None:
                if chosen.value is None:
                    visit.warn("请选择角色")
                    return
                role = None if chosen.value == TAKE_AWAY else Role(chosen.value)
                dialog.submit(await _granted(visit, name, role, code.value or "", with_totp.value))

            go = ui.button("授予", on_click=give)
            go.bind_text_from(chosen, "value", lambda role: "收回" if role == TAKE_AWAY else "授予")
    issued: Issued | None = await dialog
    discard(dialog)
    if issued is None:
        return False
    if issued != Issued():
        await hand_over(name, issued)
    visit.say(f"{name} 的角色已改")
    return True


async def _granted(
    visit: Visit, name: str, role: Role | None, unit: str, with_totp: bool
) -> Issued:
    master, policy = visit.home.master_key(), Policy.of(visit.settings)
    return await visit.do(
        Act.USERS_GRANT,
        lambda store, now: operators_admin.grant(
            store,
            by(visit),
            name,
            role,
            now,
            master=master,
            unit=unit.strip() if role is Role.UNIT else "",
            with_totp=with_totp,
            policy=policy,
        ),
        refusals=(OperatorError,),
    )


async def hand_over(name: str, issued: Issued) -> None:
    """Show the authenticator's secret, also as a QR code, or the activation code, once."""
    if issued.activation:
        word = f"{WORD}首次登录时填在动态口令一栏，连同初始口令使用。"
        await show_once(f"{name} 的激活码", {"激活码": issued.activation}, word)
        return
    with ui.dialog().props("persistent") as dialog, ui.card().classes("dialog"):
        text(f"{name} 的动态口令", "h2")
        text("请本人用验证器（TOTP，6 位，30 秒）扫描二维码，或输入密钥。", "p")
        _code(issued.uri)
        for label, value in (("密钥", issued.secret), ("otpauth 地址", issued.uri)):
            ui.input(label=label, value=value).props("readonly outlined").classes("secret")
        notice(WORD, "warn")
        with ui.element("div").classes("toolbar right"):
            ui.button("已妥善保存，关闭", on_click=lambda: dialog.submit(True))
    await dialog
    discard(dialog)


def _code(uri: str) -> None:
    """The QR code, black on white whatever the theme: readers want it so."""
    data, side = users_qr.path(users_qr.matrix(uri))
    picture = ui.element("svg").props(f'viewBox="0 0 {side} {side}" role=img')
    picture.props('aria-label="二维码：动态口令的密钥" shape-rendering=crispEdges')
    picture.style(
        f"width:{_QR_SIDE};height:{_QR_SIDE};background:#fff;display:block;margin:.6rem 0"
    )
    with picture:
        ui.element("path").props(f'd="{data}" fill=#000')
