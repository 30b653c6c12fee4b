"""What is done with a unit's monthly form (填报、提交、撤回、接受、退回), and by whom.

A draft is in force for nobody. When it is accepted its values go through the intake like an
operator's file (`reports`), in one transaction with the change of its state: either both stand or
neither does. Submitting is for whoever fills in; accepting and returning are the office's: a
unit's user may do neither, not even for his own unit.

Who changes a form says which version he saw, so that nobody overwrites, and no operator accepts,
what he has not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from nenghao.platform import audit, journal, report_cells, report_log, reports, reports_excel
from nenghao.platform.permissions import Act as Permission
from nenghao.platform.permissions import Role
from nenghao.platform.report_log import Act, Cells, Report, State
from nenghao.platform.reports import Imported, UnitReport
from nenghao.platform.sessions import NotPermitted, Session
from nenghao.platform.store.engine import Store

MOST_REMARK: Final = 500
MOST_CELLS: Final = 3_000
MOST_BYTES: Final = 200_000
"""Fields of a form, and bytes of them as they are stored."""

WRITABLE: Final = frozenset({None, State.DRAFT, State.RETURNED, State.ACCEPTED})
"""Where a form may be changed; an accepted one becomes a draft again."""
RETURNABLE: Final = frozenset({State.SUBMITTED, State.ACCEPTED})


class ReportStateError(Exception):
    """A step that the form does not allow as it stands; the text says why, in Chinese."""


def decides(session: Session, code: str) -> bool:
    """Whether the operator may accept and return the unit's forms: who fills in, but is no unit's
    user."""
    return session.role is not Role.UNIT and session.may(Permission.REPORTS_FILL, code)


def save(
    store: Store, session: Session, code: str, month: str, cells: Cells, version: int, now: datetime
) -> int:
    """Keep what is typed, right or wrong, as a draft; the form's new version.

    Raises NotPermitted, ReportStateError.
    """
    _require(store, session, code, now)
    _begun(month, now)
    kept = _bounded(cells)
    with store.write() as conn:
        held = _held(conn, code, month, version, WRITABLE)
        state = State.RETURNED if held.state is State.RETURNED else State.DRAFT
        new = report_log.put(conn, held, now, state, kept)
        _record(conn, now, "reports.save", held, f"{_count(kept)} 项")
    return new


def submit(
    store: Store,
    settings: reports.Settings,
    session: Session,
    code: str,
    month: str,
    cells: Cells,
    version: int,
    now: datetime,
) -> int:
    """Keep what is typed and hand it to the office; the form's new version.

    Raises FormError naming every field that is wrong, NotPermitted, ReportStateError.
    """
    _require(store, session, code, now)
    _begun(month, now)
    kept = _bounded(cells)
    with store.write() as conn:
        held = _held(conn, code, month, version, WRITABLE)
        peer = report_cells.peer_of(held.unit_id, held.code, held.name)
        form = report_cells.sheet(conn, settings, peer, month, now)
        report_cells.filled(form, kept, now)
        new = report_log.put(conn, held, now, State.SUBMITTED, kept, Act.SUBMIT)
        _record(conn, now, "reports.submit", held, f"{_count(kept)} 项")
    return new


def withdraw(
    store: Store, session: Session, code: str, month: str, version: int, now: datetime
) -> int:
    """Take a submitted form back; it is a draft again. Its new version."""
    _require(store, session, code, now)
    with store.write() as conn:
        held = _held(conn, code, month, version, {State.SUBMITTED})
        new = report_log.put(conn, held, now, State.DRAFT, held.cells, Act.WITHDRAW)
        _record(conn, now, "reports.withdraw", held)
    return new


def send_back(
    store: Store, session: Session, code: str, month: str, remark: str, version: int, now: datetime
) -> int:
    """Return a form to the unit, saying why; what of it is in force stays. Its new version."""
    _require(store, session, code, now, deciding=True)
    said = _remark(remark)
    if not said:
        raise ReportStateError("退回时请写明原因")
    with store.write() as conn:
        held = _held(conn, code, month, version, RETURNABLE)
        new = report_log.put(conn, held, now, State.RETURNED, held.cells, Act.RETURN, said)
        _record(conn, now, "reports.return", held, said)
    return new


def accept(
    store: Store,
    settings: reports.Settings,
    session: Session,
    code: str,
    month: str,
    remark: str,
    version: int,
    now: datetime,
) -> UnitReport:
    """Bring a submitted form into force, as it was submitted; what became of its values.

    Raises FormError where the rules have changed since it was submitted, NotPermitted,
    ReportStateError.
    """
    _require(store, session, code, now, deciding=True)
    said = _remark(remark)
    with store.read() as conn:
        seen = _held(conn, code, month, version, {State.SUBMITTED}, lock=False)
        peer = report_cells.peer_of(seen.unit_id, seen.code, seen.name)
        form = report_cells.sheet(conn, settings, peer, month, now)
    told = report_cells.filled(form, seen.cells, now)

    def then(conn: Connection, one: UnitReport) -> None:
        held = _held(conn, code, month, version, {State.SUBMITTED})
        sequence = one.result.sequence
        report_log.put(
            conn, held, now, State.ACCEPTED, held.cells, Act.ACCEPT, said, sequence=sequence
        )

    done = reports.take(
        store, settings, told, now, f"{code} {month}", said, then, action="reports.accept"
    )
    return done.units[0]


def import_file(
    store: Store,
    settings: reports.Settings,
    session: Session,
    content: bytes,
    name: str,
    now: datetime,
    at: Callable[[int, int, str], None],
) -> Imported:
    """Take an operator's filled workbook in, whole and at once in force, as the command does.

    `at(done, total, text)` is told how far it is; what it raises undoes all of it. Raises
    FormError naming every cell that is wrong, NotPermitted.
    """
    _require(store, session, "", now, deciding=True)
    at(0, 0, "读取文件")
    told = reports_excel.read(content)
    units = {line.unit for line in told.lines}
    done: list[str] = []

    def then(conn: Connection, one: UnitReport) -> None:
        report_log.imported(conn, one.code, told.month, one.result.sequence, now)
        done.append(one.code)
        at(len(done), len(units), one.name)

    at(0, len(units), "检查")
    note = f"文件 SHA-256 {hashlib.sha256(content).hexdigest()}"
    return reports.take(store, settings, told, now, name, note, then)


def _require(
    store: Store, session: Session, code: str, now: datetime, *, deciding: bool = False
) -> None:
    """NotPermitted, recorded, unless the operator may fill in, or decide, for the unit."""
    if decides(session, code) if deciding else session.may(Permission.REPORTS_FILL, code):
        return
    what = "接受、退回填报" if deciding else Permission.REPORTS_FILL.label
    with store.write() as conn:
        audit.record(
            conn,
            now,
            session.actor,
            session.address,
            "permission",
            Permission.REPORTS_FILL.value,
            audit.REFUSED,
            f"{what}，{code}" if code else what,
        )
    raise NotPermitted(f"{session.role.label}不得：{what}")


def _begun(month: str, now: datetime) -> None:
    if month > f"{now:%Y-%m}":
        raise ReportStateError(f"{month} 还没有开始")


def _held(
    conn: Connection,
    code: str,
    month: str,
    version: int,
    states: Collection[State | None],
    *,
    lock: bool = True,
) -> Report:
    """The form as it stands, its unit's head being locked; ReportStateError."""
    found = report_log.find(conn, code, month)
    if found is None:
        raise ReportStateError(f"没有注册过的用能单位 {code}")
    if lock:
        journal.lock(conn, found.unit_id)
        found = report_log.find(conn, code, month) or found
    if found.version != version:
        at = f"{found.changed_at:%Y-%m-%d %H:%M}" if found.changed_at else ""
        raise ReportStateError(f"这张表在 {at} 已被改动（{found.said}），请重新打开本页后再试")
    if found.state not in states:
        raise ReportStateError(f"这张表{found.said}，不能这样做")
    return found


def _bounded(cells: Cells) -> dict[str, dict[str, str]]:
    kept = report_cells.tidy(cells)
    if _count(kept) > MOST_CELLS or len(json.dumps(kept)) > MOST_BYTES:
        raise ReportStateError("填写的内容过多")
    return kept


def _count(cells: Cells) -> int:
    return sum(len(usages) for usages in cells.values())


def _remark(text: str) -> str:
    said = " ".join(text.split())
    if len(said) > MOST_REMARK:
        raise ReportStateError(f"备注至多 {MOST_REMARK} 个字")
    return said


def _record(conn: Connection, now: datetime, action: str, held: Report, detail: str = "") -> None:
    subject = f"{held.code} {held.month}"
    audit.record(conn, now, audit.OPERATOR, "", action, subject, detail=detail)
