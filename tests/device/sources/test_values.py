from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources import values


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.1, "1.1"),
        (0.1, "0.1"),
        (123456.79, "123456.79"),
        (16777216.0, "16777216"),
        (-0.5, "-0.5"),
    ],
)
def test_a_32_bit_number_is_the_decimal_that_the_meter_meant(number: float, text: str) -> None:
    (stored,) = struct.unpack(">f", struct.pack(">f", number))
    assert values.of_float32(stored) == Decimal(text)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_decimal_of_a_32_bit_number_is_that_number_again(number: float) -> None:
    decimal = values.of_float32(number)
    assert decimal is not None
    assert struct.pack(">f", float(decimal)) == struct.pack(">f", number) or number == 0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_decimal_of_a_64_bit_number_is_that_number_again(number: float) -> None:
    decimal = values.of_float64(number)
    assert decimal is not None
    assert float(decimal) == number


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_no_value(number: float) -> None:
    assert values.of_float32(number) is None
    assert values.of_float64(number) is None


def test_scale_and_offset_are_exact() -> None:
    assert values.scaling("0.0001", "0").apply(Decimal("3.78")) == Decimal("0.000378")
    assert values.scaling("0.1", "-273.15").apply(Decimal(3000)) == Decimal("26.85")


@pytest.mark.parametrize(
    ("scale", "offset", "word"),
    [("", "0", "scale"), ("0", "0", "不能为 0"), ("1", "NaN", "offset"), ("1e99", "0", "scale")],
)
def test_an_ill_written_scale_is_named(scale: str, offset: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        values.scaling(scale, offset)


@pytest.mark.parametrize("raw", ["1e18", "1e999", "NaN", "Infinity"])
def test_what_no_meter_can_mean_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="数值"):
        values.scaling("1", "0").apply(Decimal(raw))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 1.50 ", Decimal("1.50")),
        ("-3e2", Decimal(-300)),
        (".5", Decimal("0.5")),
        ("", None),
        ("1,5", None),
        ("１", None),
        ("nan", None),
        ("0x10", None),
        ("1" * 41, None),
    ],
)
def test_numbers_are_written_in_ascii_digits(text: str, number: Decimal | None) -> None:
    assert values.number(text) == number
