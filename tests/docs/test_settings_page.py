"""docs/settings.md lists every setting with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from nenghao import settings as settings_files
from nenghao.device.settings import DeviceSettings
from nenghao.platform.settings import PlatformSettings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def section(heading: str) -> dict[str, str]:
    """Key and default column of the table under a heading."""
    text = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))


def shown(value: str) -> str:
    return {'""': "empty"}.get(value, f"`{value.strip(chr(34))}`")


@pytest.mark.parametrize(
    ("heading", "cls", "given"),
    [
        ("platform.toml", PlatformSettings, {}),
        ("device.toml", DeviceSettings, {"platform": "set by `init`"}),
    ],
)
def test_every_key_stands_there_with_its_default(
    heading: str, cls: type[msgspec.Struct], given: dict[str, str]
) -> None:
    written = re.findall(r"^(\w+) = (.+)$", settings_files.template(cls, given), re.MULTILINE)
    expected = {key: given.get(key, shown(value)) for key, value in written}
    assert section(heading) == expected


@pytest.mark.parametrize("cls", [PlatformSettings, DeviceSettings])
def test_every_setting_has_a_chinese_comment_in_the_file(cls: type[msgspec.Struct]) -> None:
    given = {"platform": "10.0.0.1:9443"} if cls is DeviceSettings else {}
    for block in settings_files.template(cls, given).strip().split("\n\n"):
        assert re.search(r"^# .*[\u4e00-\u9fff]", block), block
