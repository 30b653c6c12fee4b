"""Drops old bodies from the upload journal (上传日志原文清除), when the operator asks for it.

Receipts and digests stay, so the chains still verify; what went is said by a receipt in each
unit's own chain and by the audit trail. Nothing here runs by itself (docs/journal).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from nenghao.platform import audit, journal
from nenghao.platform.chain import DROPPED
from nenghao.platform.journal import Body
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import receipt, unit
from nenghao.standard import periods


@dataclass(frozen=True)
class Operator:
    """Who prunes and rebuilds: the sender of receipts that no device sent."""

    unit_id: int
    credit_code: str
    device: int = 0


@dataclass(frozen=True)
class Pruned:
    """What was dropped, or would be, of one unit's bodies."""

    credit_code: str
    bodies: int
    size: int
    """Bytes that they took in the database, compressed."""


def prune(
    store: Store,
    keep_days: int,
    now: datetime,
    *,
    dry_run: bool = False,
    progress: Callable[[Pruned], None] = lambda _: None,
) -> list[Pruned]:
    """Drop the bodies received more than `keep_days` days before `now`, a unit at a time.

    Each unit is one transaction with the receipt that records it; `progress` is told after each.
    ValueError unless `keep_days` is at least 1: 0 is the setting's word for ever.
    """
    if keep_days < 1:
        raise ValueError("keep_days must be at least 1")
    before = now.replace(microsecond=0) - timedelta(days=keep_days)
    with store.read() as conn:
        old = select(receipt.c.unit_id).where(_is_old(before)).distinct()
        query = select(unit.c.id, unit.c.code).where(unit.c.id.in_(old)).order_by(unit.c.code)
        units = conn.execute(query).all()
    done = []
    for row in units:
        owner = Operator(row.id, row.code)
        if dry_run:
            with store.read() as conn:
                pruned = _measure(conn, owner, before)
        else:
            with store.write() as conn:
                pruned = _prune_unit(conn, owner, before, now)
        done.append(pruned)
        progress(pruned)
    return done


def _is_old(before: datetime) -> ColumnElement[bool]:
    return (
        (receipt.c.received_at < before)
        & (receipt.c.encoding != DROPPED)
        & receipt.c.kind.in_(journal.UPLOADS)
    )


def _measure(conn: Connection, owner: Operator, before: datetime) -> Pruned:
    query = select(func.count(), func.coalesce(func.sum(func.length(receipt.c.body)), 0)).where(
        receipt.c.unit_id == owner.unit_id, _is_old(before)
    )
    bodies, size = conn.execute(query).one()
    return Pruned(owner.credit_code, int(bodies), int(size))


def _prune_unit(conn: Connection, owner: Operator, before: datetime, now: datetime) -> Pruned:
    journal.lock(conn, owner.unit_id)
    pruned = _measure(conn, owner, before)
    if not pruned.bodies:  # another one was quicker
        return pruned
    conn.execute(
        update(receipt)
        .where(receipt.c.unit_id == owner.unit_id, _is_old(before))
        .values(encoding=DROPPED, body=b"")
    )
    result: Mapping[str, Any] = {
        "before": periods.format_time(before),
        "bodies": pruned.bodies,
        "bytes": pruned.size,
    }
    journal.append(
        conn,
        owner,
        journal.PRUNE,
        Body.of(b""),
        records=0,
        result=result,
        now=now,
        address="",
    )
    audit.record(
        conn,
        now,
        audit.OPERATOR,
        "",
        "journal.prune",
        owner.credit_code,
        detail=f"清除 {result['before']} 以前收到的 {pruned.bodies} 份原文，{pruned.size} 字节",
    )
    return pruned
