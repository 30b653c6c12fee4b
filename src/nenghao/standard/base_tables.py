"""The base data (基础数据) a fresh platform serves: the packaged tables as rows of the wire.

Every row has exactly the keys of `baseData.response.data.*[]`, in the order of A.2, with the
types of the wire; a text that does not apply is "". What an operator made of them afterwards is
the platform dictionary's business.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nenghao.standard import code_tables
from nenghao.standard.energy import CATEGORY, COLLECT_ITEMS, ENERGY_TYPES, ITEM, USAGES
from nenghao.standard.industries import GBT_4754
from nenghao.standard.processes import PROCESSES
from nenghao.standard.regions import LIAONING
from nenghao.standard.sources import NAMES
from nenghao.standard.unit_categories import UNIT_CATEGORIES

Row = dict[str, object]

BASE_DATA_TYPES: Mapping[str, str] = MappingProxyType(
    {row["code"]: row["name"] for row in code_tables.load("base_data_types")}
)
"""Table A.6: names by code, `all` included. `productQuota`, which A.2 returns, is not in it."""

_UNITS_ONLY_CLASSES = ("04", "09")
"""Products and economic indicators: energyType "also gives" their units (A.2), no coefficients."""


def default_rows(table_name: str) -> list[Row]:
    """The default rows of a base data table by its wire name, fresh dicts each time.

    ValueError when there is no such table.
    """
    make = _TABLES.get(table_name)
    if make is None:
        raise ValueError(f"没有基础数据表 {table_name!r}，应为以下之一：{'、'.join(_TABLES)}")
    return make()


def _region() -> list[Row]:
    return [
        {
            "code": region.code,
            "fullName": region.name,  # the samples repeat the own name here
            "name": region.name,
            "pcode": region.pcode,
            "type": region.type,
        }
        for region in LIAONING
    ]


def _industry() -> list[Row]:
    return [
        {
            "code": industry.code,
            "fullName": industry.name,
            "jgzh": industry.jgzh,
            "name": industry.name,
            "pcode": industry.pcode,
        }
        for industry in GBT_4754
    ]


def _ent_type() -> list[Row]:
    return [{"code": one.code, "name": one.name} for one in UNIT_CATEGORIES.values()]


def _collect_system_type() -> list[Row]:
    return [{"code": code, "name": name} for code, name in NAMES.items()]


def _process() -> list[Row]:
    return [
        {"code": process.code, "name": process.name, "industryCode": process.industry}
        for process in PROCESSES
    ]


def _collect_item() -> list[Row]:
    return [
        {
            "code": item.code,
            "name": item.name,
            "pcode": item.pcode,
            "type": item.type,
            "pclass": item.pclass,
            "industryCode": item.industry,
            "unit": item.unit,
        }
        for item in COLLECT_ITEMS
    ]


def _collect_item_usage() -> list[Row]:
    return [{"code": usage.code, "name": usage.name} for usage in USAGES.values()]


def _energy_type() -> list[Row]:
    rows: list[Row] = [
        {
            "code": kind.code,
            "name": kind.name,
            "pcode": kind.pcode,
            "unit": kind.unit,
            "classCode": kind.class_code,
            "nhzbdw": kind.nhzbdw,
            "type": kind.type,
            "zbckz": kind.zbckz,
            "dwzbxs": _number(kind.dwzbxs),
        }
        for kind in ENERGY_TYPES
    ]
    rows += [
        {
            "code": item.code,
            "name": item.name,
            "pcode": item.pcode,
            "unit": item.unit,
            "classCode": item.pclass,
            "nhzbdw": "",
            "type": ITEM if item.pcode else CATEGORY,
            "zbckz": "",
            "dwzbxs": 1,
        }
        for item in COLLECT_ITEMS
        if item.pclass in _UNITS_ONLY_CLASSES
    ]
    return rows


def _product_quota() -> list[Row]:
    return [_quota_row(row) for row in code_tables.load("product_quotas")]


def _quota_row(row: Mapping[str, str]) -> Row:
    numbers: Row = {
        "gbValue": _quota(row["gbValue"]),
        "dbValue": _quota(row["dbValue"]),
        "zbxs": _number(row["zbxs"]),
    }
    return {**row, **numbers}


def _quota(text: str) -> float | str:
    return _number(text) if text else ""


def _number(text: str) -> float:
    """The number of a text, 1 where the table leaves it out; whole numbers as integers."""
    value = float(text or 1)
    return int(value) if value.is_integer() else value


_TABLES: Mapping[str, Callable[[], list[Row]]] = MappingProxyType(
    {
        "region": _region,
        "industry": _industry,
        "entType": _ent_type,
        "collectSystemType": _collect_system_type,
        "process": _process,
        "collectItem": _collect_item,
        "collectItemUsage": _collect_item_usage,
        "energyType": _energy_type,
        "productQuota": _product_quota,
    }
)

TABLES: tuple[str, ...] = tuple(_TABLES)
"""The nine tables by their wire names, in the order in which A.2 answers."""
