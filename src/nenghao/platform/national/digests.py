"""Counts and SM3 digests of what a unit has of each day (对账摘要): the same on both sides.

A value belongs to the day that it is of: a tick to the day that it ends in (00:00:00 to the day
before), a day's value to the day, a month's to its first, a year's to 1 January. The digest of a
day is SM3 over its values in the order of stat type, data code, time and source, each as

    data code    20 bytes ASCII, zeros behind
    statType     1 byte
    statDate     8 bytes, seconds since 2000-01-01 00:00:00
    source       1 byte, 0 online, 1 report
    dataValue    8 bytes, IEEE 754 double
    valid        1 byte, 0 or 1
    uploadDate   8 bytes, as statDate
    inputType    1 byte
    scope        1 byte

with the highest byte first. Findings are not in it: each platform has its own dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import hashes
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from nenghao.platform import packing
from nenghao.platform.packing import Key
from nenghao.platform.store.frames_columns import FrameColumns
from nenghao.platform.store.national_schema import province_unit
from nenghao.platform.store.schema import frame as table
from nenghao.platform.store.schema import unit
from nenghao.standard import periods
from nenghao.standard.findings import Finding, quote
from nenghao.standard.messages.uplink import UNIT_LIMIT, DayDigest, DigestsRequest
from nenghao.standard.periods import StatType
from nenghao.standard.replies import IllegalFormat

MOST_DAYS = 366
"""Days that one question may span."""
_DAY = 86_400

CANONICAL = np.dtype(
    [
        ("data_code", "S20"),
        ("stat_type", "u1"),
        ("stat_date", ">i8"),
        ("source", "u1"),
        ("value", ">f8"),
        ("valid", "u1"),
        ("upload_date", ">i8"),
        ("input_type", "u1"),
        ("scope", "u1"),
    ]
)


@dataclass(frozen=True)
class Held:
    """What one unit has of one day."""

    count: int
    digest: str
    """SM3, 64 hex digits."""


@dataclass
class _Day:
    count: int = 0
    digest: hashes.Hash = field(default_factory=lambda: hashes.Hash(hashes.SM3()))


def of_unit(conn: Connection, unit_id: int, first: date, last: date) -> dict[date, Held]:
    """What the unit has of each day from `first` to `last`, both included; empty days are absent.

    Raises DatabaseFault for a damaged stored frame.
    """
    days: dict[int, _Day] = {}
    begin, end = _number(first), _number(last)
    for rows in _rows(conn, unit_id, first, last):
        values, day_of = _values(rows)
        inside = (day_of >= begin) & (day_of <= end)
        values, day_of = values[inside], day_of[inside]
        order = np.lexsort((values["source"], values["stat_date"], values["data_code"], day_of))
        values, day_of = values[order], day_of[order]
        numbers, starts = np.unique(day_of, return_index=True)
        for number, part in zip(numbers.tolist(), np.split(values, starts[1:]), strict=False):
            day = days.setdefault(number, _Day())
            day.count += len(part)
            day.digest.update(part.tobytes())
    return {
        _date(number): Held(day.count, day.digest.finalize().hex())
        for number, day in sorted(days.items())
    }


def of_province(conn: Connection, province: str, request: DigestsRequest) -> list[DayDigest]:
    """The digests that a province asks for: of units that it brought; others it is not told of.

    Raises IllegalFormat for days in a wrong order or too many, and for too many units.
    """
    first, last = days_asked(request)
    query = (
        select(unit.c.id, unit.c.code)
        .join_from(unit, province_unit, unit.c.id == province_unit.c.unit_id)
        .where(province_unit.c.province == province)
        .order_by(unit.c.code)
    )
    if request.units is not None:
        if len(request.units) > UNIT_LIMIT:
            raise IllegalFormat([Finding("units", f"应不超过 {UNIT_LIMIT} 个用能单位")])
        query = query.where(unit.c.code.in_({one.enterprise_code for one in request.units}))
    return [
        DayDigest(row.code, day.isoformat(), held.count, held.digest)
        for row in conn.execute(query).all()
        for day, held in of_unit(conn, row.id, first, last).items()
    ]


def days_asked(request: DigestsRequest) -> tuple[date, date]:
    """The first and the last day. Raises IllegalFormat."""
    days = []
    for name, text in (("from", request.begin), ("to", request.end)):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            raise IllegalFormat([Finding(name, "应为存在的日期", quote(text))]) from None
    first, last = days
    if first > last:
        raise IllegalFormat([Finding("from", "应不晚于 to", quote(request.begin))])
    if (last - first).days >= MOST_DAYS:
        raise IllegalFormat([Finding("to", f"一次至多 {MOST_DAYS} 天", quote(request.end))])
    return first, last


_Stored = tuple[Key, bytes]


def _rows(conn: Connection, unit_id: int, first: date, last: date) -> Iterator[Sequence[_Stored]]:
    """The frames that have values of these days: by stat type, of ticks a day at a time."""
    begin = datetime(first.year, first.month, first.day)
    end = datetime(last.year, last.month, last.day) + timedelta(days=1)
    for kind in StatType:
        numbers = periods.frames_between(kind, begin, end)
        query = (
            select(*(table.c[name] for name in Key._fields), table.c.planes)
            .where(
                table.c.unit_id == unit_id,
                table.c.stat_type == int(kind),
                table.c.frame >= numbers.start,
                table.c.frame < numbers.stop,
            )
            .order_by(table.c.frame)
        )
        found = conn.execute(query)
        if kind is StatType.REALTIME:
            for _, rows in groupby(found, key=lambda row: int(row.frame)):
                yield list(map(_stored, rows))
        elif rest := list(map(_stored, found)):
            yield rest


def _stored(row: Any) -> _Stored:
    return Key(row.stat_type, row.frame, row.data_code, row.source), row.planes


def _values(
    rows: Sequence[_Stored],
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The values of the frames as they are digested, and the number of each one's day."""
    columns: FrameColumns = packing.opened_columns(rows)
    frame = columns.frame_of_value()
    keys = [key for key, _ in rows]
    made = np.zeros(len(frame), CANONICAL)
    made["data_code"] = np.array([key.data_code for key in keys], "S20")[frame]
    made["stat_type"] = keys[0].stat_type
    made["source"] = np.array([key.source for key in keys], np.uint8)[frame]
    stat_date = np.zeros(len(frame), np.int64)
    day = np.zeros(len(frame), np.int64)
    number_of = np.array([key.frame for key in keys], np.int64)[frame]
    for number in {key.frame for key in keys}:
        here = number_of == number
        times, days = _times(keys[0].stat_type, number)
        stat_date[here] = times[columns.slot[here]]
        day[here] = days[columns.slot[here]]
    made["stat_date"] = stat_date
    made["value"] = columns.value + 0.0  # no sign of zero
    for name in ("valid", "upload_date", "input_type", "scope"):
        made[name] = getattr(columns, name)
    return made, day


@lru_cache(maxsize=256)
def _times(stat_type: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each slot of a frame its statDate in seconds, and the number of its day."""
    kind = StatType(stat_type)
    slots = range(periods.slots_in(kind, number))
    seconds = np.array(
        [periods.seconds(periods.time_of(kind, number, slot)) for slot in slots], np.int64
    )
    ends = kind is StatType.REALTIME  # a tick is of the day that it ends in
    return seconds, (seconds - ends) // _DAY


def _number(day: date) -> int:
    return (day - periods.EPOCH.date()).days


def _date(number: int) -> date:
    return periods.EPOCH.date() + timedelta(days=number)
