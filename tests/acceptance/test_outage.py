"""The platform away, the platform killed, the device killed: nothing lost, nothing double."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import Credentials, Province, nenghao, nenghao_json

CODE = "00-00-0000-023300-21"


def write_day(path: Path, *days: int) -> Path:
    """A CSV of whole days of January 2026, ticks labelled at their ends, value = tick number."""
    lines = ["time,kWh"]
    for day in days:
        for tick in range(1, 97):
            date, time = (day, tick) if tick < 96 else (day + 1, 0)
            lines.append(
                f"2026-01-{date:02d} {time // 4:02d}:{time % 4 * 15:02d},{day * 100 + tick}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_device(platform: Province, folder: Path) -> tuple[Path, Credentials]:
    out = platform.issue(folder / "out", "91330000573973053F")
    home = folder / "device"
    nenghao(
        *("device", "init", "--home", home),
        *("--platform", platform.url, "--credentials", out.folder),
    )
    return home, out


def import_days(home: Path, folder: Path, *days: int) -> None:
    nenghao(
        *("device", "import", "--home", home, "--csv", write_day(folder / "days.csv", *days)),
        *("--data-code", CODE, "--column", "kWh", "--time-column", "time"),
        *("--time-format", "%Y-%m-%d %H:%M", "--label", "end", "--scale", "0.0001"),
    )


def once(home: Path, at: str) -> int:
    return nenghao("device", "run", "--home", home, "--once", "--at", at, check=False).returncode


def stored(platform: Province, out: Credentials, device_id: str) -> list[dict[str, Any]]:
    _, answer = platform.post(
        out,
        "/downloadEnergyData",
        {
            "deviceId": device_id,
            "enterpriseCode": out.code,
            "statType": 0,
            "beginTime": "2026-01-01 00:00:00",
            "endTime": "2026-02-01 00:00:00",
        },
    )
    assert answer["responseCode"] == "0"
    data: list[dict[str, Any]] = answer["data"]
    return data


@pytest.mark.clause("6.2.5-7")
@pytest.mark.clause("6.2.5-8")
def test_two_days_without_a_platform_then_everything_arrives_once(tmp_path: Path) -> None:
    platform = Province.init(tmp_path / "home")
    platform.start()
    home, out = make_device(platform, tmp_path)
    import_days(home, tmp_path, 1)
    assert once(home, "2026-01-02 06:00:00") == 0
    assert platform.stop() == 0

    import_days(home, tmp_path, 2)
    assert once(home, "2026-01-03 06:00:00") == 1
    (waiting,) = nenghao_json("device", "queue", "--home", home)
    assert (waiting["state"], waiting["attempts"]) == ("queued", 4)
    import_days(home, tmp_path, 3)
    assert once(home, "2026-01-04 06:00:00") == 1
    assert [batch["day"] for batch in nenghao_json("device", "queue", "--home", home)] == [
        "2026-01-02",
        "2026-01-03",
    ]

    platform.start()
    import_days(home, tmp_path, 4)
    assert once(home, "2026-01-05 06:00:00") == 0
    assert nenghao_json("device", "queue", "--home", home) == []
    device_id = nenghao_json("device", "status", "--home", home)["deviceId"]
    data = stored(platform, out, device_id)
    assert [round(item["dataValue"] * 10_000) for item in data] == [
        day * 100 + tick for day in (1, 2, 3, 4) for tick in range(1, 97)
    ]
    uploads = nenghao_json("platform", "uploads", "--home", platform.home)
    energy = [upload for upload in uploads if upload["kind"] == "energy"]
    assert len(energy) == 4
    assert platform.stop() == 0


KILLED_AFTER_COMMIT = """
import os, signal, sys
from nenghao.platform import intake

accept = intake.upload

def accept_and_die(*arguments, **named):
    accept(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

intake.upload = accept_and_die
from nenghao.cli import main
sys.argv = ["nenghao", "platform", "serve", "--home", sys.argv[1]]
main()
"""


@pytest.mark.clause("6.2.5-6")
@pytest.mark.clause("6.2.5-7")
def test_a_platform_killed_between_commit_and_answer_has_the_day_once(tmp_path: Path) -> None:
    platform = Province.init(tmp_path / "home")
    platform.start()
    home, out = make_device(platform, tmp_path)
    assert once(home, "2026-01-01 06:00:00") == 0
    assert platform.stop() == 0

    import_days(home, tmp_path, 1)
    script = tmp_path / "killed.py"
    script.write_text(KILLED_AFTER_COMMIT, encoding="utf-8")
    platform.start(sys.executable, str(script), str(platform.home))
    assert once(home, "2026-01-02 06:00:00") == 1
    assert platform.ended() == -signal.SIGKILL
    assert len(nenghao_json("device", "queue", "--home", home)) == 1

    platform.start()
    assert once(home, "2026-01-03 06:00:00") == 0
    device_id = nenghao_json("device", "status", "--home", home)["deviceId"]
    data = stored(platform, out, device_id)
    assert [round(item["dataValue"] * 10_000) for item in data] == [
        100 + tick for tick in range(1, 97)
    ]
    assert platform.stop() == 0


def test_a_refused_batch_is_kept_shown_and_does_not_block_the_next(tmp_path: Path) -> None:
    platform = Province.init(tmp_path / "home")
    platform.start()
    home, _ = make_device(platform, tmp_path)
    assert once(home, "2026-01-01 06:00:00") == 0
    assert platform.stop() == 0
    platform.start(NENGHAO_RECORD_LIMIT="50")
    import_days(home, tmp_path, 1)
    assert once(home, "2026-01-02 06:00:00") == 1
    (refused,) = nenghao_json("device", "queue", "--home", home)
    assert refused["state"] == "refused"
    assert "data" in refused["reason"]
    attempts = refused["attempts"]
    assert once(home, "2026-01-03 06:00:00") == 1
    (still,) = nenghao_json("device", "queue", "--home", home)
    assert still["attempts"] == attempts
    assert platform.stop() == 0
