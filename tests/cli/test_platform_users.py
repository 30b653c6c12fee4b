"""`nenghao platform user` and `nenghao platform audit`, as whoever has the folder uses them."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import operators, table_file
from nenghao.platform.audit_export import COLUMNS
from nenghao.platform.home import Home, init
from nenghao.platform.permissions import TABLE, Act, Role
from nenghao.security import passwords
from tests.platform.staff import Person
from tests.platform.world import STEEL

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("users") / "home", {}, china_now())


@pytest.fixture
def home(template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(passwords, "_ARGON2", PasswordHasher(1, 8, 1))
    shutil.copytree(template.path, tmp_path / "home")
    return Home(tmp_path / "home", template.settings)


def run(home: Home, *words: str) -> int:
    return main(["platform", *words[:2], "--home", str(home.path), *words[2:]])


def told(capsys: Capture, home: Home, *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run(home, *words, "--json") == code
    return json.loads(capsys.readouterr().out)


def said(capsys: Capture, home: Home, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(home, *words) == code
    out, err = capsys.readouterr()
    return out + err


def hired(capsys: Capture, home: Home, name: str, role: str, *more: str) -> tuple[str, Any]:
    password = told(capsys, home, "user", "add", "--user", name, "--full-name", "张三")["password"]
    return password, told(capsys, home, "user", "grant", "--user", name, "--role", role, *more)


def test_what_add_and_grant_print_logs_in(home: Home, capsys: Capture) -> None:
    password, given = hired(capsys, home, "zhangsan", "clerk")
    assert list(given) == ["userName", "role", "totpSecret", "totpUri"]
    with home.store() as store:
        secret = base64.b32decode(given["totpSecret"])
        person = Person(store, "zhangsan", password, secret, master=home.master_key())
        assert person.login(china_now()).role is Role.CLERK


def test_a_units_user_goes_without_an_authenticator_where_that_is_asked_for(
    home: Home, capsys: Capture
) -> None:
    more = ("--unit", STEEL, "--without-totp")
    password, given = hired(capsys, home, "qiye", "企业用户", *more)
    assert list(given) == ["userName", "role", "activationCode"]
    with home.store() as store:
        person = Person(store, "qiye", password, b"", given["activationCode"], home.master_key())
        assert person.login(china_now()).unit == STEEL
    (listed,) = told(capsys, home, "user", "list")
    assert (listed["unit"], listed["totp"], listed["roleName"]) == (STEEL, False, "企业用户")
    (session,) = told(capsys, home, "user", "sessions")
    assert session["userName"] == "qiye"
    assert "已结束 1 个会话" in said(capsys, home, "user", "end-sessions", "--user", "qiye")
    assert told(capsys, home, "user", "sessions") == []


def test_an_account_is_locked_opened_and_given_new_secrets(home: Home, capsys: Capture) -> None:
    password, given = hired(capsys, home, "zhangsan", "system")
    who = ("--user", "zhangsan")
    assert "已停用" in said(capsys, home, "user", "lock", *who)
    assert told(capsys, home, "user", "list")[0]["lockedAt"]
    assert "已启用" in said(capsys, home, "user", "lock", *who, "--off")
    assert told(capsys, home, "user", "reset-password", *who)["password"] != password
    assert told(capsys, home, "user", "reset-totp", *who)["totpSecret"] != given["totpSecret"]
    assert "审计员" in said(capsys, home, "user", "grant", *who, "--role", "auditor")
    assert "收回" in said(capsys, home, "user", "grant", *who, "--role", "none")
    with home.store() as store, store.read() as conn:
        found = operators.named(conn, "zhangsan")
    assert found is not None
    assert found.role is None


def test_what_is_handed_over_is_printed_for_people_too(home: Home, capsys: Capture) -> None:
    shown = said(capsys, home, "user", "add", "--user", "lisi", "--full-name", "李四")
    assert "只显示这一次" in shown
    assert "李四" in said(capsys, home, "user", "list")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("grant", "--user", "x", "--role", "king"), 2, "--role"),
        (("grant", "--user", "x", "--role", "clerk"), 1, "没有用户名为 x"),
        (("lock", "--user", "x"), 1, "没有用户名为 x"),
        (("add", "--user", "", "--full-name", "张三"), 1, "用户名"),
    ],
)
def test_what_cannot_be_is_refused(
    home: Home, capsys: Capture, words: tuple[str, ...], code: int, why: str
) -> None:
    assert why in said(capsys, home, "user", *words, code=code)


def test_the_permission_table_is_printed_as_it_is(capsys: Capture) -> None:
    assert main(["platform", "user", "permissions", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["act"] for row in rows} == set(Act)
    for row in rows:
        for role in Role:
            assert row[role.value] is (Act(row["act"]) in TABLE[role])
    assert main(["platform", "user", "permissions"]) == 0
    assert "安全管理员" in capsys.readouterr().out


def test_the_trail_is_listed_verified_and_exported(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    hired(capsys, home, "zhangsan", "clerk")
    rows = told(capsys, home, "audit", "list", "--action", "user.")
    assert [row["action"] for row in rows] == ["user.grant", "user.add"]
    last = rows[0]["sequence"]
    before = told(capsys, home, "audit", "list", "--before", str(last), "--limit", "1")
    assert [row["action"] for row in before] == ["user.add"]
    day = f"{china_now():%Y-%m-%d}"
    assert len(told(capsys, home, "audit", "list", "--from", day, "--to", day)) == last
    assert told(capsys, home, "audit", "list", "--refused", "--actor", "operator") == []
    noted = told(capsys, home, "audit", "verify")
    assert (noted["ok"], noted["records"], noted["breaks"]) == (True, last, [])
    (tmp_path / "noted.json").write_text(json.dumps(noted))
    file = tmp_path / "trail.jsonl"
    assert str(file) in said(capsys, home, "audit", "export", str(file))
    against = ("--against", str(tmp_path / "noted.json"))
    assert told(capsys, home, "audit", "verify", "--file", str(file), *against)["ok"] is True
    assert told(capsys, home, "audit", "verify", *against)["records"] == last + 1
    assert told(capsys, home, "audit", "list", "--limit", "1")[0]["action"] == "audit.export"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_for_reading_the_trail_is_a_list_without_formulas(
    home: Home, tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    said(capsys, home, "user", "add", "--user", "=1+1", "--full-name", "张三")
    file = tmp_path / f"trail{suffix}"
    assert run(home, "audit", "export", str(file)) == 0
    lines = table_file.read(file.read_bytes(), suffix, [*COLUMNS, "digest"])
    cells = dict(zip(COLUMNS, lines[-1][1], strict=False))
    assert (cells["action"], cells["subject"]) == ("user.add", "=1+1")
    if suffix == ".csv":
        assert ",'=1+1," in file.read_text("utf-8-sig")


def test_a_changed_record_ends_verify_with_1_and_names_it(home: Home, capsys: Capture) -> None:
    said(capsys, home, "user", "add", "--user", "lisi", "--full-name", "李四")
    with home.store() as store, store.write() as conn:
        conn.execute(text("DROP TRIGGER audit_update"))
        conn.execute(text("UPDATE audit SET actor = 'nobody'"))
    assert "编号 1：记录与其摘要不符" in said(capsys, home, "audit", "verify", code=1)
    found = told(capsys, home, "audit", "verify", code=1)
    assert [one["fault"] for one in found["breaks"]] == ["content"]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("export", "trail.txt"), 2, ".jsonl"),
        (("list", "--from", "yesterday"), 2, "--from"),
        (("verify", "--against", "none.json"), 1, "none.json"),
        (("verify", "--file", "none.jsonl"), 1, "none.jsonl"),
    ],
)
def test_a_wrong_call_of_audit_says_so(
    home: Home, capsys: Capture, words: tuple[str, ...], code: int, why: str
) -> None:
    assert why in said(capsys, home, "audit", *words, code=code)
