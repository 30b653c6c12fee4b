"""Series of integers: every one comes back, in as many bytes as its blocks need."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.platform.store import frames_series

STEADY = settings(deadline=None)
INT64S = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(-300, 300)
SERIES = st.lists(
    st.one_of(*(st.lists(kind, min_size=1, max_size=100) for kind in (INT64S, NEAR))),
    min_size=1,
    max_size=6,
)


def encoded(series: list[list[int]]) -> tuple[bytes, list[int]]:
    numbers = np.array([number for one in series for number in one], np.int64)
    data, starts = frames_series.encode(numbers, np.array([len(one) for one in series]))
    return data, starts.tolist()


@STEADY
@given(SERIES)
def test_every_series_comes_back(series: list[list[int]]) -> None:
    data, starts = encoded(series)
    pieces = [
        frames_series.piece(data, start, len(one))
        for start, one in zip(starts, series, strict=False)
    ]
    assert [piece.end for piece in pieces] == starts[1:]
    assert frames_series.decode(pieces).tolist() == [number for one in series for number in one]


@STEADY
@given(SERIES)
def test_a_series_has_the_same_bytes_in_any_company(series: list[list[int]]) -> None:
    data, starts = encoded(series)
    alone = [encoded([one])[0] for one in series]
    assert [data[begin:end] for begin, end in pairwise(starts)] == alone


@pytest.mark.parametrize(
    ("series", "size"),
    [
        ([0] * 96, 2),  # a head, and nothing else
        ([7] * 96, 2 + 1),
        (list(range(96)), 2 + 6 + 12 * 2 - 0),  # steps of one are two bits, the first is none
        ([5] * 48 + [5 + 2**20] * 48, 2 + 1 + 12 + 22),  # one loud block among quiet ones
        ([-(2**63), 2**63 - 1], 2 + 8 + 1),  # they are one step apart, round the end
    ],
)
def test_a_block_costs_as_many_bytes_as_its_largest_number_has_bits(
    series: list[int], size: int
) -> None:
    assert len(encoded([series])[0]) <= size


def test_an_unknown_form_or_an_early_end_is_no_series() -> None:
    data, _ = encoded([list(range(0, 960, 10))])
    for size in range(len(data)):
        with pytest.raises((ValueError, IndexError)):
            frames_series.piece(data[:size], 0, 96)
    for damage in (0x80, 0x0F, 0x60):
        with pytest.raises(ValueError, match="series"):
            frames_series.piece(bytes((data[0] | damage,)) + data[1:], 0, 96)
