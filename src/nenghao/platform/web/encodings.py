"""Compressed request bodies (Content-Encoding): which there are, and unpacking them within bounds.

`identity` is what the standard's devices send; `gzip` and `zstd` are what a device may use that
knows this platform. A stream that is broken, cut short or followed by something else is refused
as E2002; one that unpacks to more than the limit is `TooLarge`, found without unpacking more.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import zstandard

from nenghao.standard.findings import Finding, quote
from nenghao.standard.replies import IllegalFormat

IDENTITY = "identity"
GZIP = "gzip"
ZSTD = "zstd"

_NAMES = {"": IDENTITY, IDENTITY: IDENTITY, GZIP: GZIP, "x-gzip": GZIP, ZSTD: ZSTD}
_WINDOW = 8 * 1024 * 1024
"""Largest window of a zstd frame (RFC 9659); it is memory beside the body."""
_PIECE = 64 * 1024
_REPEATED = 1
"""A zstd block of one byte, many times; its size is not the block's."""
_GZIP_FORMAT = 31
"""zlib: a gzip header and trailer, any window."""


class TooLarge(Exception):
    """The body unpacks to more bytes than the limit."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request's body as it came, and what its header says it is."""

    raw: bytes
    encoding: str = IDENTITY

    def hint(self, limit: int) -> int:
        """How many bytes it seems to unpack to, at most `limit`; costs nothing.

        A guess: whether the stream is what it says, `unpacked` finds out. Raises TooLarge for a
        frame that says so itself.
        """
        if self.encoding == IDENTITY:
            return len(self.raw)
        if self.encoding == GZIP:
            # The last member's length modulo 2**32, as the sender says: good for a guess.
            said = int.from_bytes(self.raw[-4:], "little") if len(self.raw) >= 18 else limit
            return min(said, limit)
        try:
            said = self._content_size()
        except IllegalFormat:
            return limit
        if said > limit:
            raise TooLarge
        return limit if said < 0 else said

    def unpacked(self, limit: int) -> bytes:
        """The body itself; raises IllegalFormat for a broken stream, TooLarge beyond `limit`."""
        if self.encoding == GZIP:
            return self._from_gzip(limit)
        if self.encoding == ZSTD:
            return self._from_zstd(limit)
        return self.raw

    def _from_gzip(self, limit: int) -> bytes:
        parts: list[bytes] = []
        room, rest = limit, self.raw
        while rest or not parts:
            member = zlib.decompressobj(_GZIP_FORMAT)
            try:
                part = member.decompress(rest, room + 1)
            except zlib.error:
                raise self._broken() from None
            if len(part) > room:
                raise TooLarge
            if not member.eof:
                raise self._broken()
            room -= len(part)
            parts.append(part)
            rest = member.unused_data
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _from_zstd(self, limit: int) -> bytes:
        if self._content_size() > limit:
            raise TooLarge
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        try:
            body = reader.decompress(self.raw, max_output_size=limit)
        except zstandard.ZstdError:
            # It does not say whether the stream is broken or too long.
            if self._exceeds(limit):
                raise TooLarge from None
            raise self._broken() from None
        if _frame_end(self.raw) != len(self.raw):
            raise self._broken()
        return body

    def _content_size(self) -> int:
        """What the zstd frame says of its content; -1 when it does not say."""
        try:
            return zstandard.frame_content_size(self.raw)
        except zstandard.ZstdError:
            raise self._broken() from None

    def _exceeds(self, limit: int) -> bool:
        """Whether the zstd frame gives more than `limit` bytes before it ends or breaks."""
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        piece, size = bytearray(_PIECE), 0
        with reader.stream_reader(io.BytesIO(self.raw)) as stream:
            try:
                while got := stream.readinto(piece):
                    size += got
                    if size > limit:
                        return True
            except zstandard.ZstdError:
                return False
        return False

    def _broken(self) -> IllegalFormat:
        reason = f"请求体不是完整的 {self.encoding} 数据"
        return IllegalFormat([Finding("Content-Encoding", reason)])


def _frame_end(frame: bytes) -> int:
    """Where the first zstd frame ends, which was unpacked without error (RFC 8878, 3.1.1)."""
    has_checksum = bool(frame[4] & 0b100)
    at = zstandard.frame_header_size(frame)
    last = False
    while not last:
        block = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = bool(block & 1), block >> 1 & 0b11, block >> 3
        at += 3 + (1 if kind == _REPEATED else size)
    return at + 4 * has_checksum


def encoding_of(header: str) -> str:
    """The encoding that a Content-Encoding header names; raises IllegalFormat for another."""
    name = _NAMES.get(header.strip().lower())
    if name is None:
        finding = Finding("Content-Encoding", "应为 gzip 或 zstd，或不压缩", quote(header))
        raise IllegalFormat([finding])
    return name
