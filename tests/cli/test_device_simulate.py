"""`nenghao device simulate` and `page-password` as their users call them."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from nenghao.cli import main
from nenghao.device.collection import settings as collection_settings
from nenghao.device.web.access import Access
from tests.device.conftest import authority, credentials, world
from tests.device.world import World

__all__ = ["authority", "credentials", "world"]


@contextmanager
def simulating(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command at work, and what it had said when it was ready."""
    command = [sys.executable, "-m", "nenghao", "device", "simulate", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            while line := process.stdout.readline():
                said.append(line.rstrip("\n"))
                if line.startswith("ready modbus"):
                    break
            yield process, said
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


def test_a_factory_is_served_until_ctrl_c_and_its_collection_file_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "collection.toml"
    arguments = ("--modbus-port", 0, "--speed", 60, "--collection", file)
    with simulating("steel", *arguments) as (_, said):
        port = int(said[-1].rpartition(":")[2])
        assert any("1 号表 全厂-电力-购进已消费" in line for line in said)
        with ModbusTcpClient("127.0.0.1", port=port) as client:
            stands = [client.read_input_registers(0, count=4, device_id=1) for _ in range(2)]
        first, second = (sum(r << (48 - 16 * n) for n, r in enumerate(s.registers)) for s in stands)
        assert 0 < first <= second
    settings = collection_settings.parse(file.read_text("utf-8"))
    assert settings.sources[0].settings.port == port
    assert len(settings.items) == 7


def test_a_csv_file_is_played_back(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text("t,kwh\n2026-03-01 00:15,1.25\n2026-03-01 00:30,2.5\n")
    arguments = ("--modbus-port", 0, "--csv", file, "--csv-column", "kwh",
                 "--csv-time-column", "t", "--csv-time-format", "%Y-%m-%d %H:%M")  # fmt: skip
    with simulating("heating", *arguments) as (_, said):
        assert said[0] == "模拟时间从 2026-03-01 00:00:00 起，1 倍速"
        assert sum("号表" in line for line in said) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [(["casino"], 2, "没有工厂类型 casino"), (["steel", "--fault", "dead:9:0:1"], 2, "没有 9 号表"),
     (["steel", "--fault", "odd"], 2, "故障应为"), ([], 2, "缺少必需的参数"),
     (["steel", "--csv", "/nowhere.csv"], 1, "无法读取 /nowhere.csv"),
     (["steel", "--csv-label", "middle"], 2, "--csv-label"),
     (["steel", "--begin", "today"], 2, "--begin")],
)  # fmt: skip
def test_what_cannot_be_simulated_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, reason: str
) -> None:
    assert main(["device", "simulate", *arguments]) == code
    assert reason in capsys.readouterr().err


def test_a_collection_file_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collection.toml"
    file.write_text("# 我的\n")
    assert main(["device", "simulate", "steel", "--collection", str(file)]) == 1
    assert "不会覆盖" in capsys.readouterr().err
    assert file.read_text() == "# 我的\n"


def test_a_page_password_is_made_and_shown_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["device", "page-password", "--home", str(world.home.root)]) == 0
    shown = capsys.readouterr()
    assert "只显示这一次" in shown.err
    assert Access(world.home.root).check(shown.out.strip(), 0)


def test_a_page_password_can_be_given_and_a_weak_one_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["device", "page-password", "--home", str(world.home.root), "--stdin"]
    monkeypatch.setattr("sys.stdin", io.StringIO("steel-plant-42\nsecond line\n"))
    assert main(command) == 0
    assert capsys.readouterr().out == ""
    assert Access(world.home.root).check("steel-plant-42", 0)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(command) == 1
    assert "密码应为" in capsys.readouterr().err
    assert Access(world.home.root).check("steel-plant-42", 0)


def test_a_folder_that_is_no_device_has_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["device", "page-password", "--home", str(tmp_path)]) == 1
    assert "不是端设备目录" in capsys.readouterr().err
