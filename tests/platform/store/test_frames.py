"""Frames: every finite double comes back, no damage goes unseen, merging is the key rule."""

from __future__ import annotations

import csv
import math
import random
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.platform.store import frames
from nenghao.platform.store.frames import Frame, FrameCorrupt, decode, encode, merge

READINGS = Path(__file__).parents[4] / "shared" / "data" / "steel_plant_15min_2018.csv"

STEADY = settings(deadline=None)
"""A busy machine is no failure."""

DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
METERED = st.builds(
    lambda digits, decimals: digits / 10**decimals,
    st.integers(-(10**9), 10**9),
    st.integers(0, 10),
)
EDGES = st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53, -(2.0**53) + 1, 0.1])
VALUES = st.one_of(DOUBLES, METERED, EDGES)
SECONDS = st.integers(-(2**31), 2**32)


@dataclass(frozen=True)
class Cell:
    """One value as a naive model keeps it."""

    value: float
    valid: int
    upload_date: int
    rank: int
    input_type: int
    scope: int
    findings: int


def cells(
    values: st.SearchStrategy[float], seconds: st.SearchStrategy[int]
) -> st.SearchStrategy[Cell]:
    return st.builds(
        Cell,
        values,
        st.integers(0, 1),
        seconds,
        seconds,
        st.integers(1, 7),
        st.integers(1, 4),
        st.integers(0, 2047),
    )


def frame_of(slots: int, row: dict[int, Cell]) -> Frame:
    chosen = [row[slot] for slot in sorted(row)]
    return Frame(
        slots=slots,
        presence=sum(1 << slot for slot in row),
        value=[cell.value for cell in chosen],
        valid=[cell.valid for cell in chosen],
        upload_date=[cell.upload_date for cell in chosen],
        rank=[cell.rank for cell in chosen],
        input_type=[cell.input_type for cell in chosen],
        scope=[cell.scope for cell in chosen],
        findings=[cell.findings for cell in chosen],
    )


def row_of(frame: Frame) -> dict[int, Cell]:
    planes = zip(
        frame.value,
        frame.valid,
        frame.upload_date,
        frame.rank,
        frame.input_type,
        frame.scope,
        frame.findings,
        strict=True,
    )
    return {slot: Cell(*one) for slot, one in zip(frame.positions(), planes, strict=True)}


@st.composite
def any_frame(draw: st.DrawFn) -> Frame:
    slots = draw(st.sampled_from([96, 31, 12, 100]))
    taken = draw(st.one_of(st.sets(st.integers(0, slots - 1)), st.just(set(range(slots)))))
    if draw(st.booleans()):  # as a device sends it: everything agrees but the values
        cell = draw(cells(VALUES, SECONDS))
        values = draw(st.lists(METERED, min_size=len(taken), max_size=len(taken)))
        frame = frame_of(slots, dict.fromkeys(taken, cell))
        frame.value = values
        return frame
    return frame_of(slots, {slot: draw(cells(VALUES, SECONDS)) for slot in taken})


def _bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@STEADY
@given(any_frame())
def test_what_is_encoded_comes_back(frame: Frame) -> None:
    decoded = decode(encode(frame))
    assert decoded == frame
    assert _bits(decoded.value) == _bits(frame.value)


@STEADY
@given(st.lists(VALUES, min_size=1, max_size=96))
def test_every_finite_double_comes_back_bit_by_bit(values: list[float]) -> None:
    frame = frame_of(96, {slot: Cell(v, 1, 0, 0, 1, 1, 0) for slot, v in enumerate(values)})
    assert _bits(decode(encode(frame)).value) == _bits(values)


@STEADY
@given(any_frame())
def test_equal_frames_give_equal_bytes_and_a_count(frame: Frame) -> None:
    data = encode(frame)
    assert encode(decode(data)) == data
    assert frames.count(data) == len(frame.value)


@settings(STEADY, max_examples=20)
@given(any_frame(), st.data())
def test_a_flipped_bit_never_returns_data(frame: Frame, data: st.DataObject) -> None:
    whole = encode(frame)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(FrameCorrupt):
            decode(bytes(damaged))
        with pytest.raises(FrameCorrupt):
            frames.count(bytes(damaged))


@STEADY
@given(any_frame(), st.integers(0, 2000))
def test_a_truncated_or_lengthened_frame_never_returns_data(frame: Frame, size: int) -> None:
    whole = encode(frame)
    with pytest.raises(FrameCorrupt):
        decode(whole[: size % len(whole)])
    with pytest.raises(FrameCorrupt):
        decode(whole + b"\0")


@STEADY
@given(st.binary(max_size=200))
def test_foreign_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(FrameCorrupt):
        decode(data)


@STEADY
@given(st.binary(max_size=60), st.binary(min_size=5, max_size=5), st.booleans())
def test_a_right_checksum_over_nonsense_is_corrupt_too(
    body: bytes, head: bytes, full: bool
) -> None:
    slots, count, *others = head
    if full:  # or hardly any count would fit its bitmap
        count, others[0], others[2] = slots, others[0] & 0x7E, others[2] & 0x3F
    rest = bytes((slots, count, *others)) + body
    checksum = zlib.crc32(rest, zlib.crc32(b"\1")).to_bytes(4, "big")
    try:
        frame = decode(b"\1" + checksum + rest)
    except FrameCorrupt:
        return
    assert len(frame.value) == count == frame.presence.bit_count()


