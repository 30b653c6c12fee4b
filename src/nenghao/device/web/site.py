"""The application: which path leads where, who may come in, how answers are written.

Every page but the login needs a session, and every POST the token of a form that this visitor was
shown. Pages are plain functions of the desk and the visit; they run in the agent's loop, between
its other work, so none of them may take long.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Final
from urllib.parse import quote, urlsplit

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from nenghao.device.web import guard, layout
from nenghao.device.web.access import Access, Session, new_cookie
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import tag
from nenghao.device.web.pages import (
    calendar,
    certificate,
    live,
    log_page,
    manual,
    mapping,
    queue,
    sources,
)
from nenghao.device.web.visit import Answer, Form, Moved, Page, Visit, read_form

log = structlog.get_logger()

View = Callable[[Desk, Visit], Answer]

SHOWN: Final[dict[str, View]] = {
    "/": live.show,
    "/sources": sources.show,
    "/queue": queue.show,
    "/queue/{number:int}": queue.show_batch,
    "/calendar": calendar.show,
    "/calendar/{code}/{day}": calendar.show_day,
    "/manual": manual.show,
    "/mapping": mapping.show,
    "/mapping/edit": mapping.edit,
    "/certificate": certificate.show,
    "/log": log_page.show,
}
"""What GET shows."""

DONE: Final[dict[str, View]] = {
    "/queue/pause": queue.pause,
    "/queue/resume": queue.resume,
    "/queue/send": queue.send,
    "/queue/{number:int}/retry": queue.retry,
    "/queue/{number:int}/discard": queue.discard,
    "/manual": manual.enter,
    "/mapping/edit": mapping.preview,
    "/mapping/save": mapping.save,
    "/mapping/remove": mapping.remove,
}
"""What POST does."""

STATIC: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class _Site:
    def __init__(self, desk: Desk, port: int, seconds: Callable[[], float]) -> None:
        self._desk = desk
        self._access = Access(desk.home.root)
        self._cookie = f"nenghao-{port}"  # cookies know no ports: homes must not share one
        self._seconds = seconds
        folder = resources.files(__package__).joinpath("static")
        self._static = {name: folder.joinpath(name).read_bytes() for name in STATIC}

    def routes(self) -> list[Route]:
        """Every path of the site."""
        paths = {path: self._endpoint(SHOWN.get(path), DONE.get(path)) for path in SHOWN | DONE}
        return [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/static/{name}", self._file, methods=["GET"]),
            *(Route(path, endpoint, methods=_methods(path)) for path, endpoint in paths.items()),
        ]

    # --- in and out -------------------------------------------------------------------------------

    async def _login(self, request: Request) -> Response:
        known = request.cookies.get(self._cookie, "")
        seconds = self._seconds()
        if self._access.session(known, seconds) is not None:
            return RedirectResponse("/", 303)
        if request.method == "POST":
            form = await _form(request)
            if not self._access.is_token(form.text("token"), known):
                return self._ask(request, "登录页已过期，请再试一次", 403)
            return await self._admit(request, form.fields.get("password", ""), seconds)
        return self._ask(request)

    async def _admit(self, request: Request, password: str, seconds: float) -> Response:
        if wait := self._access.wait(seconds):
            return self._ask(request, f"密码错误次数过多，请 {int(wait) + 1} 秒后再试", 429)
        if not await asyncio.to_thread(self._access.check, password, seconds):
            log.warning("现场页面登录失败")
            return self._ask(request, "密码错误", 403)
        log.info("现场页面登录")
        answer = RedirectResponse(_inside(request.query_params.get("next", "/")), 303)
        self._give_cookie(answer, self._access.begin(seconds))
        return answer

    def _ask(self, request: Request, trouble: str = "", status: int = 200) -> Response:
        """The login page, with a fresh cookie for who has none."""
        cookie = request.cookies.get(self._cookie, "") or new_cookie()
        if self._access.has_password():
            token = self._access.token(cookie)
            # password managers want to know whose password it is
            who = tag("input", type="text", name="username", value="现场", autocomplete="username",
                      readonly=True, hidden=True)  # fmt: skip
            box = layout.field(
                "密码", "password", type="password", autocomplete="current-password",
                autofocus=True, required=True,
            )  # fmt: skip
            target = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
            body = layout.form(target, token, who, box, tag("button", "登录", type="submit"))
        else:
            command = f"nenghao device page-password --home {self._desk.home.root}"
            body = tag("p", "尚未设置本页密码，请在端设备上运行：", tag("pre", command))
        told = tag("p", trouble, class_="trouble", role="alert") if trouble else None
        text = layout.document(
            "登录",
            tag("div", tag("h2", self._desk.unit.name), told, body, class_="login"),
            unit=self._desk.unit.name,
            token="",  # nobody is logged in  # nosec B106
        )
        answer = HTMLResponse(text, status)
        self._give_cookie(answer, cookie)
        return answer

    async def _logout(self, request: Request) -> Response:
        cookie = request.cookies.get(self._cookie, "")
        form = await _form(request)
        if self._access.is_token(form.text("token"), cookie):
            self._access.end(cookie)
        return RedirectResponse("/login", 303)

    def _give_cookie(self, answer: Response, value: str) -> None:
        answer.set_cookie(self._cookie, value, path="/", httponly=True, samesite="strict")

    # --- pages ------------------------------------------------------------------------------------

    def _endpoint(
        self, show: View | None, do: View | None
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            fragment = "x-fragment" in request.headers
            cookie = request.cookies.get(self._cookie, "")
            session = self._access.session(cookie, self._seconds(), visit=not fragment)
            if session is None:
                return _to_login(request, fragment)
            view, form = show, Form()
            if request.method == "POST":
                view, form = do, await _form(request)
                if not self._access.is_token(form.text("token"), cookie):
                    return self._written(request, session, cookie, _forged())
            if view is None:
                raise HTTPException(405)
            visit = Visit(
                now=self._desk.now(),
                path={name: str(value) for name, value in request.path_params.items()},
                query=_query(request),
                form=form,
                token=self._access.token(cookie),
            )
            answer = self._answered(view, visit)
            if isinstance(answer, Moved):
                session.notices += [answer.notice] if answer.notice else []
                return RedirectResponse(answer.to, 303)
            return self._written(request, session, cookie, answer)

        return endpoint

    def _answered(self, view: View, visit: Visit) -> Answer:
        try:
            return view(self._desk, visit)
        except sqlite3.Error as error:
            log.error("现场页面无法使用数据库", reason=str(error))
            return Page("暂时无法显示", tag("p", f"数据库暂时无法使用：{error}"), status=503)
        except Exception as error:
            log.exception("现场页面出错", exc_info=error)
            return Page("本页出错", tag("p", "原因已写入日志；采集和上传不受影响。"), status=500)

    def _written(self, request: Request, session: Session, cookie: str, page: Page) -> Response:
        if "x-fragment" in request.headers:
            return HTMLResponse(page.body, page.status)
        notices, session.notices = session.notices, []
        text = layout.document(
            page.title,
            page.body,
            unit=self._desk.unit.name,
            token=self._access.token(cookie),
            path=request.url.path,
            notices=notices,
            refresh=page.refresh,
        )
        return HTMLResponse(text, page.status)

    async def _file(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in self._static:
            raise HTTPException(404)
        return Response(self._static[name], media_type=STATIC[name])

    async def missing(self, request: Request, error: Exception) -> Response:
        """What is answered where nothing is."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        cookie = request.cookies.get(self._cookie, "")
        token = self._access.token(cookie) if self._access.session(cookie, self._seconds()) else ""
        body = tag("p", layout.link("回到首页", "/"))
        title = {404: "没有这个页面", 405: "不支持的请求方法"}.get(status, "请求无法处理")
        return HTMLResponse(
            layout.document(title, body, unit=self._desk.unit.name, token=token), status
        )


