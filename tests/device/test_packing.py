from __future__ import annotations

import asyncio
import json
import random
import tracemalloc
import zlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device import packing
from nenghao.device.client import PlatformClient, Reply
from nenghao.device.packing import PIECE, Body, Packed, Packer, each, pieces

RECORDS = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.integers() | st.text(max_size=20), max_size=3
    ),
    max_size=8,
)


def packed(records: list[bytes]) -> Packed:
    packer = Packer()
    for record in records:
        packer.add(record)
    return packer.finish()


@given(RECORDS, st.integers(1, 40), st.booleans())
def test_what_is_packed_comes_out_again_whole_and_one_by_one(
    records: list[dict[str, object]], piece: int, ascii_only: bool
) -> None:
    encoded = [json.dumps(one, ensure_ascii=ascii_only).encode() for one in records]
    made = packed(encoded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "PIECE", piece)
        assert list(each(made.data)) == encoded
        array = b"".join(pieces(made.data))
        assert all(len(one) <= piece for one in pieces(made.data))
    assert json.loads(array) == records
    assert (made.records, made.size) == (len(records), len(array))


def test_arrays_of_earlier_versions_are_read() -> None:
    array = b'[{"n":1},{"n":2}]'
    assert list(each(zlib.compress(array))) == [b'{"n":1}', b'{"n":2}']


def a_large_one() -> tuple[Body, int]:
    """A body of some ten megabytes; and its length."""
    chance = random.Random(4)
    packer = Packer()
    for number in range(50_000):
        packer.add(b'{"statDate":"2026-03-09 00:15:00","dataValue":%.6f,"pad":"%s","n":%d}'
                   % (chance.random(), b"x" * 130, number))  # fmt: skip
    body = Body(b'{"data":', packer.finish(), b"}")
    return body, len(body)


def test_packing_and_sending_ten_megabytes_takes_less_than_two() -> None:
    tracemalloc.start()
    try:
        body, size = a_large_one()
        assert size > 10_000_000
        assert sum(map(len, body)) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_body_goes_out_in_pieces_with_its_length_and_again_after_a_failure() -> None:
    seen: list[httpx.Request] = []
    counts: list[tuple[int, int]] = []

    class Line(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            lengths = [len(piece) async for piece in request.stream]
            seen.append(request)
            counts.append((sum(lengths), max(lengths)))
            if len(seen) == 1:
                raise httpx.ReadError("gone")
            return httpx.Response(200, json={"responseCode": "0", "responseMessage": ""})

    body, size = a_large_one()

    async def conversation() -> list[object]:
        async with PlatformClient(timeout=30, transport=Line()) as client:
            return [await client.post("https://p.test/x", body) for _ in range(2)]

    first, second = asyncio.run(conversation())
    assert not isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert counts == [(size, PIECE)] * 2
    assert {request.headers["content-length"] for request in seen} == {str(size)}
    assert not any("transfer-encoding" in request.headers for request in seen)
