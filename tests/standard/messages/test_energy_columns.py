"""Columns of texts: each distinct text once, whatever the pattern in which they come."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.standard.messages.energy_columns import small, texts
from nenghao.standard.messages.energy_data import ColumnRecords, columns_of, read_upload
from nenghao.standard.messages.energy_data import EnergyRecord as Record
from tests.standard.messages.samples import sample


def told_back(column: list[str]) -> list[str]:
    told = texts(column)
    return [told.distinct[number] for number in told.numbers]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_any_column_is_told_back_with_its_texts_as_they_first_appear(column: list[str]) -> None:
    assert told_back(column) == column
    assert texts(column).distinct == list(dict.fromkeys(column))


RUNS = st.lists(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=5).flatmap(
        lambda part: st.integers(1, 6).map(lambda times: part * times)
    ),
    max_size=14,
)


@given(RUNS)
def test_columns_that_repeat_themselves_are_told_back(parts: list[list[str]]) -> None:
    column = [text for part in parts for text in part]
    assert told_back(column) == column


@pytest.mark.parametrize(
    "column",
    [
        ["x"] * 1000,
        [f"{item}" for item in range(20) for _ in range(96)],
        [f"{tick}" for _ in range(20) for tick in range(96)],
        [f"{tick}" for _ in range(20) for tick in range(96)] + ["day"] * 20,
        [f"{tick}" for _ in range(20) for tick in range(97)][:-5],
        [f"{a}{b}{c}" for a, b, c in product("xyz", "ab", "12345")] * 3,
    ],
    ids=["constant", "by item", "by moment", "with day values", "cut off", "nested"],
)
def test_the_patterns_of_real_batches_are_told_back(column: list[str]) -> None:
    # texts of their own, as a decoder makes them
    column = ["".join(list(text)) for text in column]
    assert told_back(column) == column


@pytest.mark.parametrize("column", [[], [1], [1, 1, 1], [1, 2, 1], [True, False], [True, True]])
def test_small_numbers_take_a_byte_each(column: list[int]) -> None:
    assert list(small(column)) == column


def test_records_made_of_columns_are_the_records() -> None:
    records: list[Record] = list(read_upload(sample("uploadEnergyData.request")).data)
    made = ColumnRecords(columns_of(records))
    assert (list(made), made[-1], len(made)) == (records, records[-1], len(records))
    assert made[:1] == records[:1]
    with pytest.raises(IndexError):
        made[len(records)]
