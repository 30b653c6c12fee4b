"""The way in and out (登录、退出、改口令): plain pages without scripts, for who is nobody yet.

NiceGUI sees nobody who has not logged in. Every failed login is answered with the same words
(`operators.login`); the reason stands in the audit trail.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from nenghao.console.visit import Office
from nenghao.platform import operators, sessions
from nenghao.platform.operators import LoginRefused, OperatorError, Policy
from nenghao.platform.sessions import Session

COOKIE: Final = "__Host-nenghao"
"""The session's token: never readable by scripts, never sent for another site's request."""
PRODUCT: Final = "能耗在线监测"
_LONGEST: Final = 200
_TOTP: Final = "动态口令（6 位），或首次登录的激活码"


def page_of(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A small page; `body` is markup with its texts escaped."""
    return HTMLResponse(
        "<!doctype html><html lang='zh-CN'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)} · {PRODUCT}</title>"
        "<link rel='icon' href='/static/icon.svg'>"
        "<link rel='stylesheet' href='/static/console.css'></head>"
        f"<body class='entrance'><main>{body}</main></body></html>",
        status,
    )


def login_page(trouble: str = "", target: str = "", status: int = 200) -> HTMLResponse:
    """Name, password, one-time code."""
    return page_of(
        "登录",
        "<form class='login' method='post' action='/login'>"
        f"<h1>{PRODUCT}</h1><p class='dull'>重点用能单位能耗在线监测大数据分析平台</p>"
        f"{_trouble(trouble)}"
        f"{_field('用户名', 'name', 'text', 'username', focus=True)}"
        f"{_field('口令', 'password', 'password', 'current-password')}"
        f"{_field(_TOTP, 'totp', 'text', 'one-time-code', required=False)}"
        f"<input type='hidden' name='next' value='{escape(target)}'>"
        "<button>登录</button></form>",
        status,
    )


def password_page(session: Session, trouble: str = "", status: int = 200) -> HTMLResponse:
    """One's own password, as it must be changed before anything else."""
    why = "<p>首次登录，或口令已被重置：请先设置自己的口令。</p>" if session.must_change else ""
    return page_of(
        "修改口令",
        "<form class='login' method='post' action='/password'>"
        f"<h1>修改口令</h1>{why}<p class='dull'>至少 12 个字符，大写、小写、数字、其他中"
        f"至少三种，不含用户名。</p>{_trouble(trouble)}"
        f"{_field('原口令', 'old', 'password', 'current-password', focus=True)}"
        f"{_field('新口令', 'new', 'password', 'new-password')}"
        f"{_field('再次输入新口令', 'again', 'password', 'new-password')}"
        "<button>保存</button></form>"
        "<form method='post' action='/logout'><button class='quiet'>退出登录</button></form>",
        status,
    )


def refused_page(session: Session, reason: str) -> HTMLResponse:
    """What who may not see a page sees in its place."""
    return page_of(
        "无权访问",
        f"<div class='login'><h1>无权访问</h1>{_trouble(reason)}"
        f"<p>您以“{escape(session.name)}”（{escape(session.role.label)}）登录。此次访问已记入审计。</p>"
        "<p><a href='/'>返回首页</a></p></div>",
        403,
    )


def trouble_page(reason: str, status: int) -> HTMLResponse:
    """A request that goes no further."""
    return page_of(
        "不能受理", f"<div class='login'><h1>不能受理</h1>{_trouble(reason)}</div>", status
    )


async def login(request: Request, office: Office, address: str) -> Response:
    """Take a login; on to where the visitor wanted to go."""
    form = await request.form()
    target = local(_text(form, "next"))
    settings = office.home.settings
    try:
        session = await asyncio.to_thread(
            operators.login,
            office.store,
            _text(form, "name"),
            _text(form, "password", strip=False),
            _text(form, "totp"),
            address,
            office.clock(),
            master=office.home.master_key(),
            policy=Policy.of(settings),
        )
    except LoginRefused as error:
        return login_page(str(error), target, 403)
    answer = RedirectResponse("/password" if session.must_change else target or "/", 303)
    answer.set_cookie(
        COOKIE, session.token, path="/", secure=True, httponly=True, samesite="strict"
    )
    return answer


async def change_password(
    request: Request, office: Office, session: Session, address: str
) -> Response:
    """Take a new password; all other sessions of the operator end."""
    form = await request.form()
    new = _text(form, "new", strip=False)
    if new != _text(form, "again", strip=False):
        return password_page(session, "两次输入的新口令不一致", 422)
    try:
        await asyncio.to_thread(
            operators.change_password,
            office.store,
            session,
            _text(form, "old", strip=False),
            new,
            address,
            office.clock(),
            policy=Policy.of(office.home.settings),
        )
    except (OperatorError, LoginRefused) as error:
        return password_page(session, str(error), 422)
    return RedirectResponse("/", 303)


async def logout(office: Office, session: Session | None, address: str) -> Response:
    """End the session and forget it in the browser."""
    if session is not None:
        await asyncio.to_thread(sessions.end, office.store, session, office.clock(), address)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer


def local(target: str) -> str:
    """An address of our own; "" for whatever would lead elsewhere."""
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc else target


def _text(form: FormData, key: str, *, strip: bool = True) -> str:
    value = form.get(key)
    if not isinstance(value, str) or len(value) > _LONGEST * 10:
        return ""
    return value.strip() if strip else value


def _field(
    label: str, name: str, kind: str, complete: str, *, focus: bool = False, required: bool = True
) -> str:
    flags = (" autofocus" if focus else "") + (" required" if required else "")
    return (
        f"<label>{escape(label)}<input name='{name}' type='{kind}' autocomplete='{complete}'"
        f" maxlength='{_LONGEST}'{flags}></label>"
    )


def _trouble(text: str) -> str:
    return f"<p class='notice bad' role='alert'>{escape(text)}</p>" if text else ""
