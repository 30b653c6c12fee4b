"""Each form takes what it should, in one shape, and refuses its neighbours."""

from typing import Any

import pytest

from nenghao.standard import forms
from nenghao.standard.forms import Form, FormError

LONG = "x" * 2001

TAKEN: list[tuple[Form, Any, Any]] = [
    (forms.TEXT, "有限公司 A-1", "有限公司 A-1"),
    (forms.TEXT, "x" * 2000, "x" * 2000),
    (forms.TEXT, "😀", "😀"),
    (forms.digits(2), "07", "07"),
    (forms.digits(2, 4), "0700", "0700"),
    (forms.CREDIT_CODE, "91330000573973053F", "91330000573973053F"),
    (forms.DEVICE_ID, "0ef6ecea08bf84c7b639c3e9b84ed546", "0ef6ecea08bf84c7b639c3e9b84ed546"),
    (forms.DEVICE_ID, "ABCDEFGH-1234-5678-abcd-efghijkl", "ABCDEFGH-1234-5678-abcd-efghijkl"),
    (forms.REGION_CODE, "210101", "210101"),
    (forms.INDUSTRY_CODE, "C", "C"),
    (forms.INDUSTRY_CODE, "C25", "C25"),
    (forms.INDUSTRY_CODE, "C312", "C312"),
    (forms.INDUSTRY_CODE, "C3120", "C3120"),
    (forms.DATA_CODE, "04-01-0000-040200-30", "04-01-0000-040200-30"),
    (forms.TIME, "2024-02-29 23:59:59", "2024-02-29 23:59:59"),
    (forms.TIME, "2000-01-01 00:00:00", "2000-01-01 00:00:00"),
    (forms.CALENDAR_TIME, "1958-10-10 00:00:00", "1958-10-10 00:00:00"),
    (forms.CLOCK, "01:05:00", "01:05:00"),
    (forms.EPOCH_MS, 1619798400000, 1619798400000),
    (forms.NUMBER, 300000, 300000),
    (forms.NUMBER, -0.5, -0.5),
    (forms.MEASURED, 3, 3.0),
    (forms.NUMBER_OR_EMPTY, "", ""),
    (forms.NUMBER_OR_EMPTY, 655, 655),
    (forms.BOOLEAN, True, True),
    (forms.BOOLEAN, 0, False),
    (forms.BOOLEAN, 1, True),
    (forms.BOOLEAN, "0", False),
    (forms.BOOLEAN, "1", True),
    (forms.COEFFICIENT_TEXT, "0.7143", "0.7143"),
    (forms.COEFFICIENT_TEXT, "0.7-0.9", "0.7-0.9"),
    (forms.VERSION, "125", "125"),
    (forms.INPUT_TYPE, 7, 7),
    (forms.INPUT_TYPE, "7", 7),
    (forms.INPUT_TYPE, 7.0, 7),
    (forms.STAT_TYPE, 0, 0),
    (forms.INPUT_TYPE_TEXT, "1", "1"),
    (forms.INPUT_TYPE_TEXT, 1, "1"),
    (forms.STAT_TYPE_TEXT, 3, "3"),
    (forms.integer_between(1, 9), 3.0, 3),
    (forms.number_between(-90, 90), 90, 90),
    (forms.choice("day", "month"), "day", "day"),
    (forms.ANYTHING, "line\none", "line\none"),
]

