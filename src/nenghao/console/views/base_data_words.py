"""What base data are called (基础数据的名称): tables, fields, codes, and who changed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from nenghao.platform import dictionary, dictionary_csv
from nenghao.platform.dictionary_csv import KEYS, Row
from nenghao.platform.national.base_data import ACTOR as NATION
from nenghao.standard.base_tables import BASE_DATA_TYPES
from nenghao.standard.energy import DATA_CLASSES
from nenghao.standard.messages.base_data import ROW_TYPES

TABLES: Final[Mapping[str, str]] = {
    name: {**BASE_DATA_TYPES, "productQuota": "产品指标"}[name] for name in ROW_TYPES
}
"""The Chinese names of the tables (A.6), in the order of A.2."""

FIELDS: Final[Mapping[str, str]] = {
    "code": "编码",
    "fullName": "全称",
    "name": "名称",
    "pcode": "上级编码",
    "type": "级别",
    "jgzh": "加工转换",
    "industryCode": "行业代码",
    "pclass": "数据分类",
    "unit": "计量单位",
    "classCode": "能源分类",
    "nhzbdw": "能耗折标单位",
    "zbckz": "折标量参考值",
    "dwzbxs": "单位折标系数",
    "regionCode": "行政区划代码",
    "gbValue": "国家标准值",
    "dbValue": "地方标准值",
    "elemUnit": "分子单位",
    "denoUnit": "分母单位",
    "quotaUnit": "指标单位",
    "zbxs": "折标系数",
}

LEVELS: Final[Mapping[str, Mapping[str, str]]] = {
    "region": {"1": "省级", "2": "市级", "3": "县级"},
    "collectItem": {"1": "数据分类", "2": "类别", "3": "类别和数据项"},
    "energyType": {"1": "类别", "2": "类别和品种"},
}
"""What the numbers of `type` mean."""

_YES: Final = {"true": "是", "false": "否"}
_TREES: Final = ("region", "industry")
"""Tables whose `pcode` names a row of their own."""
_CATEGORIES: Final = {"collectItem": "pclass", "energyType": "classCode"}
"""Tables whose `pcode` names a category of the same class."""
_NAMES_OF: Final = {"industryCode": "industry", "regionCode": "region"}
_PEOPLE: Final = {"operator": "命令行", NATION: "国家平台"}
USER: Final = "user:"


def who(actor: str) -> str:
    """An actor of the trail for people."""
    return _PEOPLE.get(actor, actor.removeprefix(USER))


def fields(table: str) -> list[str]:
    """The wire names of a table's fields, in their order."""
    return [column.wire for column in dictionary_csv.columns(table)]


def labels(table: str) -> list[str]:
    """The same in Chinese."""
    return [FIELDS[name] for name in fields(table)]


def key_label(table: str, row: Row) -> str:
    """What a row is told by: `210102 和平区`."""
    key = " ".join(str(row[name]) for name in KEYS[table] if row[name] != "")
    return f"{key} {row.get('name', '')}".strip()


class Words:
    """The cells of one table for people: codes with their names beside them."""

    def __init__(self, conn: Connection, table: str, rows: Sequence[Row]) -> None:
        """`rows` are the table's, in force or as it will be."""
        self.table = table
        self._fields = fields(table)
        self._named: dict[str, Mapping[str, str]] = {
            name: dictionary.names(conn, of)
            for name, of in _NAMES_OF.items()
            if name in self._fields
        }
        if table in _TREES:
            self._named["pcode"] = {row["code"]: row["name"] for row in rows}
        group = _CATEGORIES.get(table)
        self._group = group
        self._categories: dict[tuple[str, str], str] = (
            {}
            if group is None
            else {(row[group], row["code"]): row["name"] for row in rows if not row["pcode"]}
        )

    def cells(self, row: Row) -> dict[str, str]:
        """Every field of a row."""
        return {name: self.cell(name, row) for name in self._fields}

    def cell(self, name: str, row: Row) -> str:
        """One field of a row."""
        text = dictionary_csv.text_of(row[name])
        return f"{text} {beside}" if text and (beside := self._beside(name, text, row)) else text

    def _beside(self, name: str, text: str, row: Row) -> str:
        """The name that belongs to a code; "" without one."""
        if name == "type":
            return LEVELS.get(self.table, {}).get(text, "")
        if name in ("pclass", "classCode"):
            return DATA_CLASSES.get(text, "")
        if name == "jgzh":
            return _YES[text]
        if name == "pcode" and self._group is not None:
            return self._categories.get((row[self._group], text), "")
        return self._named.get(name, {}).get(text, "")
