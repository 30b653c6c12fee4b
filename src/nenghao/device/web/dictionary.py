"""Codes by their names (基础数据), for the mapping page: the platform's tables, else our own.

Reads base_data.json as the platform sent it, leniently: a table that is missing or ill-formed is
replaced by the standard's. Rows are what select boxes show; nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nenghao.standard.data_code import DataCode
from nenghao.standard.energy import COLLECT_ITEMS, DATA_CLASSES, ENERGY_TYPES, USAGES
from nenghao.standard.industries import contains
from nenghao.standard.processes import PROCESSES

WHOLE_PLANT = "00"


class Kind(Struct, frozen=True):
    """What can be collected: a class (01 …) with a category and item (3300 …)."""

    class_code: str
    code: str
    name: str
    unit: str

    @property
    def key(self) -> str:
        """Both codes, as the data code has them side by side."""
        return self.class_code + self.code


class Dictionary(Struct, frozen=True):
    """Names by code; `from_platform` says whether the platform sent them."""

    processes: dict[str, str]
    classes: dict[str, str]
    kinds: dict[str, Kind]
    """By `Kind.key`, in the order of the table."""
    usages: dict[str, str]
    from_platform: bool

    def describe(self, code: DataCode) -> str:
        """A data code in words: 全厂 · 电力 · 购进已消费; unknown parts by their digits."""
        where = self.processes.get(code.process, f"工序 {code.process}")
        if code.process_unit != "00":
            where += f" {code.process_unit} 号单元"
        if (code.equipment, code.equipment_unit) != ("00", "00"):
            where += f" 设备 {code.equipment}{code.equipment_unit}"
        kind = self.kinds.get(code.energy_class + code.energy_type)
        what = kind.name if kind else f"品种 {code.energy_class}/{code.energy_type}"
        return " · ".join((where, what, self.usages.get(code.usage, f"用途 {code.usage}")))

    def unit_of(self, code: DataCode) -> str:
        """The unit in which values of a data code are sent; "" when unknown."""
        kind = self.kinds.get(code.energy_class + code.energy_type)
        return kind.unit if kind else ""


def read(path: Path, industry: str) -> Dictionary:
    """The dictionary for a unit of an industry, from the file of the platform's base data."""
    tables = _tables(path)
    processes = _processes(tables, industry)
    classes, kinds = _items(tables)
    usages = {row["code"]: row["name"] for row in _rows(tables, "collectItemUsage")}
    builtin = _builtin(industry)
    return Dictionary(
        processes={WHOLE_PLANT: "全厂"} | (processes or builtin.processes),
        classes=classes or builtin.classes,
        kinds=kinds or builtin.kinds,
        usages=usages or builtin.usages,
        from_platform=bool(kinds and usages),
    )


def _builtin(industry: str) -> Dictionary:
    kinds = [
        Kind(item.pclass, item.code, item.name, item.unit)
        for item in COLLECT_ITEMS
        if item.type == 3 and _fits(item.industry, industry)
    ]
    return Dictionary(
        processes={row.code: row.name for row in PROCESSES.of_industry(industry)},
        classes=dict(DATA_CLASSES),
        kinds={kind.key: kind for kind in kinds},
        usages={code: usage.name for code, usage in USAGES.items()},
        from_platform=False,
    )


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        answer = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}


def _rows(tables: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    """The rows of a table that have a code and a name; everything in them as text."""
    rows = tables.get(name)
    return [
        {str(key): "" if value is None else str(value) for key, value in row.items()}
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.get("code") and row.get("name")
    ]


def _fits(wanted: str, industry: str) -> bool:
    return not wanted or not industry or contains(wanted, industry)


def _processes(tables: Mapping[str, Any], industry: str) -> dict[str, str]:
    rows = [row for row in _rows(tables, "process") if _fits(row.get("industryCode", ""), industry)]
    # a code means what the nearest industry says: longer prefixes overwrite shorter ones
    rows.sort(key=lambda row: (len(row.get("industryCode", "")), row["code"]))
    found = {row["code"]: row["name"] for row in rows}
    return dict(sorted(found.items()))


def _items(tables: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Kind]]:
    rows = _rows(tables, "collectItem")
    classes = {row["code"]: row["name"] for row in rows if row.get("type") == "1"}
    units = {(kind.class_code, kind.code): kind.unit for kind in ENERGY_TYPES}
    units.update(_units(_rows(tables, "energyType")))
    kinds: dict[str, Kind] = {}
    for row in rows:
        class_code, code = row.get("pclass", ""), row["code"]
        if row.get("type") != "3" or len(class_code) != 2 or len(code) != 4:
            continue
        unit = row.get("unit") or units.get((class_code, code), "")
        kinds.setdefault(class_code + code, Kind(class_code, code, row["name"], unit))
    return classes, kinds


def _units(rows: Iterable[Mapping[str, str]]) -> Iterable[tuple[tuple[str, str], str]]:
    for row in rows:
        if row.get("unit"):
            yield (row.get("classCode", ""), row["code"]), row["unit"]
