"""`nenghao demo` as a user runs it: a province comes up, fills, is asked back, and ends cleanly."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nenghao.conformance.fleet import fleet

UNITS, DAYS = 2, 2
GOES_ON = "继续运行"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(home: Path, *more: str) -> list[str]:
    asked = ("--home", str(home), "--units", str(UNITS), "--days", str(DAYS))
    return [sys.executable, "-m", "nenghao", "demo", *asked, *more]


def run(home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, "--no-wait", *more), capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def going_on(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that has filled in the past and keeps running, and what it has said until then."""
    process = subprocess.Popen(command(home), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if GOES_ON in line:
                break
        yield process, "".join(said)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def children(process: subprocess.Popen[str]) -> list[int]:
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listing.exists():
        pytest.skip("the system does not list a process's children")
    return [int(number) for number in listing.read_text().split()]


def serving_of(process: subprocess.Popen[str], home: Path) -> int:
    """The child that serves this folder."""
    (found,) = (
        number
        for number in children(process)
        if str(home).encode() in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    )
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, port: int) -> tuple[Path, str]:
    """The home and the output of a first run."""
    home = tmp_path_factory.mktemp("demo") / "here"
    done = run(home, "--port", str(port))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return home, done.stdout


def test_everything_that_was_read_comes_back_equal(first: tuple[Path, str]) -> None:
    _, text = first
    assert len(fleet(UNITS)) == UNITS
    for unit in fleet(UNITS):
        ticks = DAYS * len(unit.items) * 96 * 15 // unit.interval
        short = unit.name.removesuffix("（模拟）").replace("有限公司", "")
        row = re.search(rf"{short} .*", text)
        assert row is not None
        assert re.search(rf" {DAYS} +{ticks:,} +全部 ", row[0])


@pytest.mark.clause("5.1-2")
def test_the_nation_receives_everything_too(first: tuple[Path, str]) -> None:
    _, text = first
    ticks = sum(DAYS * len(unit.items) * 96 * 15 // unit.interval for unit in fleet(UNITS))
    assert f"国家平台已收到 {UNITS} 家用能单位的 {ticks:,} 个实时值，全部送达" in text


def test_the_addresses_and_what_to_look_at_are_said(first: tuple[Path, str], port: int) -> None:
    home, text = first
    assert f"https://127.0.0.1:{port}" in text
    for line in (
        f"nenghao platform uploads --home {home / 'platform'}",
        f"nenghao device status --home {home / 'devices' / '01'}",
    ):
        assert line in text
    assert re.search(r"管理控制台  https://127\.0\.0\.1:\d+（证书由 ", text)
    assert re.search(r"用户名 demo  口令 \S{12,}\n", text)


def ended_by(number: signal.Signals, process: subprocess.Popen[str], port: int) -> None:
    """A demo that goes on ends cleanly by this signal, with all that it started."""
    platforms = children(process)
    assert len(platforms) == 2
    assert listens(port)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert not any(Path(f"/proc/{platform}").exists() for platform in platforms)
    assert not listens(port)


def test_a_second_run_continues_with_the_same_units_until_it_is_interrupted(
    first: tuple[Path, str], port: int
) -> None:
    home, _ = first
    keys = {path: path.read_bytes() for path in home.rglob("device.key")}
    with going_on(home) as (process, again):
        assert "签发证书" not in again
        assert again.count(" 全部 ") == UNITS
        assert f"https://127.0.0.1:{port}" in again
        assert {path: path.read_bytes() for path in home.rglob("device.key")} == keys
        ended_by(signal.SIGINT, process, port)


@pytest.mark.soak
def test_a_hangup_ends_it_and_its_platform(first: tuple[Path, str], port: int) -> None:
    with going_on(first[0]) as (process, _):
        ended_by(signal.SIGHUP, process, port)


def test_a_platform_that_dies_is_told_and_fails_the_demo(first: tuple[Path, str]) -> None:
    home, _ = first
    process = subprocess.Popen(
        command(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if GOES_ON in line:
            break
    platform = serving_of(process, home / "platform")
    subprocess.run(["kill", "-KILL", str(platform)], check=True)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "平台进程意外结束" in said


def test_a_second_demo_in_the_same_folder_is_refused_and_a_signal_ends_the_first(
    first: tuple[Path, str], port: int
) -> None:
    home, _ = first
    with going_on(home) as (process, _):
        other = run(home)
        assert other.returncode == 1
        assert "平台没有启动" in other.stderr
        assert process.poll() is None
        ended_by(signal.SIGTERM, process, port)


def test_an_occupied_port_is_left_alone(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path / "other", "--units", "1", "--days", "1", "--port", str(port))
    assert done.returncode == 0, done.stderr
    assert f"端口 {port} 已被占用" in done.stderr
    assert done.stdout.count(" 全部 ") == 1
