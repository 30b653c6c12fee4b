from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources.modbus_registers import (
    MOST_BITS,
    MOST_REGISTERS,
    DataType,
    Order,
    Span,
    batches,
    decode,
    encode,
    width,
)

WORDS = [0x4142, 0x4344]
WIDE = [0x0102, 0x0304, 0x0506, 0x0708]


@pytest.mark.parametrize(
    ("order", "narrow", "wide"),
    [
        ("ABCD", 0x41424344, 0x0102030405060708),
        ("CDAB", 0x43444142, 0x0708050603040102),
        ("BADC", 0x42414443, 0x0201040306050807),
        ("DCBA", 0x44434241, 0x0807060504030201),
    ],
)
def test_the_four_orders_of_words_and_bytes(order: Order, narrow: int, wide: int) -> None:
    assert decode("uint32", order, WORDS) == narrow
    assert decode("uint64", order, WIDE) == wide


@pytest.mark.parametrize(
    ("data_type", "words", "value"),
    [
        ("int16", [0xFFFE], "-2"),
        ("uint16", [0xFFFE], "65534"),
        ("int32", [0xFFFF, 0xFFFE], "-2"),
        ("uint32", [0xFFFF, 0xFFFE], "4294967294"),
        ("int64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], "-2"),
        ("uint64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], "18446744073709551614"),
        ("float32", [0x42F6, 0xE979], "123.456"),
        ("float64", [0x405E, 0xDD2F, 0x1A9F, 0xBE77], "123.456"),
        ("bcd16", [0x1234], "1234"),
        ("bcd32", [0x1234, 0x5678], "12345678"),
        ("bcd48", [0x0012, 0x3456, 0x7890], "1234567890"),
        ("bcd64", [0x1234, 0x5678, 0x9012, 0x3456], "1234567890123456"),
        ("bool", [1], "1"),
    ],
)
def test_what_registers_hold(data_type: DataType, words: list[int], value: str) -> None:
    assert decode(data_type, "ABCD", words) == Decimal(value)
    assert encode(data_type, "ABCD", Decimal(value)) == words


@pytest.mark.parametrize(
    ("data_type", "words", "word"),
    [
        ("bcd16", [0x12A4], "BCD"),
        ("float32", [0x7FC0, 0], "浮点"),
        ("float64", [0x7FF0, 0, 0, 0], "浮点"),
    ],
)
def test_registers_that_hold_no_number_say_so(
    data_type: DataType, words: list[int], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        decode(data_type, "ABCD", words)


@given(
    st.sampled_from([one for one in get_args(DataType) if not one.startswith("float")]),
    st.sampled_from(get_args(Order)),
    st.integers(0, 2**64),
)
def test_decoding_undoes_encoding(data_type: DataType, order: Order, seed: int) -> None:
    bits = 16 * width(data_type)
    most = 10 ** (bits // 4) if data_type.startswith("bcd") else 2**bits
    value = Decimal(seed % most)
    if data_type.startswith("int"):
        value -= most // 2
    assert decode(data_type, order, encode(data_type, order, value)) == value


@pytest.mark.parametrize(
    ("data_type", "value"), [("uint16", "65536"), ("int16", "40000"), ("bcd16", "12345")]
)
def test_a_number_too_large_for_its_registers_is_not_cut(data_type: DataType, value: str) -> None:
    with pytest.raises(OverflowError):
        encode(data_type, "ABCD", Decimal(value))


def spans(*places: tuple[int, int], unit: int = 1) -> list[Span]:
    return [Span(unit, "holding", begin, end) for begin, end in places]


def test_neighbours_within_the_gap_share_a_request() -> None:
    found = batches(spans((0, 2), (10, 12), (21, 22)), most=125, gap=8)
    assert found == spans((0, 12), (21, 22))


def test_no_request_is_longer_than_the_limit() -> None:
    found = batches(spans(*((at, at + 4) for at in range(0, 500, 4))), most=125, gap=8)
    assert found == spans((0, 124), (124, 248), (248, 372), (372, 496), (496, 500))


def test_units_and_tables_have_requests_of_their_own() -> None:
    mixed = [*spans((0, 1)), *spans((1, 2), unit=2), Span(1, "input", 1, 2)]
    assert batches(mixed, most=125, gap=8) == sorted(mixed)


def test_bits_count_a_sixteenth_of_a_register() -> None:
    far = [Span(1, "coil", 0, 1), Span(1, "coil", 129, 130), Span(1, "coil", 300, 301)]
    assert batches(far, most=125, gap=8) == [Span(1, "coil", 0, 130), Span(1, "coil", 300, 301)]
    many = [Span(1, "coil", at, at + 1) for at in range(0, 4001, 100)]
    assert all(one.count <= MOST_BITS for one in batches(many, most=125, gap=125))


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(1, 4)), min_size=1, max_size=80),
    st.integers(4, MOST_REGISTERS),
    st.integers(0, 20),
)
def test_every_value_lies_whole_in_exactly_the_requests_that_are_needed(
    places: list[tuple[int, int]], most: int, gap: int
) -> None:
    wanted = spans(*((begin, begin + count) for begin, count in places))
    requests = batches(wanted, most=most, gap=gap)
    for span in wanted:
        assert any(one.begin <= span.begin and span.end <= one.end for one in requests)
    assert all(one.count <= most for one in requests)
    assert len(requests) <= len(set(wanted))
    asked = {address for one in requests for address in range(one.begin, one.end)}
    needed = {address for span in wanted for address in range(span.begin, span.end)}
    assert needed <= asked