def test_planes_that_do_not_fit_the_presence_are_no_frame() -> None:
    frame = frame_of(12, {3: Cell(1.0, 1, 0, 0, 1, 1, 0)})
    with pytest.raises(ValueError, match="one entry per present slot"):
        encode(Frame(12, 0b11, *[getattr(frame, name) for name in frames._PLANES]))
    with pytest.raises(ValueError, match="presence"):
        encode(Frame(12, 1 << 12, *[getattr(frame, name) for name in frames._PLANES]))


def test_a_plane_that_agrees_is_stored_once() -> None:
    """So only the values of an ordinary frame cost anything per slot."""
    one = encode(frame_of(96, {0: Cell(1.5, 1, 10**9, 10**9, 1, 1, 8)}))
    full = encode(frame_of(96, dict.fromkeys(range(96), Cell(1.5, 1, 10**9, 10**9, 1, 1, 8))))
    assert len(full) <= len(one)


@pytest.mark.skipif(not READINGS.exists(), reason="the readings of ../shared/data are not here")
def test_real_readings_take_about_two_bytes_each() -> None:
    with READINGS.open(encoding="utf-8-sig") as file:
        usage = [float(row["Usage_kWh"]) for row in csv.DictReader(file)]
    size = 0
    for start in range(0, len(usage), 96):
        day = [round(value / 10000, 10) for value in usage[start : start + 96]]  # 万千瓦时
        row = {slot: Cell(v, 1, 10**9, 10**9, 1, 1, 0) for slot, v in enumerate(day)}
        data = encode(frame_of(96, row))
        assert decode(data).value == day
        size += len(data)
    assert size / len(usage) < 2.0


# Few slots, few ranks: so that collisions and ties are the rule.
ROWS = st.dictionaries(
    st.integers(0, 11), cells(st.sampled_from([0.0, 1.5, -2.25]), st.integers(0, 3)), max_size=12
)
UPLOADS = st.lists(ROWS, min_size=1, max_size=5)


def naive(held: dict[int, Cell], incoming: dict[int, Cell]) -> tuple[dict[int, Cell], list[int]]:
    merged, lost = dict(held), []
    for slot in sorted(incoming):
        if slot in held and incoming[slot].rank < held[slot].rank:
            lost.append(slot)
        else:
            merged[slot] = incoming[slot]
    return merged, lost


@STEADY
@given(ROWS, ROWS)
def test_a_merge_keeps_in_every_slot_the_higher_rank_and_of_a_tie_the_later(
    held: dict[int, Cell], incoming: dict[int, Cell]
) -> None:
    merged, lost = merge(frame_of(12, held), frame_of(12, incoming))
    assert (row_of(merged), lost) == naive(held, incoming)


@STEADY
@given(UPLOADS)
def test_any_sequence_of_uploads_ends_like_the_naive_model(uploads: list[dict[int, Cell]]) -> None:
    frame, model = frame_of(12, {}), dict[int, Cell]()
    for row in uploads:
        frame = decode(encode(merge(frame, frame_of(12, row))[0]))
        model = naive(model, row)[0]
    assert row_of(frame) == model


@STEADY
@given(UPLOADS, st.randoms(use_true_random=False))
def test_uploads_of_distinct_dates_may_come_in_any_order_and_any_number_of_times(
    uploads: list[dict[int, Cell]], chance: random.Random
) -> None:
    dated = [
        {slot: Cell(c.value, c.valid, n, n, c.input_type, c.scope, 0) for slot, c in row.items()}
        for n, row in enumerate(uploads)
    ]
    straight = _merged(dated)
    shuffled = dated * 2
    chance.shuffle(shuffled)
    assert _merged(shuffled) == straight


def _merged(rows: list[dict[int, Cell]]) -> dict[int, Cell]:
    frame = frame_of(12, {})
    for row in rows:
        frame = merge(frame, frame_of(12, row))[0]
    return row_of(frame)


@STEADY
@given(UPLOADS)
def test_the_last_upload_again_changes_nothing(uploads: list[dict[int, Cell]]) -> None:
    before = _merged(uploads)
    after = _merged([*uploads, uploads[-1]])
    assert after == before


@STEADY
@given(ROWS, ROWS)
def test_agreeing_slots_are_those_where_the_same_was_sent(
    held: dict[int, Cell], incoming: dict[int, Cell]
) -> None:
    def sent(cell: Cell) -> tuple[object, ...]:
        return (cell.value, cell.valid, cell.upload_date, cell.input_type, cell.scope)

    expected = {slot for slot in held.keys() & incoming if sent(held[slot]) == sent(incoming[slot])}
    assert frames.agreeing(frame_of(12, held), frame_of(12, incoming)) == expected


def test_frames_of_two_stat_types_do_not_merge() -> None:
    with pytest.raises(ValueError, match="statType"):
        merge(frame_of(12, {}), frame_of(31, {}))


def test_a_single_slot_and_the_last_slot_of_a_century_are_kept() -> None:
    cell = Cell(math.pi, 0, 5, 4, 5, 1, 3)
    assert row_of(decode(encode(frame_of(100, {99: cell})))) == {99: cell}
