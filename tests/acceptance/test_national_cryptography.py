"""SM2 and P-256 side by side, as their users have them: the command line and the wire."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_outage import import_days, once, stored
from tests.acceptance.world import Credentials, Province, free_port, nenghao, nenghao_json

UNIT = "91330000573973053F"

pytestmark = [
    pytest.mark.soak,  # a dozen processes; in one process: tests/platform/web/test_sm_platform.py
    pytest.mark.skipif(
        shutil.which("openssl") is None,
        reason="SM2 certificates need the openssl command: apt-get install openssl",
    ),
]


def issued(platform: Province, folder: Path, *options: str) -> Credentials:
    nenghao(
        *("ca", "issue", "--home", platform.home, "--code", UNIT, "--name", "示例钢铁"),
        *("--region", "210102", "--out", folder, *options),
    )
    return Credentials(folder, UNIT, "示例钢铁")


def device(url: str, credentials: Credentials, folder: Path) -> Path:
    nenghao(
        *("device", "init", "--home", folder, "--platform", url),
        *("--credentials", credentials.folder),
    )
    return folder


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
@pytest.mark.clause("5.3-1")
def test_an_sm2_device_and_one_of_p256_of_one_unit_upload_side_by_side(tmp_path: Path) -> None:
    platform = Province.init(tmp_path / "home")
    sm_port = free_port()
    usual = issued(platform, tmp_path / "p256")
    national = issued(platform, tmp_path / "sm2", "--device", "2", "--algorithm", "sm2")
    platform.start(NENGHAO_SM_PORT=str(sm_port))
    try:
        first = device(platform.url, usual, tmp_path / "one")
        second = device(f"https://127.0.0.1:{sm_port}", national, tmp_path / "two")
        folders = [tmp_path / "a", tmp_path / "b"]
        for folder, home, day in zip(folders, (first, second), (1, 2), strict=True):
            folder.mkdir()
            import_days(home, folder, day)
            assert once(home, f"2026-01-0{day + 1} 06:00:00") == 0
            assert nenghao_json("device", "queue", "--home", home) == []

        told = nenghao_json("device", "status", "--home", second)
        assert f":{sm_port}/" in str(told) or f"127.0.0.1:{sm_port}" in str(told)
        listed: list[dict[str, Any]] = nenghao_json("ca", "list", "--home", platform.home)
        assert sorted(row["device"] for row in listed) == [1, 2]
        device_id = platform.register(usual)["deviceId"]
        days = {row["statDate"][:10] for row in stored(platform, usual, device_id)}
        assert days == {"2026-01-01", "2026-01-02", "2026-01-03"}
    finally:
        assert platform.stop() == 0, platform.log.read_text(encoding="utf-8")
    log = platform.log.read_text(encoding="utf-8")
    assert "TLS 握手被拒绝" not in log
    assert "Traceback" not in log
