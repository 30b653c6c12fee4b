from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nenghao import settings as files
from nenghao.device import encoding
from nenghao.device.settings import DeviceSettings


def test_the_written_file_names_every_setting_with_a_comment_and_reads_back(
    tmp_path: Path,
) -> None:
    text = files.template(DeviceSettings, {"platform": "https://p.test:1"})
    path = tmp_path / "device.toml"
    path.write_text(text, encoding="utf-8")
    assert files.load(DeviceSettings, path, {}) == DeviceSettings(platform="https://p.test:1")
    lines = text.splitlines()
    for key in tomllib.loads(text):
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{key} ="))
        assert lines[at - 1].startswith("# ")


@pytest.mark.clause("6.2.5-7")
def test_a_request_is_sent_once_and_three_times_again() -> None:
    settings = DeviceSettings(platform="p")
    assert settings.resend_pauses == [60, 300, 900]
    assert settings.attempts == 4
    assert settings.timeout_seconds == 120


@pytest.mark.clause("6.3.3.2-e")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version_check_hours", "25"),
        ("version_check_hours", "0"),
        ("resend_pauses", "[1, 2, 3, 4]"),
        ("resend_pauses", "[-1]"),
        ("timeout_seconds", "0"),
        ("batch_records", "200001"),
        ("incomplete_total", '"guess"'),
        ("verify", "false"),
        ("content_encoding", '"br"'),
    ],
)
def test_a_setting_beyond_the_standard_is_refused_by_name(
    tmp_path: Path, key: str, value: str
) -> None:
    path = tmp_path / "device.toml"
    path.write_text(f'platform = "https://p.test"\n{key} = {value}\n', encoding="utf-8")
    with pytest.raises(files.SettingsError, match=key):
        files.load(DeviceSettings, path, {})


def test_zstd_without_its_package_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.toml"
    path.write_text('platform = "https://p.test"\ncontent_encoding = "zstd"\n', encoding="utf-8")
    assert files.load(DeviceSettings, path, {}).content_encoding == "zstd"
    monkeypatch.setattr(encoding, "find_spec", lambda name: None)
    with pytest.raises(files.SettingsError, match=r"content_encoding.*zstandard.*没有安装"):
        files.load(DeviceSettings, path, {})
    assert DeviceSettings(platform="p", content_encoding="gzip").content_encoding == "gzip"
