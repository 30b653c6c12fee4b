"""Values of one item in one frame of time, packed into one row (帧): pure, no database.

A frame keeps one plane per property over its present slots, in slot order. Which slot is which
moment is `standard.periods`' business, which record goes where `platform.packing`'s. What a batch
does to many frames at once is `frames_columns`', how they become bytes `frames_codec`'s; here is
the single frame, for whoever looks at one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from nenghao.platform.store import frames_codec, frames_columns
from nenghao.platform.store.frames_codec import VERSION, FrameCorrupt, count
from nenghao.platform.store.frames_columns import MOST_SLOTS, FrameColumns
from nenghao.platform.store.frames_series import lengths_to_starts

__all__ = [
    "MOST_SLOTS",
    "VERSION",
    "Frame",
    "FrameCorrupt",
    "agreeing",
    "columns_of",
    "count",
    "decode",
    "encode",
    "frames_of",
    "merge",
]


@dataclass(slots=True)
class Frame:
    """Planes over the present slots of a frame, each as long as there are present slots."""

    slots: int
    """How many slots the frame has: 96, 31, 12 or 100."""
    presence: int
    """Bitmap: bit i is set when slot i holds a value."""
    value: list[float]
    valid: list[int]
    """0 or 1."""
    upload_date: list[int]
    """uploadDate as sent, seconds since 2000-01-01."""
    rank: list[int]
    """What decides between two values of one key: uploadDate capped at the receipt."""
    input_type: list[int]
    scope: list[int]
    findings: list[int]
    """Bits of the value-level findings (`standard.findings.AdviceKind`)."""

    def positions(self) -> Sequence[int]:
        """The present slots, ascending."""
        if self.presence == (1 << self.slots) - 1:
            return range(self.slots)
        return [slot for slot in range(self.slots) if self.presence >> slot & 1]


_PLANES = tuple(field.name for field in fields(Frame))[2:]


def columns_of(frames: Sequence[Frame]) -> FrameColumns:
    """The frames as columns; ValueError when planes do not fit the presence bitmap."""
    for frame in frames:
        present = frame.presence.bit_count()
        if not 0 < frame.slots <= MOST_SLOTS or frame.presence >> frame.slots:
            raise ValueError("presence does not fit the frame's slots")
        if any(len(getattr(frame, name)) != present for name in _PLANES):
            raise ValueError("every plane must have one entry per present slot")

    def plane(name: str, kind: type[np.generic]) -> np.ndarray:
        return np.array([number for frame in frames for number in getattr(frame, name)], kind)

    counts = np.array([len(frame.value) for frame in frames], np.int64)
    return FrameColumns(
        slots=np.array([frame.slots for frame in frames], np.int64),
        starts=lengths_to_starts(counts),
        slot=np.array([slot for frame in frames for slot in frame.positions()], np.int64),
        value=plane("value", np.float64),
        valid=plane("valid", np.uint8),
        upload_date=plane("upload_date", np.int64),
        rank=plane("rank", np.int64),
        input_type=plane("input_type", np.uint8),
        scope=plane("scope", np.uint8),
        findings=plane("findings", np.int64),
    )


def frames_of(columns: FrameColumns) -> Iterator[Frame]:
    """The frames one by one."""
    slots, starts = columns.slots.tolist(), columns.starts.tolist()
    slot = columns.slot.tolist()
    planes = [getattr(columns, name).tolist() for name in _PLANES]
    for number, (begin, end) in enumerate(pairwise(starts)):
        if end - begin == slots[number]:
            presence = (1 << slots[number]) - 1
        else:
            presence = sum(1 << place for place in slot[begin:end])
        yield Frame(slots[number], presence, *(plane[begin:end] for plane in planes))


def merge(stored: Frame, incoming: Frame) -> tuple[Frame, list[int]]:
    """Both frames in one, and the slots in which `incoming` lost.

    Of two values in one slot the incoming wins iff its rank is at least the stored one's
    (docs/decisions 6): the order of two uploads matters only where their ranks tie.
    """
    new = columns_of([incoming])
    merged = frames_columns.merge(columns_of([stored]), new)
    (frame,) = frames_of(merged.frames)
    return frame, new.slot[merged.beaten].tolist()


def agreeing(stored: Frame, incoming: Frame) -> set[int]:
    """The slots that hold the same record in both: every property as it was sent."""
    new = columns_of([incoming])
    return set(new.slot[frames_columns.merge(columns_of([stored]), new).same].tolist())


def encode(frame: Frame) -> bytes:
    """The frame's bytes; equal frames give equal bytes.

    Raises ValueError when the planes do not fit the presence bitmap.
    """
    return frames_codec.encode(columns_of([frame]))[0]


def decode(data: bytes) -> Frame:
    """The frame that `encode` wrote; raises FrameCorrupt rather than return anything else."""
    (frame,) = frames_of(frames_codec.decode([data]))
    return frame
