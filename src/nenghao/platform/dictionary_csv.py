"""Base data tables as CSV text: how the operator reads and edits them (导出、导入).

The header is the wire's field names. Every row is checked with the forms of its message row
(`messages.base_data`), so that a table which is imported can be handed out; each error names the
line and the column. Storing the rows is `dictionary`'s business.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nenghao.standard.findings import quote
from nenghao.standard.forms import FormError
from nenghao.standard.messages.base_data import ROW_TYPES
from nenghao.standard.messages.fields import FieldPlan, fields_of

Row = dict[str, Any]

MOST_ERRORS = 20

KEYS: Mapping[str, tuple[str, ...]] = {
    "region": ("code",),
    "industry": ("code",),
    "entType": ("code",),
    "collectSystemType": ("code",),
    "process": ("industryCode", "code"),
    "collectItem": ("type", "pclass", "industryCode", "code"),
    "collectItemUsage": ("code",),
    "energyType": ("classCode", "code"),
    "productQuota": ("code", "regionCode", "industryCode"),
}
"""What tells the rows of a table apart."""

MAY_BE_EMPTY = frozenset({"process", "productQuota"})
"""Tables that mean something without a row; another one is emptied by mistake only."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "1": True, "是": True, "false": False, "0": False, "否": False}


class TableError(Exception):
    """The CSV is not a table that can be handed out; the text lists why, by line and column."""


def decode(content: bytes) -> str:
    """The text of a CSV file: UTF-8, or else GB 18030, which spreadsheets write in China.

    Raises TableError when it is neither.
    """
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError("文件既不是 UTF-8 也不是 GB 18030 编码的文本")


def columns(table: str) -> tuple[FieldPlan, ...]:
    """The columns of a table; TableError when there is no such table."""
    kind = ROW_TYPES.get(table)
    if kind is None:
        raise TableError(f"没有基础数据表 {table}，应为以下之一：{'、'.join(ROW_TYPES)}")
    return fields_of(kind)


def write(table: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """The table as CSV text with its header, lines ending in \\n."""
    out = io.StringIO()
    names = [column.wire for column in columns(table)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_text(row[name]) for name in names])
    return out.getvalue()


def read(table: str, text: str) -> list[Row]:
    """The rows of CSV text, checked, by wire names in the wire's types.

    Raises TableError naming up to `MOST_ERRORS` places: an unknown, missing or doubled column, a
    value that breaks its form, a row whose key stands already.
    """
    plans = columns(table)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    errors: list[str] = []
    rows: list[Row] = []
    seen: dict[tuple[Any, ...], int] = {}
    try:
        order = _header(table, next(reader, []), plans)
        for cells in reader:
            if not any(cells):
                continue
            row = _row(reader.line_num, cells, order, errors)
            if row is None:
                continue
            key = tuple(row[name] for name in KEYS[table])
            first = seen.setdefault(key, reader.line_num)
            if first != reader.line_num:
                shown = "，".join(f"{name} {row[name]}" for name in KEYS[table])
                errors.append(f"第 {reader.line_num} 行：{shown} 与第 {first} 行重复")
            rows.append({plan.wire: row[plan.wire] for plan in plans})
    except csv.Error as error:
        errors.append(f"第 {reader.line_num} 行不是合法的 CSV：{error}")
    if not rows and not errors and table not in MAY_BE_EMPTY:
        errors.append("表中没有任何行")
    if errors:
        raise TableError(_summary(errors))
    return rows


def row_of(table: str, texts: Mapping[str, str]) -> tuple[Row, dict[str, str]]:
    """One row by wire names, as `read` would have it, and by wire name what is wrong with it."""
    row: Row = {}
    wrong: dict[str, str] = {}
    for plan in columns(table):
        try:
            row[plan.wire] = _value(plan, texts.get(plan.wire, "").strip())
        except FormError as error:
            wrong[plan.wire] = error.reason
    return row, wrong


def text_of(value: Any) -> str:
    """A value of a row as CSV has it."""
    return _text(value)


def _header(table: str, header: Sequence[str], plans: Sequence[FieldPlan]) -> list[FieldPlan]:
    """The columns in the file's order."""
    by_name = {plan.wire: plan for plan in plans}
    names = [name.strip() for name in header]
    errors = [f"未知的列 {name or '（空）'}" for name in names if name not in by_name]
    errors += [f"缺少列 {name}" for name in by_name if name not in names]
    errors += [f"列 {name} 重复" for name in by_name if names.count(name) > 1]
    if errors:
        expected = ",".join(by_name)
        raise TableError(f"第 1 行（表头）：{'；'.join(errors)}；{table} 的表头应为 {expected}")
    return [by_name[name] for name in names]


def _row(
    line: int, cells: Sequence[str], order: Sequence[FieldPlan], errors: list[str]
) -> Row | None:
    """The row in the wire's types; None when it has errors, which are added."""
    if len(cells) != len(order):
        errors.append(f"第 {line} 行：应有 {len(order)} 列，实有 {len(cells)} 列")
        return None
    row: Row = {}
    for plan, cell in zip(order, cells, strict=True):
        try:
            row[plan.wire] = _value(plan, cell.strip())
        except FormError as error:
            shown = f"，收到 {quote(cell)}" if cell.strip() else ""
            errors.append(f"第 {line} 行 {plan.wire} 列：{error.reason}{shown}")
    return row if len(row) == len(order) else None


def _value(plan: FieldPlan, cell: str) -> Any:
    form = plan.field.form
    if form is None:
        raise TypeError(f"column {plan.wire} has no form")
    if not cell:
        if plan.field.needed:
            raise FormError("缺失")
        if form.json_type in ("string", "number|empty string"):
            return ""
    value = _READERS[form.json_type](cell)
    if value is None:
        raise FormError(form.expected)
    return form.check(value)


def _integer(cell: str) -> int | None:
    return int(cell) if _INTEGER.fullmatch(cell) else None


def _number(cell: str) -> float | None:
    """A number as JSON would have it: without a point it stays an integer."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    return float(cell) if _NUMBER.fullmatch(cell) else None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "number|empty string": _number,
    "boolean": lambda cell: _BOOLEANS.get(cell.lower()),
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _summary(errors: Sequence[str]) -> str:
    shown = list(errors[:MOST_ERRORS])
    if len(errors) > len(shown):
        shown.append(f"另有 {len(errors) - len(shown)} 处")
    return "\n".join(shown)
