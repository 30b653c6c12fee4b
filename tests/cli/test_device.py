"""`nenghao device …` as its users call it, against a platform over real mutual TLS."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.device.home import DeviceHome
from nenghao.security.authority import CertificateAuthority
from tests.device import world
from tests.device.https_platform import HttpsPlatform, https_platform
from tests.device.shell import Shell
from tests.device.world import ELECTRICITY, OK, UNIT_CODE, make_credentials, refusal

DATA = "/uploadEnergyData"
AT = "2026-01-02 06:00:00"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("authority") / "ca", china_now())


@pytest.fixture(scope="module")
def credentials(authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_credentials(tmp_path_factory.mktemp("credentials") / "out", authority)


@pytest.fixture
def platform(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpsPlatform]:
    with https_platform(authority, tmp_path / "server") as running:
        yield running


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "device", capsys)


@pytest.fixture
def device(bare: Shell, platform: HttpsPlatform, credentials: Path) -> Shell:
    assert bare("init", "--platform", platform.address, "--credentials", credentials) == 0
    return bare


def write_days(path: Path, *days: int, value: str = "3.78") -> Path:
    lines = ["时间,kWh"]
    for day in days:
        for tick in range(1, 97):
            moment = datetime(2026, 1, day) + timedelta(minutes=15 * tick)
            lines.append(f"{moment:%Y-%m-%d %H:%M},{value}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def import_options(path: Path) -> list[object]:
    return [
        *("--csv", path, "--data-code", ELECTRICITY, "--column", "kWh", "--time-column", "时间"),
        *("--time-format", "%Y-%m-%d %H:%M", "--label", "end", "--scale", "0.0001"),
    ]


@pytest.fixture
def loaded(device: Shell, tmp_path: Path) -> Shell:
    """A device with 1 January imported."""
    assert device("import", *import_options(write_days(tmp_path / "days.csv", 1))) == 0
    return device


def test_init_makes_a_device_and_a_second_one_is_refused(
    device: Shell, platform: HttpsPlatform, credentials: Path
) -> None:
    status = device.json("status")
    assert status["platform"] == platform.address
    assert status["unit"]["code"] == UNIT_CODE
    assert (status["deviceId"], status["running"]) == (None, False)
    assert status["configuration"] == {"state": "absent", "reason": ""}
    assert device("init", "--platform", platform.address, "--credentials", credentials) == 1
    assert "不会覆盖" in device.err


def test_init_refuses_http_and_foreign_folders(
    bare: Shell, credentials: Path, tmp_path: Path
) -> None:
    assert bare("init", "--platform", "http://p.test", "--credentials", credentials) == 2
    assert "https" in bare.err
    assert bare("init", "--platform", "p.test", "--credentials", tmp_path) == 1
    assert "unit.json" in bare.err
    assert not bare.home.exists()


def test_init_checks_the_configuration_and_names_everything_wrong(
    bare: Shell, credentials: Path, tmp_path: Path
) -> None:
    content = world.configuration()
    content["collectItemConfig"][0]["inputType"] = "9"
    del content["enterprise"]["phone"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    arguments = ("--platform", "p.test", "--credentials", credentials, "--config", path)
    assert bare("init", *arguments) == 1
    assert "collectItemConfig[0].inputType" in bare.err
    assert "enterprise.phone" in bare.err
    assert not bare.home.exists()
    path.write_text(json.dumps(world.configuration()), encoding="utf-8")
    assert bare("init", *arguments) == 0
    assert bare.json("status")["configuration"]["state"] == "waiting"


@pytest.mark.clause("3.7-1")
def test_import_says_what_it_did_and_the_same_file_again_changes_nothing(
    device: Shell, tmp_path: Path
) -> None:
    path = write_days(tmp_path / "days.csv", 1, 2)
    first = device.json("import", *import_options(path))
    assert first == {
        "dataCode": ELECTRICITY,
        "interval": 15,
        "inputType": 4,
        "readings": 192,
        "blanks": 0,
        "added": 192,
        "changed": 0,
        "same": 0,
        "days": 2,
        "first": "2026-01-01 00:15:00",
        "last": "2026-01-03 00:00:00",
    }
    assert device("run", "--once", "--at", "2026-01-03 06:00:00") == 0
    again = device.json("import", *import_options(path))
    assert (again["added"], again["same"], again["days"]) == (0, 192, 0)
    assert device.json("status")["unpackedDays"] == 0


def test_import_takes_name_and_source_from_the_configuration(device: Shell, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(world.configuration()), encoding="utf-8")
    assert device("configure", path) == 0
    days = write_days(tmp_path / "days.csv", 1)
    assert device.json("import", *import_options(days))["inputType"] == 1
    assert device.json("import", *import_options(days), "--input-type", 3)["inputType"] == 3
    (item,) = device.json("status")["items"]
    assert item["name"] == "全厂-二次能源-电力-购进已消费"
    assert (item["firstDay"], item["lastDay"]) == ("2026-01-01", "2026-01-01")


def test_a_file_with_an_error_imports_nothing_and_names_row_and_column(
    device: Shell, tmp_path: Path
) -> None:
    path = write_days(tmp_path / "days.csv", 1)
    path.write_text(path.read_text(encoding="utf-8-sig").replace("3.78", "x", 1), encoding="utf-8")
    assert device("import", *import_options(path)) == 1
    assert "第 2 行“kWh”列" in device.err
    assert device.json("status")["items"] == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--label", "middle"),
        ("--scale", "x"),
        ("--scale", "0"),
        ("--scale", "NaN"),
        ("--data-code", "1-2-3"),
        ("--time-format", "%H:%M"),
        ("--interval", "20"),
        ("--input-type", "8"),
    ],
)
def test_a_wrong_call_of_import_is_told_apart_from_a_wrong_file(
    device: Shell, tmp_path: Path, option: str, value: str
) -> None:
    options = import_options(write_days(tmp_path / "days.csv", 1))
    assert device("import", *options, option, value) == 2
    assert device.json("status")["items"] == []


@pytest.mark.clause("6.1-2")
@pytest.mark.clause("6.2.5-1")
def test_once_sends_what_is_due_and_warns_of_a_missing_configuration(
    loaded: Shell, platform: HttpsPlatform
) -> None:
    assert loaded("run", "--once", "--at", AT) == 0
    assert "没有用能单位配置" in loaded.err
    assert platform.asked == ["/", "/versionCheck", "/downloadBaseData", DATA]
    (receipt,) = platform.taken
    assert b'"dataValue":0.000378,' in receipt.body
    assert {record.upload_date for record in receipt.upload.data} == {AT}
    assert loaded.json("queue") == []
    status = loaded.json("status")
    assert status["deviceId"] == "a" * 32
    assert status["queue"] == {"queued": 0, "refused": 0, "accepted": 1, "discarded": 0}


@pytest.mark.clause("6.2.4-1")
def test_a_configuration_is_uploaded_once(
    device: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(world.configuration()), encoding="utf-8")
    assert device("configure", path) == 0
    assert device("run", "--once", "--at", AT) == 0
    assert device("run", "--once", "--at", "2026-01-03 06:00:00") == 0
    assert platform.count("/uploadConfigData") == 1
    assert device.json("status")["configuration"]["state"] == "accepted"


def test_a_broken_configuration_is_not_adopted(device: Shell, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    assert device("configure", path) == 1
    assert "enterprise" in device.err
    assert device.json("status")["configuration"]["state"] == "absent"


@pytest.mark.clause("6.2.5-8")
def test_a_platform_that_is_away_leaves_the_batch_in_the_queue(
    loaded: Shell, platform: HttpsPlatform
) -> None:
    platform.trouble = lambda path, request: (503, b"") if path == DATA else None
    assert loaded("run", "--once", "--at", AT) == 1
    (batch,) = loaded.json("queue")
    assert batch == {
        "id": 1,
        "day": "2026-01-01",
        "state": "queued",
        "attempts": 4,
        "records": 97,
        "size": batch["size"],
        "createdAt": AT,
        "lastError": "应答不是规定的 JSON（HTTP 503）",
        "reason": "",
        "uploadDate": AT,
        "lastAttemptAt": AT,
        "closedAt": None,
    }
    assert loaded("queue") == 0
    assert "等待" in loaded.out


def test_a_platform_with_another_authoritys_certificate_is_never_talked_to(
    loaded: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    other = CertificateAuthority.create(tmp_path / "other", china_now())
    with https_platform(other, tmp_path / "imposter") as imposter:
        settings = loaded.home / "device.toml"
        text = settings.read_text(encoding="utf-8").replace(platform.address, imposter.address)
        settings.write_text(text, encoding="utf-8")
        assert loaded("run", "--once", "--at", AT) == 1
        assert imposter.asked == []
    assert "证书未通过验证" in loaded.err
    assert len(loaded.json("queue")) == 1


def test_a_refused_batch_is_listed_and_can_be_queued_again_or_given_up(
    loaded: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    platform.trouble = lambda path, request: (
        refusal("E2002", "data[0].dataValue 应为数值") if path == DATA else None
    )
    assert loaded("run", "--once", "--at", AT) == 1
    (batch,) = loaded.json("queue")
    assert (batch["state"], batch["attempts"]) == ("refused", 1)
    assert "data[0].dataValue" in batch["reason"]
    assert loaded("run", "--once", "--at", "2026-01-03 06:00:00") == 1
    assert platform.count(DATA) == 1
    assert loaded("queue", "--retry", 99) == 1
    assert [one["state"] for one in loaded.json("queue", "--retry", batch["id"])] == ["queued"]
    assert loaded("run", "--once", "--at", "2026-01-04 06:00:00") == 1
    assert loaded.json("queue", "--discard", batch["id"]) == []
    assert loaded("run", "--once", "--at", "2026-01-05 06:00:00") == 0


def test_a_changed_file_re_opens_its_day(
    loaded: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    assert loaded("run", "--once", "--at", AT) == 0
    days = write_days(tmp_path / "late.csv", 1, value="5")
    assert loaded.json("import", *import_options(days))["changed"] == 96
    assert loaded("run", "--once", "--at", "2026-01-03 06:00:00") == 0
    assert platform.days == ["2026-01-01", "2026-01-01"]
    assert platform.values()[ELECTRICITY, 1, "2026-01-01 00:00:00"] == 0.048


@pytest.mark.parametrize("at", ["2026-01-01", "2026-13-01 00:00:00", "1999-01-01 00:00:00"])
def test_at_takes_a_time_of_the_standard_only(device: Shell, at: str) -> None:
    assert device("run", "--once", "--at", at) == 2
    assert "--at" in device.err


def test_a_running_device_is_not_run_twice_but_can_be_looked_at_and_fed(
    device: Shell, tmp_path: Path
) -> None:
    with DeviceHome.open(device.home).lock():
        assert device("run", "--once") == 1
        assert "另一个进程" in device.err
        assert device.json("queue") == []
        assert device.json("status")["running"] is True
        assert device("import", *import_options(write_days(tmp_path / "days.csv", 1))) == 0


def test_a_folder_that_is_no_device_is_told_in_every_command(bare: Shell) -> None:
    for command in (("queue",), ("status",), ("run", "--once"), ("config-download",)):
        assert bare(*command) == 1
        assert "nenghao device init" in bare.err


def test_a_wrong_setting_is_refused_by_name(device: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NENGHAO_TIMEOUT_SECONDS", "soon")
    assert device("run", "--once") == 1
    assert "timeout_seconds" in device.err.lower()


def answer_download(platform: HttpsPlatform) -> Callable[..., Any]:
    def trouble(path: str, request: Any) -> Any:
        if path != "/downloadEnergyData":
            return None
        asked = json.loads(request.content)
        rows = [
            json.loads(receipt.body)["data"][slot : slot + 50]
            for receipt in platform.taken
            for slot in (0, 50)
        ]
        page = asked.get("page", 1)
        more = {"nextPage": page + 1} if page < len(rows) else {}
        return 200, {**OK[1], "data": rows[page - 1], **more}

    return trouble


def test_download_follows_the_pages_into_a_file(
    loaded: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    options = ("--stat-type", 0, "--begin", "2026-01-01 00:00:00", "--end", "2026-01-02 00:00:00")
    assert loaded("download", *options) == 1
    assert "尚未注册" in loaded.err
    assert loaded("run", "--once", "--at", AT) == 0
    platform.trouble = answer_download(platform)
    assert loaded("download", *options, "--out", tmp_path / "back.csv") == 0
    with (tmp_path / "back.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 97
    assert {row["dataValue"] for row in rows[:96]} == {"0.000378"}
    records = loaded.json("download", *options, "--data-code", ELECTRICITY)
    assert [record["dataValue"] for record in records[:2]] == [0.000378, 0.000378]
    assert json.loads(platform.bodies["/downloadEnergyData"])["dataCode"] == ELECTRICITY
    assert loaded("download", *options, "--out", tmp_path / "back.json") == 0
    assert json.loads((tmp_path / "back.json").read_bytes()) == records
    assert loaded("download", *options, "--data-code", "x") == 2
    assert loaded("download", *options[:4], "--end", "2025-01-01 00:00:00") == 2


def test_the_configuration_comes_back_as_json(
    device: Shell, platform: HttpsPlatform, tmp_path: Path
) -> None:
    assert device("run", "--once", "--at", AT) == 0
    content = world.configuration()
    platform.trouble = lambda path, request: (
        (200, {**OK[1], **content}) if path == "/downloadConfigData" else None
    )
    assert device("config-download") == 0
    back = json.loads(device.out)
    assert back["enterprise"]["name"] == content["enterprise"]["name"]
    assert device("config-download", "--out", tmp_path / "back.json") == 0
    assert json.loads((tmp_path / "back.json").read_bytes()) == back
    assert device("configure", tmp_path / "back.json") == 0


def test_a_device_does_not_pay_for_the_platforms_libraries() -> None:
    script = (
        "import sys, nenghao.cli.device;"
        "print([m for m in ('sqlalchemy', 'uvicorn', 'starlette', 'alembic', 'nenghao.platform')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_status_says_in_words_how_the_device_stands(loaded: Shell) -> None:
    assert loaded("run", "--once", "--at", AT) == 0
    assert loaded("status") == 0
    for word in ("示例钢铁有限责任公司", "a" * 32, "01:05:00", "已接收 1", str(date(2026, 1, 1))):
        assert word in loaded.out
