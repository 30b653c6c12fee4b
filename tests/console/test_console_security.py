"""Who is not let in (访问控制): strangers, forged forms, other sites; what every answer forbids.

Everything is tried on the running console over TLS without a browser: what a browser would not
send, an attacker does. WebSockets are tried in `test_console_sockets`, open tabs in
`test_console_tabs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from nenghao.clock import china_now
from nenghao.platform import operators, operators_admin, sessions
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import Role
from nenghao.platform.sessions import Lasting
from tests.console.attackers import form, origins, post, refusal
from tests.console.ground import COOKIE, Ground
from tests.platform.staff import hire


@pytest.fixture
def stranger(ground: Ground) -> Iterator[httpx.Client]:
    with ground.client() as client:
        yield client


@pytest.fixture
def clerk(ground: Ground) -> Iterator[httpx.Client]:
    with ground.client(Role.CLERK) as client:
        yield client


# --- the way in -----------------------------------------------------------------------------


def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(
    ground: Ground, stranger: httpx.Client
) -> None:
    answer = post(stranger, "/login", form(ground))
    assert answer.status_code == 303
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert {one.lower() for one in attributes} == {
        "secure",
        "httponly",
        "samesite=strict",
        "path=/",
    }


def test_every_failed_login_is_answered_the_same(ground: Ground, stranger: httpx.Client) -> None:
    right = form(ground)
    wrong = [
        right | {"password": "Wrong-Horse-77"},
        right | {"totp": f"{(int(right['totp']) + 1) % 1_000_000:06d}"},
        right | {"totp": ""},
        right | {"name": "nobody"},
        right | {"name": ""},
    ]
    answers = [post(stranger, "/login", one) for one in wrong]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert "登录失败" in answers[0].text
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert post(stranger, "/login", form(ground)).status_code == 303, "the account is not locked"


def test_many_wrong_passwords_lock_the_account(ground: Ground, stranger: httpx.Client) -> None:
    name = ground.operators[Role.AUDITOR]
    for _ in range(5):
        wrong = form(ground, Role.AUDITOR, password="Wrong-Horse-77")
        failed = post(stranger, "/login", wrong)
    locked = post(stranger, "/login", form(ground, Role.AUDITOR))
    assert (locked.status_code, locked.text) == (failed.status_code, failed.text)
    operators_admin.unlock(ground.store, MACHINE, name, china_now())
    assert post(stranger, "/login", form(ground, Role.AUDITOR)).status_code == 303


def test_a_login_begins_a_session_that_nobody_knew_before(ground: Ground) -> None:
    planted = "A" * 43
    old = ground.token(Role.CLERK)
    for before in (planted, old):
        with ground.client() as client:
            client.cookies.set(COOKIE, before)
            answer = post(client, "/login", form(ground))
            token = answer.headers["set-cookie"].split("; ")[0].removeprefix(f"{COOKIE}=")
            assert len(token) >= 32
            assert token not in (planted, old)
    assert sessions.of(ground.store, planted, china_now()) is None


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ],
)
def test_a_login_leads_nowhere_else(ground: Ground, stranger: httpx.Client, target: str) -> None:
    answer = post(stranger, "/login", form(ground, next=target))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_login_leads_on_to_where_one_wanted_to_go(ground: Ground, stranger: httpx.Client) -> None:
    asked = stranger.get("/units?q=%E9%92%A2")
    assert asked.status_code == 303
    page = stranger.get(asked.headers["location"])
    found = re.search(r"name='next' value='([^']*)'", page.text)
    assert found is not None
    answer = post(stranger, "/login", form(ground, next=found[1]))
    assert answer.headers["location"] == "/units?q=%E9%92%A2"


def test_what_is_asked_for_is_never_markup_of_the_login_page(stranger: httpx.Client) -> None:
    page = stranger.get("/login", params={"next": "/x'><script>alert(1)</script>"})
    assert "<script" not in page.text


# --- forms of other sites ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/logout", "/password", "/", "/units"])
def test_a_form_of_another_site_is_refused(ground: Ground, clerk: httpx.Client, path: str) -> None:
    data = form(ground) | {"old": ground.password, "new": "New-Horse-123", "again": "New-Horse-123"}
    for origin in origins(ground):
        answer = post(clerk, path, data, origin=origin)
        assert answer.status_code == 403, origin
        assert "set-cookie" not in answer.headers
    assert clerk.get("/login").status_code == 303, "still logged in"
    with ground.client() as fresh:
        assert post(fresh, "/login", form(ground)).status_code == 303, "the password is the same"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(ground: Ground, clerk: httpx.Client, method: str) -> None:
    answer = clerk.request(method, "/units", headers={"origin": ground.url})
    assert answer.status_code == 405


def test_a_form_that_is_too_large_is_refused(ground: Ground, stranger: httpx.Client) -> None:
    answer = post(stranger, "/login", form(ground, name="x" * 100_000))
    assert answer.status_code == 413


# --- headers --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/login", "/no-such-page", "/static/console.css"])
@pytest.mark.parametrize("who", [None, Role.CLERK])
def test_every_answer_forbids_framing_and_guessing(
    ground: Ground, path: str, who: Role | None
) -> None:
    with ground.client(who) as client:
        answer = client.get(path)
    headers = answer.headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "*" not in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] in ("same-origin", "no-referrer")
    assert "max-age" in headers["strict-transport-security"]
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
    if not path.startswith("/static/"):
        assert headers["cache-control"] == "no-store"
    if who is None and path in ("/", "/login"):
        assert policy["default-src"] == "'none'", "the entrance has no script"
        assert "script-src" not in policy


def test_only_files_without_data_are_open_to_strangers(
    ground: Ground, stranger: httpx.Client, clerk: httpx.Client
) -> None:
    page = clerk.get("/").text
    assert stranger.get("/static/console.css").status_code == 200
    for path in ("/units", "/audit", "/account", "/docs", "/openapi.json", "/no-such-page"):
        answer = stranger.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login?next="), path
    assert stranger.get("/_nicegui/client/x/upload/1").status_code in (303, 401, 403)
    for path in re.findall(r'"(/_nicegui/[^"?]+)"', page)[:20]:
        assert stranger.get(path).status_code in (200, 401, 404), path
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert stranger.get(path).status_code in (303, 404), path


def test_who_must_change_his_password_may_do_nothing_else(ground: Ground) -> None:
    now = china_now()
    person = hire(ground.store, "fresh", Role.CLERK, now=now)
    with ground.store.write() as conn:
        found = operators.named(conn, "fresh")
        assert found is not None
        token = sessions.begin(conn, found.id, "127.0.0.1", now, Lasting())
    with ground.client() as client:
        client.cookies.set(COOKIE, token)
        for path in ("/", "/units", "/audit", "/no-such-page"):
            assert client.get(path).headers["location"] == "/password", path
        assert refusal(ground, token) == 403
        new = {"old": person.password, "new": "Better-Horse-7", "again": "Better-Horse-7"}
        assert post(client, "/password", new | {"again": "x"}).status_code == 422
        assert post(client, "/password", new | {"old": "x"}).status_code == 422
        assert post(client, "/password", new).status_code == 303
        assert client.get("/units").status_code == 200
