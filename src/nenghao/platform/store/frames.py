"""Values of one item in one frame of time, packed into one row (帧): pure, no database.

A frame keeps one plane per property over its present slots, in slot order. Which slot is which
moment is `standard.periods`' business, which record goes where `platform.intake`'s.

Layout of an encoded frame, version 1::

    0      version
    1..4   CRC-32 of everything else, big-endian
    5      number of present slots (readable without unpacking the body)
    6      0 = body as it is, 1 = body compressed with zstd (without its magic number)
    7..    body: number of slots; a bitmap of the present ones unless all are;
           the planes value, valid, upload date, lag, inputType, scope, findings

A plane of integers is one number where its slots agree, else the first number and the zigzag
differences, split into byte planes (all low bytes first). Values are such integers times a
power of ten wherever that gives back every double exactly, else their eight raw bytes.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import TypeVar

import zstandard

VERSION = 1
MOST_DECIMALS = 10
MOST_SLOTS = 255

_HEADER = 7
_RAW = 0xFF
_RAW_CONSTANT = 0xFE
_EXACT_INTEGERS = float(2**53)
_LARGEST_BODY = 16 * 1024
"""Seven planes of eight bytes over MOST_SLOTS slots, and what heads them."""


class FrameCorrupt(Exception):
    """The bytes are no frame, or not the frame that was written."""


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


_Item = TypeVar("_Item")
_PLANES = tuple(field.name for field in fields(Frame))[2:]


def merge(stored: Frame, incoming: Frame) -> tuple[Frame, list[int]]:
    """Both frames in one, and the slots in which `incoming` lost.

    Of two values in one slot the incoming wins iff its rank is at least the stored one's
    (docs/decisions 6): the order of two uploads matters only where their ranks tie.
    """
    if stored.slots != incoming.slots:
        raise ValueError("frames of different statType cannot be merged")
    covered = stored.presence & incoming.presence == stored.presence
    if covered and (not stored.rank or max(stored.rank) <= min(incoming.rank)):
        return incoming, []
    there = {slot: index for index, slot in enumerate(stored.positions())}
    chosen, offset = dict(there), len(there)
    lost = []
    for index, slot in enumerate(incoming.positions()):
        held = there.get(slot)
        if held is not None and incoming.rank[index] < stored.rank[held]:
            lost.append(slot)
        else:
            chosen[slot] = offset + index
    order = [chosen[slot] for slot in sorted(chosen)]
    merged = Frame(
        slots=stored.slots,
        presence=stored.presence | incoming.presence,
        value=_picked(stored.value + incoming.value, order),
        valid=_picked(stored.valid + incoming.valid, order),
        upload_date=_picked(stored.upload_date + incoming.upload_date, order),
        rank=_picked(stored.rank + incoming.rank, order),
        input_type=_picked(stored.input_type + incoming.input_type, order),
        scope=_picked(stored.scope + incoming.scope, order),
        findings=_picked(stored.findings + incoming.findings, order),
    )
    return merged, lost


def agreeing(stored: Frame, incoming: Frame) -> set[int]:
    """The slots that hold the same record in both: every property as it was sent."""
    there = dict(_sent(stored))
    return {slot for slot, row in _sent(incoming) if there.get(slot) == row}


def encode(frame: Frame) -> bytes:
    """The frame's bytes; equal frames give equal bytes within one version of zstd.

    Raises ValueError when the planes do not fit the presence bitmap.
    """
    count = frame.presence.bit_count()
    if not 0 < frame.slots <= MOST_SLOTS or frame.presence >> frame.slots:
        raise ValueError("presence does not fit the frame's slots")
    if any(len(getattr(frame, name)) != count for name in _PLANES):
        raise ValueError("every plane must have one entry per present slot")
    body = bytearray([frame.slots])
    if count < frame.slots:
        body += frame.presence.to_bytes((frame.slots + 7) // 8, "little")
    if count:
        _put_values(body, frame.value)
        _put_integers(body, frame.valid)
        _put_integers(body, frame.upload_date)
        if frame.rank == frame.upload_date:
            _put_integers(body, [0])
        else:
            pairs = zip(frame.upload_date, frame.rank, strict=True)
            _put_integers(body, [sent - rank for sent, rank in pairs])
        _put_integers(body, frame.input_type)
        _put_integers(body, frame.scope)
        _put_integers(body, frame.findings)
    return _sealed(count, bytes(body))


def decode(data: bytes) -> Frame:
    """The frame that `encode` wrote; raises FrameCorrupt rather than return anything else."""
    _check(data)
    try:
        body = _decompress(data[_HEADER:]) if data[6] else data[_HEADER:]
        return _read_body(_Reader(body), data[5])
    except (ValueError, OverflowError, MemoryError, struct.error, zstandard.ZstdError) as error:
        raise FrameCorrupt("frame body cannot be read") from error


def count(data: bytes) -> int:
    """How many values an encoded frame holds, without unpacking it; raises FrameCorrupt."""
    _check(data)
    return data[5]


def _check(data: bytes) -> None:
    if len(data) < _HEADER or data[0] != VERSION:
        raise FrameCorrupt("unknown frame version")
    if _checksum(data) != int.from_bytes(data[1:5], "big"):
        raise FrameCorrupt("frame checksum does not match")


def _sent(frame: Frame) -> Iterator[tuple[int, tuple[float, ...]]]:
    """By slot, what the sender wrote."""
    rows = zip(
        frame.value,
        frame.valid,
        frame.upload_date,
        frame.input_type,
        frame.scope,
        strict=True,
    )
    return zip(frame.positions(), rows, strict=True)


def _picked(pool: list[_Item], order: list[int]) -> list[_Item]:
    return [pool[index] for index in order]


def _sealed(count: int, body: bytes) -> bytes:
    packed = _compress(body)
    smaller = len(packed) < len(body)
    rest = bytes((count, smaller)) + (packed if smaller else body)
    checksum = zlib.crc32(rest, zlib.crc32(bytes((VERSION,))))
    return bytes((VERSION,)) + checksum.to_bytes(4, "big") + rest


def _checksum(data: bytes) -> int:
    return zlib.crc32(memoryview(data)[5:], zlib.crc32(data[:1]))


def _put_number(body: bytearray, number: int) -> None:
    """A signed integer in seven-bit groups, small magnitudes first (zigzag LEB128)."""
    left = number << 1 if number >= 0 else (-number << 1) - 1
    while left > 0x7F:
        body.append(left & 0x7F | 0x80)
        left >>= 7
    body.append(left)


def _put_integers(body: bytearray, numbers: Sequence[int]) -> None:
    first = numbers[0]
    if numbers.count(first) == len(numbers):
        body.append(0)
        _put_number(body, first)
        return
    steps = [
        step << 1 if step >= 0 else (-step << 1) - 1
        for step in map(int.__sub__, numbers[1:], numbers)
    ]
    width = (max(steps).bit_length() + 7) // 8
    body.append(width)
    _put_number(body, first)
    _put_bytes(body, struct.pack(f"<{len(steps)}Q", *steps), width)


def _put_bytes(body: bytearray, eights: bytes, width: int) -> None:
    """Eight-byte items as `width` byte planes, the lowest first."""
    for place in range(width):
        body += eights[place::8]


def _put_values(body: bytearray, values: list[float]) -> None:
    raw = struct.pack(f"<{len(values)}d", *values)
    scaled = _scaled(values, raw)
    if scaled is not None:
        decimals, integers = scaled
        body.append(decimals)
        _put_integers(body, integers)
    elif raw == raw[:8] * len(values):
        body.append(_RAW_CONSTANT)
        body += raw[:8]
    else:
        body.append(_RAW)
        _put_bytes(body, raw, 8)


def _scaled(values: list[float], raw: bytes) -> tuple[int, list[int]] | None:
    """The fewest decimals with which integers give back every value bit by bit."""
    largest = max(max(values), -min(values))
    for decimals in range(MOST_DECIMALS + 1):
        power = 10.0**decimals
        if not largest * power < _EXACT_INTEGERS:
            return None
        if all(round(value * power) / power == value for value in values):
            integers = [round(value * power) for value in values]
            # -0.0 equals 0.0 and is still not the same double
            exact = struct.pack(f"<{len(values)}d", *[i / power for i in integers]) == raw
            return (decimals, integers) if exact else None
    return None


class _Reader:
    """Reads a body from its beginning to its very end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._body[self._at : self._at + size]
        if len(part) != size:
            raise ValueError("the body ends too early")
        self._at += size
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        left = shift = 0
        while True:
            group = self.byte()
            left |= (group & 0x7F) << shift
            if group < 0x80:
                return left >> 1 if not left & 1 else -(left + 1 >> 1)
            shift += 7

    def integers(self, count: int) -> list[int]:
        width = self.byte()
        first = self.number()
        if not width:
            return [first] * count
        steps = struct.unpack(f"<{count - 1}Q", self.eights(count - 1, width))
        return list(
            accumulate(
                (step >> 1 if not step & 1 else -(step + 1 >> 1) for step in steps), initial=first
            )
        )

    def eights(self, count: int, width: int) -> bytes:
        if width > 8:
            raise ValueError("no plane is wider than eight bytes")
        items = bytearray(8 * count)
        for place in range(width):
            items[place::8] = self.take(count)
        return bytes(items)

    def values(self, count: int) -> list[float]:
        form = self.byte()
        if form == _RAW:
            return list(struct.unpack(f"<{count}d", self.eights(count, 8)))
        if form == _RAW_CONSTANT:
            return [struct.unpack("<d", self.take(8))[0]] * count
        if form > MOST_DECIMALS:
            raise ValueError("unknown form of values")
        power = 10.0**form
        return [integer / power for integer in self.integers(count)]

    def finish(self) -> None:
        if self._at != len(self._body):
            raise ValueError("the body goes on after its last plane")


