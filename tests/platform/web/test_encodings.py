"""Compressed bodies are unpacked exactly, within bounds, and never in part."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nenghao.platform.web.encodings import GZIP, IDENTITY, ZSTD, Arrived, TooLarge, encoding_of
from nenghao.standard.replies import IllegalFormat

LIMIT = 100_000


def streamed(body: bytes) -> bytes:
    """zstd whose header does not tell the size of the content."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(body)


def members(body: bytes) -> bytes:
    """gzip in two members, as `cat a.gz b.gz` makes them."""
    half = len(body) // 2
    return gzip.compress(body[:half]) + gzip.compress(body[half:])


def understated(body: bytes) -> bytes:
    """gzip whose trailer tells less than there is, and is broken by that."""
    return gzip.compress(body)[:-4] + (1).to_bytes(4, "little")


WAYS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (IDENTITY, bytes),
    (GZIP, gzip.compress),
    (GZIP, members),
    (ZSTD, zstandard.compress),
    (ZSTD, streamed),
]


@given(st.binary(max_size=2000), st.integers(1, 40))
def test_what_was_compressed_comes_back(body: bytes, times: int) -> None:
    whole = body * times
    for encoding, compress in WAYS:
        assert Arrived(compress(whole), encoding).unpacked(LIMIT) == whole


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_stream_cut_short_is_never_taken_as_whole(body: bytes, data: st.DataObject) -> None:
    for encoding, compress in (WAYS[1], WAYS[3], WAYS[4]):
        whole = compress(body)
        cut = data.draw(st.integers(0, len(whole) - 1))
        with pytest.raises(IllegalFormat, match=f"Content-Encoding 请求体不是完整的 {encoding}"):
            Arrived(whole[:cut], encoding).unpacked(LIMIT)


@given(st.binary(max_size=500), st.integers(1, 2000), st.binary(min_size=1, max_size=40))
def test_what_follows_a_stream_is_not_overlooked(body: bytes, times: int, more: bytes) -> None:
    checked = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress
    for encoding, compress in ((GZIP, gzip.compress), (ZSTD, checked), WAYS[3], WAYS[4]):
        whole = compress(body * times)
        assert Arrived(whole, encoding).unpacked(10 * LIMIT) == body * times
        with pytest.raises(IllegalFormat):
            Arrived(whole + more, encoding).unpacked(10 * LIMIT)


@pytest.mark.parametrize(("encoding", "compress"), WAYS[1:])
def test_the_limit_is_exact(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    assert len(Arrived(compress(bytes(LIMIT)), encoding).unpacked(LIMIT)) == LIMIT
    with pytest.raises(TooLarge):
        Arrived(compress(bytes(LIMIT + 1)), encoding).unpacked(LIMIT)


@pytest.mark.parametrize(("encoding", "compress"), WAYS[1:])
def test_a_bomb_takes_no_more_memory_than_the_limit_allows(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = Arrived(compress(bytes(60_000_000)), encoding)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            bomb.unpacked(1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


def test_a_trailer_that_lies_is_found_out() -> None:
    arrived = Arrived(understated(bytes(LIMIT)), GZIP)
    assert arrived.hint(LIMIT) == 1
    with pytest.raises(IllegalFormat):
        arrived.unpacked(LIMIT)


def test_the_hint_is_what_the_stream_says_and_never_above_the_limit() -> None:
    body = bytes(5000)
    assert Arrived(body).hint(LIMIT) == 5000
    assert Arrived(gzip.compress(body), GZIP).hint(LIMIT) == 5000
    assert Arrived(zstandard.compress(body), ZSTD).hint(LIMIT) == 5000
    assert Arrived(streamed(body), ZSTD).hint(LIMIT) == LIMIT
    assert Arrived(gzip.compress(body), GZIP).hint(100) == 100
    for encoding in (GZIP, ZSTD):
        assert Arrived(b"short", encoding).hint(LIMIT) == LIMIT
    with pytest.raises(TooLarge):
        Arrived(zstandard.compress(body), ZSTD).hint(100)


def test_a_frame_that_wants_a_large_window_is_refused() -> None:
    """The window is memory beside the body; RFC 9659 allows 8 MB of it."""
    parameters = zstandard.ZstdCompressionParameters(window_log=26, write_content_size=False)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = writer.compress(b"x" * 1000) + writer.flush()
    assert zstandard.get_frame_parameters(frame).window_size == 1 << 26
    with pytest.raises(IllegalFormat):
        Arrived(frame, ZSTD).unpacked(LIMIT)


@pytest.mark.parametrize("raw", [zlib.compress(b"x"), b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
@pytest.mark.parametrize("encoding", [GZIP, ZSTD])
def test_what_is_something_else_is_refused(raw: bytes, encoding: str) -> None:
    with pytest.raises(IllegalFormat):
        Arrived(raw, encoding).unpacked(LIMIT)


def test_names_of_encodings() -> None:
    names = ["", "identity", "GZIP", " x-gzip", "zstd "]
    assert [encoding_of(name) for name in names] == [IDENTITY, IDENTITY, GZIP, GZIP, ZSTD]
    for name in ("br", "gzip, gzip", "compress"):
        with pytest.raises(IllegalFormat, match="Content-Encoding 应为 gzip 或 zstd"):
            encoding_of(name)
