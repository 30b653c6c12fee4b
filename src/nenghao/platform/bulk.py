"""Reads large uploads by column (批量读取): machine-written batches without an object per value.

A device writes all records of a batch alike: the same keys in the same order with the same white
space, texts of fixed length, and only the value, and `valid`, longer or shorter. What one record
looks like is learnt from the first; then every byte of every other is held against it, so that a
batch that is taken here could not be anything else, and what the records say is read as columns.
Whatever does not fit is read by `energy_data.read_upload`, which also finds what is wrong:
this module never refuses anything by itself. Checking forms is left to `energy_data` either way.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nenghao.standard import forms
from nenghao.standard.messages import energy_data
from nenghao.standard.messages.codec import drop_bom
from nenghao.standard.messages.energy_columns import Columns, Texts
from nenghao.standard.messages.energy_data import (
    RECORD_LIMIT,
    ColumnRecords,
    EnergyRecord,
    NotPlainError,
    cut_records,
)

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]
Words = NDArray[np.uint64]

_FEWEST: Final = 64
"""Records from which on this way is the faster one."""

_NUMBER = rb"[0-9.eE+-]+"
_JSON_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_RECORD = re.compile(
    rb"\{\s*"
    + rb"\s*,\s*".join(
        rb'"(dataCode|dataValue|inputType|statType|statDate|uploadDate|scope|valid)"\s*:\s*'
        rb'("[0-9: -]+"|true|false|' + _NUMBER + rb")"
        for _ in range(8)
    )
    + rb"\s*\}"
)
_SEPARATOR = re.compile(rb"\s*,\s*(?=\{)")
_TEXTS = {b"dataCode": 20, b"statDate": 19, b"uploadDate": 19}
_SMALL = (b"inputType", b"statType", b"scope")
_OPENING = ord("{")
_LONGEST_NUMBER = 24
_EXACT = 2**53
_TRUE = int.from_bytes(b"true", "little")
_FALSE = int.from_bytes(b"false", "little")
_ROWS = 1024
"""So often so many are looked at in one go: they stay in the processor's cache."""
_STRETCH = 1 << 19
_MIXER = 0x9E3779B97F4A7C15
_ABREAST = 16
"""Rows that are looked at as one: long rows are gone through faster than short ones."""
_POWERS = 10.0 ** np.arange(23)


class Upload(Struct, frozen=True):
    """A batch, as `energy_data.EnergyUpload` has it."""

    device_id: str
    enterprise_code: str
    data: Sequence[EnergyRecord]


def read_upload(
    body: bytes, *, record_limit: int = RECORD_LIMIT, statdate_tolerance: int = 0
) -> Upload:
    """The batch that `body` holds, exactly as `energy_data.read_upload` reads it; its refusals."""
    plain = drop_bom(body)
    limit = min(record_limit, RECORD_LIMIT)
    try:
        cut = cut_records(plain)
        columns = _columns(plain, cut.start + 1, cut.end - 1, limit)
        settled = energy_data.settle_texts(columns, statdate_tolerance)
        return Upload(cut.device_id, cut.enterprise_code, ColumnRecords(settled))
    except (ValueError, RecursionError):
        pass
    read = energy_data.read_upload(
        body, record_limit=record_limit, statdate_tolerance=statdate_tolerance
    )
    return Upload(read.device_id, read.enterprise_code, read.data)


