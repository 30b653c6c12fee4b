"""The forms that a field of a message can have (字段格式): one object for each, used everywhere.

A `Form` knows the JSON type that the standard prints, the words that say what is expected, and
how a received value is checked and brought into its one shape in memory. Reading, writing and
the documentation of the messages take all three from here. Presence (required, optional) is not a
form; it belongs to the field (`messages.fields`). Membership in code tables is no form either.

Numbers that the standard writes as text in one message and as a number in another (`inputType`,
`statType`) are read either way (docs/decisions 3); nothing else is read leniently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Literal

from msgspec import Struct

from nenghao.standard import credit_code, data_code, periods
from nenghao.standard.findings import quote

JsonType = Literal["string", "integer", "number", "boolean", "number|empty string"]

TEXT_LENGTH = 2000
"""Characters of the longest free text."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CREDIT_CODE = f"应为 {credit_code.LENGTH} 位统一社会信用代码"
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"

EARLIEST_MS = 10**11
"""Epoch milliseconds below this are seconds by mistake (docs/decisions 4)."""

LATEST_MS = periods.to_epoch_ms(periods.END)


class FormError(ValueError):
    """A value breaks its form; `reason` goes on from the field's path, in Chinese."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Form(Struct, frozen=True, eq=False):
    """One form: `check` returns the value as it is kept in memory or raises `FormError`."""

    json_type: JsonType
    expected: str
    check: Callable[[Any], Any]
    pattern: str | None = None
    """The whole text, as a regular expression; forms without one say more than a pattern can."""
    lowest: float | None = None
    highest: float | None = None

    def fails(self, value: object) -> str | None:
        """Why `value` breaks the form, None when it does not."""
        try:
            self.check(value)
        except FormError as error:
            return error.reason
        return None


def _text(value: object, reason: str) -> str:
    if not isinstance(value, str):
        raise FormError(reason)
    if _CONTROL.search(value):
        raise FormError("不得含有控制字符")
    if len(value) > TEXT_LENGTH:
        raise FormError(f"应为至多 {TEXT_LENGTH} 个字符")
    return value


def matching(expected: str, pattern: str) -> Form:
    """Text that the regular expression `pattern` matches in full."""
    reason = f"应为{expected}"
    fullmatch = re.compile(pattern).fullmatch

    def check(value: object) -> str:
        text = _text(value, reason)
        if fullmatch(text) is None:
            raise FormError(reason)
        return text

    return Form("string", reason, check, pattern)


def digits(*lengths: int) -> Form:
    """ASCII digits, as many as one of `lengths`."""
    counts = "或".join(str(length) for length in lengths)
    return matching(f" {counts} 位数字", "|".join(f"[0-9]{{{length}}}" for length in lengths))


def choice(*words: str) -> Form:
    """One of `words`, spelled exactly so."""
    return matching(f" {'、'.join(words)} 之一", "|".join(map(re.escape, words)))


def small(lowest: int, highest: int, json_type: Literal["string", "integer"]) -> Form:
    """A code of one digit, read as number or as text, kept in the type that the annex prints."""
    reason = f"应为 {lowest} 至 {highest} 的整数"

    def check(value: object) -> int | str:
        if isinstance(value, str) and len(value) == 1 and "0" <= value <= "9":
            number = int(value)
        else:
            number = _integer(value, reason)
        if not lowest <= number <= highest:
            raise FormError(reason)
        return str(number) if json_type == "string" else number

    pattern = f"[{lowest}-{highest}]" if json_type == "string" else None
    return Form(json_type, reason, check, pattern, lowest, highest)


def integer_between(lowest: int, highest: int, expected: str = "") -> Form:
    """A whole number; `3.0` is one, `"3"` is not. `expected` says it better than the bounds."""
    reason = f"应为{expected}" if expected else f"应为 {lowest} 至 {highest} 的整数"

    def check(value: object) -> int:
        number = _integer(value, reason)
        if not lowest <= number <= highest:
            raise FormError(reason)
        return number

    return Form("integer", reason, check, None, lowest, highest)


def number_between(lowest: float, highest: float) -> Form:
    """A number in a closed range."""
    reason = f"应为 {lowest:g} 至 {highest:g} 的数值"

    def check(value: object) -> float:
        number = _number(value, reason)
        if not lowest <= number <= highest:
            raise FormError(reason)
        return number

    return Form("number", reason, check, None, lowest, highest)


def _integer(value: object, reason: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormError(reason)
    if isinstance(value, float) and not value.is_integer():
        raise FormError(reason)
    return int(value)


def _number(value: object, reason: str) -> float:
    """The number as it came: an integer stays one, so that it is written back alike."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormError(reason)
    try:
        finite = isfinite(value)
    except OverflowError:  # an integer beyond the doubles
        finite = False
    if not finite:
        raise FormError(reason)
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str) and value in (0, 1, "0", "1"):
        return value in (1, "1")
    raise FormError("应为 true 或 false")


