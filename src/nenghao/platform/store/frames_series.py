"""Many series of integers as bytes, and back (整数序列编码): pure numpy, no database.

A series is what a plane of a frame comes to: 64-bit integers, few dozen, near each other. All
series of a batch are coded in one go. What they mean is `frames_codec`'s business.

Layout of one series::

    0      bits 0..3: how many bytes the base has, 0 to 8; bit 4: 1 = offsets, 0 = differences;
           bits 5, 6: what a width takes: 0 = half a byte, 1 = a byte, 2 = nothing, all are equal
    1      the least width
    2..    base: zigzag, little-endian, without its leading zero bytes
    ..     the width of every block beyond the least, the low half of a byte first
    ..     blocks of eight numbers each, the last filled up with zeros: one byte per bit of width,
           the lowest bit first, in which bit i belongs to number i

Differences are zigzag steps, the first from the base, which is the first number; offsets count
from the base, which is the least number. Whichever is shorter is taken, of a tie differences.
So a block costs as many bytes as its largest number has bits, and a quiet night costs nothing
for a loud day; on meters' readings this beats zstd and pcodec (docs/frame-codec).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
UInt64s = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

BLOCK: Final = 8
_BASE_BYTES: Final = 0x0F
_OFFSETS: Final = 0x10
_WIDE: Final = 0x20
_EQUAL: Final = 0x40
_HEAD: Final = 2
_HALF: Final = 15
"""The largest number that half a byte holds."""
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_POWERS = _ONE << np.arange(64, dtype=np.uint64)
_EIGHT = np.arange(BLOCK)


def lengths_to_starts(lengths: NDArray[np.integer]) -> Int64s:
    """Where each run begins when runs of these lengths stand one after another; and the end."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def spread(starts: Int64s, lengths: Int64s) -> Int64s:
    """All places of runs that begin at `starts` and are so long, one run after another."""
    return spread_steps(starts, lengths, 1)


def spread_steps(starts: Int64s, counts: Int64s, step: int) -> Int64s:
    """So many places after each start, `step` apart, one run after another."""
    before = lengths_to_starts(counts)
    places = np.arange(before[-1], dtype=np.int64) * step
    places += np.repeat(starts - before[:-1] * step, counts)
    return places


