"""Expressions (计算式) over points and items: `总进线 - 外供`, `(a.p + b.p) * 0.5`.

A parser of its own, for numbers, names, `+ - * /` and parentheses, with the signs of a Chinese
keyboard (＋－×÷（）) read alike. A name is letters of any script, digits, `_`, `.` and `#`; any
other name stands in brackets: `[1号 变压器.正向-有功]`. What a name means is `plan`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, DecimalException
from fractions import Fraction

from msgspec import Struct

from nenghao.device.aggregation import EXACT
from nenghao.device.collection import units
from nenghao.device.collection.units import Dimension

MOST_DEPTH = 50
MOST_LENGTH = 1000


class ExpressionError(ValueError):
    """An expression that cannot be read or computed; the text says why and where, in Chinese."""


class Number(Struct, frozen=True):
    value: Fraction


class Name(Struct, frozen=True):
    text: str


class Binary(Struct, frozen=True):
    operator: str
    left: Node
    right: Node


Node = Number | Name | Binary

_SIGNS = str.maketrans("＋－−×÷＊／（）［］", "+--*/*/()[]")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)(?![\w.#])"
    r"|(?P<name>[\w#][\w.#]*)|\[(?P<quoted>[^\[\]]+)\]|(?P<sign>[-+*/()]))"
)


def parse(text: str) -> Node:
    """The tree of an expression; ExpressionError names the place of what is wrong."""
    if len(text) > MOST_LENGTH:
        raise ExpressionError(f"计算式过长（超过 {MOST_LENGTH} 个字符）")
    reader = _Reader(text)
    node = reader.sum(0)
    if reader.token is not None:
        raise reader.unexpected()
    return node


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = self._split(text.translate(_SIGNS))
        self.token: tuple[str, str, int] | None = None
        self._advance()

    def _split(self, text: str) -> Iterator[tuple[str, str, int]]:
        place = 0
        end = len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise ExpressionError(f"计算式第 {start + 1} 个字符 {self.text[start]!r} 不合法")
            yield match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)
            place = match.end()

    def _advance(self) -> None:
        self.token = next(self._tokens, None)

    def unexpected(self) -> ExpressionError:
        if self.token is None:
            return ExpressionError("计算式不完整")
        return ExpressionError(f"计算式第 {self.token[2] + 1} 个字符处不应有 {self.token[1]!r}")

    def _sign(self, signs: str) -> str | None:
        token = self.token
        return token[1] if token and token[0] == "sign" and token[1] in signs else None

    def sum(self, depth: int) -> Node:
        node = self._product(depth)
        while sign := self._sign("+-"):
            self._advance()
            node = Binary(sign, node, self._product(depth))
        return node

    def _product(self, depth: int) -> Node:
        node = self._factor(depth)
        while sign := self._sign("*/"):
            self._advance()
            node = Binary(sign, node, self._factor(depth))
        return node

    def _factor(self, depth: int) -> Node:
        if depth > MOST_DEPTH:
            raise ExpressionError("计算式的括号层数过多")
        if sign := self._sign("+-"):
            self._advance()
            operand = self._factor(depth + 1)
            return operand if sign == "+" else Binary("*", Number(Fraction(-1)), operand)
        if self._sign("("):
            self._advance()
            node = self.sum(depth + 1)
            if not self._sign(")"):
                raise self.unexpected() if self.token else ExpressionError("计算式缺少右括号")
            self._advance()
            return node
        token = self.token
        if token is None or token[0] == "sign":
            raise self.unexpected()
        self._advance()
        return Number(Fraction(token[1])) if token[0] == "number" else Name(token[1].strip())


def names(node: Node) -> tuple[str, ...]:
    """The names in an expression, each once, in order."""
    found: dict[str, None] = {}

    def walk(one: Node) -> None:
        match one:
            case Name(text):
                found[text] = None
            case Binary(_, left, right):
                walk(left)
                walk(right)

    walk(node)
    return tuple(found)


def convert(node: Node, replace: Callable[[str], Node]) -> Node:
    """The tree with every name replaced."""
    match node:
        case Name(text):
            return replace(text)
        case Binary(operator, left, right):
            return Binary(operator, convert(left, replace), convert(right, replace))
    return node


def dimension(node: Node, of: Mapping[str, Dimension]) -> Dimension:
    """The dimension of the result; ExpressionError where unlike things are added."""
    match node:
        case Name(text):
            return of[text]
        case Binary(operator, left, right):
            one, other = dimension(left, of), dimension(right, of)
            if operator in "*/":
                return units.times(one, other, 1 if operator == "*" else -1)
            if one != other:
                raise ExpressionError("计算式中相加减的两项单位不同")
            return one
    return units.NONE


def linear(node: Node) -> tuple[dict[str, Fraction], Fraction] | None:
    """The coefficients of the names and the constant; None when the expression is not linear."""
    match node:
        case Number(value):
            return {}, value
        case Name(text):
            return {text: Fraction(1)}, Fraction(0)
        case Binary(operator, left, right):
            one, other = linear(left), linear(right)
            if one is None or other is None:
                return None
            if operator in "+-":
                sign = 1 if operator == "+" else -1
                merged = dict(one[0])
                for name, value in other[0].items():
                    merged[name] = merged.get(name, Fraction(0)) + sign * value
                return merged, one[1] + sign * other[1]
            if operator == "*" and not one[0]:
                one, other = other, one
            if other[0] or (operator == "/" and other[1] == 0):
                return None
            factor = other[1] if operator == "*" else 1 / other[1]
            return {name: value * factor for name, value in one[0].items()}, one[1] * factor
    raise TypeError(f"no node: {node!r}")


def decimal(value: Fraction) -> Decimal:
    """A fraction as a decimal: exact where it ends, else to 80 digits."""
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


def evaluate(node: Node, values: Mapping[str, Decimal]) -> Decimal | None:
    """The value of an expression; None where it divides by zero or leaves all bounds."""
    try:
        return _evaluate(node, values)
    except DecimalException:
        return None


def _evaluate(node: Node, values: Mapping[str, Decimal]) -> Decimal:
    match node:
        case Number(value):
            return decimal(value)
        case Name(text):
            return values[text]
        case Binary(operator, left, right):
            one, other = _evaluate(left, values), _evaluate(right, values)
            match operator:
                case "+":
                    return EXACT.add(one, other)
                case "-":
                    return EXACT.subtract(one, other)
                case "*":
                    return EXACT.multiply(one, other)
            return EXACT.divide(one, other)
    raise TypeError(f"no node: {node!r}")
