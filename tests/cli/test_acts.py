"""Role by command: with a login wanted, each role runs exactly its own commands."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from argon2 import PasswordHasher

from nenghao import settings as settings_files
from nenghao.cli import GROUPS, acts, main, output, running
from nenghao.clock import china_now
from nenghao.platform import audit
from nenghao.platform.home import Home, init, open_home
from nenghao.platform.permissions import Role
from nenghao.platform.settings import PlatformSettings
from nenghao.security import passwords
from tests.platform.staff import PASSWORD, at_work, hire

Capture = pytest.CaptureFixture[str]

MATRIX = """
                                system security auditor clerk unit
platform gateway                x      .        .       .     .
platform base-data export       x      .        .       x     x
platform base-data import       .      .        .       x     .
platform schedule list          x      .        .       x     .
platform schedule replan        x      .        .       .     .
platform reports template       .      .        .       x     .
platform reports import         .      .        .       x     .
platform projects import        .      .        .       x     .
platform projects export        .      .        .       x     .
platform coefficients list      .      .        x       x     .
platform coefficients set       .      .        .       x     .
platform coefficients import    .      .        .       x     .
platform unit list              x      x        x       x     .
platform unit set               .      .        .       x     .
platform uploads                .      .        .       x     .
platform upload-body            .      .        .       x     .
platform findings               .      .        .       x     .
platform journal list           x      .        x       x     .
platform journal show           x      .        x       x     .
platform journal verify         x      .        x       .     .
platform journal prune          x      .        .       .     .
platform rebuild                x      .        .       .     .
platform totals verify          x      .        x       x     .
platform totals recompute       x      .        .       .     .
platform totals explain         .      .        .       x     .
platform totals show            .      .        .       x     .
platform uplink set             x      .        .       .     .
platform uplink status          x      .        x       x     .
platform uplink retry           x      .        .       .     .
platform uplink run             x      .        .       .     .
platform uplink verify          x      .        .       .     .
platform uplink dictionary approve  x      .        .       .     .
platform audit list             .      .        x       .     .
platform audit verify           .      .        x       .     .
platform audit export           .      .        x       .     .
platform user logout            x      x        x       x     x
platform user password          x      x        x       x     x
platform user permissions       x      x        x       x     x
platform user list              x      x        x       .     .
platform user sessions          x      x        x       .     .
platform user add               x      .        .       .     .
platform user reset-password    x      .        .       .     .
platform user grant             .      x        .       .     .
platform user reset-totp        .      x        .       .     .
platform user lock              .      x        .       .     .
platform user end-sessions      .      x        .       .     .
ca init                         .      x        .       .     .
ca issue                        .      x        .       .     .
ca renew                        .      x        .       .     .
ca revoke                       .      x        .       .     .
ca crl                          .      x        .       .     .
ca import-issuer                .      x        .       .     .
ca issuers                      x      x        x       .     .
ca code                         .      x        .       .     .
ca codes                        x      x        x       .     .
ca list                         x      x        x       .     .
exchange account add            .      x        .       .     .
exchange account list           .      x        x       .     .
exchange account rotate         .      x        .       .     .
exchange account lock           .      x        .       .     .
exchange account scope          .      x        .       .     .
doctor                          x      .        .       .     .
"""
"""By hand, and for what a command asks of all units: a unit's user asks on his own page."""


def expected() -> dict[str, set[Role]]:
    head, *lines = MATRIX.strip().splitlines()
    roles = [Role(name) for name in head.split()]
    found = {}
    for line in lines:
        *words, cells = re.split(r"\s{2,}", line, maxsplit=1)
        marks = dict(zip(roles, cells.split(), strict=True))
        found[" ".join(words)] = {role for role, mark in marks.items() if mark == "x"}
    return found


