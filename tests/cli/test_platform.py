"""`nenghao platform`: a province made, served and looked into from the command line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import registry
from nenghao.platform.home import Home, init, open_home
from nenghao.platform.settings import PlatformSettings
from tests.platform.world import STEEL, World, sample, unit_code

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init(tmp_path / "home", {}, china_now())


@contextmanager
def opened(home: Home) -> Iterator[World]:
    """The province behind a folder, for devices of this test to call."""
    with home.store() as store:
        yield World(store, home.authority(), home.settings, china_now())


def run(home: Home, *arguments: str) -> int:
    grouped = arguments[0] in ("base-data", "schedule", "unit", "audit")
    words = arguments[: 2 if grouped else 1]
    return main(["platform", *words, "--home", str(home.path), *arguments[len(words) :]])


def told(capsys: Capture, home: Home, *arguments: str) -> Any:
    """What a command prints with --json: one JSON value and nothing else."""
    capsys.readouterr()
    assert run(home, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def versions(home: Home) -> tuple[int, int]:
    with home.store() as store, store.read() as conn:
        return registry.versions(conn)


def test_init_makes_a_home_with_the_given_settings(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "province"
    ports = ["--device-port", "19443", "--exchange-port", "19001", "--console-port", "18443"]
    database = f"sqlite:///{tmp_path / 'data.db'}"
    more = ["--host", "nh.example.org", "--database", database]
    assert main(["platform", "init", "--home", str(path), *ports, *more]) == 0
    assert str(path) in capsys.readouterr().out
    assert open_home(path, {}).settings == PlatformSettings(
        host="nh.example.org",
        device_port=19443,
        exchange_port=19001,
        console_port=18443,
        database=database,
    )


def test_init_again_ends_with_1_and_says_what_it_found(home: Home, capsys: Capture) -> None:
    before = home.settings_file.read_bytes()
    assert main(["platform", "init", "--home", str(home.path), "--device-port", "1"]) == 1
    assert "已经初始化过" in capsys.readouterr().err
    assert home.settings_file.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--host", "a b", "host"),
        ("--database", "mysql://x", "mysql"),
        ("--database", "x", "database"),
    ],
)
def test_init_with_a_wrong_value_ends_with_1(
    tmp_path: Path, option: str, value: str, named: str, capsys: Capture
) -> None:
    assert main(["platform", "init", "--home", str(tmp_path / "h"), option, value]) == 1
    assert named in capsys.readouterr().err
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize(
    "command", [["serve"], ["audit", "list"], ["unit", "list"], ["schedule", "list"]]
)
def test_a_folder_that_is_no_platforms_ends_with_1(
    tmp_path: Path, command: list[str], capsys: Capture
) -> None:
    assert main(["platform", *command, "--home", str(tmp_path)]) == 1
    assert "不是平台目录" in capsys.readouterr().err


def test_a_wrong_settings_file_ends_with_1_naming_the_key(home: Home, capsys: Capture) -> None:
    home.settings_file.write_text("device_prot = 1\n")
    assert run(home, "audit", "list") == 1
    assert "device_prot" in capsys.readouterr().err


@pytest.mark.clause("6.2.3-1")
def test_base_data_is_exported_edited_and_imported(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "process.csv"
    assert run(home, "base-data", "export", str(file)) == 0
    assert versions(home) == (1, 1)
    with file.open("a", encoding="utf-8") as table:
        table.write("77,试验工序,C31\n")
    assert run(home, "base-data", "import", str(file)) == 0
    assert "dicVersion 升为 2" in capsys.readouterr().out
    assert run(home, "base-data", "import", str(file)) == 0
    assert "dicVersion 仍为 2" in capsys.readouterr().out
    assert versions(home) == (1, 2)
    again = tmp_path / "again" / "process.csv"
    again.parent.mkdir()
    assert run(home, "base-data", "export", str(again)) == 0
    assert again.read_bytes() == file.read_bytes()


def test_a_wrong_table_is_refused_with_1_by_line_and_column(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "process.csv"
    file.write_text("code,name,industryCode\n1,焦化工序,C31\n", encoding="utf-8")
    assert run(home, "base-data", "import", str(file)) == 1
    assert "第 2 行 code 列：应为 2 位数字" in capsys.readouterr().err
    assert run(home, "base-data", "export", str(tmp_path / "nothing.csv")) == 1
    assert "没有基础数据表 nothing" in capsys.readouterr().err
    assert run(home, "base-data", "import", str(tmp_path / "region.csv")) == 1
    assert "找不到文件" in capsys.readouterr().err
    assert versions(home) == (1, 1)


@pytest.mark.clause("6.2.1-2")
@pytest.mark.clause("6.2.3-1")
def test_the_schedule_is_listed_and_replanned(home: Home, capsys: Capture) -> None:
    codes = [unit_code(number) for number in range(3)]
    with opened(home) as world:
        for code in codes:
            world.client(code).register()
    before = told(capsys, home, "schedule", "list")
    assert [(one["uploadTime"], one["code"]) for one in before] == [
        ("01:00:00", codes[0]),
        ("01:00:04", codes[1]),
        ("01:00:08", codes[2]),
    ]
    window = ["--start", "22:00:00", "--end", "23:00:00", "--step", "60"]
    assert run(home, "schedule", "replan", *window) == 0
    assert "regVersion 升为 2" in capsys.readouterr().out
    after = told(capsys, home, "schedule", "list")
    assert [one["uploadTime"] for one in after] == ["22:00:00", "22:01:00", "22:02:00"]
    settings = open_home(home.path, {}).settings
    assert (settings.upload_window_start, settings.upload_step_seconds) == ("22:00:00", 60)
    assert "# 相邻两个上报时间点的间隔，秒" in home.settings_file.read_text("utf-8")


def test_a_wrong_window_ends_with_2_and_changes_nothing(home: Home, capsys: Capture) -> None:
    assert run(home, "schedule", "replan", "--start", "25:00:00") == 2
    assert "upload_window_start" in capsys.readouterr().err
    assert versions(home) == (1, 1)
    assert open_home(home.path, {}).settings == PlatformSettings()


def test_units_are_listed_with_their_devices_and_settings(home: Home, capsys: Capture) -> None:
    assert told(capsys, home, "unit", "list") == []
    with opened(home) as world:
        answers = [world.client(STEEL, number).register() for number in (1, 2)]
    assert (
        run(
            home,
            "unit",
            "set",
            "--code",
            STEEL,
            "--realtime-label",
            "start:15",
            "--from",
            "2026-01-01",
        )
        == 0
    )
    (steel,) = told(capsys, home, "unit", "list")
    assert (steel["code"], steel["region"]) == (STEEL, "210101")
    assert [one["device"] for one in steel["devices"]] == [1, 2]
    assert [one["deviceId"] for one in steel["devices"]] == [one.device_id for one in answers]
    assert steel["settings"] == [
        {"name": "realtime_label", "value": "start:15", "validFrom": "2026-01-01 00:00:00"}
    ]
    assert run(home, "unit", "list") == 0
    assert "start:15（2026-01-01 00:00:00 起）" in capsys.readouterr().out


def test_a_unit_setting_without_a_date_holds_from_today(home: Home, capsys: Capture) -> None:
    with opened(home) as world:
        world.client().register()
    assert run(home, "unit", "set", "--code", STEEL, "--realtime-label", "start:60") == 0
    (steel,) = told(capsys, home, "unit", "list")
    today = china_now().replace(hour=0, minute=0, second=0)
    assert steel["settings"][0]["validFrom"] in {
        str(today),
        str(today - timedelta(days=1)),  # midnight passed meanwhile
    }


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--code", STEEL, "--realtime-label", "start:20"], 1, "start:20"),
        (["--code", unit_code(5), "--realtime-label", "end"], 1, "没有注册过的用能单位"),
        (["--code", STEEL, "--realtime-label", "end", "--from", "2026-13-01"], 2, "--from"),
        (["--code", STEEL], 2, "--realtime-label"),
    ],
)
def test_a_wrong_unit_setting_is_refused(
    home: Home, options: list[str], code: int, said: str, capsys: Capture
) -> None:
    with opened(home) as world:
        world.client().register()
    assert run(home, "unit", "set", *options) == code
    assert said in capsys.readouterr().err
    assert told(capsys, home, "unit", "list")[0]["settings"] == []


@pytest.fixture
def uploaded(home: Home) -> tuple[Home, bytes, bytes]:
    """A home that took one upload and refused another: their bodies."""
    with opened(home) as world:
        steel = world.client()
        steel.register()
        taken = sample("uploadEnergyData.request", deviceId=steel.device_id)
        good = json.dumps(taken, ensure_ascii=False, indent=1).encode()
        bad = json.dumps(taken | {"data": []}).encode()
        assert steel.post("/uploadEnergyData", good).code == "0"
        assert steel.post("/uploadEnergyData", bad).code == "E2001"
        assert world.client(unit_code(1)).post("/versionCheck", {"deviceId": "0" * 32}).code
    return home, good, bad


def test_uploads_are_listed_and_their_bodies_taken_out(
    uploaded: tuple[Home, bytes, bytes], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    home, good, bad = uploaded

    def printed(*arguments: str) -> bytes:
        capfdbinary.readouterr()
        assert run(home, *arguments) == 0
        return capfdbinary.readouterr().out

    (accepted,) = json.loads(printed("uploads", "--json"))
    assert (accepted["code"], accepted["kind"], accepted["records"]) == (STEEL, "energy", 2)
    assert accepted["result"]["stored"] == 2
    (refused,) = json.loads(printed("uploads", "--refused", "--code", STEEL, "--json"))
    assert (refused["code"], refused["responseCode"], refused["path"]) == (
        STEEL,
        "E2001",
        "/uploadEnergyData",
    )
    assert refused["text"] == "请求参数异常，缺少必填项：data 缺失"
    assert (refused["size"], refused["kept"]) == (len(bad), True)
    assert printed("upload-body", "--code", STEEL, "--number", "1") == good
    assert printed("upload-body", "--code", STEEL, "--number", "1", "--refused") == bad
    printed("upload-body", "--code", STEEL, "--number", "1", "--out", str(tmp_path / "body"))
    assert (tmp_path / "body").read_bytes() == good
    assert run(home, "upload-body", "--code", STEEL, "--number", "9") == 1
    assert run(home, "uploads", "--code", unit_code(8)) == 1
    assert STEEL.encode() in printed("uploads")
    assert "缺少必填项".encode() in printed("uploads", "--refused")


def test_findings_are_listed_by_unit_kind_and_subject(
    uploaded: tuple[Home, bytes, bytes], capsys: Capture
) -> None:
    home, _, _ = uploaded
    found = told(capsys, home, "findings", "--code", STEEL)
    assert {one["code"] for one in found} == {STEEL}
    assert ("not_configured", "04-01-0000-040200-30", 1) in {
        (one["kind"], one["subject"], one["times"]) for one in found
    }
    assert all(one["label"] and one["detail"] and one["firstAt"] for one in found)
    assert run(home, "findings", "--code", unit_code(8)) == 1


def test_the_audit_trail_tells_registrations_and_refused_identities(
    uploaded: tuple[Home, bytes, bytes], capsys: Capture
) -> None:
    home, _, _ = uploaded
    refusal, registration = told(capsys, home, "audit", "list")
    assert (registration["action"], registration["actor"]) == ("register", f"{STEEL}#1")
    assert (refusal["action"], refusal["actor"], refusal["result"]) == (
        "identity",
        f"{unit_code(1)}#1",
        "refused",
    )
    assert len(told(capsys, home, "audit", "list", "--limit", "1")) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nenghao", "platform", "serve", "--home", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_one_ready_line_per_listener_and_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    device, exchange = free_port(), free_port()
    init(
        tmp_path / "home",
        {"device_port": device, "exchange_port": exchange, "console_port": 0},
        china_now(),
    )
    with serve(tmp_path / "home") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready device https://127.0.0.1:{device}\n"
        assert process.stdout.readline() == f"ready exchange https://127.0.0.1:{exchange}\n"
        for port in (device, exchange):
            socket.create_connection(("127.0.0.1", port)).close()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=20)
    assert rest == ""
    assert process.returncode == 0


def test_serve_opens_no_exchange_on_port_0(tmp_path: Path) -> None:
    init(
        tmp_path / "home",
        {"device_port": free_port(), "exchange_port": 0, "console_port": 0},
        china_now(),
    )
    with serve(tmp_path / "home") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready device ")
        process.terminate()
        rest, _ = process.communicate(timeout=20)
    assert (rest, process.returncode) == ("", 0)
    assert not (tmp_path / "home" / "exchange").exists()


def test_serve_on_a_port_that_is_taken_ends_with_1_and_says_which(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        init(
            tmp_path / "home",
            {"device_port": port, "exchange_port": 0, "console_port": 0},
            china_now(),
        )
        with serve(tmp_path / "home") as process:
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert f"127.0.0.1:{port}" in err
    assert "Traceback" not in err
