"""A device that was lost: another one takes its place with what the platform has."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.world import Province, credit_code, nenghao, nenghao_json

CODE = "00-00-0000-023300-11"
REPORT = "00-00-0000-090100-80"
CONFIG = Path(__file__).parents[2] / "docs" / "examples" / "config.json"


def readings(path: Path, days: int) -> Path:
    begin = datetime(2026, 2, 20)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "kWh"])
        for number in range(1, 96 * days + 1):
            time = begin + timedelta(minutes=15 * number)
            rows.writerow([f"{time:%Y-%m-%d %H:%M}", f"{number * 0.37:.2f}"])
    return path


def make(home: Path, platform: Province, credentials: Path, *options: object) -> None:
    nenghao(
        *("device", "init", "--home", home, "--platform", platform.url),
        *("--credentials", credentials, *options),
    )


def downloaded(home: Path, stat_type: int) -> object:
    return nenghao_json(
        *("device", "download", "--home", home, "--stat-type", stat_type),
        *("--begin", "2026-01-01 00:00:00", "--end", "2026-03-05 00:00:00"),
    )


@pytest.mark.clause("3.4-1")
def test_a_new_device_takes_over_history_and_configuration(
    liaoning: Province, tmp_path: Path
) -> None:
    code = credit_code(77)
    out = liaoning.issue(tmp_path / "out", code)
    lost, found = tmp_path / "lost", tmp_path / "found"
    config = json.loads(CONFIG.read_bytes())
    config["enterpriseCode"] = config["enterprise"]["code"] = code
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    make(lost, liaoning, out.folder, "--config", tmp_path / "config.json")
    nenghao(
        *("device", "import", "--home", lost, "--csv", readings(tmp_path / "days.csv", 12)),
        *("--data-code", CODE, "--column", "kWh", "--time-column", "time"),
        *("--time-format", "%Y-%m-%d %H:%M", "--label", "end", "--scale", "0.0001"),
    )
    nenghao("device", "manual", "--home", lost, "--data-code", REPORT, "--date", "2026-01",
            "--value", "345.6")  # fmt: skip
    nenghao("device", "run", "--home", lost, "--once", "--at", "2026-03-04 06:00:00")

    make(found, liaoning, out.folder)
    result = nenghao_json(
        "device", "restore", "--home", found, "--from", "2026-02-01", "--to", "2026-03-04"
    )
    assert result == {"configuration": "restored", "ticks": 12 * 96, "days": 12, "entries": 1}
    before = json.loads((lost / "config.json").read_bytes())
    after = json.loads((found / "config.json").read_bytes())
    assert len(after["collectItemConfig"]) == len(before["collectItemConfig"])
    assert after["enterprise"]["code"] == code

    # nothing goes up again by itself, and what is sent again on purpose is what was there
    was = [downloaded(found, stat_type) for stat_type in (0, 1, 2)]
    status = nenghao_json("device", "status", "--home", found)
    assert status["unpackedDays"] == 0
    assert status["configuration"]["state"] == "accepted"
    nenghao("device", "run", "--home", found, "--once", "--at", "2026-03-04 07:00:00")
    assert nenghao_json("device", "resend", "--home", found, "--from", "2026-02-25",
                        "--to", "2026-02-26")["days"] == 2  # fmt: skip
    nenghao("device", "run", "--home", found, "--once", "--at", "2026-03-04 08:00:00")
    now = [downloaded(found, stat_type) for stat_type in (0, 1, 2)]

    def values(records: object) -> list[tuple[object, ...]]:
        assert isinstance(records, list)
        return [
            (one["dataCode"], one["statDate"], one["dataValue"], one["inputType"], one["valid"])
            for one in records
        ]

    assert [values(part) for part in now] == [values(part) for part in was]
    again = nenghao_json("device", "restore", "--home", found, "--from", "2026-02-01")
    assert (again["configuration"], again["ticks"], again["entries"]) == ("kept", 0, 0)
