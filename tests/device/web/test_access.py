"""Nobody comes in without the password; no session outlives its time or its password."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from nenghao.device.web import access
from nenghao.device.web.access import Access, BadPassword, random_password, set_password

PASSWORD = "steel-plant-42"


@pytest.fixture
def door(tmp_path: Path) -> Access:
    set_password(tmp_path, PASSWORD)
    return Access(tmp_path)


def test_only_the_password_opens(door: Access) -> None:
    assert door.check(PASSWORD, 0)
    for wrong in ("", PASSWORD + " ", PASSWORD.upper(), "x" * 300):
        assert not door.check(wrong, 0)


def test_without_a_password_nobody_comes_in(tmp_path: Path) -> None:
    door = Access(tmp_path)
    assert not door.has_password()
    assert not door.check("", 0)
    (tmp_path / access.FILE_NAME).write_text("{}")
    assert not door.has_password()


def test_the_file_holds_salt_and_hash_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    set_password(tmp_path, PASSWORD)
    path = tmp_path / access.FILE_NAME
    first = path.read_text()
    assert PASSWORD not in first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(first)) == {"salt", "hash", "n", "r", "p"}
    set_password(tmp_path, PASSWORD)
    assert path.read_text() != first


def test_the_work_factor_is_what_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    set_password(tmp_path, PASSWORD)
    stored = json.loads((tmp_path / access.FILE_NAME).read_text())
    # as much as OWASP asks for: with half the memory twice the rounds
    memory = stored["n"] * stored["r"] * 128
    assert memory >= 8 * 2**20
    assert memory * stored["p"] >= 80 * 2**20
    assert Access(tmp_path).check(PASSWORD, 0)


@pytest.mark.parametrize("weak", ["", "short", "aaaaaaaaaaaa", "tab\tand\nline", "x" * 257])
def test_weak_passwords_are_refused_in_chinese(tmp_path: Path, weak: str) -> None:
    with pytest.raises(BadPassword, match="密码"):
        set_password(tmp_path, weak)
    assert not (tmp_path / access.FILE_NAME).exists()


def test_a_random_password_is_good_enough_and_new_each_time(tmp_path: Path) -> None:
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    for one in made:
        set_password(tmp_path, one)


def test_wrong_passwords_in_a_row_make_everybody_wait_longer_and_longer(door: Access) -> None:
    seconds, waits = 0.0, []
    for _ in range(access.FREE_ATTEMPTS + 12):
        assert not door.check("wrong-wrong-wrong", seconds)
        waits.append(door.wait(seconds))
        assert waits[-1] == 0 or not door.check(PASSWORD, seconds)
        seconds += waits[-1]
    assert waits[: access.FREE_ATTEMPTS - 1] == [0.0] * (access.FREE_ATTEMPTS - 1)
    assert waits[access.FREE_ATTEMPTS :] == sorted(waits[access.FREE_ATTEMPTS :])
    assert waits[-1] == access.LONGEST_WAIT
    assert door.check(PASSWORD, seconds)
    assert door.wait(seconds) == 0


def test_a_session_lives_while_it_is_visited_and_at_most_a_day(door: Access) -> None:
    cookie = door.begin(0)
    seconds = 0.0
    while seconds + access.IDLE_SECONDS <= access.LONGEST_SECONDS:
        seconds += access.IDLE_SECONDS
        assert door.session(cookie, seconds) is not None
    assert door.session(cookie, access.LONGEST_SECONDS + 1) is None


def test_a_page_that_renews_itself_does_not_keep_a_session_awake(door: Access) -> None:
    cookie = door.begin(0)
    assert door.session(cookie, access.IDLE_SECONDS, visit=False) is not None
    assert door.session(cookie, access.IDLE_SECONDS + 1) is None


def test_a_session_ends_with_logging_out_and_with_a_new_password(
    door: Access, tmp_path: Path
) -> None:
    first, second = door.begin(0), door.begin(0)
    door.end(first)
    assert door.session(first, 1) is None
    assert door.session(second, 1) is not None
    set_password(tmp_path, "another-one-77")
    assert door.session(second, 1) is None


def test_cookies_are_long_random_and_unknown_ones_open_nothing(door: Access) -> None:
    cookies = {door.begin(0) for _ in range(20)}
    assert len(cookies) == 20
    assert min(map(len, cookies)) >= 43
    assert door.session("", 1) is None
    assert door.session("x" * 43, 1) is None


def test_no_more_than_so_many_sessions_live_at_once_and_the_longest_unseen_goes(
    door: Access,
) -> None:
    cookies = [door.begin(second) for second in range(access.MOST_SESSIONS + 1)]
    assert door.session(cookies[0], 50) is None
    assert door.session(cookies[1], 50) is not None


def test_a_forms_token_is_good_for_its_own_cookie_only(door: Access, tmp_path: Path) -> None:
    one, other = door.begin(0), door.begin(0)
    assert door.is_token(door.token(one), one)
    assert not door.is_token(door.token(one), other)
    assert not door.is_token("", one)
    assert not door.is_token("汉字", one)
    assert not door.is_token(door.token(""), "")
    assert not Access(tmp_path).is_token(door.token(one), one)  # another process, another secret