def site(desk: Desk, port: int, seconds: Callable[[], float] = time.monotonic) -> guard.Guard:
    """The whole page as an ASGI application; `seconds` is the clock of sessions."""
    made = _Site(desk, port, seconds)
    return guard.Guard(
        Starlette(routes=made.routes(), exception_handlers={HTTPException: made.missing})
    )


def _methods(path: str) -> list[str]:
    return [method for method, views in (("GET", SHOWN), ("POST", DONE)) if path in views]


def _forged() -> Page:
    text = "表单已过期，或不是从本页面提交的。请返回后重新填写。"
    return Page("未执行", tag("p", text, class_="trouble"), status=403)


def _to_login(request: Request, fragment: bool) -> Response:
    if fragment:
        return PlainTextResponse("请重新登录", 401)
    path = request.url.path if request.method == "GET" else "/"
    return RedirectResponse("/login" if path == "/" else f"/login?next={quote(path)}", 303)


def _inside(path: str) -> str:
    """A path of this site that somebody may be led to after the login."""
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if ours and path.isprintable() else "/"


def _query(request: Request) -> Form:
    try:
        return read_form(request.scope["query_string"])
    except (ValueError, UnicodeDecodeError):
        return Form()


async def _form(request: Request) -> Form:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > guard.BODY_LIMIT:
            raise HTTPException(413)
    try:
        return read_form(body)
    except ValueError:
        raise HTTPException(400) from None
