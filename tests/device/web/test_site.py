"""Nobody sees or does anything without the password, a form of ours, and a name of the loopback."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from nenghao.device.web import access, guard
from nenghao.device.web.site import DONE, SHOWN, STATIC
from tests.device.web.desks import NOW, PASSWORD, URL, Browser, Visitors
from tests.device.world import ELECTRICITY, put_days

GETS = [
    path.replace("{number:int}", "1").replace("{code}", ELECTRICITY).replace("{day}", "2026-03-02")
    for path in SHOWN
]
POSTS = [path.replace("{number:int}", "1") for path in DONE]


@pytest.fixture
def filled(visitors: Visitors) -> Visitors:
    put_days(visitors.world.store, date(2026, 3, 1), 3, NOW)
    visitors.world.configure()
    return visitors


@pytest.mark.parametrize("path", GETS)
def test_without_a_login_every_page_leads_to_it(filled: Visitors, path: str) -> None:
    async def work(browser: Browser) -> None:
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        assert answer.text == ""
        fragment = await browser.get(path, **{"X-Fragment": "1"})
        assert (fragment.status_code, fragment.text) == (401, "请重新登录")

    filled.visit(work, login=False)


@pytest.mark.parametrize("path", POSTS)
def test_without_a_login_nothing_is_done(filled: Visitors, path: str) -> None:
    async def work(browser: Browser) -> None:
        token = await browser.token("/login")
        answer = await browser.client.post(path, data={"token": token})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login"

    filled.visit(work, login=False)
    assert not filled.device.paused
    assert filled.device.sent == 0


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "0" * 64, "汉字"])
def test_without_a_token_of_ours_nothing_is_done(filled: Visitors, path: str, token: str) -> None:
    async def work(browser: Browser) -> httpx.Response:
        return await browser.client.post(
            path, data={"token": token, "x": "1"} if token else {"x": "1"}
        )

    answer = filled.visit(work)
    assert answer.status_code == 403
    assert "表单已过期" in answer.text
    assert not filled.device.paused
    assert filled.device.sent == 0


def test_the_token_of_another_visitor_is_no_good(filled: Visitors) -> None:
    async def work(browser: Browser) -> int:
        theirs = await browser.token("/queue")
        browser.client.cookies.clear()
        await browser.log_in()
        return (await browser.client.post("/queue/pause", data={"token": theirs})).status_code

    assert filled.visit(work) == 403


@pytest.mark.parametrize("path", [*GETS, "/login", "/static/page.css", "/nowhere"])
def test_a_foreign_host_gets_nothing(filled: Visitors, path: str) -> None:
    async def work(browser: Browser) -> None:
        for host in ("evil.example", "127.0.0.1.evil.example:8080", "10.0.0.7:8080"):
            answer = await browser.get(path, Host=host)
            assert answer.status_code == 421
            assert "示例" not in answer.text

    filled.visit(work)


def test_a_form_from_another_site_is_refused_even_with_its_token(filled: Visitors) -> None:
    async def work(browser: Browser) -> int:
        token = await browser.token("/queue")
        answer = await browser.client.post(
            "/queue/pause", data={"token": token}, headers={"Origin": "http://evil.example"}
        )
        return answer.status_code

    assert filled.visit(work) == 403
    assert not filled.device.paused


@pytest.mark.parametrize("path", [*GETS, "/login", "/nowhere", *(f"/static/{n}" for n in STATIC)])
def test_every_answer_forbids_what_is_not_ours(filled: Visitors, path: str) -> None:
    async def work(browser: Browser) -> None:
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        for name, value in guard.HEADERS.items():
            assert answer.headers[name] == value
        assert "server" not in answer.headers

    filled.visit(work)


def test_the_cookie_is_for_this_page_alone(filled: Visitors) -> None:
    async def work(browser: Browser) -> str:
        token = await browser.token("/login")
        answer = await browser.client.post("/login", data={"token": token, "password": PASSWORD})
        return answer.headers["set-cookie"]

    cookie = filled.visit(work, login=False)
    assert cookie.startswith("nenghao-8080=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Domain" not in cookie


def test_logging_in_changes_the_cookie_and_logging_out_ends_it(filled: Visitors) -> None:
    async def work(browser: Browser) -> None:
        await browser.get("/login")
        before = browser.client.cookies["nenghao-8080"]
        await browser.log_in()
        inside = browser.client.cookies["nenghao-8080"]
        assert inside != before
        assert (await browser.get("/")).status_code == 200
        assert (await browser.post("/logout")).headers["location"] == "/login"
        assert (await browser.get("/")).status_code == 303

    filled.visit(work, login=False)


def test_a_wrong_password_is_told_and_many_make_wait(filled: Visitors) -> None:
    async def work(browser: Browser) -> None:
        for _ in range(access.FREE_ATTEMPTS):
            answer = await browser.post("/login", {"password": "wrong"}, page="/login")
            assert answer.status_code == 403
            assert "密码错误" in answer.text
        answer = await browser.post("/login", {"password": PASSWORD}, page="/login")
        assert answer.status_code == 429
        assert "秒后再试" in answer.text
        filled.seconds.value += access.LONGEST_WAIT
        await browser.log_in()

    filled.visit(work, login=False)


def test_after_the_login_one_is_where_one_wanted_to_go_and_never_elsewhere(
    filled: Visitors,
) -> None:
    async def work(browser: Browser) -> list[str]:
        places = []
        for target in ("/queue", "//evil.example", "https://evil.example", "/\\evil.example", ""):
            browser.client.cookies.clear()
            token = await browser.token("/login")
            answer = await browser.client.post(
                "/login", params={"next": target}, data={"token": token, "password": PASSWORD}
            )
            places.append(answer.headers["location"])
        return places

    assert filled.visit(work, login=False) == ["/queue", "/", "/", "/", "/"]


def test_a_session_ends_by_itself(filled: Visitors) -> None:
    async def work(browser: Browser) -> None:
        filled.seconds.value += access.IDLE_SECONDS + 1
        assert (await browser.get("/")).status_code == 303

    filled.visit(work)


def test_without_a_password_the_page_says_how_to_set_one(filled: Visitors) -> None:
    async def work(browser: Browser) -> None:
        (filled.world.home.root / access.FILE_NAME).unlink()
        answer = await browser.get("/login")
        assert "nenghao device page-password --home" in answer.text
        assert "<form" not in answer.text

    filled.visit(work, login=False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/static/../site.py", 404),
     ("GET", "/queue/pause", 405), ("POST", "/log", 405), ("GET", "/queue/99999999", 404),
     ("GET", "/calendar/x/2026-13-40", 404)],
)  # fmt: skip
def test_what_is_not_there_is_said_in_chinese(
    filled: Visitors, method: str, path: str, status: int
) -> None:
    async def work(browser: Browser) -> httpx.Response:
        if method == "POST":
            return await browser.post(path)
        return await browser.get(path)

    answer = filled.visit(work)
    assert answer.status_code == status
    assert any("\u4e00" <= letter <= "\u9fff" for letter in answer.text)


def test_a_huge_form_and_a_broken_one_are_refused(filled: Visitors) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    async def work(browser: Browser) -> list[int]:
        bodies = [b"a=" + b"x" * guard.BODY_LIMIT, b"a=%ff%fe", b"&".join([b"a=1"] * 200)]
        return [
            (await browser.client.post("/manual", content=body, headers=form)).status_code
            for body in bodies
        ]

    assert filled.visit(work) == [413, 400, 400]


def test_a_page_that_fails_is_told_and_the_next_one_works(
    filled: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nenghao.device.web.desk import Desk

    def broken(self: Desk) -> list[object]:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(Desk, "sources", broken)

    async def work(browser: Browser) -> None:
        answer = await browser.get("/sources")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert (await browser.get("/queue")).status_code == 200

    filled.visit(work)


def test_a_live_page_gives_its_content_alone_to_the_script_that_renews_it(
    filled: Visitors,
) -> None:
    async def work(browser: Browser) -> None:
        whole, part = await browser.get("/log"), await browser.get("/log", **{"X-Fragment": "1"})
        assert part.text in whole.text
        assert "<html" not in part.text
        assert 'http-equiv="refresh"' in whole.text  # where scripts do not run

    filled.visit(work)


def test_pages_name_no_other_host(filled: Visitors) -> None:
    async def work(browser: Browser) -> None:
        for path in GETS:
            text = (await browser.get(path)).text.replace(URL, "")
            assert 'src="http' not in text
            assert 'href="http' not in text
            assert "<script>" not in text
            assert " style=" not in text

    filled.visit(work)
