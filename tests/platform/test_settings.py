"""platform.toml: every key explained, nothing silently wrong."""

from __future__ import annotations

import tomllib
from datetime import time
from pathlib import Path

import pytest

from nenghao.platform.settings import PlatformSettings
from nenghao.settings import SettingsError, load, template
from nenghao.standard.findings import AdviceKind


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "platform.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_written_file_reads_back_as_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, template(PlatformSettings))
    assert load(PlatformSettings, path, {}) == PlatformSettings()


def test_the_defaults_are_those_of_the_contract() -> None:
    values = tomllib.loads(template(PlatformSettings))
    assert values["device_port"] == 9443
    assert values["exchange_port"] == 9001
    assert values["console_port"] == 8443
    assert values["record_limit"] == 200_000
    assert values["body_limit_mb"] == 64
    assert (values["refused_keep_days"], values["refused_keep_mb"]) == (30, 64)
    window = PlatformSettings().window
    assert (window.start, window.end, window.step) == (time(1), time(5), 4)


def test_every_kind_of_advice_is_offered_for_strict_in_the_comment() -> None:
    text = template(PlatformSettings)
    for kind in AdviceKind:
        assert f"#   {kind.value}  {kind.label}" in text


def test_strict_kinds_are_read_from_file_and_environment(tmp_path: Path) -> None:
    path = written(tmp_path, 'strict = ["check_digit"]\n')
    assert load(PlatformSettings, path, {}).strict == (AdviceKind.CHECK_DIGIT,)
    environ = {"NENGHAO_STRICT": "unknown_region,unknown_usage"}
    assert load(PlatformSettings, path, environ).strict == (
        AdviceKind.UNKNOWN_REGION,
        AdviceKind.UNKNOWN_USAGE,
    )


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('strict = ["no_such_kind"]', "strict"),
        ('upload_window_start = "1:00"', "upload_window_start"),
        ('upload_window_end = "25:00:00"', "upload_window_end"),
        ('upload_window_end = "٠5:00:00"', "upload_window_end"),
        ("upload_step_seconds = 0", "upload_step_seconds"),
        ("device_port = 70000", "device_port"),
        ('host = ""', "host"),
        ('host = "https://platform.example"', "host"),
        ('bind = "a b"', "bind"),
        ('url_style = "http"', "url_style"),
        ('log_level = "loud"', "log_level"),
        ("body_limit_mb = 0", "body_limit_mb"),
        ("body_min_rate = -1", "body_min_rate"),
        ("header_seconds = 0", "header_seconds"),
        ("port = 1", "port"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(PlatformSettings, written(tmp_path, line), {})


def test_an_empty_bind_listens_where_devices_call() -> None:
    assert PlatformSettings(host="10.0.0.8").listen_address == "10.0.0.8"
    assert PlatformSettings(host="10.0.0.8", bind="0.0.0.0").listen_address == "0.0.0.0"