class _Layout:
    """How the first record is written: what all the others are held against."""

    def __init__(self, body: bytes, start: int, end: int) -> None:
        first = _RECORD.match(body, start, end)
        if first is None:
            raise NotPlainError
        after = _SEPARATOR.match(body, first.end(), end)
        if after is None:
            raise NotPlainError
        self.spans = {first[at]: first.span(at + 1) for at in range(1, 16, 2)}
        self.separator = after[0]
        if len(self.spans) != 8 or any(
            first[at + 1][:1] == b'"' and len(first[at + 1]) - 2 != _TEXTS.get(first[at], 1)
            for at in range(1, 16, 2)
        ):
            raise NotPlainError
        value, valid = self.spans[b"dataValue"], self.spans[b"valid"]
        if valid < value or body[slice(*valid)] not in (b"true", b"false"):
            raise NotPlainError
        self.left = body[start : value[0]]
        self.middle = body[value[1] : valid[0]]
        self.right = body[valid[1] : first.end()] + self.separator
        self.first: dict[bytes, bytes] = {}
        """What the fixed fields are in the first record."""
        self.holes: dict[bytes, tuple[bool, int]] = {}
        """Of each fixed field whether it stands in `middle`, not in `left`, and where."""
        for name, (begin, stop) in self.spans.items():
            if name in (b"dataValue", b"valid"):
                continue
            if body[begin : begin + 1] == b'"':
                begin, stop = begin + 1, stop - 1
            if stop - begin != _TEXTS.get(name, 1) or valid[0] < begin:
                raise NotPlainError
            self.first[name] = body[begin:stop]
            self.holes[name] = (begin > value[0], begin - (value[1] if begin > value[0] else start))