def _time(value: object) -> str:
    text = _calendar_time(value)
    if not periods.FIRST_YEAR <= int(text[:4]) <= periods.LAST_YEAR:
        raise FormError(f"年份应为 {periods.FIRST_YEAR} 至 {periods.LAST_YEAR}")
    return text


def _calendar_time(value: object) -> str:
    text = _text(value, f"应为 {periods.TIME_SHAPE}")
    try:
        periods.parse_time(text)
    except ValueError as error:
        raise FormError(str(error)) from None
    return text


def _credit_code(value: object) -> str:
    text = _text(value, _CREDIT_CODE)
    why = credit_code.explain(text)
    if why is not None:
        hint = f"（{why}）" if len(text) == credit_code.LENGTH else ""
        raise FormError(_CREDIT_CODE + hint)
    return text


def _number_or_empty(value: object) -> float | str:
    return "" if value == "" else _number(value, "应为数值或空字符串")


TEXT = Form("string", "应为文本", lambda value: _text(value, "应为文本"))
ANYTHING = Form(
    "string", "应为文本", lambda value: value if isinstance(value, str) else quote(value)
)
"""What another side says and only people read."""
CREDIT_CODE = Form(
    "string", _CREDIT_CODE, _credit_code, f"[{credit_code.ALPHABET}]{{{credit_code.LENGTH}}}"
)
"""Length and alphabet of GB 32100; the check character is advice."""
DEVICE_ID = matching(" 32 位设备序列号", "[!-~]{32}")
"""Any 32 printable ASCII characters: other platforms need not write hex."""
REGION_CODE = digits(6)
INDUSTRY_CODE = matching("字母加 0、2、3 或 4 位数字的行业代码", "[A-Z](?:[0-9]{2,4})?")
DATA_CODE = matching(
    f" {data_code.SHAPE} 的数字编码", "[0-9]{2}-[0-9]{2}-[0-9]{4}-[0-9]{6}-[0-9]{2}"
)
TIME = Form("string", f"应为 {periods.TIME_SHAPE}", _time)
"""A time that data may bear: years 2000 to 2099."""
CALENDAR_TIME = Form("string", f"应为 {periods.TIME_SHAPE}", _calendar_time)
"""Any real time of the calendar: a unit may be registered in 1958."""
CLOCK = matching(" HH:MM:SS", "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
EPOCH_MS = integer_between(EARLIEST_MS, LATEST_MS, "精确到毫秒的时间戳（至 2099 年）")
NUMBER = Form("number", "应为数值", lambda value: _number(value, "应为数值"))
MEASURED = Form("number", "应为数值", lambda value: float(_number(value, "应为数值")))
"""A number that is kept as a double: `dataValue`."""
NUMBER_OR_EMPTY = Form("number|empty string", "应为数值或空字符串", _number_or_empty)
BOOLEAN = Form("boolean", "应为 true 或 false", _boolean)
COEFFICIENT_TEXT = matching("十进制数或其范围（如 0.7143、0.7-0.9）", f"{_DECIMAL}(?:-{_DECIMAL})?")
VERSION = matching("整数文本", "[0-9]{1,18}")

INPUT_TYPE = small(1, 7, "integer")
STAT_TYPE = small(0, 3, "integer")
SCOPE = small(1, 4, "integer")
ENERGY_CONSUME_LEVEL = small(1, 6, "integer")
INPUT_TYPE_TEXT = small(1, 7, "string")
STAT_TYPE_TEXT = small(0, 3, "string")
