"""Gives a device back what it uploaded (采集数据下载, `centerDataDownloadURL`; 6.3.1.2-i).

The standard issues the service and leaves its messages undefined; they are those of
docs/decisions 6: values whose statDate lies in the range asked for, ordered by data code, statDate
and source (online, then report), a page at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from msgspec import UNSET
from sqlalchemy import Connection, select

from nenghao.platform import packing
from nenghao.platform.packing import Key
from nenghao.platform.registry import Peer
from nenghao.platform.store import frames
from nenghao.platform.store.schema import frame as frame_table
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import (
    EnergyDownloadAnswer,
    EnergyDownloadRequest,
    EnergyRecord,
)
from nenghao.standard.periods import StatType
from nenghao.standard.replies import DatabaseFault


def energy(
    conn: Connection, peer: Peer, request: EnergyDownloadRequest, page_size: int
) -> EnergyDownloadAnswer:
    """One page of the unit's values; `next_page` is set where more follow.

    A page beyond the last is empty. Raises DatabaseFault for a damaged stored frame.
    """
    asked = _Range(request)
    groups = _groups(conn, peer.unit_id, asked, request.data_code)
    first = (request.page - 1) * page_size
    found = list(islice(_records(groups, asked, first), page_size + 1))
    more = len(found) > page_size
    return EnergyDownloadAnswer(
        data=found[:page_size], next_page=request.page + 1 if more else UNSET
    )


class _Range:
    """The periods asked for: [begin, end), for real-time ticks (begin, end]."""

    def __init__(self, request: EnergyDownloadRequest) -> None:
        self.stat_type = StatType(request.stat_type)
        self._begin = periods.parse_time(request.begin_time)
        self._end = periods.parse_time(request.end_time)
        self.frames = periods.frames_between(self.stat_type, self._begin, self._end)
        self._slots: dict[int, frozenset[int]] = {}

    def slots(self, frame: int) -> frozenset[int]:
        """The slots of a frame that lie in the range."""
        if frame not in self._slots:
            every = range(periods.slots_in(self.stat_type, frame))
            self._slots[frame] = frozenset(slot for slot in every if self._holds(frame, slot))
        return self._slots[frame]

    def holds_all(self, frame: int) -> bool:
        """Whether the whole frame lies in the range."""
        return len(self.slots(frame)) == periods.slots_in(self.stat_type, frame)

    def _holds(self, frame: int, slot: int) -> bool:
        time = periods.time_of(self.stat_type, frame, slot)
        return periods.in_download_range(self.stat_type, time, self._begin, self._end)


_AT_ONCE = 64
"""Groups that are decoded in one go: some may be more than the page needs."""

_Group = list[tuple[Key, bytes]]
"""The encoded frames of one data code and frame number: one per source."""


def _groups(conn: Connection, unit_id: int, asked: _Range, data_code: str) -> Iterator[_Group]:
    table = frame_table
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    query = (
        select(*columns, table.c.planes)
        .where(
            table.c.unit_id == unit_id,
            table.c.stat_type == int(asked.stat_type),
            table.c.frame >= asked.frames.start,
            table.c.frame < asked.frames.stop,
        )
        .order_by(table.c.data_code, table.c.frame, table.c.source)
    )
    if data_code:
        query = query.where(table.c.data_code == data_code)
    rows = ((Key(*key), planes) for *key, planes in conn.execute(query))
    for _, group in groupby(rows, key=lambda row: (row[0].data_code, row[0].frame)):
        yield list(group)


def _records(groups: Iterator[_Group], asked: _Range, skip: int) -> Iterator[EnergyRecord]:
    """The records in the range after the first `skip`, in order."""
    for group in groups if skip else ():
        size = _size(group, asked)
        if size > skip:
            yield from next(_opened([group], asked))[skip:]
            break
        skip -= size
        if not skip:
            break
    while some := list(islice(groups, _AT_ONCE)):
        for records in _opened(some, asked):
            yield from records


def _size(group: _Group, asked: _Range) -> int:
    """How many records a group has in the range; unpacked only at the range's edges."""
    if not asked.holds_all(group[0][0].frame):
        return len(next(_opened([group], asked)))
    try:
        return sum(frames.count(data) for _, data in group)
    except frames.FrameCorrupt as error:
        raise packing.damaged(group[0][0]) from error


def _opened(groups: list[_Group], asked: _Range) -> Iterator[list[EnergyRecord]]:
    """The records of each group that lie in the range; the frames of all are decoded in one go."""
    try:
        opened = packing.opened_frames([row for group in groups for row in group])
    except DatabaseFault:
        if len(groups) == 1:
            raise
        for group in groups:  # those before the damaged one may be all that is asked for
            yield from _opened([group], asked)
        return
    for group in groups:
        wanted = asked.slots(group[0][0].frame)
        found = [
            (slot, key.source, record)
            for (key, _), frame in zip(group, opened, strict=False)
            for slot, record in packing.unpack(key, frame)
            if slot in wanted
        ]
        if len(group) > 1:
            found.sort(key=lambda one: one[:2])
        yield [record for _, _, record in found]
