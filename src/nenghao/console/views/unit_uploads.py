"""What came from a unit (上传): receipts, refused uploads with the words they got, and advice.

Pages of any length, newest first; the bodies stay where they are until one is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select

from nenghao.console.views.unit_items import Words, words
from nenghao.platform import journal
from nenghao.platform.chain import DROPPED, ZSTD
from nenghao.platform.store.schema import finding, receipt, refused_upload
from nenghao.standard import data_code
from nenghao.standard.energy_checks import Check
from nenghao.standard.findings import AdviceKind
from nenghao.standard.periods import StatType

T = TypeVar("T")

KINDS: Final = {
    journal.ENERGY: "采集数据",
    journal.CONFIGURATION: "基础信息",
    journal.PRUNE: "清除原文",
    journal.REBUILD: "重建数据",
}
"""What a receipt is of."""
PATHS: Final = {
    "/": "注册",
    "/uploadConfigData": "基础信息上传",
    "/uploadEnergyData": "采集数据上传",
    "/downloadConfigData": "基础信息下载",
    "/downloadEnergyData": "采集数据下载",
    "/downloadBaseData": "基础数据下载",
    "/versionCheck": "版本校验",
}
FINDINGS: Final = {one.value: one.label for one in (*AdviceKind, *Check)}
"""The kinds of advice with their labels."""
_PLATFORM = "平台"
"""Device 0: what an operator did, or what was filled in here."""


@dataclass(frozen=True)
class ReceiptRow:
    """One accepted upload."""

    number: int
    received_at: datetime
    kind: str
    device: str
    records: int
    covers: str
    result: str
    size: int
    address: str
    sha256: str
    kept: bool


@dataclass(frozen=True)
class RefusedRow:
    """One refused upload."""

    number: int
    received_at: datetime
    device: int
    interface: str
    code: str
    text: str
    size: int
    address: str
    kept: bool


@dataclass(frozen=True)
class FindingRow:
    """One piece of advice."""

    last_at: datetime
    first_at: datetime
    label: str
    subject: str
    name: str
    """The subject in words where it is a data code."""
    times: int
    detail: str


@dataclass(frozen=True)
class Part(Generic[T]):
    """One page of them, and how many there are in all."""

    rows: Sequence[T]
    total: int


def receipts(
    conn: Connection, unit_id: int, kind: str, limit: int, offset: int
) -> Part[ReceiptRow]:
    """Accepted uploads, the latest first; of one kind where it is given."""
    mine = [receipt.c.unit_id == unit_id]
    if kind:
        mine.append(receipt.c.kind == kind)
    columns = [column for column in receipt.c if column.name not in ("body", "settings")]
    query = select(*columns).where(*mine).order_by(receipt.c.sequence.desc())
    rows = conn.execute(query.limit(limit).offset(offset)).mappings()
    return Part([_receipt(row) for row in rows], _count(conn, receipt, *mine))


def refused(conn: Connection, unit_id: int, limit: int, offset: int) -> Part[RefusedRow]:
    """Refused uploads that are kept, the latest first."""
    mine = refused_upload.c.unit_id == unit_id
    columns = [column for column in refused_upload.c if column.name != "body"]
    query = select(*columns).where(mine).order_by(refused_upload.c.number.desc())
    rows = conn.execute(query.limit(limit).offset(offset)).mappings()
    return Part([_refused(row) for row in rows], _count(conn, refused_upload, mine))


def findings(
    conn: Connection, unit_id: int, kind: str, limit: int, offset: int
) -> Part[FindingRow]:
    """Advice, what came last first; of one kind where it is given."""
    mine = [finding.c.unit_id == unit_id]
    if kind:
        mine.append(finding.c.kind == kind)
    order = (finding.c.last_at.desc(), finding.c.kind, finding.c.subject)
    query = select(finding).where(*mine).order_by(*order)
    rows = conn.execute(query.limit(limit).offset(offset)).mappings()
    naming = words(conn, unit_id)
    return Part([_finding(row, naming) for row in rows], _count(conn, finding, *mine))


def finding_kinds(conn: Connection, unit_id: int) -> dict[str, str]:
    """The kinds of advice that the unit has, with how many of each."""
    query = (
        select(finding.c.kind, func.count())
        .where(finding.c.unit_id == unit_id)
        .group_by(finding.c.kind)
        .order_by(finding.c.kind)
    )
    found = conn.execute(query)
    return {kind: f"{FINDINGS.get(kind, kind)}（{number}）" for kind, number in found}


def _count(conn: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return int(conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def _receipt(row: RowMapping) -> ReceiptRow:
    return ReceiptRow(
        number=row["sequence"],
        received_at=row["received_at"],
        kind=KINDS.get(row["kind"], row["kind"]),
        device=f"{row['device_number']} 号" if row["device_number"] else _PLATFORM,
        records=row["records"],
        covers=_covers(json.loads(row["covers"])),
        result=_result(json.loads(row["result"])),
        size=row["size"],
        address=row["address"],
        sha256=row["sha256"].hex(),
        kept=row["encoding"] != DROPPED,
    )


def _covers(told: Mapping[str, tuple[str, str]]) -> str:
    """`日 2026-11-01～2026-11-21；实时 …`: which periods the upload has values for."""
    parts = []
    for kind, (first, last) in told.items():
        length = {StatType.REALTIME: 16, StatType.MONTH: 7, StatType.YEAR: 4}
        cut = length.get(StatType(int(kind)), 10)
        ends = (first[:cut], last[:cut])
        span = ends[0] if ends[0] == ends[1] else "～".join(ends)
        parts.append(f"{StatType(int(kind)).label} {span}")
    return "；".join(parts)


def _result(told: Mapping[str, Any]) -> str:
    """What became of an upload, as words and numbers; nothing about what was none."""
    names = {
        "stored": "存入", "unchanged": "与已存相同", "lost": "已有更新的数据", "items": "数据项",
        "retired": "停用", "advice": "提示", "receipts": "重放回执", "differences": "不同",
        "frames": "改写帧", "bodies": "清除原文",
    }  # fmt: skip
    parts = []
    for key, name in names.items():
        value = told.get(key, 0)
        number = sum(value.values()) if isinstance(value, dict) else value
        if number:
            parts.append(f"{name} {number}")
    return "，".join(parts)


def _refused(row: RowMapping) -> RefusedRow:
    path = row["path"]
    return RefusedRow(
        number=row["number"],
        received_at=row["received_at"],
        device=row["device_number"],
        interface=PATHS.get(path, path),
        code=row["code"],
        text=row["text"],
        size=row["size"],
        address=row["address"],
        kept=row["encoding"] == ZSTD,
    )


def _finding(row: RowMapping, naming: Words) -> FindingRow:
    code, _, _ = row["subject"].partition(" ")
    return FindingRow(
        last_at=row["last_at"],
        first_at=row["first_at"],
        label=FINDINGS.get(row["kind"], row["kind"]),
        subject=row["subject"],
        name=naming.name(code) if data_code.is_form(code) else "",
        times=row["times"],
        detail=row["detail"],
    )
