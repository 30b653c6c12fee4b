"""Verifies the audit chain for an operator (核对审计链), and records what he found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nenghao.platform import audit, audit_chain
from nenghao.platform.audit_chain import Checked
from nenghao.platform.store.engine import Store


def verify(
    store: Store,
    now: datetime,
    noted: tuple[int, str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Walk the whole chain; `audit_chain.verify` says what is found.

    `on_progress(done, total)` is told in records; what it raises ends this.
    """
    with store.read() as conn:
        total = audit_chain.last(conn)
        checked = audit_chain.verify(conn, noted, lambda done: on_progress(done, total))
    found = f"{len(checked.breaks)} 处问题" if checked.breaks else "完好"
    with store.write() as conn:
        detail = (
            f"{checked.records} 条，{found}；最后一条 {checked.sequence}，摘要 {checked.digest}"
        )
        audit.record(conn, now, audit.OPERATOR, "", "audit.verify", "", detail=detail)
    return checked
