"""Totals of days, months and years (日、月、年合计, 3.4): from the ticks, or from the register.

A day is the sum of its ticks, a month of its days, a year of its months. Where ticks are missing
and the meter's register says what it counted meanwhile (`collection.gaps`), the total is complete
all the same; so a month can be complete of which a day is not. How parts are added is
`aggregation`'s business.

Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, timedelta

from nenghao.device import aggregation, history
from nenghao.device.aggregation import Rule, Total
from nenghao.device.collection import gaps
from nenghao.device.history import Item
from nenghao.standard import periods
from nenghao.standard.periods import StatType


def of_day(
    connection: sqlite3.Connection, item: Item, day: date, from_ticks: Total | None
) -> Total | None:
    """A day's total; `from_ticks` is what its ticks make."""
    if from_ticks is not None and from_ticks.complete:
        return from_ticks
    return gaps.register_total(connection, item, day, day + timedelta(days=1)) or from_ticks


def of_month(connection: sqlite3.Connection, item: Item, start: date) -> Total | None:
    """An item's total of the month that begins at `start`."""
    end = periods.period_end(StatType.MONTH, datetime(start.year, start.month, start.day)).date()
    known = history.day_totals(connection, item, start, end)
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    parts = [of_day(connection, item, day, known.get(day)) for day in days]
    made = aggregation.total(item.rule, parts)
    if made is not None and made.complete:
        return made
    return gaps.register_total(connection, item, start, end) or made


def of_year(connection: sqlite3.Connection, item: Item, year: int) -> Total | None:
    """An item's total of a year."""
    if item.rule is Rule.NONE:
        return None
    months = [of_month(connection, item, date(year, month, 1)) for month in range(1, 13)]
    return aggregation.total(item.rule, months)
