"""The records of a batch by column (采集数据的列): each distinct text once, pure Python.

A batch says few things many times: a day of 480 items has 480 data codes, 96 times and one upload
date in its 138,240 texts. Whoever goes through a batch to check or to store it looks at each
distinct text once and takes the rest by its number. `energy_data.read_upload` makes the columns
while it checks the form and hands them on with the records; others make them with `columns_of`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

_ATTEMPTS = 8
"""Times that a column may change its pattern before its texts are looked up one by one."""


class Record(Protocol):
    """A record as `energy_data.EnergyRecord` has it."""

    data_code: str
    data_value: float
    input_type: int
    stat_type: int
    stat_date: str
    upload_date: str
    scope: int
    valid: bool


class Texts(Struct, frozen=True):
    """A column of texts."""

    distinct: list[str]
    """Every text of the column once, in the order of its first appearance."""
    numbers: array[int]
    """Of each record, the place of its text in `distinct`."""


class Columns(Struct, frozen=True):
    """The eight fields of all records; the small ones a byte each."""

    data_code: Texts
    data_value: Sequence[float]
    input_type: bytes
    stat_type: bytes
    stat_date: Texts
    upload_date: Texts
    scope: bytes
    valid: bytes


def columns_of(records: Sequence[Record]) -> Columns:
    """The columns of records that have the form of A.5."""
    return Columns(
        data_code=texts([record.data_code for record in records]),
        data_value=[record.data_value for record in records],
        input_type=small([record.input_type for record in records]),
        stat_type=small([record.stat_type for record in records]),
        stat_date=texts([record.stat_date for record in records]),
        upload_date=texts([record.upload_date for record in records]),
        scope=small([record.scope for record in records]),
        valid=small([record.valid for record in records]),
    )


def small(column: Sequence[int]) -> bytes:
    """A column of numbers below 256; flags are 0 and 1."""
    if column and column.count(column[0]) == len(column):
        return bytes((column[0],)) * len(column)
    return bytes(column)


def texts(column: list[str]) -> Texts:
    """The column with each distinct text once.

    Batches are written item by item or moment by moment, so a column mostly stays the same, or
    comes in runs, or repeats itself: comparing tells that several times faster than looking up
    every text.
    """
    known = _Numbers()
    numbers: array[int] = array("i")
    at = attempts = 0
    while at < len(column) and attempts < _ATTEMPTS:
        attempts += 1
        if at + 1 < len(column) and column[at] == column[at + 1]:
            at = _take_runs(column, at, known, numbers)
        else:
            at = _take_periods(column, at, known, numbers)
    if at < len(column):
        _look_up(column[at:], known, numbers)
    return Texts(list(known), numbers)


class _Numbers(dict[str, int]):
    """Numbers texts in the order in which they are asked for."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


def _look_up(column: Iterable[str], known: _Numbers, numbers: array[int]) -> None:
    numbers.extend(map(known.__getitem__, column))


def _take_runs(column: list[str], at: int, known: _Numbers, numbers: array[int]) -> int:
    """Take runs of one text from `at` on until there comes a text alone; where that is."""
    length = 1
    while at < len(column):
        text = column[at]
        if column[at : at + length].count(text) < length:
            length = 1  # shorter than the run before
        end = at + length
        while end < len(column) and column[end] == text:
            more = column[end : 2 * end - at]
            end += len(more) if more.count(text) == len(more) else 1
        length = end - at
        if length == 1:
            return at
        numbers.extend(array("i", (known[text],)) * length)
        at = end
    return at


def _take_periods(column: list[str], at: int, known: _Numbers, numbers: array[int]) -> int:
    """Take what begins at `at`, and once more for as long as it repeats itself; where that ends."""
    try:
        period = column.index(column[at], at + 1) - at
    except ValueError:
        period = len(column) - at
    end = at + period
    before = len(numbers)
    _look_up(column[at:end], known, numbers)
    once = numbers[before:]
    if column[end:] == column[at : len(column) - period]:
        times, rest = divmod(len(column) - end, period)
    else:
        times = rest = 0
        while column[end + times * period : end + (times + 1) * period] == column[at:end]:
            times += 1
    numbers.extend(once * times)
    numbers.extend(once[:rest])
    return end + times * period + rest