def encode(numbers: Int64s, counts: Int64s) -> tuple[bytes, Int64s]:
    """The bytes of all series one after another, and where each begins; and the end.

    `numbers` holds the series one after another, `counts` how long each is: at least one.
    """
    blocks = -(-counts // BLOCK)
    first_block = lengths_to_starts(blocks)
    padded, steps, offsets, least = _both_ways(numbers, counts, blocks, first_block)
    step_widths, offset_widths = _widths(steps), _widths(offsets)
    by_offset = np.add.reduceat(offset_widths, first_block[:-1]) < np.add.reduceat(
        step_widths, first_block[:-1]
    )
    chosen = np.repeat(by_offset, blocks)
    widths = np.where(chosen, offset_widths, step_widths)
    steps[chosen] = offsets[chosen]
    base = _zigzag(np.where(by_offset, least, padded[first_block[:-1], 0]))
    return _assembled(base, by_offset, blocks, first_block, widths, steps)


def _both_ways(
    numbers: Int64s, counts: Int64s, blocks: Int64s, first_block: Int64s
) -> tuple[Int64s, UInt64s, UInt64s, Int64s]:
    """The numbers in blocks; as steps and as offsets, the filling up as zeros; the least ones."""
    starts = lengths_to_starts(counts)[:-1]
    least = np.minimum.reduceat(numbers, starts)
    differences = np.empty_like(numbers)
    differences[0] = 0
    np.subtract(numbers[1:], numbers[:-1], out=differences[1:])
    differences[starts] = 0
    steps = _zigzag(differences)
    offsets = (numbers - np.repeat(least, counts)).view(np.uint64)
    shape = (int(first_block[-1]), BLOCK)
    if len(numbers) == shape[0] * BLOCK:
        return numbers.reshape(shape), steps.reshape(shape), offsets.reshape(shape), least
    places = spread(first_block[:-1] * BLOCK, counts)
    filled = [np.zeros(shape[0] * BLOCK, plane.dtype) for plane in (numbers, steps, offsets)]
    for whole, plane in zip(filled, (numbers, steps, offsets), strict=True):
        whole[places] = plane
    return (*(whole.reshape(shape) for whole in filled), least)  # type: ignore[return-value]


def _assembled(
    base: UInt64s,
    by_offset: Bools,
    blocks: Int64s,
    first_block: Int64s,
    widths: Int64s,
    content: UInt64s,
) -> tuple[bytes, Int64s]:
    least = np.minimum.reduceat(widths, first_block[:-1])
    beyond = widths - np.repeat(least, blocks)
    most = np.maximum.reduceat(beyond, first_block[:-1])
    wide, equal = most > _HALF, most == 0
    base_bytes = (bit_lengths(base) + 7) // 8
    width_bytes = np.where(wide, blocks, np.where(equal, 0, (blocks + 1) // 2))
    content_bytes = np.add.reduceat(widths, first_block[:-1])
    starts = lengths_to_starts(_HEAD + base_bytes + width_bytes + content_bytes)
    out = np.zeros(int(starts[-1]), np.uint8)
    at = starts[:-1]
    out[at] = base_bytes + by_offset * _OFFSETS + wide * _WIDE + equal * _EQUAL
    out[at + 1] = least
    at = at + _HEAD
    there = base_bytes[:, None] > _EIGHT
    out[(at[:, None] + _EIGHT)[there]] = base.astype("<u8").view(np.uint8).reshape(-1, 8)[there]
    at = at + base_bytes
    _put_widths(out, at, wide, np.where(equal, 0, blocks), beyond[np.repeat(~equal, blocks)])
    at = at + width_bytes
    out[spread(at, content_bytes)] = _bit_planes(content, widths)
    return out.tobytes(), starts


def _put_widths(out: Bytes, at: Int64s, wide: Bools, blocks: Int64s, beyond: Int64s) -> None:
    number = spread(np.zeros_like(blocks), blocks)
    whole = np.repeat(wide, blocks)
    place = np.repeat(at, blocks) + np.where(whole, number, number >> 1)
    low = whole | (number & 1 == 0)
    out[place[low]] = beyond[low]
    out[place[~low]] |= (beyond[~low] << 4).astype(np.uint8)


def _bit_planes(content: UInt64s, widths: Int64s) -> Bytes:
    """Every block's bits turned by a right angle, as many bytes as it is wide."""
    size = max(1, -(-int(widths.max()) // 8))
    eights = content.astype("<u8").view(np.uint8).reshape(-1, BLOCK, 8)[:, :, :size]
    turned = _turned(np.ascontiguousarray(eights.transpose(0, 2, 1)))
    return turned[np.arange(8 * size) < widths[:, None]]


def _turned(squares: Bytes) -> Bytes:
    """8 × 8 bits transposed, each square eight bytes; done twice, nothing is changed.

    Takes (blocks, squares, 8) bytes, gives (blocks, squares × 8). Hacker's Delight, 7-3.
    """
    x = squares.view("<u8")[:, :, 0]
    for shift, mask in (
        (7, 0x00AA00AA00AA00AA),
        (14, 0x0000CCCC0000CCCC),
        (28, 0x00000000F0F0F0F0),
    ):
        by = np.uint64(shift)
        swap = (x ^ (x >> by)) & np.uint64(mask)
        x = x ^ swap ^ (swap << by)
    return np.ascontiguousarray(x).view(np.uint8)


def _zigzag(numbers: Int64s) -> UInt64s:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unzigzag(numbers: UInt64s) -> Int64s:
    return ((numbers >> _ONE) ^ (_ZERO - (numbers & _ONE))).view(np.int64)


def _widths(blocks: UInt64s) -> Int64s:
    return bit_lengths(np.bitwise_or.reduce(blocks, axis=1))


def bit_lengths(numbers: UInt64s) -> Int64s:
    """How many bits each number needs, 0 for 0."""
    return np.searchsorted(_POWERS, numbers, side="right")


@dataclass(slots=True)
class Piece:
    """One series as its bytes say it, not yet made into numbers."""

    count: int
    by_offset: bool
    base: int
    widths: bytes
    content: bytes
    end: int
    """Where the next thing begins."""


_LOW_HALVES = bytes(byte & 15 for byte in range(256))
_HIGH_HALVES = bytes(byte >> 4 for byte in range(256))
_ADDED = [bytes((byte + least) & 255 for byte in range(256)) for least in range(65)]


def piece(body: bytes, at: int, count: int) -> Piece:
    """The series of `count` numbers that begins at `at`; ValueError when there is none."""
    blocks = -(-count // BLOCK)
    form, least = body[at], body[at + 1]
    base_end = at + _HEAD + (form & _BASE_BYTES)
    base = int.from_bytes(body[at + _HEAD : base_end], "little")
    if form & _BASE_BYTES > 8 or form >= _WIDE + _EQUAL or least > 64:
        raise ValueError("unknown form of a series")
    if form & _EQUAL:
        widths, end = bytes(blocks), base_end
    elif form & _WIDE:
        widths = body[base_end : base_end + blocks]
        end = base_end + blocks
    else:
        end = base_end + (blocks + 1) // 2
        halves = body[base_end:end]
        both = bytearray(2 * len(halves))
        both[::2] = halves.translate(_LOW_HALVES)
        both[1::2] = halves.translate(_HIGH_HALVES)
        widths = bytes(both[:blocks])
    if least:
        widths = widths.translate(_ADDED[least])
    content = body[end : end + sum(widths)]
    if len(widths) != blocks or len(content) != sum(widths) or max(widths) > 64:
        raise ValueError("a series ends too early")
    return Piece(count, bool(form & _OFFSETS), base, widths, content, end + len(content))


def decode(pieces: Sequence[Piece]) -> Int64s:
    """The numbers of all series, one series after another."""
    counts = np.array([one.count for one in pieces], np.int64)
    by_offset = np.array([one.by_offset for one in pieces], np.bool_)
    base = _unzigzag(np.array([one.base for one in pieces], np.uint64))
    widths = np.frombuffer(b"".join([one.widths for one in pieces]), np.uint8)
    content = np.frombuffer(b"".join([one.content for one in pieces]), np.uint8)
    blocks = -(-counts // BLOCK)
    padded = _from_bit_planes(content, widths).reshape(-1)
    if len(padded) != counts.sum():
        padded = padded[spread(lengths_to_starts(blocks)[:-1] * BLOCK, counts)]
    starts = lengths_to_starts(counts)[:-1]
    from_base = np.repeat(base, counts)
    stepped = _unzigzag(padded)
    stepped[starts] = 0  # the first number is the base
    sums = np.cumsum(stepped)
    steps = sums - np.repeat(sums[starts], counts)
    return from_base + np.where(np.repeat(by_offset, counts), padded.view(np.int64), steps)


def _from_bit_planes(content: Bytes, widths: Bytes) -> UInt64s:
    size = max(1, -(-int(widths.max()) // 8))
    planes = np.zeros((len(widths), size * 8), np.uint8)
    planes[np.arange(8 * size) < widths[:, None]] = content
    turned = _turned(planes.reshape(len(widths), size, 8)).reshape(len(widths), size, BLOCK)
    eights = np.zeros((len(widths), BLOCK, 8), np.uint8)
    eights[:, :, :size] = turned.transpose(0, 2, 1)
    return eights.view("<u8")[:, :, 0].astype(np.uint64)
