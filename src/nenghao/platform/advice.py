"""Keeps the advice (提示) of accepted messages, and refuses what a strict setting makes law.

What is odd about a message is found by the service that takes it (`registry`, `configuration`,
`intake`); here is only what becomes of it: one row per unit, kind and subject, never per value
(docs/decisions 1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import finding, unit
from nenghao.standard.energy_checks import Check, EnergyFinding
from nenghao.standard.findings import Advice, AdviceKind
from nenghao.standard.replies import IllegalFormat

SUBJECT_LENGTH = 64
NO_SEQUENCE = 0
"""`last_sequence` of advice about a message that has no receipt: a registration."""

_CHECKS = {kind.value: kind for kind in Check}
_KINDS: Mapping[str, AdviceKind | Check] = {**{one.value: one for one in AdviceKind}, **_CHECKS}


def refuse_strict(advice: Iterable[Advice], strict: Collection[AdviceKind]) -> None:
    """Raise IllegalFormat (E2002) naming all advice whose kind the operator made strict."""
    broken = [one.as_finding() for one in advice if one.kind in strict]
    if broken:
        raise IllegalFormat(broken)


def keep(
    conn: Connection, unit_id: int, advice: Iterable[Advice], sequence: int, now: datetime
) -> None:
    """Store the advice of one accepted message, receipt `sequence` of the unit."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in advice:
        subject = one.subject[:SUBJECT_LENGTH]
        row = rows.setdefault(
            (one.kind.value, subject),
            {
                "unit_id": unit_id,
                "kind": one.kind.value,
                "subject": subject,
                "first_at": now,
                "last_at": now,
                "last_sequence": sequence,
                "times": 0,
                "detail": "",
            },
        )
        row["times"] += 1
        row["detail"] = f"{one.path}：{one.detail}" if one.path else one.detail
    # In one order everywhere: of two writers the later waits, and neither for the other.
    upsert(conn, finding, [rows[key] for key in sorted(rows)], _again)


def keep_checks(
    conn: Connection,
    unit_id: int,
    found: Iterable[EnergyFinding],
    period: str,
    sequence: int,
    now: datetime,
) -> None:
    """Store what checks found about a period, `2026-03 填报`, in place of what they found before.

    What no longer holds goes; of what still holds the first time stays and the count rises.
    """
    rows = [
        {
            "unit_id": unit_id,
            "kind": one.kind.value,
            "subject": f"{one.subject} {period}",
            "first_at": now,
            "last_at": now,
            "last_sequence": sequence,
            "times": 1,
            "detail": f"{period}：{one.detail}",
        }
        for one in sorted(found, key=lambda one: (one.kind.value, one.subject))
    ]
    mine = (finding.c.unit_id == unit_id) & finding.c.kind.in_(_CHECKS)
    held = conn.execute(
        select(finding.c.kind, finding.c.subject).where(
            mine, finding.c.subject.endswith(f" {period}", autoescape=True)
        )
    )
    still = {(row["kind"], row["subject"]) for row in rows}
    for kind, subject in sorted({(row.kind, row.subject) for row in held} - still):
        conn.execute(
            delete(finding).where(mine, finding.c.kind == kind, finding.c.subject == subject)
        )
    upsert(conn, finding, rows, _again)


def _again(new: Any) -> Mapping[str, Any]:
    return {
        "last_at": new.last_at,
        "last_sequence": new.last_sequence,
        "times": finding.c.times + new.times,
        "detail": new.detail,
    }


@dataclass(frozen=True)
class Kept:
    """One stored finding: which unit's, what, how often and when."""

    code: str
    kind: AdviceKind | Check
    subject: str
    detail: str
    times: int
    first_at: datetime
    last_at: datetime


def kept(conn: Connection, credit_code: str = "") -> list[Kept]:
    """The stored findings, of one unit if `credit_code` is given; the latest first."""
    query = (
        select(unit.c.code, finding)
        .join_from(finding, unit, finding.c.unit_id == unit.c.id)
        .order_by(finding.c.last_at.desc(), unit.c.code, finding.c.kind, finding.c.subject)
    )
    if credit_code:
        query = query.where(unit.c.code == credit_code)
    return [_kept(row) for row in conn.execute(query).mappings()]


def _kept(row: RowMapping) -> Kept:
    return Kept(
        row["code"],
        _KINDS[row["kind"]],
        row["subject"],
        row["detail"],
        row["times"],
        row["first_at"],
        row["last_at"],
    )
