"""What the README shows works: its walk is run as it stands, in another folder and port."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nenghao.device import configuration
from nenghao.device.home import Unit

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


def walk() -> list[str]:
    """The `nenghao` lines of the section "Five minutes by hand", in order."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.split("## Five minutes by hand")[1].split("\n## ")[0]
    return re.findall(r"^nenghao .*$", section, re.MULTILINE)


def test_the_example_configuration_is_a_valid_one() -> None:
    unit = Unit("91210311MAD7K2H184", "示例电炉钢有限公司", "210311", "千山区")
    upload = configuration.check((EXAMPLES / "config.json").read_bytes(), unit)
    assert {row.energy_type_code for row in upload.collect_item_config} == {"3300"}
    assert {row.data_usage_code for row in upload.collect_item_config} == {"11"}


@pytest.mark.clause("6.2.2-1")
@pytest.mark.clause("6.2.4-1")
def test_the_walk_of_the_readme_ends_with_the_day_in_the_province(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environ = os.environ | {"NENGHAO_DEVICE_PORT": port, "NENGHAO_EXCHANGE_PORT": "0"}

    def started(line: str) -> subprocess.Popen[str]:
        here = line.replace("demo/walk", str(tmp_path)).replace("9443", port)
        words = [sys.executable, "-m", *shlex.split(here)]
        return subprocess.Popen(
            words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def done(line: str) -> str:
        process = started(line)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, f"{line}\n{err}"
        return out

    init, serve, *rest = walk()
    done(init)
    with started(serve) as platform:
        try:
            assert platform.stdout is not None
            assert platform.stdout.readline() == f"ready device https://127.0.0.1:{port}\n"
            *_, once, queue, download, uploads = [done(line) for line in rest]
        finally:
            platform.terminate()
            platform.communicate(timeout=20)
    assert platform.returncode == 0
    assert "本次接收 1 个批次" in once
    assert queue == "（无）\n"
    readings = (EXAMPLES / "readings.csv").read_text("utf-8").splitlines()[1:]
    total = sum(round(float(line.split(",")[1]) * 100) for line in readings)
    (day,) = download.splitlines()[1:]
    code, date, value, *_ = day.split(",")
    assert (code, date) == ("00-00-0000-023300-11", "2026-03-01 00:00:00")
    assert round(float(value) * 1_000_000) == total
    assert "energy" in uploads
    assert "config" in uploads
