"""Data go up at any time, or in one window a day that may pass midnight."""

from __future__ import annotations

from datetime import datetime

import pytest

from nenghao.platform.settings import PlatformSettings
from nenghao.platform.uplink.window import Window


def holds(window: str, clock: str) -> bool:
    return Window.parse(window).holds(datetime.fromisoformat(f"2026-11-22T{clock}"))


def test_always_is_always() -> None:
    assert holds("always", "13:00:00")
    assert Window.parse("always").is_always


@pytest.mark.parametrize(
    ("clock", "inside"),
    [("01:59:59", False), ("02:00:00", True), ("05:59:59", True), ("06:00:00", False)],
)
def test_a_window_has_its_start_and_not_its_end(clock: str, inside: bool) -> None:
    assert holds("02:00-06:00", clock) is inside


@pytest.mark.parametrize(
    ("clock", "inside"),
    [("22:59:59", False), ("23:00:00", True), ("00:00:00", True), ("01:00:00", False)],
)
def test_a_window_may_pass_midnight(clock: str, inside: bool) -> None:
    assert holds("23:00-01:00", clock) is inside


@pytest.mark.parametrize("text", ["", "2:00-6:00", "02:00-02:00", "24:00-01:00", "02:00", "never"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="设置项 uplink_window 应为 always 或 HH:MM-HH:MM"):
        PlatformSettings(uplink_window=text)


@pytest.mark.parametrize(
    "text", ["http://a:1", "a:1", "https://a:1/path", "https://", "https://a b"]
)
def test_an_address_that_is_not_https_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="设置项 uplink_to 应为 https://主机:端口"):
        PlatformSettings(uplink_to=text)
    assert PlatformSettings(uplink_to="https://[::1]:9443").uplink_to
