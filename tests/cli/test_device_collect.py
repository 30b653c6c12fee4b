"""`nenghao device probe | manual | resend` as their users call them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.device import history as histories
from nenghao.device import notes
from nenghao.device.collection.health import SourceHealth
from nenghao.device.home import DeviceHome
from nenghao.device.sources.base import FaultKind
from nenghao.security.authority import CertificateAuthority
from tests.device.collection.plants import Plant, collection_toml, gone, plants
from tests.device.shell import Shell
from tests.device.world import ELECTRICITY, a_day, make_credentials, put

__all__ = ["plants"]

REPORT = "00-00-0000-090100-80"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    return make_credentials(folder / "out", CertificateAuthority.create(folder / "ca", china_now()))


@pytest.fixture
def shell(tmp_path: Path, credentials: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    DeviceHome.create(tmp_path / "device", platform="10.0.0.1:9443", credentials=credentials)
    return Shell(tmp_path / "device", capsys)


def collect(shell: Shell, text: str) -> None:
    (shell.home / "collection.toml").write_text(text, "utf-8")


# --- probe ----------------------------------------------------------------------------------------


def test_probe_shows_what_a_source_reads_and_keeps_nothing(
    shell: Shell, plants: dict[str, Plant]
) -> None:
    plants["gate"] = Plant(lambda point, now: 1234)
    collect(shell, collection_toml("gate"))
    (row,) = shell.json("probe", "gate")
    assert (row["point"], row["value"], row["good"]) == ("total", "1234", True)
    assert shell("probe", "gate") == 0
    assert "total" in shell.out
    assert "1234" in shell.out
    assert (plants["gate"].taken, plants["gate"].closed) == (0, 2)
    assert shell.json("status")["items"] == []


def test_probe_says_what_is_wrong_with_a_source(shell: Shell, plants: dict[str, Plant]) -> None:
    plants["gate"] = Plant(opening=gone("10.0.0.9:502 拒绝连接"))
    collect(shell, collection_toml("gate"))
    assert shell("probe", "gate") == 1
    assert "来源 gate 无法连接：10.0.0.9:502 拒绝连接" in shell.err
    assert plants["gate"].closed == 1


def test_probe_names_the_sources_there_are_and_errors_of_the_file(
    shell: Shell, plants: dict[str, Plant]
) -> None:
    collect(shell, collection_toml("gate", "boiler"))
    assert shell("probe", "gait") == 1
    assert "gate、boiler" in shell.err
    collect(shell, collection_toml("gate").replace("kind", "kid"))
    assert shell("probe", "gate") == 1
    assert "未知的键 kid" in shell.err


def test_probe_leaves_a_bad_file_of_a_folder_where_it_is(shell: Shell) -> None:
    folder = shell.home / "files"
    folder.mkdir()
    (folder / "bad.csv").write_text("time,total\nnever,1\n", "utf-8")
    collect(
        shell,
        """
        [[source]]
        type = "folder"
        name = "files"
        folder = "files"
        poll_seconds = 0.05
        points = [{ name = "total" }]
        """,
    )
    assert shell("probe", "files", "--wait", "0.5") == 0, shell.err
    assert "文件 bad.csv 未导入" in shell.err
    assert [path.name for path in folder.rglob("*")] == ["bad.csv"]
    assert list((shell.home / "sources").glob("*")) == []


# --- status ---------------------------------------------------------------------------------------


def test_status_says_how_the_sources_stood_when_the_device_was_last_at_work(shell: Shell) -> None:
    common: dict[str, Any] = {
        "type": "modbus_tcp", "age": None, "since": None, "next_try": None, "samples": 0,
    }  # fmt: skip
    well = SourceHealth(
        name="gate", state="good", last_good=datetime(2026, 3, 1, 8, 0, 10, 250_000),
        fault_kind=None, fault_text="", **common,
    )  # fmt: skip
    ill = SourceHealth(
        name="boiler", state="fault", last_good=None,
        fault_kind=FaultKind.TIMEOUT, fault_text="5 秒内没有应答", **common,
    )  # fmt: skip
    home = DeviceHome.open(shell.home)
    with home.store() as store, store.write() as connection:
        notes.put(connection, notes.HEALTH, (well, ill))
        histories.ensure_item(connection, ELECTRICITY, interval=15, name="总进线")
    assert shell("status") == 0
    assert "来源 gate（modbus_tcp）：停止运行时正常，最近成功 2026-03-01 08:00:10\n" in shell.out
    assert "来源 boiler（modbus_tcp）：停止运行时超时：5 秒内没有应答，尚未读到数据" in shell.out
    assert f"数据项 {ELECTRICITY} 总进线：每 15 分钟，还没有数据" in shell.out
    with home.lock():
        assert shell("status") == 0
    assert "来源 gate（modbus_tcp）：正常，最近成功" in shell.out


# --- manual ---------------------------------------------------------------------------------------


def limits(shell: Shell, **bounds: float) -> None:
    row = {
        "processCode": "00", "processUnitCode": "00", "equipmentCode": "00",
        "equipmentUnitCode": "00", "energyClassCode": "09", "energyTypeCode": "0100",
        "dataUsageCode": "80", "inputType": "5", "statType": "2", **bounds,
    }  # fmt: skip
    sample = Path(__file__).parents[1] / "standard/messages/samples/uploadConfigData.request.json"
    config = json.loads(sample.read_bytes())
    del config["deviceId"], config["enterpriseCode"]
    config["collectItemConfig"] = [row]
    (shell.home / "config.json").write_text(json.dumps(config, ensure_ascii=False), "utf-8")


def test_a_value_is_entered_and_waits_for_the_next_batch(shell: Shell) -> None:
    options = ("--data-code", REPORT, "--date", "2026-02", "--value", "12.50")
    assert shell.json("manual", *options) == {
        "dataCode": REPORT, "statType": 2, "statDate": "2026-02-01 00:00:00",
        "value": "12.5", "valid": True, "waiting": True,
    }  # fmt: skip
    assert shell("manual", *options) == 0
    assert "随下一个批次上传" in shell.out


@pytest.mark.parametrize(
    ("code", "date", "value", "word"),
    [
        ("00-00", "2026-02", "1", "数据项编码"),
        (REPORT, "2026/02", "1", "日期应为"),
        (REPORT, "2026-13", "1", "日期应为"),
        (REPORT, "2026-02", "a", "十进制数"),
        (REPORT, "2026-02", "NaN", "不可用"),
        (REPORT, "2026-02", "0.12345678901", "10 位"),
        (REPORT, "2095-02", "1", "还没有到"),
    ],
)
def test_what_cannot_be_entered_is_refused(
    shell: Shell, code: str, date: str, value: str, word: str
) -> None:
    assert shell("manual", "--data-code", code, "--date", date, "--value", value) == 1
    assert word in shell.err


def test_a_value_outside_its_limits_is_only_taken_knowingly(shell: Shell) -> None:
    limits(shell, dataValueMin=0, dataValueMax=100)
    options = ("--data-code", REPORT, "--date", "2026-02", "--value", "101")
    assert shell("manual", *options) == 1
    assert "超出配置的范围（0 至 100）" in shell.err
    assert "--accept-outside" in shell.err
    taken = shell.json("manual", *options, "--accept-outside")
    assert (taken["value"], taken["valid"]) == ("101", False)


# --- resend ---------------------------------------------------------------------------------------


def test_a_range_of_days_goes_into_the_queue_again(shell: Shell) -> None:
    device = DeviceHome.open(shell.home)
    now = china_now()
    days = [now.date() - timedelta(days=number) for number in range(5, 1, -1)]
    with device.store() as store:
        for day in days:
            put(store, a_day(day), now)
        with store.write() as connection:
            connection.execute("DELETE FROM dirty")
    assert shell.json("queue") == []
    result = shell.json("resend", "--from", days[1], "--to", days[2])
    assert result["days"] == 2
    assert [row["day"] for row in shell.json("queue")] == [str(days[1]), str(days[2])]
    assert next(row["records"] for row in shell.json("queue")) == 97


@pytest.mark.parametrize(
    ("begin", "end", "code", "word"),
    [
        ("2026-01-05", "2026-01-04", 2, "不晚于"),
        ("2026-1-5", "2026-01-05", 2, "YYYY-MM-DD"),
        ("2026-01-04", "2026-01-05", 1, "没有数据"),
    ],
)
def test_a_range_that_is_none_is_refused(
    shell: Shell, begin: str, end: str, code: int, word: str
) -> None:
    assert shell("resend", "--from", begin, "--to", end) == code
    assert word in shell.err
