"""Expressions and units: what may be written, what it means, and what is refused by name."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.collection import expressions, units
from nenghao.device.collection.expressions import ExpressionError
from nenghao.device.collection.units import UnitError


def value(text: str, **names: object) -> Decimal | None:
    known = {name: Decimal(str(number)) for name, number in names.items()}
    return expressions.evaluate(expressions.parse(text), known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 - 3 - 4", -5),
        ("24 / 4 / 2", 3),
        ("-2 * -(3 + 1)", 8),
        ("总进线 - 外供", 70),
        ("总进线－外供", 70),
        ("（总进线＋外供）÷2.5", 52),
        ("总进线 × 1.5e1", 1500),
        ("1号线 + .5", "8.5"),
        ("[总进线]-[外供]", 70),
    ],
)
def test_what_an_expression_comes_to(text: str, expected: object) -> None:
    known = {"总进线": Decimal(100), "外供": Decimal(30), "1号线": Decimal(8)}
    assert expressions.evaluate(expressions.parse(text), known) == Decimal(str(expected))


def test_names_of_any_script_and_names_in_brackets() -> None:
    tree = expressions.parse("gate.total + [1号 变压器.正向-有功] - 二期.P#1 + gate.total")
    assert expressions.names(tree) == ("gate.total", "1号 变压器.正向-有功", "二期.P#1")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "不完整"),
        ("1 +", "不完整"),
        ("(1 + 2", "右括号"),
        ("1 2", "第 3 个字符"),
        ("a $ b", "第 3 个字符 '\\$'"),
        ("a ** b", "第 4 个字符"),
        ("__import__('os')", "不合法|不应有"),
        ("a(1)", "不应有"),
        ("(" * 60 + "1" + ")" * 60, "层数"),
        ("1+" * 600 + "1", "过长"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, word: str) -> None:
    with pytest.raises(ExpressionError, match=word):
        expressions.parse(text)


def test_a_division_by_zero_has_no_value() -> None:
    assert value("a / (b - b)", a=1, b=2) is None


@pytest.mark.parametrize(
    ("text", "factors", "constant"),
    [
        ("a - b", {"a": 1, "b": -1}, 0),
        ("2 * (a - b / 4) + 3", {"a": 2, "b": "-1/2"}, 3),
        ("a - a", {"a": 0}, 0),
        ("(a + 1) * 3", {"a": 3}, 3),
    ],
)
def test_a_sum_is_seen_to_be_one(text: str, factors: dict[str, object], constant: int) -> None:
    found = expressions.linear(expressions.parse(text))
    assert found == ({k: Fraction(str(v)) for k, v in factors.items()}, Fraction(constant))


@pytest.mark.parametrize("text", ["a * b", "1 / a", "a / b", "a / 0"])
def test_what_is_no_sum_is_not_taken_for_one(text: str) -> None:
    assert expressions.linear(expressions.parse(text)) is None


numbers = st.integers(1, 999).map(str)
trees = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda three: f"({three[0]} {three[1]} {three[2]})"
    ),
    max_leaves=20,
)


@given(trees)
def test_arithmetic_is_what_everybody_means(text: str) -> None:
    assert value(text) == eval(text)


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("kWh", "万千瓦时", "1/10000"),
        ("KWH", "万千瓦时", "1/10000"),
        ("MWh", "kWh", "1000"),
        ("GJ", "百万千焦", "1"),
        ("m3", "万立方米", "1/10000"),
        ("Nm3/h", "m³/h", "1"),
        ("kg", "吨", "1/1000"),
        ("t/h", "kg/s", "1000/3600"),
        ("kW", "MJ/h", "36/10"),
        ("kW*h", "kWh", "1"),
        ("kgce", "吨标准煤", "1/1000"),
        ("%", "1", "1/100"),
        ("台", "台", "1"),
    ],
)
def test_units_are_converted_exactly(source: str, target: str, factor: str) -> None:
    assert units.ratio(units.parse(source), units.parse(target)) == Fraction(factor)


@pytest.mark.parametrize(
    ("source", "target"), [("kWh", "吨"), ("kW", "kWh"), ("台", "个"), ("t", "tce")]
)
def test_unlike_units_are_refused_with_both_names(source: str, target: str) -> None:
    with pytest.raises(UnitError, match=f"{source} 不能换算为 {target}"):
        units.ratio(units.parse(source), units.parse(target))


@pytest.mark.parametrize("text", ["kWh/", "/h", "mw", "kW**h"])
def test_a_unit_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        units.parse(text)
