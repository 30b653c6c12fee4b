"""Unified social credit codes (GB 32100)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import credit_code

bodies = st.text(alphabet=credit_code.ALPHABET, min_size=17, max_size=17)


@pytest.mark.clause("6.3.1.1-a")
@pytest.mark.clause("B.1.3-1")
def test_the_sample_of_the_standard_has_form_and_check_character() -> None:
    assert credit_code.is_form("91330000573973053F")
    assert credit_code.has_valid_check("91330000573973053F")
    assert credit_code.explain("91330000573973053F") is None


def test_the_sample_with_a_wrong_check_character_still_has_the_form() -> None:
    assert credit_code.is_form("91210000573973053F")
    assert credit_code.explain("91210000573973053F") is None
    assert not credit_code.has_valid_check("91210000573973053F")
    assert credit_code.check_character("91210000573973053") == "G"


def test_the_17_characters_of_a1_have_not_the_form_and_the_reason_counts_them() -> None:
    assert not credit_code.is_form("9121000123456789X")
    assert credit_code.explain("9121000123456789X") == "统一社会信用代码应为 18 位，实为 17 位"


@pytest.mark.parametrize("real", ["914403001922038216", "91330100799655058B", "91440300708461136T"])
def test_real_codes_pass(real: str) -> None:
    assert credit_code.has_valid_check(real)


def test_codes_may_begin_with_letters_and_name_any_division() -> None:
    assert credit_code.is_form("N2210100MF1234567A")
    assert credit_code.is_form("ABCDEFGHJKLMNPQRTU")


@pytest.mark.parametrize("letter", list("IOSVZ"))
def test_the_letters_that_look_like_digits_are_refused_by_place(letter: str) -> None:
    text = f"9133{letter}000573973053F"
    assert not credit_code.is_form(text)
    assert f"第 5 位 '{letter}'" in str(credit_code.explain(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "91330000573973053f",
        "91330000573973053F\n",
        "９１330000573973053F",
        "٩1330000573973053F",
        "91330000573973053 ",
        "91330000573973053FF",
    ],
)
def test_anything_else_has_not_the_form(text: str) -> None:
    assert not credit_code.is_form(text)
    assert credit_code.explain(text)
    assert not credit_code.has_valid_check(text)


def test_a_small_letter_is_explained_as_such() -> None:
    assert "字母应为大写" in str(credit_code.explain("91330000573973053f"))


def test_a_check_character_is_computed_for_17_characters_only() -> None:
    with pytest.raises(ValueError, match="前 17 位"):
        credit_code.check_character("91330000573973053F")
    with pytest.raises(ValueError, match="前 17 位"):
        credit_code.complete("9133000057397305I")


@settings(deadline=None)
@given(bodies)
def test_a_completed_code_is_valid_and_the_only_one_of_its_17_characters(first17: str) -> None:
    code = credit_code.complete(first17)
    assert credit_code.has_valid_check(code)
    valid = [last for last in credit_code.ALPHABET if credit_code.has_valid_check(first17 + last)]
    assert valid == [code[-1]]


@settings(deadline=None)
@given(bodies, st.integers(0, 16), st.sampled_from(credit_code.ALPHABET))
def test_any_single_wrong_character_is_noticed(first17: str, place: int, other: str) -> None:
    code = credit_code.complete(first17)
    changed = code[:place] + other + code[place + 1 :]
    assert credit_code.has_valid_check(changed) == (changed == code)
