"""A library is imported only when a source needs it; whoever lacks one is told the extra's name."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from nenghao.device.collection import plan, settings
from nenghao.device.collection.settings import CollectionError, ItemSettings
from nenghao.device.sources import registry

LIBRARIES = {
    "pymodbus", "serial", "asyncua", "aiomqtt", "paho", "sqlalchemy", "openpyxl", "numpy",
    "starlette", "uvicorn",
}  # fmt: skip
PAGE = Path(__file__).parents[3] / "docs" / "device-collection.md"
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def imported(statement: str, libraries: set[str] = LIBRARIES) -> set[str]:
    """Which of the libraries a fresh process has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split()) & libraries


def test_the_service_alone_imports_no_sources_library_and_no_web_server() -> None:
    assert imported("import nenghao.device.service, nenghao.cli.device") == set()


def test_the_command_line_of_a_device_takes_along_no_rich_and_no_highlighter() -> None:
    statement = "from nenghao.cli import main\nmain(['device', 'status', '--home', 'nowhere'])"
    assert {"nenghao", "httpx", "structlog"} <= imported(
        statement, {"nenghao", "httpx", "structlog"}
    )
    assert imported(statement, LIBRARIES | {"rich", "pygments", "markdown_it"}) == set()


def test_help_is_shown_with_rich_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nenghao", "device", "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "╭─ 命令" in done.stdout


def test_a_collection_without_modbus_does_not_pay_for_it() -> None:
    text = '[[source]]\\ntype = "http_json"\\nname = "a"\\nurl = "http://127.0.0.1/"\\npoints = []'
    statement = (
        "from nenghao.device.collection import settings\n"
        f"try: settings.parse('{text}')\nexcept settings.CollectionError: pass"
    )
    assert imported(statement) == set()


@pytest.mark.parametrize("kind", registry.SOURCES)
def test_every_type_of_source_has_settings_with_the_common_keys(kind: str) -> None:
    if importlib.util.find_spec(registry.SOURCES[kind]) is None:
        pytest.skip(f"{registry.SOURCES[kind]} is not there")
    fields = {field.name: field for field in msgspec.structs.fields(registry.settings_type(kind))}
    assert {"name", "poll_seconds", "timeout_seconds", "points"} <= fields.keys()
    assert registry.settings_type(kind).__struct_config__.tag_field == "type"


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pymodbus'", name="pymodbus")

    monkeypatch.setattr("nenghao.device.sources.registry.importlib.import_module", missing)
    text = '[[source]]\ntype = "modbus_tcp"\nname = "gate"\n'
    with pytest.raises(CollectionError, match=r"pymodbus.*pip install nenghao\[modbus\]"):
        settings.parse(text)


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(registry.EXTRAS.values()) <= extras.keys()
    assert set(registry.EXTRAS) == set(registry.SOURCES)
    (everything,) = extras["sources"]
    named = set(everything.removeprefix("nenghao[").removesuffix("]").split(","))
    assert named == set(registry.EXTRAS.values()) - {"device"}


# --- the page about it ----------------------------------------------------------------------------


def test_the_example_of_the_page_is_a_collection() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    made = plan.make(settings.parse(block), plan.unit_finder(None))
    assert [item.unit for item in made.items] == ["万千瓦时"]


def test_the_page_has_every_key_of_an_item_with_its_default() -> None:
    text = PAGE.read_text("utf-8").split("## Items")[1].split("\n### ")[0]
    rows = re.findall(r"^\| (.+?) \| (.*?) \|", text, re.MULTILINE)
    told = {key: default for keys, default in rows for key in re.findall(r"`(\w+)`", keys)}
    fields = {field.name: field for field in msgspec.structs.fields(ItemSettings)}
    assert told.keys() == fields.keys()
    for name, field in fields.items():
        if isinstance(field.default, str) and field.default not in ("", "1"):
            assert told[name] == f"`{field.default}`"


def test_the_page_has_every_type_of_source() -> None:
    text = PAGE.read_text("utf-8").split("## Sources")[1].split("\n## ")[0]
    told = {kind for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
            for kind in re.findall(r"`(\w+)`", row)}  # fmt: skip
    assert told == set(registry.SOURCES)
