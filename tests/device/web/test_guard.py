"""No request passes that a page of another site, or a name of another machine, could have made."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from nenghao.device.web.guard import host_of, refused

FORM = {"host": "127.0.0.1:8080", "content-type": "application/x-www-form-urlencoded"}


def status(method: str, **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = refused(method, Headers(named))
    return None if answer is None else answer[0]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST",
                                  "127.0.0.1:2222"])  # fmt: skip
def test_the_loopback_answers_under_its_names_at_any_port(host: str) -> None:
    assert status("GET", host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8080", "127.0.0.1.evil.example", "127.0.0.1@evil.example",
     "192.168.1.5:8080", "evil.example#127.0.0.1", "127.0.0.1:8080, evil.example",
     "[::1", "0.0.0.0", "localhost."],
)  # fmt: skip
def test_no_other_name_is_served(host: str) -> None:
    assert status("GET", host=host) == 421


def test_two_host_headers_are_no_host() -> None:
    twice = Headers(raw=[(b"host", b"127.0.0.1"), (b"host", b"evil.example")])
    answer = refused("GET", twice)
    assert answer is not None
    assert answer[0] == 421


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_only_reading_and_posting_exist(method: str) -> None:
    assert status(method, **FORM) == 405


def test_a_post_of_our_own_passes() -> None:
    assert status("POST", **FORM) is None
    assert status("POST", **FORM, origin="http://127.0.0.1:8080") is None
    assert status("POST", **FORM, sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
     {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}],
)  # fmt: skip
def test_a_post_from_another_site_or_port_is_refused(headers: dict[str, str]) -> None:
    assert status("POST", **FORM, **headers) == 403


def test_a_post_is_a_form() -> None:
    assert status("POST", **FORM | {"content-type": "application/json"}) == 415
    assert status("POST", host="127.0.0.1") == 415


def test_the_name_of_a_host_is_read_without_its_port() -> None:
    assert host_of("127.0.0.1:80") == "127.0.0.1"
    assert host_of("[::1]:80") == "::1"
    assert host_of("a b") == ""