def _read_body(reader: _Reader, count: int) -> Frame:
    slots = reader.byte()
    presence = (1 << slots) - 1
    if count < slots:
        presence = int.from_bytes(reader.take((slots + 7) // 8), "little")
    if presence.bit_count() != count or presence >> slots:
        raise ValueError("presence does not fit the count")
    if not count:
        reader.finish()
        return Frame(slots, presence, [], [], [], [], [], [], [])
    value = reader.values(count)
    valid = reader.integers(count)
    upload_date = reader.integers(count)
    lag = reader.integers(count)
    rank = [sent - late for sent, late in zip(upload_date, lag, strict=True)]
    frame = Frame(
        slots=slots,
        presence=presence,
        value=value,
        valid=valid,
        upload_date=upload_date,
        rank=rank,
        input_type=reader.integers(count),
        scope=reader.integers(count),
        findings=reader.integers(count),
    )
    reader.finish()
    return frame


class _Codecs(threading.local):
    """zstd's contexts are not for several threads at once: each thread has its own."""

    def __init__(self) -> None:
        magicless = zstandard.FORMAT_ZSTD1_MAGICLESS
        self.compressor = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(
                3, format=magicless, write_content_size=False, write_checksum=False
            )
        )
        self.decompressor = zstandard.ZstdDecompressor(format=magicless)


_codecs = _Codecs()


def _compress(body: bytes) -> bytes:
    return _codecs.compressor.compress(body)


def _decompress(data: bytes) -> bytes:
    return _codecs.decompressor.decompress(data, max_output_size=_LARGEST_BODY)
