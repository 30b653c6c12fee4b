"""`nenghao platform console`, alone and beside `platform serve`; the demo's way in."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from nenghao.cli import demo_console, main
from nenghao.clock import china_now
from nenghao.platform import console_child, operators
from nenghao.platform.home import init, open_home
from nenghao.platform.operators import LoginRefused, Policy
from nenghao.platform.permissions import Role
from tests.console.ground import free_port

PATIENCE = 60.0


def home_with(tmp_path: Path, **values: object) -> Path:
    given = {"device_port": free_port(), "exchange_port": 0, "console_port": 0, **values}
    return init(tmp_path / "home", given, china_now()).path


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "nenghao", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def title_at(home: Path, port: int) -> str:
    context = ssl.create_default_context(cafile=str(home / "ca" / "root.pem"))
    with httpx.Client(verify=context, timeout=20, trust_env=False) as client:
        answer = client.get(f"https://127.0.0.1:{port}/")
    assert answer.status_code == 200
    return answer.text.partition("<title>")[2].partition("</title>")[0]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_serve_runs_the_console_and_takes_it_along_however_it_ends(tmp_path: Path) -> None:
    port = free_port()
    home = home_with(tmp_path, console_port=port)
    with running("platform", "serve", "--home", str(home)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready device ")
        assert process.stdout.readline() == f"ready console https://127.0.0.1:{port}\n"
        assert "能耗在线监测" in title_at(home, port)
        with running("platform", "console", "--home", str(home)) as second:
            _, said = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        assert "管理控制台已在运行" in said
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=PATIENCE)
        end = time.monotonic() + PATIENCE
        while listens(port):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home = home_with(tmp_path, console_port=port)
        with running("platform", "console", "--home", str(home)) as process:
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"管理控制台不能监听 127.0.0.1:{port}" in said


def test_port_0_is_no_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = home_with(tmp_path)
    assert main(["platform", "console", "--home", str(home)]) == 1
    assert "console_port 为 0" in capsys.readouterr().err
    settings = open_home(home, {}).settings
    assert not console_child.kind(home).is_wanted(settings)


def test_only_one_process_holds_the_console(tmp_path: Path) -> None:
    held = console_child.kind(tmp_path).is_held
    assert not held()
    with console_child.alone(tmp_path) as first, console_child.alone(tmp_path) as second:
        assert (first, second) == (True, False)
        assert held()
    assert not held()


def test_the_demos_operator_logs_in_with_what_the_demo_prints(tmp_path: Path) -> None:
    home = home_with(tmp_path, **demo_console.SETTINGS)
    kept = tmp_path / "console-login.json"
    login = demo_console.prepare(home, kept)
    assert demo_console.prepare(home, kept) == login
    assert kept.stat().st_mode & 0o777 == 0o600
    opened = open_home(home, {})
    with opened.store() as store:
        asked = (store, login.name, login.password, "", "127.0.0.1", china_now())
        master = opened.master_key()
        policy = Policy.of(opened.settings)
        session = operators.login(*asked, master=master, policy=policy)
        assert (session.role, session.must_change) == (Role.CLERK, False)
        with pytest.raises(LoginRefused):  # as it is everywhere else
            operators.login(*asked, master=master, policy=Policy())
