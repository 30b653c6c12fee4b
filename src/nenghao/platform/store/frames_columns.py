"""Many frames as columns (帧的列式表示): what a batch is merged and encoded in, pure numpy.

A value is one place in every column; the values of a frame stand together, by slot. So what a
batch costs is a handful of passes over its columns, however many frames it has. What a frame is
and who wins a slot is said in `frames`, whose single `Frame` is the same thing for one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nenghao.platform.store.frames_series import Bools, Bytes, Int64s, lengths_to_starts, spread

Float64s = NDArray[np.float64]

MOST_SLOTS: Final = 255


@dataclass(slots=True)
class FrameColumns:
    """Frames, and the columns of their values. Times are seconds since 2000-01-01."""

    slots: Int64s
    """Of each frame, how many slots it has."""
    starts: Int64s
    """Where the values of each frame begin; and the end."""
    slot: Int64s
    """Of each value, its slot: ascending within a frame."""
    value: Float64s
    valid: Bytes
    upload_date: Int64s
    rank: Int64s
    input_type: Bytes
    scope: Bytes
    findings: Int64s

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def counts(self) -> Int64s:
        """How many values each frame holds."""
        return np.diff(self.starts)

    def frame_of_value(self) -> Int64s:
        """Of each value, the number of its frame."""
        return np.repeat(np.arange(len(self)), self.counts)

    def take(self, numbers: Sequence[int]) -> FrameColumns:
        """Those of the frames, in the order of `numbers`."""
        chosen = np.asarray(numbers, np.int64)
        counts = self.counts[chosen]
        return self._with(
            self.slots[chosen], lengths_to_starts(counts), spread(self.starts[chosen], counts)
        )

    def followed_by(self, other: FrameColumns) -> FrameColumns:
        """These frames and then the others."""
        return FrameColumns(
            np.concatenate((self.slots, other.slots)),
            np.concatenate((self.starts, other.starts[1:] + self.starts[-1])),
            *(np.concatenate((mine, its)) for mine, its in self._pairs(other)),
        )

    def same_as_sent(self, other: FrameColumns, mine: Int64s, its: Int64s) -> Bools:
        """Whether the values at `mine` and the other's at `its` say the same: as it was sent."""
        same: Bools = self.value[mine] == other.value[its]
        for name in ("valid", "upload_date", "input_type", "scope"):
            same &= getattr(self, name)[mine] == getattr(other, name)[its]
        return same

    def _with(self, slots: Int64s, starts: Int64s, places: Int64s) -> FrameColumns:
        return FrameColumns(slots, starts, *(getattr(self, name)[places] for name in COLUMNS))

    def _pairs(self, other: FrameColumns) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
        return [(getattr(self, name), getattr(other, name)) for name in COLUMNS]


COLUMNS: Final = (
    "slot",
    "value",
    "valid",
    "upload_date",
    "rank",
    "input_type",
    "scope",
    "findings",
)


@dataclass(slots=True)
class Merged:
    """What stored and incoming frames come to."""

    frames: FrameColumns
    same: Bools
    """Of each incoming value: it is in its slot already, every property as it was sent."""
    beaten: Bools
    """Of each incoming value: it lost to the stored one."""


def merge(stored: FrameColumns, incoming: FrameColumns) -> Merged:
    """The frames of both, which are the same ones in the same order.

    Of two values in one slot the incoming wins iff its rank is at least the stored one's
    (docs/decisions 6). Raises ValueError for frames of different statType.
    """
    if not np.array_equal(stored.slots, incoming.slots):
        raise ValueError("frames of different statType cannot be merged")
    frame = incoming.frame_of_value()
    there = stored.frame_of_value() * (MOST_SLOTS + 1) + stored.slot
    places = frame * (MOST_SLOTS + 1) + incoming.slot
    same, beaten = np.zeros(len(places), np.bool_), np.zeros(len(places), np.bool_)
    stands = np.ones(len(there), np.bool_)
    if len(there):
        held = np.minimum(np.searchsorted(there, places), len(there) - 1)
        met = np.flatnonzero(there[held] == places)
        held = held[met]
        same[met] = stored.same_as_sent(incoming, held, met)
        loses = incoming.rank[met] < stored.rank[held]
        beaten[met] = loses
        stands[held[~loses]] = False
    survivors, winners = np.flatnonzero(stands), np.flatnonzero(~beaten)
    keys = np.concatenate((there[survivors], places[winners]))
    order = np.argsort(keys, kind="stable")
    both = np.concatenate((survivors, winners + len(there)))[order]
    counts = np.bincount(keys // (MOST_SLOTS + 1), minlength=len(stored))
    merged = stored.followed_by(incoming)._with(stored.slots, lengths_to_starts(counts), both)
    return Merged(merged, same, beaten)
