"""Which module serves which type of source; a module is imported when its type is configured.

The libraries of the sources are extras of the package: whoever lacks one is told its name.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from msgspec import Struct

from nenghao.device.sources.base import Source

SOURCES: dict[str, str] = {
    "modbus_tcp": "nenghao.device.sources.modbus",
    "modbus_rtu": "nenghao.device.sources.modbus",
    "opcua": "nenghao.device.sources.opcua",
    "mqtt": "nenghao.device.sources.mqtt",
    "sql": "nenghao.device.sources.sql",
    "folder": "nenghao.device.sources.folder",
    "http_json": "nenghao.device.sources.http_json",
    "dlt645": "nenghao.device.sources.dlt645",
}
"""Type as written in collection.toml → module with settings tagged with the type, and `make`."""

EXTRAS: dict[str, str] = {
    "modbus_tcp": "modbus",
    "modbus_rtu": "modbus",
    "opcua": "opcua",
    "mqtt": "mqtt",
    "sql": "sql",
    "folder": "excel",
    "http_json": "device",
    "dlt645": "modbus",
}
"""Type → the extra of the package that brings its library."""


class MissingLibrary(Exception):
    """A configured source needs a package that is not installed; the text names the extra."""


def module_of(source_type: str) -> ModuleType:
    """The module of a type; KeyError for an unknown type, MissingLibrary by the extra's name."""
    try:
        return importlib.import_module(SOURCES[source_type])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("nenghao"):
            raise
        raise MissingLibrary(
            f"来源类型 {source_type} 缺少 Python 包 {error.name}，"
            f"请安装：pip install nenghao[{EXTRAS[source_type]}]"
        ) from error


def settings_type(source_type: str) -> type[Struct]:
    """The settings Struct of a type: the one that its module knows with the type as its tag."""
    module = module_of(source_type)
    for value in vars(module).values():
        for one in (value, *get_args(value)):
            is_settings = isinstance(one, type) and issubclass(one, Struct)
            if is_settings and one.__struct_config__.tag == source_type:
                return one  # type: ignore[no-any-return]
    raise TypeError(f"{module.__name__} has no settings tagged {source_type!r}")


def make(source_type: str, settings: Any, home_dir: Path) -> Source:
    """The source that `settings` (an instance of `settings_type`) describes, not yet open."""
    source: Source = module_of(source_type).make(settings, home_dir)
    return source
