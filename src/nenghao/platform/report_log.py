"""Where each month's form of a unit stands, and how it came there (填报状态): the rows themselves.

A form is a draft, submitted, returned or accepted; every change raises its version and, but for
the saving of a draft, is a step of its history. Who may do which step, and what comes into force
by it, is `report_states`' business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from sqlalchemy import Connection, func, insert, select

from nenghao.platform import audit
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.report_states_schema import report_state, report_step
from nenghao.platform.store.schema import unit

Cells = Mapping[str, Mapping[str, str]]
"""What is typed in a form, as it was typed: by energy type (`023300`) and usage (`11`)."""


class _Labelled(StrEnum):
    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class State(_Labelled):
    """Where a form stands, with the Chinese word; one that nobody began has none."""

    DRAFT = "draft", "填写中"
    SUBMITTED = "submitted", "待审核"
    RETURNED = "returned", "已退回"
    ACCEPTED = "accepted", "已接受"


class Act(_Labelled):
    """A step of a form's history, with the Chinese word."""

    SUBMIT = "submit", "提交"
    WITHDRAW = "withdraw", "撤回"
    RETURN = "return", "退回"
    ACCEPT = "accept", "接受"
    IMPORT = "import", "导入"
    """An operator took values in from a file: in force at once, whatever the form says."""


NOT_REPORTED: Final = "未开始填报"


@dataclass(frozen=True)
class Report:
    """A unit's form of a month."""

    unit_id: int
    code: str
    name: str
    month: str
    """`2026-03`."""
    state: State | None
    """None: nobody began it."""
    version: int
    """0: nobody began it. Whoever changes it says which version he saw."""
    cells: Cells
    changed_at: datetime | None
    changed_by: str
    """As the audit trail names him; "" where nobody began."""
    remark: str
    """What the operator said who accepted or returned it last."""
    taken_at: datetime | None
    """When values came into force by this form, or by an operator's file, last."""
    sequence: int | None
    """Under which receipt of the unit."""

    @property
    def said(self) -> str:
        """The state in Chinese."""
        return NOT_REPORTED if self.state is None else self.state.label


@dataclass(frozen=True)
class Step:
    """What somebody did with a form."""

    number: int
    at: datetime
    actor: str
    act: Act
    remark: str
    filled: int
    """How many cells were filled then."""


def find(conn: Connection, code: str, month: str) -> Report | None:
    """A unit's form, begun or not; None where no such unit is registered."""
    r = report_state.c
    query = (
        select(unit.c.id, unit.c.code, unit.c.name, report_state)
        .select_from(unit)
        .outerjoin(report_state, (r.unit_id == unit.c.id) & (r.month == month))
        .where(unit.c.code == code)
    )
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else _report(row, month)


def _report(row: Mapping[Any, Any], month: str) -> Report:
    begun = row["state"] is not None
    return Report(
        row["id"],
        row["code"],
        row["name"],
        month,
        State(row["state"]) if begun else None,
        row["version"] or 0,
        json.loads(row["cells"]) if begun else {},
        row["changed_at"],
        row["changed_by"] or "",
        row["remark"] or "",
        row["taken_at"],
        row["sequence"],
    )


def history(conn: Connection, unit_id: int, month: str) -> list[Step]:
    """What was done with a form, the latest first."""
    s = report_step.c
    query = (
        select(report_step).where(s.unit_id == unit_id, s.month == month).order_by(s.number.desc())
    )
    return [
        Step(row.number, row.at, row.actor, Act(row.step), row.remark, filled(row.cells))
        for row in conn.execute(query)
    ]


def filled(cells: str) -> int:
    """How many cells of a form, as it is stored, are filled."""
    return sum(len(usages) for usages in json.loads(cells).values())


def put(
    conn: Connection,
    held: Report,
    now: datetime,
    state: State,
    cells: Cells,
    act: Act | None = None,
    remark: str = "",
    sequence: int | None = None,
) -> int:
    """Write a form down as it is from now on, and the step that made it so; its new version.

    The unit's head is locked. `sequence`: the receipt by which its values came into force now.
    """
    text = json.dumps(cells, sort_keys=True, separators=(",", ":"))
    who = audit.actor()[:64]
    row = {
        "unit_id": held.unit_id,
        "month": held.month,
        "state": state.value,
        "version": held.version + 1,
        "cells": text,
        "changed_at": now,
        "changed_by": who,
        "remark": remark if act in (Act.ACCEPT, Act.RETURN) else held.remark,
        "taken_at": held.taken_at if sequence is None else now,
        "sequence": held.sequence if sequence is None else sequence,
    }
    upsert(conn, report_state, [row])
    if act is not None:
        _step(conn, held, now, act, remark, text)
    return held.version + 1


def _step(conn: Connection, held: Report, now: datetime, act: Act, remark: str, cells: str) -> None:
    s = report_step.c
    last = select(func.max(s.number)).where(s.unit_id == held.unit_id, s.month == held.month)
    conn.execute(
        insert(report_step).values(
            unit_id=held.unit_id,
            month=held.month,
            number=(conn.execute(last).scalar() or 0) + 1,
            at=now,
            actor=audit.actor()[:64],
            step=act.value,
            remark=remark,
            cells=cells,
        )
    )


def imported(conn: Connection, code: str, month: str, sequence: int, now: datetime) -> None:
    """An operator took in a file with values of the month; the unit's head is locked.

    They are in force. A form that nobody began counts as accepted by that; one that somebody
    works on stays as it is.
    """
    held = find(conn, code, month)
    if held is None:
        raise AssertionError(f"values of a unit that is not registered: {code}")
    put(conn, held, now, held.state or State.ACCEPTED, held.cells, Act.IMPORT, "", sequence)