class _Body:
    """The bytes of a body, to be read in many places at once."""

    def __init__(self, body: bytes) -> None:
        self.bytes = np.frombuffer(body, np.uint8)

    def find(self, byte: int, start: int, end: int) -> Int64s:
        """Where that byte stands; of several within eight bytes one may be missed, or misplaced.

        So much the faster, and they are looked at anyway.
        """
        there = np.zeros(_STRETCH, np.bool_)
        found = []
        for begin in range(start, end, _STRETCH):
            stretch = self.bytes[begin : min(begin + _STRETCH, end)]
            there[len(stretch) :] = False
            np.equal(stretch, byte, out=there[: len(stretch)])
            words = there.view(np.uint64)
            which = np.flatnonzero(words != 0)  # twice as fast on booleans
            exponents = words[which].astype(np.float64).view(np.int64) >> 52
            found.append(which * 8 + ((exponents - 1023) >> 3) + begin)
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def windows(self, places: Int64s, size: int) -> Bytes:
        """The `size` bytes at each ascending place, filled up with what follows to whole words."""
        whole = -(-size // 8) * 8
        reach = len(self.bytes) - whole + 1
        if places[0] < 0 or places[-1] >= reach:
            raise NotPlainError
        every = np.ndarray((reach,), f"V{whole}", self.bytes, strides=(1,))
        return every[places].view(np.uint8).reshape(-1, whole)


def _columns(body: bytes, start: int, end: int, limit: int) -> Columns:
    """The columns of the records between `start` and `end`; ValueError where not all fit."""
    while start < end and body[start] in b" \t\r\n":
        start += 1
    while start < end and body[end - 1] in b" \t\r\n":
        end -= 1
    layout = _Layout(body, start, end)
    source = _Body(body)
    starts = source.find(_OPENING, start, end)
    if not _FEWEST <= len(starts) <= limit:
        raise NotPlainError
    # The last record has no separator: it ends as if it had one.
    ends = np.append(starts[1:], end + len(layout.separator))
    closing = layout.right.removesuffix(layout.separator)
    if not body.endswith(closing, start, end):
        raise NotPlainError
    parts = []
    for begin in range(0, len(starts), _ABREAST * _ROWS):
        some = slice(begin, begin + _ABREAST * _ROWS)
        parts.append(_part(source, layout, starts[some], ends[some], end))
    return _joined(parts, layout)


@dataclass(slots=True)
class _Part:
    """What some of the records say: few enough for the processor's cache to hold them."""

    valid: NDArray[np.bool_]
    values: NDArray[np.float64]
    small: dict[bytes, Bytes]
    texts: dict[bytes, Bytes | None]
    """Rows that begin with the text; None where it is the first record's throughout."""


def _part(source: _Body, layout: _Layout, starts: Int64s, ends: Int64s, end: int) -> _Part:
    tails = ends - len(layout.right)
    inner = tails[ends <= end]  # what closes the last record of all was looked at before
    if len(inner):
        _varying(source.windows(inner, len(layout.right)), layout.right, ())
    valid, flags = _flags(source, tails)
    middles = flags - len(layout.middle)
    lengths = middles - starts - len(layout.left)
    if lengths.min() < 1 or lengths.max() > _LONGEST_NUMBER:
        raise NotPlainError
    part = _Part(valid, _numbers(source, middles, lengths), {}, {})
    for places, template, in_middle in (
        (starts, layout.left, False),
        (middles, layout.middle, True),
    ):
        rows = source.windows(places, len(template))
        holes = {
            name: slice(at, at + _TEXTS.get(name, 1))
            for name, (middle, at) in layout.holes.items()
            if middle is in_middle
        }
        varying = _varying(rows, template, holes.values())
        for name, hole in holes.items():
            if name not in _TEXTS:
                part.small[name] = rows[:, hole.start] - np.uint8(ord("0"))
            elif varying[hole].any():
                part.texts[name] = source.windows(places + hole.start, _TEXTS[name])
            else:
                part.texts[name] = None
    return part


def _joined(parts: list[_Part], layout: _Layout) -> Columns:
    small = {name: np.concatenate([part.small[name] for part in parts]) for name in parts[0].small}
    texts = {
        name: _texts([part.texts[name] for part in parts], parts, layout.first[name])
        for name in _TEXTS
    }
    values: array[float] = array("d")
    for part in parts:
        values.frombytes(part.values.tobytes())
    return Columns(
        data_code=texts[b"dataCode"],
        data_value=values,
        input_type=_checked(small[b"inputType"], forms.INPUT_TYPE),
        stat_type=_checked(small[b"statType"], forms.STAT_TYPE),
        stat_date=texts[b"statDate"],
        upload_date=texts[b"uploadDate"],
        scope=_checked(small[b"scope"], forms.SCOPE),
        valid=b"".join([part.valid.tobytes() for part in parts]),
    )


def _varying(rows: Bytes, template: bytes, holes: Collection[slice]) -> Bytes:
    """Not zero where a row differs from the template: which is in the holes, or NotPlainError."""
    width = rows.shape[1]
    words = rows.view(np.uint64)
    expected = np.frombuffer(template.ljust(width, b"\0") * _ABREAST, np.uint64)
    even = len(words) // _ABREAST * _ABREAST
    abreast = words[:even].reshape(-1, len(expected)) ^ expected
    found = np.bitwise_or.reduce(abreast, axis=0).reshape(_ABREAST, -1)
    rest = words[even:] ^ expected[: words.shape[1]]
    differing = np.bitwise_or.reduce(np.concatenate((found, rest))).view(np.uint8)
    fixed = differing[: len(template)].copy()
    for hole in holes:
        fixed[hole] = 0
    if fixed.any():
        raise NotPlainError
    return np.asarray(differing, np.uint8)


def _flags(source: _Body, tails: Int64s) -> tuple[NDArray[np.bool_], Int64s]:
    """Which records are valid, and where their flag begins; it ends at `tails`."""
    last = source.windows(tails - 8, 8).view(np.uint64)[:, 0]
    true = last >> np.uint64(32) == _TRUE
    if not true.all() and (last[~true] >> np.uint64(24) != _FALSE).any():
        raise NotPlainError
    return true, tails - 5 + true


def _checked(digits: Bytes, form: forms.Form) -> bytes:
    for number in np.flatnonzero(np.bincount(digits)).tolist():
        if number > 9:
            raise NotPlainError
        form.check(number)
    return digits.tobytes()


def _texts(rows: list[Bytes | None], parts: list[_Part], first: bytes) -> Texts:
    """The texts that begin the rows, each distinct one once, as they appear."""
    packed: array[int] = array("i")
    if all(some is None for some in rows):
        packed.frombytes(bytes(packed.itemsize * sum(len(part.values) for part in parts)))
        return Texts([first.decode("ascii")], packed)
    width = -(-len(first) // 8) * 8
    constant = np.frombuffer(first.ljust(width, b"\0"), np.uint8)
    whole = np.concatenate(
        [
            np.broadcast_to(constant, (len(part.values), width)) if some is None else some
            for part, some in zip(parts, rows, strict=True)
        ]
    )
    whole[:, len(first) :] = 0
    words: Words = whole.view(np.uint64)
    changes = np.ones(len(words), np.bool_)
    changes[1:] = _differ(words[1:], words[:-1])
    runs = np.flatnonzero(changes)
    places, numbers = _distinct(words[runs])
    if len(runs) < len(words):
        numbers = numbers[np.cumsum(changes) - 1]
    distinct = whole[runs[places], : len(first)].tobytes().decode("ascii")
    packed.frombytes(numbers.astype(np.intc).tobytes())
    size = len(first)
    return Texts([distinct[at : at + size] for at in range(0, len(distinct), size)], packed)


def _differ(some: Words, others: Words) -> NDArray[np.bool_]:
    """Of each row whether it is another one."""
    differs: NDArray[np.bool_] = some[:, 0] != others[..., 0]
    for column in range(1, some.shape[1]):
        differs |= some[:, column] != others[..., column]
    return differs


def _distinct(words: Words) -> tuple[Int64s, Int64s]:
    """Where each distinct row stands first, in that order; and of each row which one it is."""
    again = np.flatnonzero(~_differ(words, words[0]))
    if len(again) > 1:
        period = int(again[1])
        if np.array_equal(words[period:], words[:-period]):
            first, once = _distinct(words[:period])
            return first, np.resize(once, len(words))
    mixed = words[:, 0].copy()
    for column in words.T[1:]:
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(_MIXER) + column
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(words[first[inverse]], words):  # two rows that were mixed alike
        raise NotPlainError
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def _number(text: bytes) -> float:
    """The double of one number that is long or has an exponent."""
    if _JSON_NUMBER.fullmatch(text) is None:
        raise NotPlainError
    value = float(text)
    if not isfinite(value) or (value == 0 and text.startswith(b"-")):
        raise NotPlainError  # -0 and -0.0 are not read alike
    return value


def _numbers(source: _Body, ends: Int64s, lengths: Int64s) -> NDArray[np.float64]:
    """The doubles whose texts end there; ValueError where one is no plain JSON number.

    Up to 2^53 a decimal is two exact doubles and one division, so the nearest double: the same
    that any right reader gives. Longer ones, and those with an exponent, are read one by one.
    """
    longest = int(lengths.max())
    width = 8 if longest <= 8 else 16 if longest <= 16 else _LONGEST_NUMBER
    rows = source.windows(ends - width, width)
    columns = np.ascontiguousarray(rows.T)
    begins = width - lengths
    every = np.arange(len(rows))
    negative = rows[every, begins] == ord("-")
    begins = begins + negative
    number = np.zeros(len(rows), np.int64)
    decimals = np.zeros(len(rows), np.int8)
    points = np.zeros(len(rows), np.int8)
    wrong = np.zeros(len(rows), np.bool_)
    for place in range(width - longest, width):
        digit = columns[place] - np.uint8(ord("0"))
        inside = begins <= place
        is_digit = (digit <= 9) & inside
        is_point = (columns[place] == ord(".")) & inside
        wrong |= (is_digit | is_point) != inside
        points += is_point
        decimals += is_digit & (points > 0)
        number *= np.where(is_digit, 10, 1)
        number += digit * is_digit
    digits = width - begins - points
    whole = digits - decimals
    first = rows[every, np.minimum(begins, width - 1)]
    wrong |= (points > 1) | (whole < 1) | ((points == 1) & (decimals < 1))
    wrong |= (first == ord("0")) & (whole > 1)
    wrong |= negative & (number == 0)
    value = number / _POWERS[np.minimum(decimals, 22)]
    np.negative(value, out=value, where=negative)
    for at in np.flatnonzero(wrong | (digits > 18) | (number > _EXACT)).tolist():
        value[at] = _number(rows[at, width - int(lengths[at]) :].tobytes())
    return np.asarray(value, np.float64)
