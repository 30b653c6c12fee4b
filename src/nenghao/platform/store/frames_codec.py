"""Frames as bytes, and back (帧编码): all frames of a batch in one go, pure numpy.

Layout of an encoded frame, version 1::

    0      version
    1..4   CRC-32 of everything else, big-endian
    5      number of slots
    6      number of present slots (readable without decoding the rest)
    7      flags: bit 0: some slots are absent; bits 1..6: a plane of its own for valid,
           upload date, lag, inputType, scope, findings
    8      what has no plane of its own: bit 0 valid, bits 1..3 inputType, bits 4..7 scope
    9      the values are integers: 0..10 = divided by that power of ten; 64 + n = the bits of
           the doubles, shifted right by n, since the last n are zero in all of them
    ..     a bitmap of the present slots, bit i of byte j for slot 8 j + i, if some are absent
    ..     upload date and findings, each as a number if it has no plane
    ..     the series of the values, then of the planes, in the order of the flags

A number is zigzag in groups of seven bits, low ones first (LEB128); `frames_series` says what a
series is. Integers are taken wherever they give back every double bit by bit, with the fewest
decimals. Lag is upload date minus rank, without a plane 0. A frame without values ends after
the bitmap. Equal frames give equal bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nenghao.platform.store import frames_series as series
from nenghao.platform.store.frames_columns import MOST_SLOTS, FrameColumns
from nenghao.platform.store.frames_series import Bools, Int64s, Piece, lengths_to_starts

VERSION: Final = 1
MOST_DECIMALS: Final = 10

_VERSION_BYTE = bytes((VERSION,))
_VERSION_CHECKSUM = zlib.crc32(_VERSION_BYTE)
_HEADER = 10
_RAW = 64
_EXACT_INTEGERS = float(2**53)
_POWERS = np.array([10.0**decimals for decimals in range(MOST_DECIMALS + 1)])
_SPARSE, _VALID, _UPLOAD_DATE, _LAG, _INPUT_TYPE, _SCOPE, _FINDINGS = (1 << n for n in range(7))
_PLANES = {
    _VALID: "valid",
    _UPLOAD_DATE: "upload_date",
    _LAG: "lag",
    _INPUT_TYPE: "input_type",
    _SCOPE: "scope",
    _FINDINGS: "findings",
}
_MOST = {_VALID: 1, _INPUT_TYPE: 7, _SCOPE: 15}
"""What fits the byte of what has no plane."""
_SAMPLE = 16
"""Every so many values one is tried first: most wrong decimals are found out by it."""


class FrameCorrupt(Exception):
    """The bytes are no frame, or not the frame that was written; `number` says which of many."""

    def __init__(self, reason: str, number: int = 0) -> None:
        self.number = number
        super().__init__(reason)


def encode(frames: FrameColumns) -> list[bytes]:
    """The bytes of every frame."""
    filled = np.flatnonzero(frames.counts)
    if len(filled) < len(frames):
        encoded = [_sealed(bytes((int(slots), 0, _SPARSE, 0, 0))) for slots in frames.slots]
        if len(filled):
            for number, data in zip(filled, encode(frames.take(filled.tolist())), strict=True):
                encoded[number] = data
        return encoded
    return _encode_filled(frames) if len(frames) else []


def count(data: bytes) -> int:
    """How many values an encoded frame holds, without decoding it; raises FrameCorrupt."""
    _check(data, 0)
    return data[6]


def _encode_filled(frames: FrameColumns) -> list[bytes]:
    counts, starts = frames.counts, frames.starts[:-1]
    integers, forms = _integers(frames.value, starts, counts)
    flags = np.where(counts < frames.slots, _SPARSE, 0)
    planes = _planes_of(frames)
    varying = {}
    for flag, plane in planes.items():
        own = _varies(plane, starts)
        if flag in _MOST:
            own |= plane[starts] > _MOST[flag]
        elif flag == _LAG:
            own |= plane[starts] != 0
        varying[flag] = own
        flags |= own * flag
    small = np.zeros(len(frames), np.int64)
    for flag, shift in ((_VALID, 0), (_INPUT_TYPE, 1), (_SCOPE, 4)):
        small |= np.where(varying[flag], 0, planes[flag][starts]).astype(np.int64) << shift
    heads = _heads(frames, flags, small, forms, starts)
    bodies = _slices(*series.encode(integers, counts))
    for flag, own in varying.items():
        _add_plane(bodies, planes[flag], own, counts)
    return [_sealed(head + body) for head, body in zip(heads, bodies, strict=True)]


def _planes_of(frames: FrameColumns) -> dict[int, Int64s]:
    planes: dict[int, Any] = {
        flag: frames.upload_date - frames.rank if flag == _LAG else getattr(frames, name)
        for flag, name in _PLANES.items()
    }
    return planes


def _varies(plane: Int64s, starts: Int64s) -> Bools:
    """Of each frame, whether its values differ in this plane."""
    differs = np.zeros(len(plane), np.bool_)
    np.not_equal(plane[1:], plane[:-1], out=differs[1:])
    differs[starts] = False
    return np.logical_or.reduceat(differs, starts)


def _add_plane(bodies: list[bytes], plane: Int64s, own: Bools, counts: Int64s) -> None:
    if not own.any():
        return
    chosen = plane[np.repeat(own, counts)].astype(np.int64)
    parts = _slices(*series.encode(chosen, counts[own]))
    for number, part in zip(np.flatnonzero(own).tolist(), parts, strict=True):
        bodies[number] += part


def _slices(whole: bytes, starts: Int64s) -> list[bytes]:
    places = starts.tolist()
    return [whole[begin:end] for begin, end in pairwise(places)]


def _heads(
    frames: FrameColumns, flags: Int64s, small: Int64s, forms: Int64s, starts: Int64s
) -> list[bytes]:
    """Of each frame what comes before its series; most frames of a batch have the same."""
    made: dict[tuple[int, ...], tuple[bytes, bytes]] = {}
    bitmaps = _bitmaps(frames) if (flags & _SPARSE).any() else None
    columns = (
        frames.slots,
        frames.counts,
        flags,
        small,
        forms,
        frames.upload_date[starts],
        frames.findings[starts],
    )
    heads = []
    for number, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        head = made.get(key)
        if head is None:
            *fixed, upload_date, findings = key
            flag = fixed[2]
            constants = b"" if flag & _UPLOAD_DATE else _number(upload_date)
            constants += b"" if flag & _FINDINGS else _number(findings)
            head = made[key] = (bytes(fixed), constants)
        bitmap = b""
        if bitmaps is not None and key[2] & _SPARSE:
            bitmap = bitmaps[number, : (key[0] + 7) // 8].tobytes()
        heads.append(head[0] + bitmap + head[1])
    return heads


def _bitmaps(frames: FrameColumns) -> NDArray[np.uint8]:
    bits = np.zeros((len(frames), MOST_SLOTS + 1), np.uint8)
    bits[frames.frame_of_value(), frames.slot] = 1
    return np.packbits(bits, axis=1, bitorder="little")


def _number(number: int) -> bytes:
    left = number << 1 if number >= 0 else (-number << 1) - 1
    groups = bytearray()
    while left > 0x7F:
        groups.append(left & 0x7F | 0x80)
        left >>= 7
    groups.append(left)
    return bytes(groups)


def _sealed(rest: bytes) -> bytes:
    checksum = zlib.crc32(rest, _VERSION_CHECKSUM)
    return _VERSION_BYTE + checksum.to_bytes(4, "big") + rest


def _integers(value: NDArray[np.float64], starts: Int64s, counts: Int64s) -> tuple[Int64s, Int64s]:
    """Integers that give back every double bit by bit, and of each frame the form they have."""
    integers = np.zeros(len(value), np.int64)
    forms = np.full(len(starts), _RAW)
    largest = np.maximum.reduceat(np.abs(value), starts)
    # -0.0 equals 0.0 and is still not the same double
    negative_zero = np.logical_or.reduceat((value == 0) & np.signbit(value), starts)
    left = np.flatnonzero(~negative_zero)
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals, power in enumerate(_POWERS):
            left = left[largest[left] * power < _EXACT_INTEGERS]
            if not len(left):
                break
            left = _settled(value, starts, counts, left, decimals, integers, forms)
    raw = forms == _RAW
    if raw.any():
        at = np.repeat(raw, counts)
        bits = value[at].view(np.int64)
        inside = lengths_to_starts(counts[raw])[:-1]
        together = np.bitwise_or.reduceat(bits, inside)
        lowest = (together & -together).view(np.uint64)  # the last bit that is set
        shift = np.where(together == 0, 0, series.bit_lengths(lowest) - 1)
        integers[at] = bits >> np.repeat(shift, counts[raw])
        forms[raw] = _RAW + shift
    return integers, forms


def _settled(
    value: NDArray[np.float64],
    starts: Int64s,
    counts: Int64s,
    left: Int64s,
    decimals: int,
    integers: Int64s,
    forms: Int64s,
) -> Int64s:
    """Try so many decimals on the frames that are `left`; those that are left then."""
    power = _POWERS[decimals]
    samples = -(-counts[left] // _SAMPLE)
    tried = value[series.spread_steps(starts[left], samples, _SAMPLE)]
    likely = np.logical_and.reduceat(
        np.rint(tried * power) / power == tried, lengths_to_starts(samples)[:-1]
    )
    rest, left = left[~likely], left[likely]
    if len(left) == len(starts):
        at: Int64s | slice = slice(None)
        inside = starts
    else:
        at = series.spread(starts[left], counts[left])
        inside = lengths_to_starts(counts[left])[:-1]
    if not len(left):
        return rest
    chosen = value[at]
    scaled = np.rint(chosen * power)
    fits = np.logical_and.reduceat(scaled / power == chosen, inside)
    forms[left[fits]] = decimals
    # what does not fit is written over later
    integers[at] = scaled.astype(np.int64)
    return np.sort(np.concatenate((rest, left[~fits])))


@dataclass(slots=True)
class _Read:
    """What the bytes of many frames say, before it becomes columns."""

    slots: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    forms: list[int] = field(default_factory=list)
    bitmaps: list[bytes] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    constants: list[tuple[int, ...]] = field(default_factory=list)
    """Of each frame valid, upload date, lag, inputType, scope, findings; 0 where it has a plane."""
    planes: list[tuple[int, int, Piece]] = field(default_factory=list)
    """Planes of their own: place in `constants`, frame, series."""


def decode(encoded: Sequence[bytes]) -> FrameColumns:
    """The frames that `encode` wrote; raises FrameCorrupt rather than return anything else."""
    read = _Read()
    for number, data in enumerate(encoded):
        _check(data, number)
        try:
            _read_frame(read, data, number)
        except (ValueError, IndexError, OverflowError) as error:
            raise FrameCorrupt("frame body cannot be read", number) from error
    return _columns(read)


def _check(data: bytes, number: int) -> None:
    if len(data) < _HEADER or data[0] != VERSION:
        raise FrameCorrupt("unknown frame version", number)
    if zlib.crc32(memoryview(data)[5:], _VERSION_CHECKSUM) != int.from_bytes(data[1:5], "big"):
        raise FrameCorrupt("frame checksum does not match", number)


def _read_frame(read: _Read, data: bytes, number: int) -> None:
    slots, present, flags, small, form = data[5:_HEADER]
    at = _HEADER
    if flags & _SPARSE:
        at += (slots + 7) // 8 if present else 0
        bitmap = data[_HEADER:at]
    else:
        bitmap = ((1 << slots) - 1).to_bytes((slots + 7) // 8, "little")
    presence = int.from_bytes(bitmap, "little")
    if presence.bit_count() != present or presence >> slots:
        raise ValueError("presence does not fit the count")
    if not (form <= MOST_DECIMALS or _RAW <= form < 2 * _RAW):
        raise ValueError("no such form of values")
    read.slots.append(slots)
    read.counts.append(present)
    read.bitmaps.append(bitmap.ljust(32, b"\0"))
    upload_date = findings = 0
    if present:
        if not flags & _UPLOAD_DATE:
            upload_date, at = _read_number(data, at)
        if not flags & _FINDINGS:
            findings, at = _read_number(data, at)
        piece = series.piece(data, at, present)
        read.forms.append(form)
        read.pieces.append(piece)
        at = piece.end
        for place, flag in enumerate(_PLANES):
            if flags & flag:
                piece = series.piece(data, at, present)
                read.planes.append((place, number, piece))
                at = piece.end
    read.constants.append((small & 1, upload_date, 0, small >> 1 & 7, small >> 4, findings))
    if at != len(data):
        raise ValueError("the body goes on after its last plane")


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    left = shift = 0
    while True:
        group = data[at]
        at += 1
        left |= (group & 0x7F) << shift
        if group < 0x80:
            break
        shift += 7
    number = left >> 1 if not left & 1 else -(left + 1 >> 1)
    if not -(2**63) <= number < 2**63:
        raise ValueError("no plane holds such a number")
    return number, at


def _columns(read: _Read) -> FrameColumns:
    counts = np.array(read.counts, np.int64)
    starts = lengths_to_starts(counts)
    bits = np.frombuffer(b"".join(read.bitmaps), np.uint8).reshape(-1, 32)
    slot = np.nonzero(np.unpackbits(bits, axis=1, bitorder="little"))[1]
    constants = np.array(read.constants, np.int64).reshape(-1, len(_PLANES))
    planes = [np.repeat(constants[:, place], counts) for place in range(len(_PLANES))]
    numbers = np.zeros(0, np.int64)
    if read.pieces:
        numbers = series.decode([*read.pieces, *(piece for _, _, piece in read.planes)])
    at = int(starts[-1])
    for place, number, piece in read.planes:
        planes[place][starts[number] : starts[number + 1]] = numbers[at : at + piece.count]
        at += piece.count
    valid, upload_date, lag, input_type, scope, findings = planes
    return FrameColumns(
        slots=np.array(read.slots, np.int64),
        starts=starts,
        slot=slot,
        value=_values(numbers[: starts[-1]], np.array(read.forms, np.int64), counts[counts > 0]),
        valid=valid.astype(np.uint8),
        upload_date=upload_date,
        rank=upload_date - lag,
        input_type=input_type.astype(np.uint8),
        scope=scope.astype(np.uint8),
        findings=findings,
    )


def _values(integers: Int64s, forms: Int64s, counts: Int64s) -> NDArray[np.float64]:
    raw = forms >= _RAW
    values: NDArray[np.float64] = integers / np.repeat(_POWERS[np.where(raw, 0, forms)], counts)
    if raw.any():
        at = np.repeat(raw, counts)
        shift = np.repeat(forms[raw] - _RAW, counts[raw])
        values[at] = (integers[at] << shift).view(np.float64)
    return values
