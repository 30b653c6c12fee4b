"""One-time codes: the numbers of the RFCs, the window, and no code twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from nenghao.security import totp

RFC_SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 22, 9, 30, 10)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    step = seconds // totp.STEP_SECONDS
    assert totp.code_of(RFC_SECRET, step, digits=8) == code
    assert totp.code_of(RFC_SECRET, step) == code[2:]


def test_a_step_is_half_a_minute_of_the_epoch() -> None:
    assert totp.step_of(datetime(1970, 1, 1, 8, 0, 59)) == 1
    assert totp.step_of(datetime(2005, 3, 18, 9, 58, 31)) == 1111111111 // 30


@pytest.mark.parametrize(
    ("seconds", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_code_is_good_half_a_minute_early_or_late(seconds: int, good: bool) -> None:
    step = totp.step_of(NOW + timedelta(seconds=seconds))
    code = totp.code_of(RFC_SECRET, step)
    assert totp.matching_step(RFC_SECRET, code, NOW, after=0) == (step if good else None)


def test_no_code_is_good_at_or_before_the_step_used_last() -> None:
    step = totp.step_of(NOW)
    code = totp.code_of(RFC_SECRET, step)
    assert totp.matching_step(RFC_SECRET, code, NOW, after=step) is None
    assert totp.matching_step(RFC_SECRET, code, NOW, after=step - 1) == step


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "１２３４５６", "0000000"])
def test_what_is_no_code_is_no_match(code: str) -> None:
    assert totp.matching_step(RFC_SECRET, code, NOW, after=0) is None


def test_the_address_for_a_qr_code_holds_the_secret_and_who_it_is_for() -> None:
    address = urlsplit(totp.uri(RFC_SECRET, "张三 a&b", "nenghao"))
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["nenghao"],
    }
    assert totp.shown(RFC_SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert " " not in address.path


def test_secrets_are_long_and_differ() -> None:
    secrets = {totp.fresh_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(secret) for secret in secrets} == {20}
