"""Unified social credit codes (统一社会信用代码) of GB 32100, the codes of units (B.1.3).

18 characters of an alphabet of 31: registering authority, kind of body, six digits of the place,
nine of the body itself, check character. What makes a message illegal is `is_form` (length and
alphabet, nothing else: fielded codes begin with letters and with any division); a wrong check
character is advice (docs/decisions 1), so `has_valid_check` stands apart and nothing here raises
over it.
"""

import re

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters in the order of their values: no I, O, S, V or Z."""

LENGTH = 18

_FORM = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_BODY = re.compile(f"[{ALPHABET}]{{{LENGTH - 1}}}")
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, position, 31) for position in range(LENGTH - 1))


def is_form(text: str) -> bool:
    """Whether `text` is 18 characters of the alphabet, whatever its check character says."""
    return _FORM.fullmatch(text) is not None


def explain(text: str) -> str | None:
    """Why `text` has not the form of a credit code, in Chinese; None when it has."""
    if is_form(text):
        return None
    if len(text) != LENGTH:
        return f"统一社会信用代码应为 {LENGTH} 位，实为 {len(text)} 位"
    position, character = next(
        (place, one) for place, one in enumerate(text, start=1) if one not in _VALUES
    )
    hint = "，字母应为大写" if character in "abcdefghjklmnpqrtuwxy" else ""
    return (
        f"统一社会信用代码第 {position} 位 {character!r} 不合法："
        f"只能用数字和除 I、O、S、V、Z 以外的大写字母{hint}"
    )


def check_character(first17: str) -> str:
    """The check character (校验码) that GB 32100 computes for the first 17 characters.

    ValueError when they are not 17 characters of the alphabet.
    """
    if _BODY.fullmatch(first17) is None:
        raise ValueError(f"应为统一社会信用代码的前 {LENGTH - 1} 位，收到 {first17!r}")
    total = sum(
        _VALUES[character] * weight for character, weight in zip(first17, _WEIGHTS, strict=True)
    )
    return ALPHABET[-total % 31]


def has_valid_check(text: str) -> bool:
    """Whether `text` has the form of a credit code and ends in the right check character."""
    return is_form(text) and check_character(text[:-1]) == text[-1]


def complete(first17: str) -> str:
    """The whole code of 18 characters for the first 17; ValueError as `check_character`."""
    return first17 + check_character(first17)
