"""How one unit's total of one period came about, for auditors (核算说明).

The lines come from the values as they are stored now; that they are what is kept is said too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configuration, unit
from nenghao.platform.totals import inputs, packed, places, settle
from nenghao.platform.totals.inputs import MONTHS, Gathered
from nenghao.platform.totals.places import Place
from nenghao.platform.totals.settle import Rules
from nenghao.standard import energy_explanation, periods
from nenghao.standard.energy_amounts import Period
from nenghao.standard.energy_explanation import Explanation
from nenghao.standard.indicators import Totals
from nenghao.standard.periods import StatType


class UnknownUnit(LookupError):
    """No unit with that code ever registered; the text says so in Chinese."""


@dataclass(frozen=True)
class Explained:
    """A unit's period."""

    credit_code: str
    name: str
    place: Place
    """Where the unit is counted in the period."""
    start: datetime
    explanation: Explanation
    kept: Totals | None
    """What is kept; None where there is nothing to count."""


def explain(
    store: Store, credit_code: str, kind: StatType, moment: datetime, source: int, now: datetime
) -> Explained:
    """The unit's period that holds `moment`; what is dirty of it is settled first.

    Raises UnknownUnit.
    """
    start = periods.period_start(kind, moment)
    settle.settle(store, now, [settle.concerning(kind, start, start)])
    with store.read() as conn:
        row = conn.execute(
            select(unit.c.id, unit.c.name).where(unit.c.code == credit_code)
        ).one_or_none()
        if row is None:
            raise UnknownUnit(f"没有注册过的用能单位 {credit_code}")
        end = periods.period_end(kind, start)
        place = places.of(conn, [row.id])[row.id].at(end)
        rules = Rules.of(conn)
        explanation = energy_explanation.explain(
            _period(conn, row.id, kind, start, source, rules, now),
            kind,
            rules.lookup(kind, start),
            rules.arithmetic.of_year(start.year),
            place.industry or None,
            _jgzh(conn, row.id, end),
        )
        frame, slot = periods.place(kind, start)
        key = (int(kind), frame, source)
        held = settle.stored_totals(conn, row.id, [key]).get(key)
        total = None if held is None else held.at(slot)
        kept = None if total is None else packed.totals_of(total[1])
        return Explained(credit_code, row.name, place, start, explanation, kept)


def _period(
    conn: Connection,
    unit_id: int,
    kind: StatType,
    start: datetime,
    source: int,
    rules: Rules,
    now: datetime,
) -> Period:
    """What the unit used, put together from its frames."""
    year = start.year - periods.FIRST_YEAR
    months = [year * MONTHS + start.month - 1] if kind is not StatType.YEAR else []
    wanted = inputs.frames_for(months, [year] if kind is StatType.YEAR else [])
    loaded = inputs.load(conn, unit_id, wanted, now)
    gathered = Gathered(loaded.sources[source], rules.arithmetic.output_value_code)
    return gathered.period(kind, periods.place(kind, start))


class _Enterprise(Struct, rename="camel"):
    jgzh: bool


class _Message(Struct):
    enterprise: _Enterprise


_decoder = msgspec.json.Decoder(_Message)


def _jgzh(conn: Connection, unit_id: int, end: datetime) -> bool | None:
    """Whether the unit said it converts energy, by the configuration in force at `end`."""
    table = configuration
    mine = select(table.c.message).where(table.c.unit_id == unit_id)
    in_force = mine.where(table.c.received_at <= end).order_by(table.c.sequence.desc()).limit(1)
    text = conn.execute(in_force).scalar()
    if text is None:
        text = conn.execute(mine.order_by(table.c.sequence).limit(1)).scalar()
    return None if text is None else _decoder.decode(text).enterprise.jgzh
