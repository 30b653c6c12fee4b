"""Records on their way to the wire (打包), piece by piece: a day of a large unit is ten megabytes.

A batch lies in the outbox as the deflated JSON array of its records, a twentieth of what goes over
the line. It is packed record by record and comes out again in pieces, so that neither making nor
sending one ever needs it whole: the memory of a small gateway is for reading its meters.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from msgspec import Struct

PIECE = 65_536
"""Bytes that come out of a packed array at a time."""

_RECORD = re.compile(rb'\{(?:[^{}"]++|"(?:[^"\\]++|\\.)*+")*+\}')
"""A record of A.5: an object that holds no other. Its texts may hold braces."""


class Packed(Struct, frozen=True):
    """The JSON array of a batch's records, deflated."""

    data: bytes
    records: int
    size: int
    """Bytes of the array as it goes over the wire."""


class Packer:
    """Makes a packed array of records that come one by one, each encoded already."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()
        self._parts = [self._deflate.compress(b"[")]
        self.records = 0
        self.size = 2
        """Bytes of the array if it ended here."""

    def add(self, record: bytes) -> None:
        """Append a record."""
        between = b"," if self.records else b""
        if part := self._deflate.compress(between + record):
            self._parts.append(part)
        self.records += 1
        self.size += len(between) + len(record)

    def finish(self) -> Packed:
        """The array; nothing can be added any more."""
        self._parts += (self._deflate.compress(b"]"), self._deflate.flush())
        return Packed(b"".join(self._parts), self.records, self.size)


def pieces(data: bytes) -> Iterator[bytes]:
    """The array as it goes over the wire, in pieces of at most `PIECE` bytes."""
    inflate = zlib.decompressobj()
    piece = inflate.decompress(data, PIECE)
    while piece:
        yield piece
        piece = inflate.decompress(inflate.unconsumed_tail, PIECE)


def each(data: bytes) -> Iterator[bytes]:
    """The records of a packed array one by one, as they were added."""
    buffer = b""
    for piece in pieces(data):
        # what precedes a record, `[` or `,`, stays in front of it until it is whole
        buffer += piece
        place = 1
        while (found := _RECORD.match(buffer, place)) is not None:
            yield found[0]
            place = found.end() + 1
        buffer = buffer[place - 1 :]


class Body:
    """A request whose records are packed; its length is known before it is made.

    >>> packer = Packer()
    >>> packer.add(b'{"n":1}')
    >>> bytes(Body(b'{"data":', packer.finish(), b"}"))
    b'{"data":[{"n":1}]}'
    """

    def __init__(self, head: bytes, packed: Packed, tail: bytes) -> None:
        self._head = head
        self._packed = packed
        self._tail = tail

    def __len__(self) -> int:
        return len(self._head) + self._packed.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from pieces(self._packed.data)
        yield self._tail

    def __bytes__(self) -> bytes:
        return b"".join(self)
