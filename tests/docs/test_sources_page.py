"""docs/sources.md lists every key of every type of source with its default; its examples load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

pytest.importorskip("pymodbus", reason="pip install nenghao[modbus]")
pytest.importorskip("asyncua", reason="pip install nenghao[opcua]")
pytest.importorskip("aiomqtt", reason="pip install nenghao[mqtt]")

from nenghao.device.collection import settings
from nenghao.device.sources import registry

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
COMMON = {"name", "poll_seconds", "timeout_seconds", "points"}
COMMON_OF_A_POINT = {"name", "scale", "offset", "unit"}
TYPES = list(registry.SOURCES)


def section(source_type: str) -> str:
    return PAGE.read_text("utf-8").split(f"\n## {source_type}\n")[1].split("\n## ")[0]


def table(source_type: str, heading: str) -> dict[str, str]:
    """Key and default of the rows below a heading row."""
    part = section(source_type).partition(f"| {heading} | default |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", part, re.MULTILINE))


def shown(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**required**"
    default: Any = field.default
    if default is msgspec.NODEFAULT:
        assert field.default_factory is not msgspec.NODEFAULT
        default = field.default_factory()
    if default is None:
        return "none"
    if default == "":
        return "empty"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def keys(cls: type[msgspec.Struct], common: set[str]) -> dict[str, str]:
    return {
        field.name: shown(field)
        for field in msgspec.structs.fields(cls)
        if field.name not in common
    }


@pytest.mark.parametrize("source_type", TYPES)
def test_every_key_of_a_source_stands_there_with_its_default(source_type: str) -> None:
    assert table(source_type, "key") == keys(registry.settings_type(source_type), COMMON)


@pytest.mark.parametrize("source_type", [one for one in TYPES if one != "modbus_rtu"])
def test_every_key_of_a_point_stands_there_with_its_default(source_type: str) -> None:
    points = get_type_hints(registry.settings_type(source_type))["points"]
    (point,) = get_args(points)
    assert table(source_type, "key of a point") == keys(point, COMMON_OF_A_POINT)


@pytest.mark.parametrize("source_type", TYPES)
def test_its_example_loads(source_type: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", section(source_type), re.DOTALL)
    (tmp_path / "collection.toml").write_text(example, "utf-8")
    (source,) = settings.load(tmp_path / "collection.toml").sources
    assert source.type == source_type


def test_the_page_knows_no_other_types() -> None:
    assert re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE) == TYPES
