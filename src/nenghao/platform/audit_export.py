"""The audit trail as a file (审计记录导出): JSON lines prove themselves, CSV and Excel are read.

JSON lines are always the whole chain, since only the whole can be verified; the others may be a
part of it. Every export is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection

from nenghao.platform import audit, audit_chain, table_file
from nenghao.platform.audit import Filter
from nenghao.platform.store.engine import Store

JSON_LINES: Final = ".jsonl"
SUFFIXES: Final = (JSON_LINES, table_file.CSV, table_file.EXCEL)
COLUMNS: Final = {
    "sequence": "编号",
    "at": "时间",
    "actor": "主体",
    "address": "地址",
    "action": "操作",
    "subject": "对象",
    "result": "结果",
    "detail": "说明",
}
EVERYTHING: Final = Filter()
_TOLD_EVERY = 500


class ExportError(Exception):
    """That cannot be exported so; the text says why, in Chinese."""


def export(
    store: Store,
    name: str,
    out: BinaryIO,
    wanted: Filter,
    now: datetime,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    most: int | None = None,
) -> int:
    """Write the records that are asked for to `out`; how many. Leaves an audit record.

    The suffix of `name` says in which form. `on_progress(done, total)`: what it raises ends this.
    Raises ExportError for another suffix, a part of the chain as JSON lines, or more than `most`.
    """
    suffix = next((one for one in SUFFIXES if name.lower().endswith(one)), None)
    if suffix is None:
        raise ExportError(f"文件应为 {JSON_LINES}、.csv 或 .xlsx，收到 {name}")
    if suffix == JSON_LINES and wanted != EVERYTHING:
        raise ExportError(f"{JSON_LINES} 只导出全部记录：一部分无法独立核对")
    with store.read() as conn:
        total = _total(conn, wanted, most)
        records = _told(audit_chain.exported(conn, *audit.conditions(wanted)), total, on_progress)
        count = _write(suffix, out, records)
    with store.write() as conn:
        detail = f"{count} 条" if wanted == EVERYTHING else f"{count} 条（{_words(wanted)}）"
        audit.record(conn, now, audit.OPERATOR, "", "audit.export", name, detail=detail)
    return count


def _total(conn: Connection, wanted: Filter, most: int | None) -> int:
    known = audit_chain.last(conn)
    if most is None:
        return known
    total = min(known, audit.counted(conn, wanted, most + 1))
    if total > most:
        raise ExportError(
            f"超过 {most:,} 条，请缩小范围，或在平台所在的机器上运行 nenghao platform audit export"
        )
    return total


def _told(
    records: Iterator[dict[str, Any]], total: int, on_progress: Callable[[int, int], None]
) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(records, 1):
        if number % _TOLD_EVERY == 0:
            on_progress(number, total)
        yield record


def _write(suffix: str, out: BinaryIO, records: Iterator[dict[str, Any]]) -> int:
    if suffix == JSON_LINES:
        count = 0
        for record in records:
            out.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
            count += 1
        return count
    rows = [{key: str(value) for key, value in one.items()} for one in records]
    out.write(table_file.written(suffix, [*COLUMNS, "digest"], rows, "审计记录"))
    return len(rows)


def _words(wanted: Filter) -> str:
    """The conditions, for the record of the export."""
    until = wanted.until
    named = {
        "主体": wanted.actor or wanted.who,
        "操作": wanted.action,
        "对象": wanted.what,
        "结果": wanted.result,
        "自": "" if wanted.since is None else wanted.since.isoformat(" "),
        "至": "" if until is None else until.isoformat(" "),
    }
    return "，".join(f"{name} {value}" for name, value in named.items() if value)