def walk(command: Any, path: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if not below:
        yield path
    for name, child in (below or {}).items():
        yield from walk(child, f"{path} {name}")


def commands() -> set[str]:
    """Every command that opens a platform's folder."""
    found: set[str] = set()
    for group in GROUPS.keys() & {"platform", "ca", "exchange account", "doctor"}:
        app = importlib.import_module(GROUPS[group].module).app
        found.update(walk(typer.main.get_command(app), group))
    return found


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform that wants a login."""
    path = tmp_path_factory.mktemp("acts") / "home"
    return init(path, {"command_line_login": True}, china_now())


@pytest.fixture
def home(staffed: Home, tmp_path: Path) -> Home:
    shutil.copytree(staffed.path, tmp_path / "home")
    return Home(tmp_path / "home", staffed.settings)


pytestmark = pytest.mark.usefixtures("cheap")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_ARGON2", PasswordHasher(1, 8, 1))


def as_role(home: Home, role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    with home.store() as store:
        session = at_work(store, f"who-{role.value}", role, china_now())
    monkeypatch.setenv(acts.SESSION, session.token)


def test_every_command_on_a_platforms_folder_has_its_act() -> None:
    assert commands() - acts.COMMANDS.keys() == set()
    assert {path for path in acts.COMMANDS if path.startswith("platform ")} <= commands()


def test_the_matrix_names_every_command_that_wants_a_login() -> None:
    assert set(expected()) == acts.COMMANDS.keys() - acts.UNATTENDED


@pytest.mark.parametrize("role", Role)
def test_a_role_runs_exactly_the_commands_that_the_matrix_says(
    home: Home, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_role(home, role, monkeypatch)
    permitted: set[str] = set()
    reasons: set[str] = set()
    for path in acts.COMMANDS.keys() - acts.UNATTENDED:
        with running.command(path):
            try:
                acts.admit(home)
                permitted.add(path)
            except output.Failure as error:
                reasons.add(str(error).partition("不得：")[0].partition("只能")[0])
    assert permitted == {path for path, roles in expected().items() if role in roles}
    assert reasons == {role.label}


def test_without_a_login_only_what_begins_things_runs(home: Home) -> None:
    for path in acts.COMMANDS:
        with running.command(path):
            if path in acts.UNATTENDED:
                acts.admit(home)
                continue
            with pytest.raises(output.Failure, match="没有登录"):
                acts.admit(home)


def test_a_command_that_the_table_does_not_name_nobody_runs(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_role(home, Role.SYSTEM, monkeypatch)
    with running.command("platform new"), pytest.raises(output.Failure, match="权限表中没有"):
        acts.admit(home)


def test_the_real_commands_ask(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    as_role(home, Role.AUDITOR, monkeypatch)
    where = ["--home", str(home.path)]
    assert main(["platform", "audit", "list", *where]) == 0
    assert main(["ca", "list", *where]) == 0
    assert main(["exchange", "account", "list", *where]) == 0
    capsys.readouterr()
    for words in (["platform", "user", "lock", "--user", "x"], ["platform", "schedule", "replan"]):
        assert main([*words, *where]) == 1
        assert "审计员不得" in capsys.readouterr().err
    monkeypatch.delenv(acts.SESSION)
    assert main(["platform", "audit", "list", *where]) == 1
    assert "没有登录" in capsys.readouterr().err


def test_the_environment_does_not_switch_the_login_off(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv(acts.SWITCH, "false")
    assert main(["platform", "audit", "list", "--home", str(home.path)]) == 1
    assert "没有登录" in capsys.readouterr().err


def test_what_a_command_does_is_recorded_as_the_operators(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_role(home, Role.SYSTEM, monkeypatch)
    assert main(["platform", "schedule", "replan", "--home", str(home.path)]) == 0
    with home.store() as store, store.read() as conn:
        row = audit.entries(conn, 1)[0]
    assert (row["action"], row["actor"]) == ("schedule.replan", "user:who-system")


def test_without_the_setting_whoever_has_the_folder_may_do_everything(
    home: Home, capsys: Capture
) -> None:
    settings_files.set_value(home.settings_file, "command_line_login", False, PlatformSettings)
    assert main(["platform", "schedule", "replan", "--home", str(home.path)]) == 0
    assert open_home(home.path, {}).settings.command_line_login is False
    with home.store() as store, store.read() as conn:
        assert audit.entries(conn, 1)[0]["actor"] == audit.OPERATOR
    capsys.readouterr()


def test_a_first_password_is_changed_before_anything_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    now = china_now()
    with home.store() as store:
        person = hire(
            store, "lisi", Role.AUDITOR, master=home.master_key(), now=now - timedelta(minutes=1)
        )
    old, new = secret_file(tmp_path / "old", person.password), secret_file(tmp_path / "new")
    where = ["--home", str(home.path)]
    login = ["platform", "user", "login", *where, "--user", "lisi", "--password-file", old]
    assert main([*login, "--totp", person.code(china_now())]) == 0
    token, warned = capsys.readouterr()
    assert "请先" in warned
    monkeypatch.setenv(acts.SESSION, token.strip())
    assert main(["platform", "audit", "list", *where]) == 1
    assert "请先修改初始口令" in capsys.readouterr().err
    change = ["--password-file", old, "--new-password-file", new]
    assert main(["platform", "user", "password", *where, *change]) == 0
    assert main(["platform", "audit", "list", *where]) == 0
    assert main(["platform", "user", "logout", *where]) == 0
    assert main(["platform", "audit", "list", *where]) == 1


def test_a_failed_login_says_nothing_and_ends_with_1(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    words = ["platform", "user", "login", "--home", str(home.path), "--user", "nobody"]
    assert main([*words, "--password-file", secret_file(tmp_path / "p")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "登录失败" in err


def test_a_password_file_that_others_may_read_is_not_read(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = Path(secret_file(tmp_path / "p"))
    file.chmod(0o644)
    words = ["platform", "user", "login", "--home", str(home.path), "--user", "nobody"]
    assert main([*words, "--password-file", str(file)]) == 1
    assert "0600" in capsys.readouterr().err


def secret_file(path: Path, password: str = PASSWORD) -> str:
    path.touch(mode=0o600)
    path.write_text(f"{password}\n")
    return str(path)
