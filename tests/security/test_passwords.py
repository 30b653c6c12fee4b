"""Passwords at rest: hashed, salted, slow; what was right is remembered for a while."""

from __future__ import annotations

import pytest

from nenghao.security.passwords import (
    ARGON2ID,
    PBKDF2_SM3,
    Scheme,
    VerifiedPasswords,
    fresh_password,
    hash_password,
    is_right,
)


def stored(password: str, scheme: Scheme) -> str:
    return hash_password(password, scheme, iterations=1000)


@pytest.mark.clause("7.1-3")
@pytest.mark.parametrize("scheme", [ARGON2ID, PBKDF2_SM3])
@pytest.mark.parametrize("password", ["123456", "口令 含空格", "x" * 2000, ""])
def test_the_right_password_is_right_and_no_other(scheme: Scheme, password: str) -> None:
    kept = stored(password, scheme)
    assert is_right(kept, password)
    assert not is_right(kept, password + "x")
    assert not is_right(kept, password.upper() + "y")


@pytest.mark.clause("7.1-3")
@pytest.mark.parametrize("scheme", [ARGON2ID, PBKDF2_SM3])
def test_a_password_is_kept_neither_readable_nor_the_same_way_twice(scheme: Scheme) -> None:
    one, other = stored("123456", scheme), stored("123456", scheme)
    assert one != other
    assert "123456" not in one.split("$", 3)[-1].partition("$")[0]


def test_the_costs_are_those_that_were_decided() -> None:
    assert hash_password("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored("x", PBKDF2_SM3).startswith("$pbkdf2-hmac-sm3$i=1000$")
    assert hash_password("x", PBKDF2_SM3).startswith("$pbkdf2-hmac-sm3$i=600000$")


@pytest.mark.parametrize("kept", ["", "123456", "$argon2i$v=19$m=8,t=1,p=1$x$y", "$other$i=1$a$b"])
def test_what_is_no_stored_password_is_a_mistake(kept: str) -> None:
    with pytest.raises(ValueError, match="no stored password"):
        is_right(kept, "123456")


def test_fresh_passwords_are_long_and_never_the_same() -> None:
    made = {fresh_password() for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {24}


def test_a_verified_password_is_known_for_ten_minutes() -> None:
    known = VerifiedPasswords()
    assert not known.knows(1, "hash", "123456", 0.0)
    known.remember(1, "hash", "123456", 0.0)
    assert known.knows(1, "hash", "123456", 599.9)
    assert not known.knows(1, "hash", "123456", 600.0)


def test_it_is_known_for_its_account_its_hash_and_itself_alone() -> None:
    known = VerifiedPasswords()
    known.remember(1, "hash", "123456", 0.0)
    assert not known.knows(2, "hash", "123456", 1.0)
    assert not known.knows(1, "hash of a new one", "123456", 1.0)
    assert not known.knows(1, "hash", "1234567", 1.0)
    assert not known.knows(1, "hash|1", "23456", 1.0)
    assert "123456" not in repr(vars(known))
