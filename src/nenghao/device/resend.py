"""Sending a range of days again (补传): what is kept of them goes into the queue once more.

Functions over a connection of `DeviceStore`, inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, time, timedelta

from nenghao.device import history, manual


def mark(connection: sqlite3.Connection, begin: date, end: date) -> int:
    """Mark the days from `begin` to `end` (included) for upload; how many item days there are.

    Their months and years go again too where they are over, and what was filled in by hand for
    periods that begin in the range. Ticks that are forgotten do not come back: of such days the
    totals go.
    """
    count = 0
    after = end + timedelta(days=1)
    for item in history.items(connection):
        for day in history.day_totals(connection, item, begin, after):
            history.mark_dirty(connection, item, day)
            count += 1
    first, last = datetime.combine(begin, time()), datetime.combine(after, time())
    return count + manual.again(connection, first, last)