REFUSED: list[tuple[Form, Any]] = [
    (forms.TEXT, 1),
    (forms.TEXT, ["a"]),
    (forms.TEXT, LONG),
    (forms.TEXT, "a\nb"),
    (forms.TEXT, "a\x7f"),
    (forms.TEXT, "a\x85"),
    (forms.TEXT, "a\ud800"),
    (forms.digits(2), "7"),
    (forms.digits(2), "007"),
    (forms.digits(2), "０７"),
    (forms.digits(2), "07\n"),
    (forms.digits(2), 7),
    (forms.digits(2, 4), "070"),
    (forms.CREDIT_CODE, "9121000123456789X"),
    (forms.CREDIT_CODE, "91330000573973053f"),
    (forms.CREDIT_CODE, "91330000573973053I"),
    (forms.CREDIT_CODE, "91330000573973053F "),
    (forms.DEVICE_ID, "GUID"),
    (forms.DEVICE_ID, "0ef6ecea08bf84c7b639c3e9b84ed54 "),
    (forms.DEVICE_ID, "设" * 32),
    (forms.REGION_CODE, 210101),
    (forms.REGION_CODE, "21010"),
    (forms.INDUSTRY_CODE, "25"),
    (forms.INDUSTRY_CODE, "c25"),
    (forms.INDUSTRY_CODE, "C2"),
    (forms.INDUSTRY_CODE, "C25123"),
    (forms.DATA_CODE, "04-01-0000-040200-3"),
    (forms.DATA_CODE, "0401000004020030"),
    (forms.TIME, "2026/11/21 00:00:00"),
    (forms.TIME, "2026-11-21"),
    (forms.TIME, "2026-11-21T00:00:00"),
    (forms.TIME, "2026-11-21 24:00:00"),
    (forms.TIME, "2026-02-29 00:00:00"),
    (forms.TIME, "1999-12-31 00:00:00"),
    (forms.TIME, "2100-01-01 00:00:00"),
    (forms.TIME, "2026-1-2 00:00:00"),
    (forms.TIME, "２026-11-21 00:00:00"),
    (forms.TIME, 20261121),
    (forms.CALENDAR_TIME, "1958-13-10 00:00:00"),
    (forms.CLOCK, "24:00:00"),
    (forms.CLOCK, "1:05:00"),
    (forms.EPOCH_MS, 1619798400),
    (forms.EPOCH_MS, "1619798400000"),
    (forms.EPOCH_MS, 10**400),
    (forms.NUMBER, "3"),
    (forms.NUMBER, True),
    (forms.NUMBER, float("nan")),
    (forms.NUMBER, float("inf")),
    (forms.NUMBER, 10**400),
    (forms.MEASURED, "123.45"),
    (forms.MEASURED, float("-inf")),
    (forms.NUMBER_OR_EMPTY, "x"),
    (forms.BOOLEAN, 2),
    (forms.BOOLEAN, "true"),
    (forms.BOOLEAN, 1.0),
    (forms.BOOLEAN, [0]),
    (forms.COEFFICIENT_TEXT, "0.7-"),
    (forms.COEFFICIENT_TEXT, "1e3"),
    (forms.VERSION, "1.5"),
    (forms.VERSION, 125),
    (forms.INPUT_TYPE, 0),
    (forms.INPUT_TYPE, 8),
    (forms.INPUT_TYPE, "01"),
    (forms.INPUT_TYPE, "１"),
    (forms.INPUT_TYPE, True),
    (forms.INPUT_TYPE, 1.5),
    (forms.INPUT_TYPE, ""),
    (forms.STAT_TYPE, 4),
    (forms.STAT_TYPE, float("inf")),
    (forms.SCOPE, 5),
    (forms.INPUT_TYPE_TEXT, "8"),
    (forms.integer_between(1, 9), "3"),
    (forms.integer_between(1, 9), True),
    (forms.number_between(-90, 90), 90.01),
    (forms.number_between(-90, 90), float("nan")),
    (forms.choice("day", "month"), "Day"),
]


@pytest.mark.parametrize(("form", "value", "kept"), TAKEN)
def test_a_legal_value_is_kept_in_its_one_shape(form: Form, value: Any, kept: Any) -> None:
    result = form.check(value)
    assert result == kept
    assert type(result) is type(kept)


@pytest.mark.parametrize(("form", "value"), REFUSED)
def test_an_illegal_value_is_refused_in_chinese(form: Form, value: Any) -> None:
    with pytest.raises(FormError) as caught:
        form.check(value)
    assert caught.value.reason.startswith(("应为", "不得", "年份"))
    assert form.fails(value) == caught.value.reason


def test_a_legal_value_fails_nothing() -> None:
    assert forms.REGION_CODE.fails("210101") is None


@pytest.mark.clause("B.2-1")
@pytest.mark.parametrize("code", range(1, 8))
def test_input_types_are_the_seven_of_table_b1(code: int) -> None:
    assert forms.INPUT_TYPE.check(str(code)) == code
    assert forms.INPUT_TYPE_TEXT.check(code) == str(code)


def test_a_wrong_letter_of_a_credit_code_is_pointed_out() -> None:
    reason = forms.CREDIT_CODE.fails("91330000573973053I")
    assert reason is not None
    assert "第 18 位" in reason


def test_what_other_platforms_say_is_taken_whatever_it_is() -> None:
    assert forms.ANYTHING.check(17) == "17"
